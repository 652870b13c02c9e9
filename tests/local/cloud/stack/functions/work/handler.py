"""Does what its event says, so that a test can see each side of a function."""

import datetime
import os
import time

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from shared.text import shout

logger = Logger(service="work")
metrics = Metrics(namespace="Example", service="work")
dynamodb = boto3.client("dynamodb")


class Transient(Exception):
    """Goes away when tried again."""


def count(name):
    """Add one to a counter and return it."""
    updated = dynamodb.update_item(
        TableName=os.environ["TABLE"],
        Key={"id": {"S": name}},
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )
    return int(updated["Attributes"]["n"]["N"])


def rules(environment):
    """The deployed rules; asked twice, as a poller does."""
    client = boto3.client("appconfigdata")
    token = client.start_configuration_session(
        ApplicationIdentifier=os.environ["APPLICATION"],
        EnvironmentIdentifier=environment,
        ConfigurationProfileIdentifier=os.environ["RULES"],
    )["InitialConfigurationToken"]
    first = client.get_latest_configuration(ConfigurationToken=token)
    token = first["NextPollConfigurationToken"]
    second = client.get_latest_configuration(ConfigurationToken=token)
    return [answer["Configuration"].read().decode() for answer in (first, second)]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event, context):
    if "double" in event:
        return {"doubled": event["double"] * 2}
    if "token" in event:
        dynamodb.put_item(
            TableName=os.environ["TABLE"],
            Item={"id": {"S": event["id"]}, "token": {"S": event["token"]}},
        )
        return {"asked": True}
    match event["do"]:
        case "rules":
            return rules(event["environment"])
        case "environment":
            return dict(os.environ)
        case "shout":
            return shout(event["text"])
        case "log":
            logger.info(event["text"])
            print("printed")
        case "measure":
            metrics.add_metric(name="Measured", unit=MetricUnit.Count, value=event["value"])
        case "fail":
            raise ValueError('a "bad"\nthing')
        case "fail-twice":
            if count(event["id"]) < 3:
                raise Transient("again")
            return "done"
        case "sleep":
            time.sleep(event["seconds"])
        case "die":
            os._exit(3)
        case "count":
            return count(event["id"])
        case "forbidden":
            dynamodb.put_item(TableName=os.environ["OTHER"], Item={"id": {"S": "x"}})
        case "query":
            return dynamodb.query(
                TableName=os.environ["TABLE"],
                IndexName="by-owner",
                KeyConditionExpression="#o = :o",
                ExpressionAttributeNames={"#o": "owner"},
                ExpressionAttributeValues={":o": {"S": event["owner"]}},
            )["Count"]
        case "configuration":
            secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SECRET"])
            parameter = boto3.client("ssm").get_parameter(Name=os.environ["SETTING"])
            return [secret["SecretString"], parameter["Parameter"]["Value"]]
        case "identity":
            return boto3.client("sts").get_caller_identity()["Arn"]
        case "time":
            now = datetime.datetime.now(datetime.UTC)
            return {
                "time": time.time(),
                "datetime": now.timestamp(),
                "is_datetime": isinstance(now, datetime.datetime),
                "remaining": context.get_remaining_time_in_millis(),
            }
        case "import":
            __import__(event["module"])
    return None

"""Stores each message of a batch, and reports the poisoned ones as failures."""

import json
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    failures = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        detail = body.get("detail", body)
        if detail.get("poison"):
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        dynamodb.put_item(
            TableName=os.environ["TABLE"],
            Item={
                "id": {"S": f"consumed#{detail['id']}"},
                "owner": {"S": "consume"},
                "batch": {"N": str(len(event["Records"]))},
                "body": {"S": record["body"]},
            },
        )
    return {"batchItemFailures": failures}

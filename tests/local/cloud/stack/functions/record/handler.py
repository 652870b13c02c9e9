"""Stores the event it gets; fails if the event says so."""

import json
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    if event["detail"].get("fail"):
        raise RuntimeError("told to fail")
    dynamodb.put_item(
        TableName=os.environ["TABLE"],
        Item={"id": {"S": f"recorded#{event['detail']['id']}"}, "body": {"S": json.dumps(event)}},
    )

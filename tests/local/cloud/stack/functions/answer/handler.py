"""Answers a request of the API with its event, or with what the request's body says."""

import json
import time


def handler(event, context):
    asked = json.loads(event["body"] or "{}") if event["httpMethod"] == "PUT" else {}
    if "sleep" in asked:
        time.sleep(asked["sleep"])
    if "raise" in asked:
        raise ValueError(asked["raise"])
    return asked.get("answer", {"statusCode": 200, "body": json.dumps(event)})

"""What AWS puts around a sample; its identities are examples."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

REGION = "us-east-1"
ACCOUNT = "123456789012"
STATES = f"arn:aws:states:{REGION}:{ACCOUNT}"


def delivered(event: dict[str, Any], event_id: str) -> dict[str, Any]:
    """An event as EventBridge delivers it."""
    return event | {"id": event_id, "account": ACCOUNT, "region": REGION}


def failure(error: str, message: str) -> dict[str, str]:
    """A function's error as a state machine sees it."""
    return {"Error": error, "Cause": json.dumps({"errorMessage": message, "errorType": error})}


def message(queue: str, content: dict[str, Any], sent_at: datetime) -> dict[str, Any]:
    """A batch of one message, as SQS gives it to a function.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    body = json.dumps(content)
    sent = f"{sent_at.timestamp() * 1000:.0f}"
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": sent,
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": sent,
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
        "awsRegion": REGION,
    }
    return {"Records": [record]}


def request(
    method: str,
    resource: str,
    *,
    parameters: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    body: Any = None,
    person: str | None = "support-lead@interlock.example",
    role: str = "interlock-approver",
) -> dict[str, Any]:
    """A request as API Gateway gives it to a function, of a person who signed it or of nobody.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}"
    return {
        "resource": resource,
        "path": resource.format(**parameters or {}),
        "httpMethod": method,
        "headers": {"Content-Type": "application/json"},
        "queryStringParameters": query,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "httpMethod": method,
            "resourcePath": resource,
            "stage": "v1",
            "identity": {"userArn": f"{session}/{person}" if person else None},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def plain(value: Any) -> Any:
    """JSON values alone."""
    return TypeAdapter(Any).dump_python(value, mode="json")

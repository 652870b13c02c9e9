"""What a local stack should have nothing left of: open exceptions, and messages set aside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from local.environment import LocalEnvironment

DEAD_LETTERS = (
    *("SalesforceInboxDlq", "StripeInboxDlq", "StartQueueDlq", "TimelineQueueDlq"),
    *("WakeQueueDlq", "MilestoneDlq"),
)


def runs(environment: LocalEnvironment, machine: str) -> list[dict[str, Any]]:
    """Every run of a state machine, by its logical id, as Step Functions lists it."""
    pages = environment.cloud.client("stepfunctions").get_paginator("list_executions")
    arn = environment.cloud.resources[machine]
    return [run for page in pages.paginate(stateMachineArn=arn) for run in page["executions"]]


def open_exceptions(environment: LocalEnvironment) -> Iterator[str]:
    """What waits for a team."""
    table = environment.cloud.resources["ExceptionsTable"]
    pages = environment.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    for row in (row for page in pages for row in page["Items"]):
        exception = json.loads(row["content"]["S"])
        if exception["status"] == "open":
            yield f"exception {exception['id']}: {exception['step']}: {exception['message']}"


def set_aside(environment: LocalEnvironment) -> Iterator[str]:
    """What no consumer could handle."""
    sqs, name = environment.cloud.client("sqs"), "ApproximateNumberOfMessages"
    for queue in DEAD_LETTERS:
        url = environment.cloud.resources[queue]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        if count := int(answer["Attributes"][name]):
            yield f"{queue}: {count} messages were set aside"

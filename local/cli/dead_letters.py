"""`interlock dead-letters`: what could not be handled, with its reason, and what came again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from boto3.dynamodb.conditions import Key
from rich.console import Console

from local.cli.output import (
    console,
    duration,
    facts,
    json_option,
    print_json,
    section,
    shortened,
    table,
)
from local.cli.target import Target, pass_target

# A message that was read is hidden from other readers for so long at most, should we crash.
HIDDEN_SECONDS = 60
BATCH = 10
PREVIEW_LENGTH = 120


@click.command("dead-letters")
@click.option("--body", is_flag=True, help="Print each message's whole body.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True,
    help="Messages of each queue.",
)  # fmt: skip
@json_option
@pass_target
def dead_letters(target: Target, body: bool, limit: int, as_json: bool) -> None:
    """List the messages of every dead-letter queue, and the repeated deliveries.

    A dead letter is kept for 14 days: correct what its reason says, then redrive the queue in the
    SQS console (or `aws sqs start-message-move-task`), or send the event again.

    Nothing is consumed: each message is received, shown, and made visible again at once; only its
    receive count goes up, which no dead-letter queue looks at.
    """
    letters = read(target, limit)
    repeated = repeated_deliveries(target)
    if as_json:
        print_json({"dead_letters": letters, "repeated_deliveries": repeated})
        return
    _print(letters, repeated, with_body=body)


def read(target: Target, limit: int) -> list[dict[str, Any]]:
    """The messages of every dead-letter queue, at most `limit` of each."""
    sqs = target.client("sqs")
    return [
        _letter(queue, sources, message)
        for queue, sources in dead_letter_queues(target).items()
        for message in _messages(sqs, target.id(queue), limit)
    ]


def dead_letter_queues(target: Target) -> dict[str, list[tuple[str, int]]]:
    """The dead-letter queues of the stack's queues by logical id.

    Each with the queues that move messages to it, and after how many attempts they do.
    """
    sqs = target.client("sqs")
    by_arn: dict[str, str] = {}
    policies: dict[str, dict[str, Any]] = {}
    for queue in target.of_type("AWS::SQS::Queue"):
        attributes = sqs.get_queue_attributes(
            QueueUrl=queue.physical_id, AttributeNames=["QueueArn", "RedrivePolicy"]
        )["Attributes"]
        by_arn[attributes["QueueArn"]] = queue.logical_id
        if "RedrivePolicy" in attributes:
            policies[queue.logical_id] = json.loads(attributes["RedrivePolicy"])
    found: dict[str, list[tuple[str, int]]] = {}
    for source, policy in policies.items():
        dead = by_arn.get(policy["deadLetterTargetArn"])
        if dead:
            found.setdefault(dead, []).append((source, int(policy["maxReceiveCount"])))
    return found


def repeated_deliveries(target: Target) -> list[dict[str, Any]]:
    """The deliveries that came more than once, and how often they came again."""
    pages = target.dynamodb.get_paginator("query").paginate(
        TableName=target.id("DeliveriesTable"),
        IndexName="by_repeated",
        KeyConditionExpression=Key("repeated").eq("yes"),
    )
    rows = [row for page in pages for row in page["Items"]]
    return [
        {"delivery": json.loads(row["data"])["key"], "repetitions": int(row["repetitions"])}
        for row in rows
    ]


def _messages(sqs: Any, url: str, limit: int) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    with _returned(sqs, url) as received:
        while len(found) < limit:
            messages = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=HIDDEN_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not messages:
                break
            received += messages
            found |= {message["MessageId"]: message for message in messages}
    return list(found.values())[:limit]


@contextmanager
def _returned(sqs: Any, url: str) -> Iterator[list[dict[str, Any]]]:
    """Whatever is received in the block is visible again after it."""
    received: list[dict[str, Any]] = []
    try:
        yield received
    finally:
        for start in range(0, len(received), BATCH):
            sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": message["ReceiptHandle"],
                        "VisibilityTimeout": 0,
                    }
                    for number, message in enumerate(received[start : start + BATCH])
                ],
            )


def _letter(queue: str, sources: list[tuple[str, int]], message: dict[str, Any]) -> dict[str, Any]:
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return {
        "queue": queue,
        "message_id": message["MessageId"],
        "sent": sent,
        "reason": _reason(message, sources),
        "event": event_of(message["Body"]),
        "body": message["Body"],
    }


def _reason(message: dict[str, Any], sources: list[tuple[str, int]]) -> str:
    """What its attributes say; SQS adds none when it moves a message that kept failing.

    The message's own receive count would grow with each look at it: the source's limit is what it
    failed at.
    """
    attributes = message.get("MessageAttributes", {})
    told = [
        attributes[name]["StringValue"]
        for name in ("ERROR_CODE", "ERROR_MESSAGE")
        if name in attributes
    ]
    if told:
        return ": ".join(told)
    where = " or ".join(f"{times} times in {source}" for source, times in sources)
    return f"received {where} and never handled: see the function's log"


def event_of(body: str) -> str:
    """The type and id of the event in a message; the start of a message that holds none."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return shortened(body, PREVIEW_LENGTH)
    # A workflow's start holds its event; EventBridge's envelope of our own holds one as detail.
    for inner in (content.get("event"), content.get("detail"), content):
        if isinstance(inner, dict) and isinstance(inner.get("id"), str):
            kind = inner.get("type") or inner.get("detail-type") or "event"
            return f"{kind} {inner['id']}"
    return shortened(body, PREVIEW_LENGTH)


def _print(
    letters: list[dict[str, Any]], repeated: list[dict[str, Any]], *, with_body: bool
) -> None:
    out = console()
    if not letters:
        out.print("There are no dead letters.")
    for letter in letters:
        _print_letter(out, letter, with_body=with_body)
    if repeated:
        printed = table("Delivery", "Repetitions", right=["Repetitions"])
        for each in repeated:
            printed.add_row(each["delivery"], str(each["repetitions"]))
        section(out, "Repeated deliveries: nothing was done for these again", printed)


def _print_letter(out: Console, letter: dict[str, Any], *, with_body: bool) -> None:
    age = duration((datetime.now(UTC) - letter["sent"]).total_seconds())
    told = facts()
    told.add_row("event", letter["event"])
    told.add_row("reason", letter["reason"])
    section(out, f"{letter['queue']}, {age} ago", told)
    if with_body:
        out.print(letter["body"], soft_wrap=True)

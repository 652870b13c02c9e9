"""Consuming a queue: a message is done, tried again, or set aside with its reason.

A message that can never succeed is sent to the queue's own dead-letter queue at once, with the
reason in its attributes; it neither loops nor is lost. Any other failure is reported to SQS as a
batch item failure, which makes the message visible again and moves it to the same dead-letter
queue after the queue's `maxReceiveCount`.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from interlock import aws
from interlock.errors import ContractViolation
from interlock.settings import Settings
from interlock.telemetry import logger, metrics

# What fits a state machine's input; Step Functions refuses more.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_BYTES = 262_144
# What SQS refuses in a message or an attribute.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_UNSENDABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class InboxSettings(Settings):
    """The queue that takes what can never succeed: its URL."""

    dead_letter_queue: str


def consume(
    event: dict[str, Any], context: Any, handle: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Give each message's JSON to `handle`; a ContractViolation sets that message aside."""

    def one(record: SQSRecord) -> None:
        try:
            handle(_content(record))
        except ContractViolation as error:
            _set_aside(record, error)

    return process_partial_response(
        event=event,
        record_handler=one,
        # A batch in which all fail is reported as such, not raised: each keeps its own retries.
        processor=BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
        context=context,
    )


def _content(record: SQSRecord) -> dict[str, Any]:
    size = len(record.body.encode())
    if size > MAX_BYTES:
        raise ContractViolation(f"oversized: {size} bytes, at most {MAX_BYTES} are taken")
    try:
        content = json.loads(record.body)
    except (ValueError, RecursionError):
        raise ContractViolation("malformed: not JSON") from None
    if not isinstance(content, dict):
        raise ContractViolation("malformed: not a JSON object")
    return content


def _set_aside(record: SQSRecord, error: ContractViolation) -> None:
    reason = _UNSENDABLE.sub("\N{REPLACEMENT CHARACTER}", error.message[:1000])
    attributes = {"ERROR_CODE": type(error).__name__, "ERROR_MESSAGE": reason}
    aws.client("sqs").send_message(
        QueueUrl=InboxSettings.load().dead_letter_queue,
        MessageBody=record.body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )
    metrics.add_metric(name="MessageSetAside", unit=MetricUnit.Count, value=1)
    logger.warning(
        "message set aside", extra={"message_id": record.message_id, "reason": error.message}
    )

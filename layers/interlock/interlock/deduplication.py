"""A delivery is handled once, its repetitions are counted (EVT-3).

At-least-once is what every source gives: the same event may arrive five times at once, and again
next week. Powertools keeps the key of each delivery in DynamoDB; a repetition changes nothing but
its own count, which `interlock dead-letters` shows.
https://docs.powertools.aws.dev/lambda/python/latest/utilities/idempotency/
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from interlock import aws
from interlock.events import Event
from interlock.settings import Settings
from interlock.telemetry import logger, metrics

KEPT_SECONDS = 30 * 24 * 3600


class DeduplicationSettings(Settings):
    """The table of deliveries."""

    deliveries_table: str


def publish_once(
    key: str, events: tuple[Event, ...], publish: Callable[..., None], context: Any
) -> None:
    """Publish the events of the delivery with this key, unless an earlier one did.

    `context` is the Lambda context: a delivery whose function died is free again once that
    function's time is over. Raises Powertools' IdempotencyAlreadyInProgressError while another
    process handles the same delivery; the queue brings the message back.
    """
    config = IdempotencyConfig(
        event_key_jmespath="key",
        expires_after_seconds=KEPT_SECONDS,
        response_hook=_count_repetition,
        lambda_context=context,
    )

    @idempotent_function(
        data_keyword_argument="delivery",
        persistence_store=_deliveries(),
        config=config,
        key_prefix="delivery",
    )
    def deliver(*, delivery: dict[str, str]) -> dict[str, Any]:
        publish(*events)
        return {"key": key, "published": [event.id for event in events]}

    deliver(delivery={"key": key})


@cache
def _deliveries() -> DynamoDBPersistenceLayer:
    return DynamoDBPersistenceLayer(
        table_name=DeduplicationSettings.load().deliveries_table,
        boto3_client=aws.client("dynamodb"),
    )


def _count_repetition(response: dict[str, Any], record: Any) -> dict[str, Any]:
    """`repeated` exists on repeated deliveries alone, and so does their entry in its index."""
    aws.client("dynamodb").update_item(
        TableName=DeduplicationSettings.load().deliveries_table,
        Key={"id": {"S": record.idempotency_key}},
        UpdateExpression="SET repeated = :yes ADD repetitions :one",
        ExpressionAttributeValues={":yes": {"S": "yes"}, ":one": {"N": "1"}},
    )
    metrics.add_metric(name="EventRepeated", unit=MetricUnit.Count, value=1)
    logger.info("repeated delivery", extra={"delivery": response["key"]})
    return response

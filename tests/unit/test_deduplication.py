"""A delivery is handled once, its repetitions are counted; Powertools on moto's DynamoDB."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
)
from interlock import aws
from interlock.deduplication import publish_once
from interlock.errors import OutcomeUnknown
from interlock.events import Event

from tests.unit.conftest import Cloud, forget
from tests.unit.fake_vendor import Crash
from tests.unit.test_events import event

KEY = "salesforce:tx-1"


@pytest.fixture
def table(cloud: Cloud, environment: Any) -> str:
    """The table of deliveries."""
    name = cloud.table("DeliveriesTable")
    environment(DELIVERIES_TABLE=name)
    forget()
    return name


def rows(table: str) -> list[dict[str, Any]]:
    """All deliveries."""
    return aws.dynamodb().scan(TableName=table)["Items"]


def test_a_delivery_is_published_once_and_its_repetitions_counted(table: str, context: Any) -> None:
    published: list[Event] = []

    for _ in range(4):
        publish_once(KEY, (event(),), published.append, context)

    assert published == [event()]
    [row] = rows(table)
    assert (row["repetitions"], row["repeated"]) == (3, "yes")


def test_a_delivery_that_came_once_is_not_among_the_repeated(table: str, context: Any) -> None:
    publish_once(KEY, (event(),), lambda *events: None, context)

    [row] = rows(table)

    assert "repeated" not in row
    assert row["expiration"] > 30 * 24 * 3600


def test_another_delivery_is_another(table: str, context: Any) -> None:
    published: list[Event] = []

    publish_once(KEY, (event(1),), published.append, context)
    publish_once("salesforce:tx-2", (event(2),), published.append, context)

    assert published == [event(1), event(2)]


def test_a_delivery_with_several_events(table: str, context: Any) -> None:
    published: list[tuple[Event, ...]] = []

    publish_once(KEY, (event(1), event(2)), lambda *told: published.append(told), context)

    assert published == [(event(1), event(2))]


def test_while_one_handles_it_another_must_wait(table: str, context: Any) -> None:
    def publish(*events: Event) -> None:
        with pytest.raises(IdempotencyAlreadyInProgressError):
            publish_once(KEY, events, lambda *told: pytest.fail("twice"), context)

    publish_once(KEY, (event(),), publish, context)

    assert [row.get("repetitions") for row in rows(table)] == [None]


def test_a_delivery_that_failed_is_free_again(table: str, context: Any) -> None:
    published: list[Event] = []

    def fail(*events: Event) -> None:
        raise OutcomeUnknown("the bus did not take it")

    with pytest.raises(OutcomeUnknown):
        publish_once(KEY, (event(),), fail, context)
    publish_once(KEY, (event(),), published.append, context)

    assert published == [event()]


def test_a_delivery_whose_function_died_is_free_after_the_functions_time(table: str) -> None:
    published: list[Event] = []
    # Half a second was left when it began; it died with it.
    dying = SimpleNamespace(get_remaining_time_in_millis=lambda: 500)
    later = SimpleNamespace(get_remaining_time_in_millis=lambda: 30_000)

    def die(*events: Event) -> None:
        raise Crash

    with pytest.raises(Crash):
        publish_once(KEY, (event(),), die, dying)
    with pytest.raises(IdempotencyAlreadyInProgressError):
        publish_once(KEY, (event(),), published.append, later)
    _wind_back(table, milliseconds=600)
    publish_once(KEY, (event(),), published.append, later)

    assert published == [event()]


def _wind_back(table: str, *, milliseconds: int) -> None:
    """As if that time had passed since the delivery began."""
    [row] = rows(table)
    aws.dynamodb().update_item(
        TableName=table,
        Key={"id": row["id"]},
        UpdateExpression="ADD in_progress_expiration :passed",
        ExpressionAttributeValues={":passed": -milliseconds},
    )

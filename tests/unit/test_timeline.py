"""The business timeline."""

from __future__ import annotations

from datetime import timedelta

from interlock import aws
from interlock.timeline import Timeline

from tests.unit.conftest import Cloud
from tests.unit.test_events import event


def test_a_transactions_events_in_order(cloud: Cloud) -> None:
    timeline = Timeline(cloud.table("TimelineTable"), aws.dynamodb())
    won = event(1)
    moments = [timedelta(seconds=2), timedelta(), timedelta(microseconds=1), timedelta(seconds=1)]
    told = [
        won.model_copy(update={"id": str(after), "occurred_at": won.occurred_at + after})
        for after in moments
    ]
    for entry in told:
        timeline.record(entry)
    timeline.record(event(2))

    assert timeline.of("T1") == tuple(sorted(told, key=lambda entry: entry.occurred_at))


def test_the_same_event_again_changes_nothing(cloud: Cloud) -> None:
    timeline = Timeline(cloud.table("TimelineTable"), aws.dynamodb())

    timeline.record(event())
    timeline.record(event())

    assert timeline.of("T1") == (event(),)


def test_a_long_timeline_is_told_whole(cloud: Cloud) -> None:
    """DynamoDB answers a megabyte at a time."""
    timeline = Timeline(cloud.table("TimelineTable"), aws.dynamodb())
    for number in range(12):
        timeline.record(event(data={"text": "x" * 100_000}, id=f"event-{number:02}"))

    assert len(timeline.of("T1")) == 12


def test_an_event_that_was_told_at_two_times_is_there_once(cloud: Cloud) -> None:
    """A step that ran again tells the same event, with the time at which it ran again."""
    timeline = Timeline(cloud.table("TimelineTable"), aws.dynamodb())
    first = event()

    timeline.record(first)
    timeline.record(first.model_copy(update={"occurred_at": first.occurred_at + timedelta(1)}))

    assert timeline.of("T1") == (first,)


def test_what_was_told_about_a_record_in_every_transaction(cloud: Cloud) -> None:
    timeline = Timeline(cloud.table("TimelineTable"), aws.dynamodb())
    first, other = event(1), event(2, subject="salesforce:006000000000002AAA")
    later = event(3, occurred_at=first.occurred_at + timedelta(1))
    for entry in (later, first, other):
        timeline.record(entry)

    assert timeline.of_subject(first.subject) == (first, later)
    assert timeline.of_subject("salesforce:006000000000003AAA") == ()

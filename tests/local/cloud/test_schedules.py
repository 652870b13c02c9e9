"""Scheduled rules in virtual time: they are due, and deliver as other rules do."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from local.cloud import LocalCloud
from tests.local.cloud.conftest import STACK, Stack

QUARTER = 900


@pytest.fixture(scope="module")
def scheduled() -> Iterator[Stack]:
    """The small stack with its schedules enabled."""
    with LocalCloud(STACK, {"Schedules": "ENABLED"}, virtual_time=True) as cloud:
        yield Stack(cloud)


def test_a_rate_is_due_at_every_period_with_the_event_that_aws_sends(scheduled):
    started = scheduled.now()
    scheduled.until(lambda: scheduled.depth("Transformed") == 3)
    assert 2 * QUARTER < scheduled.now() - started < 3 * QUARTER + 5
    events = [json.loads(message["Body"]) for message in scheduled.receive("Transformed")]
    for event in events:
        assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
        assert event["detail"] == {}
        [rule] = event["resources"]
        assert "EveryQuarter" in rule
    times = sorted(datetime.fromisoformat(event["time"]) for event in events)
    assert [(later - sooner).total_seconds() for sooner, later in pairwise(times)] == [QUARTER] * 2
    assert len({event["id"] for event in events}) == 3


def test_a_function_is_called_at_its_hour_with_its_input(scheduled):
    scheduled.until(lambda: scheduled.item("recorded#daily"))
    now = scheduled.cloud.clock.utc()
    assert (now.hour, now.minute) == (4, 30)
    assert json.loads(scheduled.item("recorded#daily")["body"]["S"]) == {"detail": {"id": "daily"}}

"""Scheduled rules in virtual time: they are due, and deliver as other rules do."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.local.cloud.conftest import Stack

QUARTER = 900


@pytest.fixture
def enabled(stack: Stack) -> Callable[[str], AbstractContextManager[None]]:
    """Enables a rule of the stack for a while."""

    @contextmanager
    def enabled(logical_id: str) -> Iterator[None]:
        events = stack.client("events")
        [name] = [r["Name"] for r in events.list_rules()["Rules"] if logical_id in r["Name"]]
        events.enable_rule(Name=name)
        yield
        events.disable_rule(Name=name)

    return enabled


def test_a_rate_is_due_at_every_period_with_the_event_that_aws_sends(stack, enabled):
    started = stack.now()
    with enabled("EveryQuarter"):
        stack.until(lambda: stack.depth("Transformed") == 3)
    assert 3 * QUARTER <= stack.now() - started < 3 * QUARTER + 5
    events = [json.loads(message["Body"]) for message in stack.receive("Transformed")]
    for event in events:
        assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
        assert event["detail"] == {}
        [rule] = event["resources"]
        assert "EveryQuarter" in rule
    times = sorted(datetime.fromisoformat(event["time"]) for event in events)
    assert [later - sooner for sooner, later in pairwise(times)] == [timedelta(seconds=QUARTER)] * 2
    assert len({event["id"] for event in events}) == 3


def test_a_function_is_called_at_its_hour_with_its_input(stack, enabled):
    with enabled("Daily"):
        stack.until(lambda: stack.item("recorded#daily"))
    now = stack.cloud.clock.utc()
    assert (now.hour, now.minute) == (4, 30)
    assert json.loads(stack.item("recorded#daily")["body"]["S"]) == {"detail": {"id": "daily"}}


def test_a_disabled_schedule_is_silent_and_time_does_not_jump_to_it(stack, enabled):
    clock = stack.cloud.clock
    stack.until(lambda: clock.next_deadline() is None, jump=False)
    with enabled("EveryQuarter"):
        stack.until(clock.next_deadline, jump=False)
        clock.advance(QUARTER / 2)
    stack.until(lambda: clock.next_deadline() is None, jump=False)
    clock.advance(10 * QUARTER)
    with enabled("EveryQuarter"):
        stack.until(clock.next_deadline, jump=False)
        assert clock.next_deadline() - stack.now() > QUARTER / 2
    assert stack.depth("Transformed") == 0

"""One-time schedules in virtual time: they put their event on the bus, once, under their role."""

import json
import threading
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from local.cloud.names import ACCOUNT, REGION
from tests.local.cloud.conftest import Stack

MONTHS = timedelta(days=200).total_seconds()


class Planner:
    """Makes schedules as a function of the stack would: with the permissions of its role."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._client = stack.cloud.client_of_role("scheduler", self.role("PlanRole"))
        self.group = stack.physical("Reminders")

    def role(self, logical_id: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{self._stack.physical(logical_id)}"

    def create(self, name: str, seconds: float, **values: object) -> None:
        self._client.create_schedule(**self._described(name, seconds, values))

    def update(self, name: str, seconds: float, **values: object) -> None:
        self._client.update_schedule(**self._described(name, seconds, values))

    def delete(self, name: str) -> None:
        self._client.delete_schedule(GroupName=self.group, Name=name)

    def names(self) -> set[str]:
        schedules = self._stack.client("scheduler").list_schedules()["Schedules"]
        return {schedule["Name"] for schedule in schedules}

    def _described(self, name: str, seconds: float, values: dict[str, object]) -> dict[str, object]:
        at = self._stack.cloud.clock.utc() + timedelta(seconds=seconds)
        target = {
            "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{self._stack.physical('Bus')}",
            "RoleArn": self.role("RemindRole"),
            "EventBridgeParameters": {"Source": "example.orders", "DetailType": "Reminder"},
            "Input": json.dumps({"id": name}),
            "RetryPolicy": {"MaximumRetryAttempts": 2},
            "DeadLetterConfig": {
                "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self._queue('DeadLetters')}"
            },
        }
        described = {
            "Name": name,
            "GroupName": self.group,
            "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
        }
        changed = {key: values.pop(key) for key in ("State", *described) if key in values}
        return described | changed | {"Target": target | values}

    def _queue(self, logical_id: str) -> str:
        return self._stack.physical(logical_id).split("/")[-1]


@pytest.fixture
def planner(stack: Stack) -> Planner:
    return Planner(stack)


def reminded(stack: Stack, name: str) -> dict | None:
    """The event of a schedule, as the consumer behind the bus's rule and its queue got it."""
    item = stack.item(f"consumed#{name}")
    return json.loads(item["body"]["S"]) if item else None


def test_a_schedule_puts_its_event_on_the_bus_and_is_deleted(stack, planner):
    started = stack.now()
    planner.create("one", 3600)
    assert planner.names() == {"one"}

    stack.until(lambda: reminded(stack, "one"))

    event = reminded(stack, "one")
    assert (event["source"], event["detail-type"]) == ("example.orders", "Reminder")
    assert event["detail"] == {"id": "one"}
    assert event["resources"] == [
        f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/{planner.group}/one"
    ]
    assert 3598 <= stack.now() - started < 3610
    assert planner.names() == set()


def test_many_wait_for_months_in_one_thread_and_each_is_told_in_its_time(stack, planner):
    before = threading.active_count()
    for number in range(30):
        planner.create(f"many-{number}", MONTHS + 3600 * (number % 2))
    assert threading.active_count() <= before + 1
    first = {f"many-{number}" for number in range(0, 30, 2)}

    stack.cloud.clock.advance(MONTHS - 60)
    stack.until(lambda: all(reminded(stack, name) for name in first))
    assert len(planner.names() - first) == 15
    stack.until(lambda: all(reminded(stack, f"many-{number}") for number in range(30)))

    assert planner.names() == set()


def test_a_schedule_that_is_moved_or_deleted_is_not_told_at_its_first_time(stack, planner):
    planner.create("moved", 60)
    planner.create("deleted", 60)
    planner.create("disabled", 60, State="DISABLED")
    planner.update("moved", 7200)
    planner.delete("deleted")

    stack.cloud.clock.advance(3600)
    planner.create("later", 60)
    stack.until(lambda: reminded(stack, "later"))
    assert reminded(stack, "moved") is None
    stack.until(lambda: reminded(stack, "moved"))

    assert reminded(stack, "deleted") is None
    planner.delete("disabled")


def test_one_that_stays_is_told_once(stack, planner):
    planner.create("stays", 60, ActionAfterCompletion="NONE")
    stack.until(lambda: reminded(stack, "stays"))
    told = reminded(stack, "stays")

    stack.cloud.clock.advance(3600)
    planner.create("after", 60)
    stack.until(lambda: reminded(stack, "after"))

    assert reminded(stack, "stays") == told
    assert planner.names() == {"stays"}
    planner.delete("stays")


def test_what_its_role_may_not_do_is_a_dead_letter(stack, planner):
    """The role may not put events on another bus; it may leave the letter."""
    other = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    planner.create("forbidden", 60, Arn=other)

    stack.until(lambda: stack.depth("DeadLetters"))

    [letter] = stack.receive("DeadLetters")
    assert json.loads(letter["Body"]) == {"id": "forbidden"}
    told = {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()}
    assert told["ERROR_CODE"] == "AccessDeniedException"
    assert told["SCHEDULE_ARN"].endswith(f"{planner.group}/forbidden")
    assert planner.names() == set()


def test_a_role_makes_schedules_of_its_group_alone_and_passes_them_their_own_role(stack, planner):
    with pytest.raises(ClientError, match="iam:PassRole"):
        planner.create("another-role", 60, RoleArn=planner.role("PlanRole"))
    planner.group = "default"
    with pytest.raises(ClientError, match="scheduler:CreateSchedule"):
        planner.create("another-group", 60)
    with pytest.raises(ClientError, match="scheduler:DeleteSchedule"):
        planner.delete("another-group")


def test_a_group_that_is_not_there_is_named(stack):
    scheduler = stack.client("scheduler")
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException, match="lost"):
        scheduler.create_schedule(
            Name="s",
            GroupName="lost",
            ScheduleExpression="at(2030-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/b", "RoleArn": role},
        )

"""The schedules of milestones, as EventBridge Scheduler has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from interlock import aws, schedules
from interlock.canonical.contracts import ContractStatus
from interlock.errors import (
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordNotFound,
    VendorRejected,
    VendorThrottled,
)
from interlock.events import Event
from interlock.rules.milestones import MILESTONES, milestones
from interlock.schedules import Schedules, ScheduleSettings, milestone_event, upcoming

from tests.unit.conftest import Clock, Cloud
from tests.unit.contract_samples import CONTRACT, ENDS, contract

SETTINGS = ScheduleSettings(
    milestone_schedules="interlock-milestones",
    milestone_role="arn:aws:iam::123456789012:role/milestones",
    milestone_dlq="arn:aws:sqs:eu-central-1:123456789012:milestones-dlq",
    integration_bus_arn="arn:aws:events:eu-central-1:123456789012:event-bus/integration",
)
FIRST = dict(milestones(contract()))[120]


@pytest.fixture
def scheduler(cloud: Cloud) -> Any:
    """EventBridge Scheduler with the group."""
    client = aws.client("scheduler")
    client.create_schedule_group(Name=SETTINGS.milestone_schedules)
    return client


@pytest.fixture
def planner(scheduler: Any, clock: Clock) -> Schedules:
    """On a day long before the first milestone."""
    clock.now = (FIRST - timedelta(days=200)).timestamp()
    return Schedules(SETTINGS, clock, scheduler)


def planned(scheduler: Any) -> dict[int, dict[str, Any]]:
    """The schedules there are, by the days of their milestones."""
    found = [
        scheduler.get_schedule(GroupName=SETTINGS.milestone_schedules, Name=each["Name"])
        for each in scheduler.list_schedules()["Schedules"]
    ]
    return {json.loads(each["Target"]["Input"])["data"]["days"]: each for each in found}


def times(scheduler: Any) -> dict[int, str]:
    """When they are due."""
    return {days: each["ScheduleExpression"] for days, each in planned(scheduler).items()}


# ---- What is to be told when


def test_each_milestone_is_ahead() -> None:
    assert upcoming(contract(), FIRST - timedelta(days=1)) == dict(milestones(contract()))


@pytest.mark.parametrize(
    ("days_left", "told"),
    [(121, None), (120, None), (119, 120), (100, 120), (89, 90), (45, 60), (1, 30), (-3, 30)],
)
def test_of_those_that_are_reached_the_last_one_is_told_at_once(
    days_left: int, told: int | None
) -> None:
    now = datetime.combine(ENDS - timedelta(days=days_left), datetime.min.time(), tzinfo=UTC)

    found = upcoming(contract(), now)

    ahead = {days: at for days, at in milestones(contract()) if at > now}
    soon = {} if told is None else {told: now + timedelta(minutes=1)}
    assert found == soon | ahead
    assert list(found) == sorted(found, reverse=True)


@pytest.mark.parametrize("status", [ContractStatus.ENDING, ContractStatus.ENDED])
def test_a_contract_that_will_not_be_renewed_has_none(status: ContractStatus) -> None:
    assert upcoming(contract(status=status), FIRST - timedelta(days=1)) == {}


def test_a_milestone_is_the_same_event_whoever_tells_of_it() -> None:
    event = milestone_event(contract(), 90)

    assert (event.type, event.subject) == ("renewal.due", CONTRACT)
    assert event.occurred_at == dict(milestones(contract()))[90]
    assert event.data == {"ends_on": ENDS.isoformat(), "days": 90}


# ---- The schedules


def test_a_schedule_puts_the_event_on_the_bus_under_its_own_role(
    planner: Schedules, scheduler: Any
) -> None:
    assert planner.plan(contract()) == MILESTONES

    found = planned(scheduler)
    assert sorted(found, reverse=True) == list(MILESTONES)
    first = found[120]
    assert first["ScheduleExpression"] == f"at({FIRST:%Y-%m-%dT%H:%M:%S})"
    assert first["ScheduleExpressionTimezone"] == "UTC"
    assert first["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert first["ActionAfterCompletion"] == "DELETE"
    assert CONTRACT in first["Description"]
    target = first["Target"]
    event = Event.model_validate_json(target.pop("Input"))
    assert event == milestone_event(contract(), 120)
    assert target == {
        "Arn": SETTINGS.integration_bus_arn,
        "RoleArn": SETTINGS.milestone_role,
        "EventBridgeParameters": {"Source": "interlock", "DetailType": "renewal.due"},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185},
        "DeadLetterConfig": {"Arn": SETTINGS.milestone_dlq},
    }


def test_planning_again_changes_nothing(planner: Schedules, scheduler: Any) -> None:
    planner.plan(contract())
    before = times(scheduler)

    planner.plan(contract())

    assert times(scheduler) == before
    assert len(scheduler.list_schedules()["Schedules"]) == len(MILESTONES)


def test_a_renewed_contract_moves_its_schedules(planner: Schedules, scheduler: Any) -> None:
    planner.plan(contract())
    names = {each["Name"] for each in planned(scheduler).values()}
    renewed = contract(ends_on=ENDS.replace(year=ENDS.year + 1))

    assert planner.plan(renewed) == MILESTONES

    assert {each["Name"] for each in planned(scheduler).values()} == names
    assert times(scheduler) == {
        days: f"at({at:%Y-%m-%dT%H:%M:%S})" for days, at in milestones(renewed)
    }


def test_what_is_reached_by_now_is_told_in_a_minute_and_nothing_before_it(
    planner: Schedules, scheduler: Any, clock: Clock
) -> None:
    """A contract that ends sooner than it did, or was signed for a short time."""
    planner.plan(contract())
    now = datetime(2027, 10, 1, 12, 0, 30, tzinfo=UTC)
    clock.now = now.timestamp()

    assert planner.plan(contract()) == (90, 60, 30)

    assert times(scheduler)[90] == "at(2027-10-01T12:01:30)"
    assert 120 not in times(scheduler)


def test_a_contract_that_ends_for_good_has_no_schedules(planner: Schedules, scheduler: Any) -> None:
    planner.plan(contract())
    planner.plan(contract(id="salesforce:006Other"))

    assert planner.plan(contract(status=ContractStatus.ENDED)) == ()
    assert planner.plan(contract(status=ContractStatus.ENDED)) == ()

    assert {
        json.loads(each["Target"]["Input"])["subject"] for each in planned(scheduler).values()
    } == {"salesforce:006Other"}


def test_names_are_short_and_tell_contracts_and_milestones_apart() -> None:
    ids = ["salesforce:" + "x" * 189, CONTRACT]
    names = {schedules._name(id, days) for id in ids for days in MILESTONES}

    assert len(names) == len(ids) * len(MILESTONES)
    assert all(len(name) <= 64 and name.replace("-", "").isalnum() for name in names)


# ---- What may fail


class Refusing:
    """EventBridge Scheduler, which refuses one operation."""

    def __init__(self, client: Any, operation: str, code: str) -> None:
        self._client = client
        self._refused = operation
        self._code = code
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        if name != self._refused:
            return getattr(self._client, name)

        def refuse(**options: Any) -> None:
            kind = getattr(self.exceptions, self._code, ClientError)
            raise kind({"Error": {"Code": self._code, "Message": "arn:aws:secret"}}, name)

        return refuse


REFUSALS = [
    ("create_schedule", "ResourceNotFoundException", RecordNotFound, "group of the schedules"),
    ("create_schedule", "AccessDeniedException", CredentialsRejected, "function's role"),
    ("create_schedule", "ValidationException", VendorRejected, "role, bus or dead-letter queue"),
    ("create_schedule", "ServiceQuotaExceededException", VendorRejected, "as many schedules"),
    ("create_schedule", "ThrottlingException", VendorThrottled, "too many requests"),
    ("create_schedule", "InternalServerException", OutcomeUnknown, "did not answer"),
    ("update_schedule", "ResourceNotFoundException", OutcomeUnknown, "told in this moment"),
    ("update_schedule", "ValidationException", VendorRejected, "role, bus or dead-letter queue"),
    ("update_schedule", "ConflictException", OutcomeUnknown, "did not answer"),
    ("delete_schedule", "AccessDeniedException", CredentialsRejected, "function's role"),
]


@pytest.mark.parametrize(("operation", "code", "kind", "told"), REFUSALS)
def test_a_refusal_says_what_to_do(
    planner: Schedules,
    scheduler: Any,
    operation: str,
    code: str,
    kind: type[InterlockError],
    told: str,
) -> None:
    if operation != "create_schedule":
        planner.plan(contract())
    refused = Schedules(SETTINGS, planner.clock, Refusing(scheduler, operation, code))
    ended = ContractStatus.ENDED if operation == "delete_schedule" else ContractStatus.ACTIVE

    with pytest.raises(kind, match=told) as raised:
        refused.plan(contract(status=ended))

    assert type(raised.value) is kind
    assert f"scheduler {operation} {CONTRACT}" in str(raised.value)
    assert "arn:aws:secret" not in str(raised.value)


def test_the_group_and_the_rest_are_of_the_functions_environment(
    cloud: Cloud, environment: Any
) -> None:
    environment(**{name.upper(): value for name, value in SETTINGS})

    assert Schedules.load().settings == SETTINGS

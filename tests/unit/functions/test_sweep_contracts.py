"""The daily sweep: renewals that no schedule told of, and entitlements that change on a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from interlock import events
from interlock.canonical.contracts import ContractStatus
from interlock.contracts import Contracts
from interlock.events import Event
from interlock.schedules import milestone_event
from interlock.timeline import Timeline

from local.samples.credit_stores import ACCOUNT
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import module
from tests.unit.functions.discounts import contract, line

DAY = timedelta(days=1)
TODAY = datetime.now(UTC).date()
Sweep = Callable[..., dict[str, Any]]


@pytest.fixture
def sweep(cloud: Cloud, environment: Any, context: Any) -> Sweep:
    """The function over empty stores."""
    forget()
    environment(
        CONTRACTS_TABLE=cloud.table("ContractsTable"),
        TIMELINE_TABLE=cloud.table("TimelineTable"),
        INTEGRATION_BUS="bus",
    )
    handler = module("contracts/sweep_contracts").handler
    return lambda **command: handler(command, context)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What was published."""
    told: list[Event] = []
    monkeypatch.setattr(events, "publish", lambda *published: told.extend(published))
    return told


def sign(starts_on: date, ends_on: date, number: int = 1, **values: Any) -> Any:
    """A contract with one line, from a day until before another."""
    days = {"starts_on": starts_on, "ends_on": ends_on}
    lines = (line().model_copy(update=days),)
    signed = contract(id=f"salesforce:006{number}", lines=lines, **days, **values)
    return Contracts.load().record(signed, "T1")


def test_a_milestone_that_nobody_told_of_is_told(sweep: Sweep, told: list[Event]) -> None:
    signed = sign(TODAY - 260 * DAY, TODAY + 100 * DAY)

    swept = sweep()

    assert told == [milestone_event(signed, 120)]
    assert swept == {"told": [told[0].id], "past_end": []}


def test_one_that_was_told_is_not_told_again(sweep: Sweep, told: list[Event]) -> None:
    signed = sign(TODAY - 260 * DAY, TODAY + 100 * DAY)
    Timeline.load().record(milestone_event(signed, 120))

    assert sweep() == {"told": [], "past_end": []}
    assert told == []


def test_what_was_told_of_an_earlier_milestone_or_term_does_not_count(
    sweep: Sweep, told: list[Event]
) -> None:
    signed = sign(TODAY - 260 * DAY, TODAY + 70 * DAY)
    before = signed.model_copy(update={"ends_on": TODAY - 295 * DAY})
    for event in (milestone_event(signed, 120), milestone_event(before, 90)):
        Timeline.load().record(event)

    sweep()

    assert told == [milestone_event(signed, 90)]


def test_a_term_that_begins_today_changes_what_is_served(sweep: Sweep, told: list[Event]) -> None:
    sign(TODAY, TODAY + 365 * DAY)

    assert sweep() == {"told": [told[0].id], "past_end": []}
    [event] = told
    assert (event.type, event.subject) == ("service.change_requested", ACCOUNT)
    assert event.correlation_id == event.id == f"service-{ACCOUNT.partition(':')[2]}-{TODAY}"


def test_two_contracts_of_a_customer_are_one_change(sweep: Sweep, told: list[Event]) -> None:
    sign(TODAY, TODAY + 365 * DAY)
    sign(TODAY, TODAY + 400 * DAY, number=2)

    sweep()

    assert len(told) == 1


def test_one_that_is_to_end_may_have_a_step_before(sweep: Sweep, told: list[Event]) -> None:
    sign(TODAY, TODAY + 100 * DAY, status=ContractStatus.ENDING)

    sweep()

    assert [event.type for event in told] == ["service.change_requested"]


def test_what_has_ended_is_told_by_its_run(sweep: Sweep, told: list[Event]) -> None:
    sign(TODAY - 365 * DAY, TODAY, status=ContractStatus.ENDED)

    assert sweep() == {"told": [], "past_end": []}
    assert told == []


@pytest.mark.parametrize(
    ("status", "ended", "is_past"),
    [
        (ContractStatus.ACTIVE, -1, False),
        (ContractStatus.ACTIVE, 0, True),
        (ContractStatus.ENDING, 6, False),
        (ContractStatus.ENDING, 7, True),
        (ContractStatus.ENDED, 7, False),
    ],
)
@pytest.mark.usefixtures("told")
def test_one_that_nobody_decided_about_is_for_people(
    sweep: Sweep, status: ContractStatus, ended: int, is_past: bool
) -> None:
    """Though all that could be told of it was told, and in a dry run, too."""
    signed = sign(TODAY - 400 * DAY, TODAY - ended * DAY, status=status)

    for dry_run in (False, True):
        assert sweep(dry_run=dry_run)["past_end"] == [signed.id] * is_past


def test_a_dry_run_finds_the_same_and_tells_nothing(sweep: Sweep, told: list[Event]) -> None:
    sign(TODAY, TODAY + 365 * DAY)

    assert len(sweep(dry_run=True)["told"]) == 1
    assert told == []

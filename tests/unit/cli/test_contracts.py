"""`interlock contracts`: the list, and one of them with its history."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from interlock import aws
from interlock.canonical.contracts import Contract, ContractStatus
from interlock.contracts import Contracts
from interlock.events import Event
from interlock.rules.milestones import milestones
from interlock.schedules import milestone_event
from interlock.timeline import Timeline

from tests.unit.cli.conftest import Stack
from tests.unit.contract_samples import ACCOUNT, CONTRACT, after, contract, eur, line

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
STARTS, ENDS = TODAY - 100 * DAY, TODAY + 200 * DAY
FIRST = dict(milestones(contract(starts_on=STARTS, ends_on=ENDS)))[120]


@pytest.fixture
def store(stack: Stack) -> Contracts:
    """No contract is there."""
    stack.cloud.table("TimelineTable")
    return Contracts(stack.cloud.table("ContractsTable"), aws.dynamodb())


def ramp(**values: Any) -> Contract:
    """A contract whose price rises halfway."""
    halfway = TODAY + 50 * DAY
    lines = (
        line(starts_on=STARTS, ends_on=halfway),
        line(starts_on=halfway, ends_on=ENDS, amount=eur(18_000), quantity=90),
    )
    return contract(**({"starts_on": STARTS, "ends_on": ENDS, "lines": lines} | values))


def tell(*events: Event) -> None:
    """What the timeline has."""
    timeline = Timeline("TimelineTable", aws.dynamodb())
    for event in events:
        timeline.record(event)


def test_contracts_are_listed_the_first_to_end_first(stack: Stack, store: Contracts) -> None:
    store.record(ramp(), "T1")
    store.record(ramp(id="salesforce:006Sooner", ends_on=ENDS - DAY, customer_name="Otter"), "T2")

    listed = stack.output("contracts")

    assert listed.index("salesforce:006Sooner Otter") < listed.index(CONTRACT)
    for text in ("Larkspur", ENDS.isoformat(), "12,000.00 EUR", "active", "120 days before"):
        assert text in listed
    assert f"{FIRST:%Y-%m-%d}" in listed
    assert max(map(len, stack.run("contracts").stdout.splitlines())) <= 100


def test_those_that_end_are_listed_and_those_that_have_ended_if_asked(
    stack: Stack, store: Contracts
) -> None:
    assert stack.output("contracts") == "No contract is in force."
    assert stack.output("contracts", "--ended") == "No contract has ended."
    store.record(ramp(), "T1")
    ending = after(ramp(), status=ContractStatus.ENDING)
    store.change(ending, "R1")

    assert "ending" in stack.output("contracts")
    assert "days before" not in stack.output("contracts")
    store.change(after(ending, status=ContractStatus.ENDED), "R1")

    assert stack.output("contracts") == "No contract is in force."
    assert CONTRACT in stack.output("contracts", "--ended")


def test_one_is_shown_with_its_lines_and_its_history(stack: Stack, store: Contracts) -> None:
    store.record(ramp(), "T1")
    due = milestone_event(ramp(), 120)
    signed = Event(
        id="T1-signed",
        type="contract.signed",
        source="interlock",
        subject=CONTRACT,
        occurred_at=due.occurred_at - 200 * DAY,
        correlation_id="T1",
        data={
            "contract": ramp().model_dump(mode="json"),
            "movement": {
                "on": STARTS.isoformat(),
                "new": eur(12_000).model_dump(mode="json"),
                **dict.fromkeys(
                    ("expansion", "contraction", "churn", "transferred"),
                    eur(0).model_dump(mode="json"),
                ),
            },
        },
    )
    tell(due, signed)

    shown = stack.output("contracts", CONTRACT)

    for text in (
        f"{CONTRACT} active",
        f"Larkspur Analytics ({ACCOUNT})",
        f"from {STARTS} until before {ENDS}",
        "goes on by itself for 12 months; notice of 30 days; prices rise by 0 %",
        f"SEAT 90 200.00 EUR 18,000.00 EUR {TODAY + 50 * DAY} {ENDS}",
        f"contract.signed until before {ENDS}, +12,000.00 EUR a year",
        f"renewal.due {CONTRACT} ends on {ENDS}, in 120 days",
    ):
        assert text in shown
    assert shown.index("contract.signed") < shown.index("renewal.due")


def test_programs_get_it_as_json(stack: Stack, store: Contracts) -> None:
    store.record(ramp(), "T1")
    tell(milestone_event(ramp(), 120))

    [listed] = json.loads(stack.run("contracts", "--json").stdout)
    shown = json.loads(stack.run("contracts", CONTRACT, "--json").stdout)

    assert Contract.model_validate(listed["contract"]) == ramp()
    assert listed["yearly"] == {"amount": "12000.00", "currency": "EUR"}
    assert listed["next_milestone"] == {"days": 120, "at": FIRST.isoformat()}
    assert [event["type"] for event in shown.pop("history")] == ["renewal.due"]
    assert shown == listed


@pytest.mark.parametrize(
    ("renewal", "told"),
    [
        ({"auto_renews": False, "notice_days": 0, "uplift": "3"}, "ends; notice of 0 days; prices"),
        (
            {"auto_renews": True, "notice_days": 60, "index": "CPI", "uplift_cap": "5"},
            "notice of 60 days; prices rise by CPI, by 5 % at most",
        ),
    ],
)
def test_what_was_signed_about_its_end_is_said(
    stack: Stack, store: Contracts, renewal: dict[str, Any], told: str
) -> None:
    store.record(ramp(renewal=renewal), "T1")

    shown = stack.output("contracts", CONTRACT)

    assert told in shown
    assert "Nothing was told of it yet." in shown


def test_one_that_is_not_there_is_named(stack: Stack, store: Contracts) -> None:
    result = stack.run("contracts", "salesforce:006None")

    assert result.exit_code == 1
    assert "there is no contract 'salesforce:006None'" in result.stderr

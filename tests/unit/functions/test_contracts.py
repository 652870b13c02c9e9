"""The functions of contracts, called as a state machine and a queue call them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from interlock import aws, contract_terms
from interlock.canonical import LineKind
from interlock.canonical.contracts import Contract, ContractChange
from interlock.contracts import Contracts
from interlock.errors import ContractViolation, RecordConflict
from interlock.events import Event
from interlock.rules.contract_terms import ContractTerms
from interlock.rules.milestones import MILESTONES
from interlock.waits import Waits

from local.paths import CONTRACT_TERMS
from tests.unit import samples
from tests.unit.conftest import Cloud, forget
from tests.unit.contract_samples import ACCOUNT, CONTRACT, after, change, contract
from tests.unit.functions.calling import module

RUN = "renewal-006Hs00000LarkOIAS-2027-12-01"
DEAL = "salesforce:006Hs00000Renewal"
SKIP = {"action": "skip", "by": "ana", "reason": "it stays"}
TABLES = {
    "CONTRACTS_TABLE": "ContractsTable",
    "CUSTOMER_VIEWS_TABLE": "CustomerViewsTable",
    "WAITS_TABLE": "WaitsTable",
}
PLANNING = {
    "MILESTONE_SCHEDULES": "milestones",
    "MILESTONE_ROLE": "arn:aws:iam::123456789012:role/milestones",
    "MILESTONE_DLQ": "arn:aws:sqs:eu-central-1:123456789012:milestones",
    "INTEGRATION_BUS_ARN": "arn:aws:events:eu-central-1:123456789012:event-bus/integration",
}


@pytest.fixture
def tables(cloud: Cloud, environment: Any) -> None:
    """Empty stores."""
    forget()
    environment(**{variable: cloud.table(name) for variable, name in TABLES.items()})


@pytest.fixture
def call(context: Any) -> Any:
    """Calls a function with a command."""

    def call(name: str, **command: Any) -> Any:
        content = {"correlation_id": RUN} | command
        sent = {key: _plain(value) for key, value in content.items()}
        return module(name).handler(sent, context)

    return call


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def now() -> Contract | None:
    """The contract as it is stored."""
    return Contracts.load().get(CONTRACT)


# ---- The record


@pytest.mark.usefixtures("tables")
def test_a_contract_is_read_as_it_is(call: Any) -> None:
    assert call("contracts/get_contract", contract_id=CONTRACT) == {"contract": None}
    Contracts.load().record(contract(), "T1")

    answer = call("contracts/get_contract", contract_id=CONTRACT)

    assert Contract.model_validate(answer["contract"]) == contract()


@pytest.mark.usefixtures("tables")
def test_a_change_is_made_once_and_another_run_decides_anew(call: Any) -> None:
    Contracts.load().record(contract(), "T1")
    made = change(contract(), payment_days=60)

    for _ in range(2):
        answer = call("contracts/amend_contract", change=made)
        assert Contract.model_validate(answer["contract"]) == made.after
    other = call("contracts/amend_contract", change=made, correlation_id="amendment-1")

    assert other == {"contract": None}
    assert now() == made.after


@pytest.mark.usefixtures("tables")
def test_a_change_is_taken_back_with_what_it_came_to(call: Any) -> None:
    Contracts.load().record(contract(), "T1")
    made = change(contract(), payment_days=60)
    call("contracts/amend_contract", change=made)

    rehearsed = call("contracts/revert_contract", change=made, renews=None, dry_run="dry-1")
    assert now() == made.after
    answer = call("contracts/revert_contract", change=made, renews=None)

    assert answer == rehearsed
    reverted = Contract.model_validate(answer["contract"])
    assert now() == reverted == contract(revision=3)
    assert answer["movement"]["on"] == made.movement.on.isoformat()
    assert call("contracts/revert_contract", change=made, renews=None) == answer


@pytest.mark.usefixtures("tables")
def test_what_was_never_changed_or_is_left_to_people_is_not_changed_back(call: Any) -> None:
    Contracts.load().record(contract(), "T1")
    made = change(contract(), payment_days=60)
    nothing, amends = {"contract": None, "movement": None}, {"renews": None}

    assert call("contracts/revert_contract", change=None, **amends) == nothing
    assert call("contracts/revert_contract", change=made, **amends) == nothing
    call("contracts/amend_contract", change=made)
    skip = SKIP | {"step": "RevertContract"}
    assert call("contracts/revert_contract", change=made, **amends, remediation=skip) == nothing

    assert now() == made.after


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("decided", [None, change(contract(), payment_days=60)])
def test_a_renewal_that_is_given_up_is_another_runs(
    call: Any, decided: ContractChange | None
) -> None:
    """Once; the contract is not changed by that, and what a rehearsal tells is not kept."""
    Contracts.load().record(contract(), "T1")
    given_up = {"change": decided, "renews": CONTRACT}

    rehearsed = call("contracts/revert_contract", **given_up, dry_run="dry-1")
    assert (rehearsed["contract"], now()) == (None, contract())
    for _ in range(2):
        answer = call("contracts/revert_contract", **given_up)

    assert answer["movement"] is None
    another = contract(revision=2, renewal_run=2)
    assert Contract.model_validate(answer["contract"]) == now() == another
    unknown = given_up | {"renews": "salesforce:006Hs00000Unknown"}
    assert call("contracts/revert_contract", **unknown)["contract"] is None


@pytest.mark.usefixtures("tables")
def test_a_change_that_another_one_followed_is_for_people(call: Any) -> None:
    Contracts.load().record(contract(), "T1")
    made = change(contract(), payment_days=60)
    call("contracts/amend_contract", change=made)
    Contracts.load().change(after(made.after), "amendment-1")

    with pytest.raises(RecordConflict, match="amend it with a deal, or skip this step"):
        call("contracts/revert_contract", change=made, renews=None)


@pytest.mark.usefixtures("tables")
def test_what_a_run_recorded_it_retires(call: Any) -> None:
    Contracts.load().record(contract(), RUN)
    skip = SKIP | {"step": "RetireContract"}

    for left in ({"dry_run": "dry-1"}, {"remediation": skip}, {"correlation_id": "another"}):
        answer = call("contracts/retire_contract", order_id=CONTRACT, **left)
        assert answer == {"contract": None}
    assert now() == contract()
    answer = call("contracts/retire_contract", order_id=CONTRACT)

    assert answer["contract"]["status"] == "ended"
    assert call("contracts/retire_contract", order_id=CONTRACT) == answer


# ---- Signing


@pytest.fixture
def in_force(monkeypatch: pytest.MonkeyPatch) -> ContractTerms:
    """The terms that are deployed."""
    terms = ContractTerms.model_validate_json(CONTRACT_TERMS.read_bytes())
    monkeypatch.setattr(contract_terms, "in_force", lambda: terms)
    return terms


@pytest.mark.usefixtures("tables", "in_force")
def test_an_order_with_recurring_lines_begins_a_contract(call: Any) -> None:
    deal, order = samples.opportunity(), samples.order()
    told = {"opportunity": deal, "order": order}

    rehearsed = call("contracts/record_contract", **told, dry_run="dry-1")
    assert Contracts.load().get(order.id) is None
    first = call("contracts/record_contract", **told)
    assert call("contracts/record_contract", **told) == first

    assert first == rehearsed
    signed = ContractChange.model_validate(first["change"])
    assert Contracts.load().get(order.id) == signed.after
    assert signed.movement.new == signed.after.yearly_on(order.start_date)


@pytest.mark.usefixtures("tables", "in_force")
def test_an_order_of_services_alone_begins_none(call: Any) -> None:
    order = samples.order()
    services = tuple(each.model_copy(update={"kind": LineKind.SERVICE}) for each in order.lines)
    told = {
        "opportunity": samples.opportunity(),
        "order": order.model_copy(update={"lines": services}),
    }

    assert call("contracts/record_contract", **told) == {"change": None}


@pytest.mark.usefixtures("tables")
def test_terms_that_say_nothing_of_renewals_are_named(
    call: Any, in_force: ContractTerms, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = in_force.model_copy(update={"renewal": None})
    monkeypatch.setattr(contract_terms, "in_force", lambda: silent)

    with pytest.raises(ContractViolation, match="interlock terms deploy"):
        call("contracts/record_contract", opportunity=samples.opportunity(), order=samples.order())


# ---- Waiting


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that were answered."""
    answered: list[str] = []
    client = SimpleNamespace(
        exceptions=aws.client("stepfunctions").exceptions,
        send_task_success=lambda *, taskToken, output: answered.append(taskToken),
    )
    table = Waits.load().table
    monkeypatch.setattr(Waits, "load", lambda: Waits(table, _states=client))
    return answered


def queued(*messages: Any) -> dict[str, Any]:
    """A batch of a queue."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": "r",
                "body": json.dumps(message),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:wake",
                "awsRegion": "eu-central-1",
            }
            for number, message in enumerate(messages)
        ]
    }


def told_of(subject: str) -> dict[str, Any]:
    """An event about a deal, as EventBridge delivers it."""
    event = Event(
        id="e-1",
        type="opportunity.changed",
        source="salesforce",
        subject=subject,
        occurred_at=datetime(2026, 11, 24, tzinfo=UTC),
        correlation_id="006-1",
    )
    return {"id": "eb-1", "detail": event.model_dump(mode="json")}


@pytest.fixture
def waiting(tables: None, states: list[str], call: Any, context: Any) -> SimpleNamespace:
    """A run that can wait for a contract and its deal, and events that come."""

    def wait(token: str) -> Any:
        return call("contracts/await_change", token=token, contract_id=CONTRACT, deal_id=DEAL)

    def tell(*subjects: str) -> Any:
        batch = queued(*map(told_of, subjects))
        return module("contracts/wake_renewals").handler(batch, context)

    return SimpleNamespace(wait=wait, tell=tell, answered=states)


def test_a_run_waits_until_it_is_told_of_its_deal(waiting: SimpleNamespace) -> None:
    assert waiting.wait("T1") == {"woken": False}

    assert waiting.tell("salesforce:006Other", DEAL) == {"batchItemFailures": []}

    assert waiting.answered == ["T1"]


def test_what_was_told_before_it_waited_wakes_it_at_once(waiting: SimpleNamespace) -> None:
    waiting.tell(CONTRACT)

    assert waiting.wait("T1") == {"woken": True}
    assert waiting.wait("T2") == {"woken": False}

    assert waiting.answered == ["T1"]


# ---- Milestones


@pytest.fixture
def scheduler(cloud: Cloud, environment: Any) -> Any:
    """EventBridge Scheduler with the group."""
    forget()
    environment(**PLANNING)
    client = aws.client("scheduler")
    client.create_schedule_group(Name=PLANNING["MILESTONE_SCHEDULES"])
    return client


def test_milestones_are_planned_and_none_in_a_dry_run(call: Any, scheduler: Any) -> None:
    far = contract(ends_on="2099-12-01", lines=[])
    everything = {"planned": list(MILESTONES)}

    assert call("contracts/plan_milestones", contract=None) == {"planned": []}
    assert call("contracts/plan_milestones", contract=far, dry_run="dry-1") == everything
    assert scheduler.list_schedules()["Schedules"] == []

    assert call("contracts/plan_milestones", contract=far) == everything
    assert len(scheduler.list_schedules()["Schedules"]) == len(MILESTONES)


# ---- The customer's view

PARTS = {
    "crm": {"owner": "owner@interlock.example", "open_deals": ["Renewal"]},
    "support": {"open": 1, "severe": ["4711"]},
}


@pytest.mark.usefixtures("tables")
def test_a_system_that_is_down_has_said_something_before(call: Any) -> None:
    view = "workflow/build_customer_view"
    first = call(view, account_id=ACCOUNT, parts=PARTS)
    call(view, account_id=ACCOUNT, parts={"support": {"open": 9, "severe": []}}, dry_run="dry-1")

    second = call(view, account_id=ACCOUNT, parts={"crm": PARTS["crm"]})

    assert second["support"] == first["support"] | {"stale": True}
    assert second["support"]["content"] == PARTS["support"]
    assert second["crm"]["stale"] is False
    assert second["erp"] == {"content": None, "read_at": None, "stale": True}


@pytest.mark.usefixtures("tables")
def test_a_part_that_is_malformed_is_named(call: Any) -> None:
    with pytest.raises(ContractViolation, match=r"parts\.crm\.owner"):
        call("workflow/build_customer_view", account_id=ACCOUNT, parts={"crm": {"open_deals": []}})


# ---- Dry runs


@pytest.mark.parametrize(
    ("name", "command", "answer"),
    [
        ("contracts/retire_contract", {"order_id": CONTRACT}, {"contract": None}),
        ("contracts/plan_milestones", {"contract": None}, {"planned": []}),
    ],
)
def test_a_dry_run_has_no_tables_at_all(
    call: Any, name: str, command: dict[str, Any], answer: Any
) -> None:
    """It writes nothing, and reads nothing either."""
    assert call(name, **command, dry_run="dry-1") == answer


def test_a_dry_run_goes_on_with_the_change_as_it_was_decided(call: Any) -> None:
    made = change(contract(), payment_days=60)

    answer = call("contracts/amend_contract", change=made, dry_run="dry-1")

    assert Contract.model_validate(answer["contract"]) == made.after

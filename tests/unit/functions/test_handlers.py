"""Handlers called as Lambda calls them, with stores that moto plays and ports in memory.

What each connector's function does at its vendor is tested by the workflows; here is what they
decide by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from interlock import authority, aws
from interlock.canonical import Customer, OrderStatus, WonDeal, WriteBack
from interlock.connectors.erp.port import CustomerCandidate
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.errors import (
    BusinessRuleViolation,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
)
from interlock.events import found_won
from interlock.executions import Executions
from interlock.remediation import Exceptions
from interlock.rules.sweep import GRACE
from interlock.timeline import Timeline

from local.project import functions
from tests.unit import samples
from tests.unit.conftest import REGION, Cloud, forget
from tests.unit.functions.calling import connect, module, sample

BUS = "interlock-integration"


@pytest.fixture
def integration(cloud: Cloud, environment: Any) -> str:
    """The integration bus, and a queue that hears all of it; returns the queue's URL."""
    forget()
    environment(INTEGRATION_BUS=BUS)
    buses, queues = aws.client("events"), aws.client("sqs")
    url = queues.create_queue(QueueName="all")["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    target = {"Id": "all", "Arn": attributes["Attributes"]["QueueArn"]}
    buses.create_event_bus(Name=BUS)
    buses.put_rule(Name="all", EventBusName=BUS, EventPattern='{"source": ["interlock"]}')
    buses.put_targets(Rule="all", EventBusName=BUS, Targets=[target])
    return url


def heard(url: str) -> list[str]:
    """The types of the events on the integration bus, since it was last asked."""
    client, types = aws.client("sqs"), []
    while batch := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            types.append(json.loads(message["Body"])["detail-type"])
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return types


# ---- Every write is one that the authority file allows


WRITERS = sorted(function.name for function in functions().values() if function.writes)


@pytest.mark.parametrize("name", WRITERS)
def test_every_write_of_a_function_is_allowed(
    name: str, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    written: list[Effect] = []

    def once(effect: Effect, **how: Any) -> Any:
        authority.check(
            effect.entity, effect.fields(), origin=effect.origin, creates=effect.creates
        )
        written.append(effect)
        return effect.result.model_construct()

    area, verb_noun = name.split("/")
    connect(monkeypatch, area, Mock(**{"find_renewal.return_value": None}))
    monkeypatch.setattr(module(name), "ledger", lambda: SimpleNamespace(once=once))
    known = dict.fromkeys(("require", "awaited"), lambda *_: "1")
    known["get"] = lambda *_: "1" if name == "erp/void_document" else None
    monkeypatch.setattr(CrossReferences, "load", lambda: SimpleNamespace(**known))
    command = sample(name) | ({"matched": None} if name == "erp/create_customer" else {})

    module(name).handler(command, context)

    [effect] = written
    assert effect.key.connection == "vendor"
    assert effect.key.operation in verb_noun


# ---- Billing


def test_a_billing_customer_that_is_known_stays_as_it_is(
    cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    """Its account may have changed since its first order: that is no conflict."""
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})
    billing = Mock()
    billing.get_customer.return_value = {"remote_id": "cus_1"}
    connect(monkeypatch, "billing", billing)
    command = sample("billing/create_customer")
    CrossReferences.load().link(f"customer#{command['account']['id']}", "vendor", "cus_1")

    found = module("billing/create_customer").handler(command, context)

    assert found == {"remote_id": "cus_1"}
    billing.get_customer.assert_called_once_with("cus_1")


# ---- CRM


class Crm:
    """An opportunity's fields that are ours."""

    def __init__(self, correlation_id: str | None) -> None:
        self.fields = WriteBack(
            opportunity_id=samples.DEAL,
            status=correlation_id and OrderStatus.ACCEPTED,
            order_number=None,
            subscription_id=None,
            correlation_id=correlation_id,
        )
        self.deal = samples.opportunity()
        self.written: list[WriteBack] = []

    def read_write_back(self, opportunity_id: str) -> WriteBack:
        """As they are."""
        return self.fields

    def write_back(self, fields: WriteBack) -> WriteBack:
        """Set them."""
        self.written.append(fields)
        return fields

    def get_opportunity(self, opportunity_id: str, *, hierarchy_depth: int) -> Any:
        """The deal as it is."""
        return self.deal


@pytest.mark.parametrize(("written_by", "reverted"), [("T1", True), ("T0", False), (None, False)])
def test_only_our_own_write_back_is_reverted(
    cloud: Cloud,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    context: Any,
    written_by: str | None,
    reverted: bool,
) -> None:
    """The write failed and nobody knows whether it was applied: the opportunity says."""
    environment(
        EFFECTS_TABLE=cloud.table("EffectsTable"),
        CROSSREF_TABLE=cloud.table("CrossReferencesTable"),
    )
    crm = Crm(written_by)
    connect(monkeypatch, "crm", crm, "salesforce")
    crm.write_back = lambda fields: (_ for _ in ()).throw(RecordConflict("locked"))
    write = {"opportunity_id": samples.DEAL, "status": "accepted", "order_number": "SO-1"}
    write |= {"subscription_id": None, "correlation_id": "T1"}
    with pytest.raises(RecordConflict):
        module("crm/write_back_order").handler(
            {"correlation_id": "T1", "write_back": write}, context
        )
    del crm.write_back

    undone = module("crm/revert_write_back").handler(
        {"correlation_id": "T1", "opportunity_id": samples.DEAL}, context
    )

    assert [fields.status for fields in crm.written] == [OrderStatus.CANCELLED] * reverted
    assert undone == {"remote_id": samples.DEAL if reverted else None}


def test_a_deleted_deal_need_not_be_told(
    cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    environment(
        EFFECTS_TABLE=cloud.table("EffectsTable"),
        CROSSREF_TABLE=cloud.table("CrossReferencesTable"),
    )
    crm = Crm("T1")
    connect(monkeypatch, "crm", crm, "salesforce")
    written = crm.fields.model_dump(mode="json")
    module("crm/write_back_order").handler({"correlation_id": "T1", "write_back": written}, context)
    crm.write_back = lambda fields: (_ for _ in ()).throw(RecordNotFound("deleted"))
    command = {"correlation_id": "T1", "opportunity_id": samples.DEAL}

    undone = module("crm/revert_write_back").handler(command, context)

    assert undone == {"remote_id": samples.DEAL}


def test_a_deal_that_changed_meanwhile_is_a_conflict(
    monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    crm = Crm("T1")
    connect(monkeypatch, "crm", crm, "salesforce")
    command = {
        "correlation_id": "T1",
        "opportunity": samples.opportunity().model_dump(mode="json"),
        "write_back": crm.fields.model_dump(mode="json"),
    }
    verify = module("crm/verify_write_back").handler

    assert verify(command, context)["correlation_id"] == "T1"
    crm.deal = samples.opportunity(term_months=24)
    with pytest.raises(RecordConflict, match="the deal was changed"):
        verify(command, context)
    with pytest.raises(RecordConflict, match="does not carry the order"):
        verify(command | {"write_back": command["write_back"] | {"order_number": "SO-2"}}, context)


# ---- ERP


class Erp:
    """Customers by what they are recognised by."""

    def __init__(self, *candidates: CustomerCandidate) -> None:
        self.candidates = candidates

    def find_customer_candidates(self, criteria: Any) -> tuple[CustomerCandidate, ...]:
        """The same for every account."""
        return self.candidates

    def get_customer(self, remote_id: str) -> Any:
        """There is one with any id."""
        return SimpleNamespace(remote_id=remote_id)


@pytest.fixture
def crossref(cloud: Cloud, environment: Any) -> CrossReferences:
    """Nothing is remembered yet."""
    forget()
    environment(CROSSREF_TABLE=cloud.table("CrossReferencesTable"))
    return CrossReferences.load()


def matching(*ids: str, **decision: Any) -> dict[str, Any]:
    """The command to match a hierarchy's accounts."""
    accounts = [samples.account(id=id).model_dump(mode="json") for id in ids]
    hierarchy = {"accounts": accounts, "ultimate_parent": ids[0], "bill_to": ids[-1]}
    command = samples.command("T1", **decision).model_dump(mode="json")
    return command | {"hierarchy": hierarchy}


def test_a_certain_customer_is_remembered(
    crossref: CrossReferences, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    found = CustomerCandidate(remote_id="42", name="Calder", by="tax_id")
    connect(monkeypatch, "erp", Erp(found), "tryton")
    match = module("erp/match_customers").handler

    first = match(matching(samples.PARENT, samples.ACCOUNT), context)
    connect(monkeypatch, "erp", Erp(), "tryton")
    again = match(matching(samples.PARENT, samples.ACCOUNT), context)

    assert first == again == {"customers": {samples.PARENT: "42"}}
    assert crossref.get(reference("customer", samples.PARENT), "tryton") == "42"


@pytest.mark.parametrize(("linked", "customers"), [("42", {samples.ACCOUNT: "42"}), ("new", {})])
def test_a_team_says_which_customer_an_account_is(
    crossref: CrossReferences,
    monkeypatch: pytest.MonkeyPatch,
    context: Any,
    linked: str,
    customers: dict[str, str],
) -> None:
    several = [CustomerCandidate(remote_id=id, name="Calder", by="tax_id") for id in ("41", "42")]
    connect(monkeypatch, "erp", Erp(*several), "tryton")
    match = module("erp/match_customers").handler
    with pytest.raises(BusinessRuleViolation, match="link the right one"):
        match(matching(samples.ACCOUNT), context)

    decision = {"action": "link", "remote_id": linked, "record": samples.ACCOUNT}

    assert match(matching(samples.ACCOUNT, **decision), context) == {"customers": customers}


@pytest.mark.parametrize(
    ("attempted", "applied", "state"),
    [(False, True, None), (True, False, "INTENT"), (True, True, "DONE")],
)
def test_a_matched_customer_is_the_erps_unless_an_attempt_made_it(
    cloud: Cloud,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    context: Any,
    attempted: bool,
    applied: bool,
    state: str | None,
) -> None:
    """The attempt died, and a team said again: what it made is found by our own key."""
    forget()
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})
    account = samples.account()
    code = account.id if applied else "tryton:42"
    customer = Customer(id=code, name=account.name, remote_id="42", active=True)
    erp = Mock()
    erp.get_customer.return_value = customer
    erp.find_customer.return_value = customer if applied else None
    erp.create_customer.side_effect = OutcomeUnknown("no answer")
    connect(monkeypatch, "erp", erp, "tryton")
    create = module("erp/create_customer").handler
    command = samples.command("T1").model_dump(mode="json")
    command |= {"account": account.model_dump(mode="json")}
    if attempted:
        with pytest.raises(OutcomeUnknown):
            create(command | {"matched": None}, context)

    found = create(command | {"matched": "42"}, context)

    assert found["remote_id"] == "42"
    row = ledger()._read(EffectKey("tryton", "create_customer", account.id))
    assert (row and row["state"]) == state


def test_a_matched_customer_that_was_taken_back_is_made_again(
    cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    """Another run compensated between the match and this step."""
    forget()
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})
    account = samples.account()
    customer = Customer(id=account.id, name=account.name, remote_id="42", active=True)
    erp = Mock()
    erp.create_customer.return_value = erp.get_customer.return_value = customer
    connect(monkeypatch, "erp", erp, "tryton")
    create = module("erp/create_customer").handler
    first, second = (samples.command(run).model_dump(mode="json") for run in ("T1", "T2"))
    asked = {"account": account.model_dump(mode="json"), "matched": None}
    create(first | asked, context)
    module("erp/deactivate_customer").handler(first | {"account_id": account.id}, context)
    erp.deactivate_customer.assert_called_once_with("42")

    create(second | asked | {"matched": "42"}, context)

    assert erp.create_customer.call_count == 2


# ---- Pure rules


def test_the_rules_answer_the_sample_commands(context: Any) -> None:
    rules = ("validate_account_hierarchy", "validate_order", "decide_dunning", "prepare_posting")
    for name in (f"workflow/{rule}" for rule in rules):
        assert module(name).handler(sample(name), context)


# ---- Queues


@pytest.mark.parametrize(
    ("vendor", "settings", "told"),
    [
        (
            "salesforce",
            {
                "SALESFORCE_ORGANISATION": "00DHs00000ILockMAD",
                "SALESFORCE_WON_STAGES": "Gewonnen, Closed Won",
                "SALESFORCE_LOST_STAGES": "Verloren, Closed Lost",
            },
            "opportunity.closed_won",
        ),
        ("stripe", {"STRIPE_DESTINATION": "ed_test_interlock"}, "invoice.finalized"),
    ],
)
def test_a_partner_event_is_published_once(
    vendor: str,
    settings: dict[str, str],
    told: str,
    integration: str,
    cloud: Cloud,
    environment: Any,
    context: Any,
) -> None:
    environment(
        DELIVERIES_TABLE=cloud.table("DeliveriesTable"),
        DEAD_LETTER_QUEUE=aws.client("sqs").create_queue(QueueName="dead")["QueueUrl"],
        CONNECTION_NAME=vendor,
        **settings,
    )
    consume = module(f"ingress/{vendor}").handler

    for _ in range(3):
        assert consume(sample(f"ingress/{vendor}"), context) == {"batchItemFailures": []}

    assert heard(integration) == [told]


def test_a_workflow_is_started_once(cloud: Cloud, environment: Any, context: Any) -> None:
    forget()
    environment(TIMELINE_TABLE=cloud.table("TimelineTable"), DEAD_LETTER_QUEUE="unused")
    states = aws.client("stepfunctions")
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    machine = states.create_state_machine(
        name="lead-to-order",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::123456789012:role/states",
    )["stateMachineArn"]
    batch = sample("workflow/start_execution")
    body = json.loads(batch["Records"][0]["body"]) | {"state_machine": machine}
    batch["Records"][0]["body"] = json.dumps(body)

    for _ in range(3):
        answer = module("workflow/start_execution").handler(batch, context)
        assert answer == {"batchItemFailures": []}

    [run] = states.list_executions(stateMachineArn=machine)["executions"]
    assert run["name"] == body["event"]["correlation_id"]
    [known] = Timeline.load().of_subject(body["event"]["subject"])
    assert known.model_dump(mode="json") == body["event"]
    assert REGION in machine


def test_an_event_is_remembered_on_its_timeline(
    cloud: Cloud, environment: Any, context: Any
) -> None:
    forget()
    environment(TIMELINE_TABLE=cloud.table("TimelineTable"), DEAD_LETTER_QUEUE="unused")
    batch = sample("timeline/record_event")
    told = json.loads(batch["Records"][0]["body"])["detail"]

    module("timeline/record_event").handler(batch, context)

    [event] = Timeline.load().of(told["correlation_id"])
    assert event.id == told["id"]


# ---- The sweep

WON = [
    WonDeal(id=f"salesforce:00600000000000{n}AAA", won_at=datetime(2026, 11, n, tzinfo=UTC))
    for n in (11, 12)
]


@pytest.fixture
def sweep(
    integration: str,
    cloud: Cloud,
    environment: Any,
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, Any]]:
    """The function, connected to a CRM with two won deals, one of which is at work."""
    environment(
        TIMELINE_TABLE=cloud.table("TimelineTable"),
        STATE_MACHINE="arn:aws:states:eu-central-1:123456789012:stateMachine:lead-to-order",
        SWEEP_WON_AFTER="2026-11-01T00:00:00Z",
    )
    asked: list[dict[str, datetime]] = []

    def won_without_order(**window: datetime) -> Iterator[WonDeal]:
        asked.append(window)
        return iter(WON)

    connect(monkeypatch, "crm", SimpleNamespace(won_without_order=won_without_order))
    at_work = SimpleNamespace(status="RUNNING")
    executions = SimpleNamespace(of=lambda name: at_work if name == "T1" else None)
    monkeypatch.setattr(Executions, "load", lambda: executions)
    Timeline.load().record(found_won(WON[0], "T1"))

    def run(**command: Any) -> dict[str, Any]:
        report = module("ingress/sweep_opportunities").handler(command, context)
        [window] = asked
        assert window["won_after"] == datetime(2026, 11, 1, tzinfo=UTC)
        since = datetime.now(UTC) - window["won_before"]
        assert GRACE <= since < GRACE + timedelta(minutes=1)
        return report

    return run


def test_a_sweep_tells_of_what_no_event_told_of(
    sweep: Callable[..., dict[str, Any]],
    integration: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = sweep()

    assert [(f["deal"]["id"], f["verdict"]) for f in report["findings"]] == [
        (WON[0].id, "leave alone"),
        (WON[1].id, "tell"),
    ]
    assert (report["dry_run"], report["left"]) == (False, 0)
    assert heard(integration) == ["opportunity.closed_won"]
    reasons = [line.reason for line in caplog.records if line.message == "won without an order"]
    assert reasons == ["run T1 is at work, or waits for a team", "no event told of it"]
    [metrics] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert metrics["DealsGivenUp"] == [0.0]
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]


def test_a_dry_run_finds_the_same_and_tells_nothing(
    sweep: Callable[..., dict[str, Any]], integration: str
) -> None:
    report = sweep(dry_run=True)

    assert report["dry_run"]
    assert [finding["verdict"] for finding in report["findings"]] == ["leave alone", "tell"]
    assert heard(integration) == []


# ---- Exceptions


def test_an_exception_from_raised_to_resolved(
    integration: str,
    cloud: Cloud,
    environment: Any,
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment(EXCEPTIONS_TABLE=cloud.table("ExceptionsTable"))
    answers: list[dict[str, Any]] = []
    states = aws.client("stepfunctions")
    monkeypatch.setattr(states, "send_task_success", lambda **answer: answers.append(answer))

    raised = module("exceptions/raise_exception").handler(
        sample("exceptions/raise_exception"), context
    )
    listed = module("exceptions/list_exceptions").handler({"team": raised["team"]}, context)
    decision = {"action": "retry", "by": "ana", "reason": "corrected"}
    resolved = module("exceptions/resolve_exception").handler(
        {"id": raised["id"], "decision": decision}, context
    )

    assert [e["id"] for e in listed["exceptions"]] == [raised["id"]]
    assert resolved["status"] == "resolved"
    [answer] = answers
    assert answer["taskToken"] == sample("exceptions/raise_exception")["token"]
    assert json.loads(answer["output"])["remediation"]["action"] == "retry"
    assert heard(integration) == ["exception.raised", "exception.resolved"]


def test_a_decision_that_nobody_heard_is_not_told_as_resolved(
    integration: str,
    cloud: Cloud,
    environment: Any,
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it was decided, the run stopped waiting and raised the exception again."""
    environment(EXCEPTIONS_TABLE=cloud.table("ExceptionsTable"))
    command = sample("exceptions/raise_exception")
    raise_exception = module("exceptions/raise_exception").handler
    raised = raise_exception(command, context)
    states = aws.client("stepfunctions")

    def too_late(**answer: Any) -> None:
        raise_exception(command | {"token": "another", "escalations": 1}, context)
        raise states.exceptions.TaskTimedOut({"Error": {}}, "SendTaskSuccess")

    monkeypatch.setattr(states, "send_task_success", too_late)
    decision = {"action": "retry", "by": "ana", "reason": "corrected"}

    answer = module("exceptions/resolve_exception").handler(
        {"id": raised["id"], "decision": decision}, context
    )

    assert answer["status"] == "open"
    assert heard(integration) == ["exception.raised", "exception.escalated"]
    assert Exceptions.load().get(raised["id"]).status == "open"

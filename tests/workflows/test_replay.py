"""A transaction is replayed: rehearsed without a trace, and then in earnest as the same one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from interlock.events import Event
from interlock.plans import NEW, Plan

from local.cli import history
from local.sandboxes.salesforce_seed import EUR_DEAL, SELLERS, USD_DEAL
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import invoice_api
from tests.workflows.billing import DAY, Billing, Customer
from tests.workflows.breakages import Stage
from tests.workflows.runs import Machine, Run, Workflow
from tests.workflows.systems import NOTHING, Footprint, Systems

COMPLETE = Footprint(1, 1, 1, 1, 1, 2, "accepted")
TOKENS = ("/oauth/tokens", "/services/oauth2/token")
TABLES = (
    "ContractsTable",
    "CustomerViewsTable",
    "SuspensionsTable",
    "WaitsTable",
    "EffectsTable",
    "CrossReferencesTable",
    "ExceptionsTable",
    "TimelineTable",
    "AllowancesTable",
    "ApprovalsTable",
    "AuditTable",
)
_deserialize = TypeDeserializer().deserialize


@contextmanager
def untouched(workflow: Machine) -> Iterator[None]:
    """No system gets a request that writes, and no table a row but plans."""
    environment = workflow.environment
    sandboxes = [
        environment.salesforce,
        environment.stripe,
        environment.zendesk,
        environment.erp_proxy,
    ]
    for sandbox in sandboxes:
        sandbox.requests.clear()
    workflow.settle()
    before = tables(workflow)
    yield
    workflow.settle()
    requests = [request for sandbox in sandboxes for request in sandbox.requests]
    assert requests
    writes = [each for each in requests if each.method != "GET" and each.path not in TOKENS]
    assert writes == []
    assert tables(workflow) == before


def tables(workflow: Machine) -> list[str]:
    """Every row that is not a dry run's plan."""
    rows = (row for table in TABLES for row in workflow.rows(table))
    return sorted(json.dumps(row, sort_keys=True) for row in rows if "plan" not in row)


def rehearse(workflow: Machine, event: Event, **replay: Any) -> tuple[dict[str, Any], list[Plan]]:
    """A dry run's output, and its plans in the order in which they were made."""
    name = f"{event.correlation_id}-dry-run-{uuid.uuid4().hex[:6]}"
    with untouched(workflow):
        output = workflow.replay(event, name, dry_run=True, **replay).wait_for_end()
    return output, plans_of(workflow, name)


def plans_of(workflow: Machine, name: str) -> list[Plan]:
    """The plans of a dry run, in the order in which they were made."""
    rows = [row for row in workflow.rows("EffectsTable") if row["transaction"]["S"] == name]
    rows.sort(key=lambda row: int(row["planned_at"]["N"]))
    return [Plan.model_validate_json(row["plan"]["S"]) for row in rows]


def actions(plans: list[Plan]) -> list[tuple[str, str, str]]:
    """Where each would do what; the tasks are planned side by side."""
    return sorted((plan.system, plan.operation, plan.action) for plan in plans)


def records_at(workflow: Machine, run: Run, step: str) -> dict[str, Any]:
    """What a run knew when it entered a step."""
    records = history.records_at(workflow.cloud.client("stepfunctions"), run.arn, step)
    assert records
    return records


def aborted_before(stage: Stage, step: str, sandbox: Any, path: str) -> tuple[Run, Event]:
    """A run that somebody stopped in the middle, and its event."""
    run = stage.paused_at(step, sandbox, path)
    event = run.timeline[0]
    run.stop()
    return run, event


def test_a_new_deal_is_rehearsed(workflow: Workflow, new_deal: Callable[..., str]) -> None:
    """Everything would be made, the parent first, and nothing is."""
    event = workflow.event_of(workflow.win_unnoticed(new_deal(USD_DEAL)))

    output, plans = rehearse(workflow, event)

    assert output == {"status": "dry run"}
    assert [(plan.operation, plan.action) for plan in plans[:3]] == [
        ("create_customer", "create"),
        ("create_customer", "create"),
        ("create_order", "create"),
    ]
    assert actions(plans[3:]) == [
        ("salesforce", "write_back", "update"),
        ("stripe", "create_customer", "create"),
        ("stripe", "create_subscription", "create"),
        ("tryton", "create_project", "create"),
        ("zendesk", "create_task", "create"),
        ("zendesk", "create_task", "create"),
    ]
    written = {each.field: each.wanted for each in plans[-1].differences}
    assert written == {"status": "accepted", "order_number": NEW, "subscription_id": NEW}


@pytest.mark.slow
def test_a_complete_deal_is_rehearsed_and_replayed(
    workflow: Workflow, won: Callable[..., Run], systems: Systems
) -> None:
    """It changes nothing, however often: also not who has heard of it."""
    run = won(EUR_DEAL)
    output = run.wait_for_end()
    event = run.timeline[0]

    rehearsed, plans = rehearse(workflow, event)
    replayed = workflow.replay(event, f"{run.name}-replay-1")

    assert rehearsed == {"status": "dry run"}
    assert {(plan.action, plan.differences, plan.reason) for plan in plans} == {
        ("unchanged", (), "")
    }
    assert replayed.wait_for_end() == output
    assert systems.footprint(run.deal) == COMPLETE
    assert [told.type for told in {told.id: told for told in run.timeline}.values()] == [
        "opportunity.closed_won",
        "contract.signed",
        "order.accepted",
    ]

    systems.crm.change_line(run.deal, 1, Quantity=7)
    _, plans = rehearse(workflow, event)
    order = next(plan for plan in plans if plan.operation == "create_order")
    quantity = next(each for each in order.differences if each.field == "lines.0.quantity")
    assert {plan.operation for plan in plans if plan.action == "conflict"} == {
        "create_order",
        "create_project",
        "create_subscription",
    }
    assert (quantity.held, quantity.wanted) == (str(EUR_DEAL.lines[0].quantity), "7")


def test_a_deal_that_cannot_pass_is_rehearsed(
    workflow: Workflow, new_deal: Callable[..., str]
) -> None:
    """The dry run says where a team would be asked, and asks nobody."""
    deal = new_deal(EUR_DEAL)
    seller, _, _ = SELLERS["jonas.feld"]
    organization = workflow.environment.organization
    split = {"OpportunityId": deal, "SplitOwnerId": seller, "SplitPercentage": 10}
    organization.insert("OpportunitySplit", split)
    event = workflow.event_of(workflow.win_unnoticed(deal))

    output, plans = rehearse(workflow, event)

    assert output["failed_step"] == "ValidateOrder"
    assert output["error"]["Error"] == "BusinessRuleViolation"
    assert plans == []


@pytest.mark.slow
def test_an_aborted_run_goes_on_from_a_step(
    stage: Stage, workflow: Workflow, systems: Systems
) -> None:
    """With what it knew there; what it had begun is found, and told as the same transaction."""
    zendesk = workflow.environment.zendesk
    run, event = aborted_before(stage, "CreateImplementationTasks", zendesk, "/tickets$")
    step = "ProvisionSubscription"
    again = {"step": step, "records": records_at(workflow, run, step)}
    assert systems.footprint(run.deal) == Footprint(1, 1, 1, 1, 1, 0, None)

    _, plans = rehearse(workflow, event, **again)
    replayed = workflow.replay(event, f"{run.name}-replay-1", **again)

    assert actions(plans) == [
        ("salesforce", "write_back", "update"),
        ("stripe", "create_subscription", "unchanged"),
        ("zendesk", "create_task", "create"),
        ("zendesk", "create_task", "create"),
    ]
    assert replayed.wait_for_end()["status"] == "accepted"
    assert replayed.states[:4] == ["ReceiveEvent", "IsReplayOfStep", "Resume", step]
    assert systems.footprint(run.deal) == COMPLETE
    assert systems.crm.opportunity(run.deal)["Interlock_Correlation__c"] == run.name
    assert run.events == ["opportunity.closed_won", "contract.signed", "order.accepted"]


@pytest.mark.slow
def test_an_aborted_run_is_taken_back(stage: Stage, workflow: Workflow, systems: Systems) -> None:
    """The replay is the same transaction: what the run wrote is the replay's to take back."""
    proxy = workflow.environment.erp_proxy
    run, event = aborted_before(stage, "CreateErpProject", proxy, "/project.work$")
    records = records_at(workflow, run, "CreateErpProject")
    again = {"step": "RevertCrmWriteBack", "records": records}

    output, plans = rehearse(workflow, event, **again)
    replayed = workflow.replay(event, f"{run.name}-replay-1", **again)

    assert output == {"status": "dry run"}
    assert [(plan.operation, plan.action) for plan in plans] == [
        ("create_project", "take back"),
        ("create_order", "take back"),
        ("create_customer", "take back"),
    ]
    assert [bool(plan.remote_id) for plan in plans] == [False, True, True]
    assert replayed.wait_for_end() == {"status": "cancelled"}
    assert systems.footprint(run.deal) == NOTHING
    assert run.events[-1] == "order.cancelled"


def test_a_replay_that_fails_waits_for_a_team(
    workflow: Workflow, new_deal: Callable[..., str], systems: Systems
) -> None:
    """Under the transaction's id, as the run itself would."""
    event = workflow.event_of(workflow.win_unnoticed(new_deal(EUR_DEAL)))
    workflow.environment.erp_proxy.fail(FaultKind.UNAVAILABLE, path="/sale.sale", times=None)
    replayed = workflow.replay(event, f"{event.correlation_id}-replay-1")

    exception = replayed.wait_for_exception()
    workflow.environment.erp_proxy.heal()
    replayed.resolve("retry")

    assert exception.correlation_id == event.correlation_id
    assert replayed.wait_for_end()["status"] == "accepted"
    assert systems.footprint(replayed.deal) == COMPLETE


def test_a_dry_run_publishes_nothing_wherever_it_begins(
    workflow: Workflow, won: Callable[..., Run]
) -> None:
    run = won(EUR_DEAL)
    run.wait_for_end()
    records = records_at(workflow, run, "PublishOrderAccepted")
    for step in ("PublishOrderAccepted", "PublishOrderCancelled"):
        name = f"{run.name}-dry-run-{step}"
        replay = {"step": step, "records": records, "dry_run": True}
        assert workflow.replay(run.timeline[0], name, **replay).wait_for_end() == {
            "status": "dry run"
        }
    assert run.events == ["opportunity.closed_won", "contract.signed", "order.accepted"]


def test_a_step_that_is_none_is_refused(workflow: Workflow, new_deal: Callable[..., str]) -> None:
    event = workflow.event_of(workflow.win_unnoticed(new_deal(EUR_DEAL)))
    replayed = workflow.replay(event, f"{event.correlation_id}-replay-1", step="Nowhere")
    replayed.wait_until(lambda: replayed.status != "RUNNING")

    assert replayed.status == "FAILED"
    assert replayed.exceptions("open") == []


# ---- Subscription billing


@pytest.mark.slow
def test_documents_are_rehearsed(billing: Billing, systems: Systems, customer: Customer) -> None:
    """Before they are booked, after that, and as they would be reversed."""
    with billing.held_back() as held:
        invoice, run = billing.invoice(customer, 100000, service=60 * DAY)
        payment = billing.pay(invoice)
    posting, paying = (
        billing.canonical(event)
        for event in held
        if event["type"] in ("invoice.finalized", "invoice_payment.paid")
    )

    output, plans = rehearse(billing, posting)
    assert output == {"status": "dry run"}
    assert [(plan.operation, plan.action) for plan in plans] == [
        ("post_invoice", "create"),
        ("schedule_service_periods", "create"),
    ]
    wanted = {each.field: each.wanted for each in plans[0].differences}
    assert (wanted["total.amount"], wanted["number"]) == ("1082.50", invoice["number"])
    assert systems.erp.traces(invoice["id"]) == 0

    for event in held:
        billing.deliver(event)
    run.wait_for_end()
    payment.wait_for_end()
    _, plans = rehearse(billing, posting)
    assert {plan.action for plan in plans} == {"unchanged"}
    _, plans = rehearse(billing, paying)
    assert [(plan.operation, plan.action, plan.differences) for plan in plans] == [
        ("apply_payment", "unchanged", ())
    ]
    records = records_at(billing, payment, "IsDryRun")
    name = f"{payment.name}-dry-run-back"
    back = {"step": "UnapplyErpPayment", "records": records, "dry_run": True}
    assert billing.replay(paying, name, **back).wait_for_end() == {"status": "dry run"}
    assert [(plan.operation, plan.action) for plan in plans_of(billing, name)] == [
        ("apply_payment", "take back")
    ]
    assert systems.erp.booked(billing.charge_of(payment))


@pytest.mark.slow
def test_payment_and_void_are_rehearsed(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """What the ERP would give them nobody knows before, and nobody needs it."""
    paid, voided = (billing.posted(customer, amount) for amount in (100000, 200000))
    with billing.held_back() as held:
        payment = billing.pay(paid)
        billing.stripe.do(invoice_api.void, voided["id"])
    told = {event["type"]: event for event in held}

    _, plans = rehearse(billing, billing.canonical(told["invoice_payment.paid"]))
    assert [(plan.operation, plan.action) for plan in plans] == [("apply_payment", "create")]
    _, plans = rehearse(billing, billing.canonical(told["invoice.voided"]))
    assert [(plan.operation, plan.action) for plan in plans] == [("void_document", "create")]
    assert systems.erp.traces(billing.charge_of(payment)) == 0


@pytest.mark.slow
def test_document_that_cannot_be_booked_is_rehearsed(billing: Billing, customer: Customer) -> None:
    """The dry run says where Finance would be asked, and asks nobody."""
    with billing.held_back() as held:
        billing.invoice(customer, 100000, metadata={})
    event = next(each for each in held if each["type"] == "invoice.finalized")

    output, plans = rehearse(billing, billing.canonical(event))

    assert output["failed_step"] == "PreparePosting"
    assert "set its subsidiary" in output["error"]["Cause"]
    assert plans == []

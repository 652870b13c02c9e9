"""A team gives a run up: what it wrote is taken back, in reverse order, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.sandboxes.salesforce_seed import USD_DEAL
from local.sandboxes.sandbox import FaultKind
from tests.workflows.breakages import BREAKAGES, Stage, deal_amended, events_refused, support_broken
from tests.workflows.runs import Run, Workflow
from tests.workflows.systems import NOTHING, Footprint, Systems

UNDOING = [
    "RetireContract",
    "CancelMilestones",
    "RevertCrmWriteBack",
    "CloseImplementationTasks",
    "CancelSubscription",
    "RemoveBillingCustomer",
    "CloseErpProject",
    "CancelErpOrder",
    "DeactivateErpCustomer",
    "PublishOrderCancelled",
]
BREAKING = {breakage.step: breakage.breaking for breakage in BREAKAGES}
# A ticket made by hand could be ours, of an attempt whose answer was lost: it would be closed.
BREAKING["CreateImplementationTasks"] = support_broken
WRITING = [
    "UpsertErpCustomer",
    "CreateErpOrder",
    "CreateErpProject",
    "UpsertBillingCustomer",
    "ProvisionSubscription",
    "CreateImplementationTasks",
    "WriteBackToCrm",
    "VerifyReadBack",
    *(pytest.param(step, marks=pytest.mark.slow) for step in ("RecordContract", "PlanMilestones")),
]


def undoing(run: Run) -> list[str]:
    """The steps that a run took to take its writes back, in order, each once."""
    return [state for state in dict.fromkeys(run.states) if state in UNDOING]


@pytest.mark.parametrize("step", WRITING)
def test_compensate_at(step: str, stage: Stage, systems: Systems) -> None:
    """Whatever this run wrote until this step failed is gone; what others have is as it was."""
    story = BREAKING[step](stage)
    run = next(story)
    assert run.wait_for_exception().step == step
    next(story, None)
    before = systems.of_others(run.deal)
    told = systems.crm.opportunity(run.deal)["Interlock_Order_Status__c"]

    run.resolve("compensate", reason="the customer withdrew")

    assert run.wait_for_end() == {"status": "cancelled"}
    assert undoing(run) == UNDOING
    assert systems.footprint(run.deal) == replace(NOTHING, told="cancelled" if told else None)
    assert systems.of_others(run.deal) == before
    cancelled = run.timeline[-1]
    assert cancelled.type == "order.cancelled"
    reason = {"reason": "the customer withdrew", "by": "robin"}
    assert cancelled.data == {"failed_step": step, **reason}


def test_traces_of_a_compensated_run(stage: Stage, systems: Systems) -> None:
    """Each system keeps what happened: cancelled, completed, solved with a note, inactive."""
    stage.sample = USD_DEAL
    run = next(deal_amended(stage))
    run.resolve("compensate")
    run.wait_for_end()

    assert systems.erp.order_states(run.deal) == ["cancelled"]
    assert [project["progress"] for project in systems.erp.projects(run.deal)] == [1]
    for account in systems.crm.accounts(run.deal):
        [customer] = systems.erp.customers(account)
        assert not customer["active"]
    [schedule] = systems.billing.schedules(run.deal)
    assert schedule["status"] == "canceled"
    tickets = systems.support.tickets(run.deal)
    assert [ticket["status"] for ticket in tickets] == ["solved", "solved"]
    for ticket in tickets:
        assert run.name in systems.support.notes(ticket)[-1]
    opportunity = systems.crm.opportunity(run.deal)
    assert opportunity["Interlock_Order_Status__c"] == "cancelled"
    assert opportunity["Interlock_Order_Number__c"] is None
    assert run.events[-1] == "order.cancelled"


def test_nothing_to_take_back(stage: Stage, systems: Systems) -> None:
    """Before anything was written, giving up only tells it."""
    run = next(BREAKING["ValidateOrder"](stage))
    run.resolve("compensate")
    assert run.wait_for_end() == {"status": "cancelled"}
    assert undoing(run) == ["PublishOrderCancelled"]
    assert systems.footprint(run.deal) == NOTHING


# The request with which each step of the compensation does its work.
CANCELLING = {
    "RevertCrmWriteBack": ("salesforce", "PATCH", "/Opportunity/"),
    "CloseImplementationTasks": ("zendesk", "PUT", "/tickets/"),
    "CancelSubscription": ("stripe", "POST", "/cancel$"),
    "RemoveBillingCustomer": ("stripe", "DELETE", "/v1/customers/"),
    "CloseErpProject": ("erp_proxy", "PUT", "/project.work/"),
    "CancelErpOrder": ("erp_proxy", "POST", "/draft$"),
    "DeactivateErpCustomer": ("erp_proxy", "PUT", "/party.party/"),
}
# Who has a live subscription or order cannot be removed: that is not the platform's to repair.
REFUSED_AFTER_SKIP = ("RemoveBillingCustomer", "DeactivateErpCustomer")


@pytest.mark.slow
@pytest.mark.parametrize("action", ["retry", "skip"])
def test_compensation_fails_at_every_step(action: str, stage: Stage, systems: Systems) -> None:
    """Each step that cannot take its write back asks a team; then the next one has its turn."""
    run = next(deal_amended(stage))
    assert run.wait_for_exception().step == "VerifyReadBack"
    for sandbox, method, path in CANCELLING.values():
        rule = {"method": method, "path": path, "times": None}
        getattr(stage.environment, sandbox).fail(FaultKind.UNAVAILABLE, **rule)
    run.resolve("compensate")
    with events_refused(stage.workflow):
        for step, (sandbox, _, path) in CANCELLING.items():
            exception = run.wait_for_exception()
            refused = action == "skip" and step in REFUSED_AFTER_SKIP
            assert (exception.step, exception.team) == (step, "Finance" if refused else "Platform")
            assert exception.actions == ("retry", "skip")
            faults = getattr(stage.environment, sandbox).faults
            if action == "retry":
                faults[:] = [fault for fault in faults if fault.path != path]
            run.resolve(action)
        exception = run.wait_for_exception()
    assert (exception.step, exception.actions) == ("PublishOrderCancelled", ("retry",))
    run.resolve("retry")
    assert run.wait_for_end() == {"status": "cancelled"}
    undone = replace(NOTHING, told="cancelled")
    kept = Footprint(1, 1, 1, 1, 1, 2, "accepted")
    assert systems.footprint(run.deal) == (undone if action == "retry" else kept)


def test_every_compensation_fails_here(workflow: Workflow) -> None:
    """No step of the compensation was forgotten here."""
    of_contracts = {"LoadContract", "HandOver", "AmendSubscription"}
    assert workflow.steps == {*BREAKING, *of_contracts, "AwaitRemediation", *UNDOING}
    assert ["RetireContract", "CancelMilestones", *CANCELLING, "PublishOrderCancelled"] == UNDOING


def test_invoiced_order_goes_to_finance(stage: Stage, systems: Systems) -> None:
    """What is booked is never cancelled silently: Finance credits it by hand and says so."""
    run = next(deal_amended(stage))
    order = systems.erp.order(run.deal)
    systems.erp.invoice(order)
    run.resolve("compensate")

    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("CancelErpOrder", "Finance")
    assert f"order {order.number} is already invoiced" in exception.message
    run.resolve("skip", reason="credited by CN-7")
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("DeactivateErpCustomer", "Finance")
    assert "the customer has orders and invoices" in exception.message
    run.resolve("skip", reason="stays a customer")

    assert run.wait_for_end() == {"status": "cancelled"}
    assert systems.footprint(run.deal) == Footprint(customers=1, told="cancelled")
    assert systems.erp.order_states(run.deal) == ["processing"]


def test_draft_of_a_lost_answer_is_taken_back(stage: Stage, systems: Systems) -> None:
    """The ERP made the draft, its answer got lost, and then it was away until the team gave up."""
    erp = stage.environment.erp_proxy
    erp.fail(FaultKind.LOST_ANSWER, method="POST", path="/sale.sale$")
    erp.fail(FaultKind.UNAVAILABLE, method="GET", path="/sale.sale$", times=None)
    run = stage.workflow.win(stage.new_deal(stage.sample))
    assert run.wait_for_exception().step == "CreateErpOrder"
    assert systems.erp.order_states(run.deal) == ["draft"]
    erp.heal()

    run.resolve("compensate")

    assert run.wait_for_end() == {"status": "cancelled"}
    assert systems.erp.order_states(run.deal) == ["cancelled"]
    assert systems.footprint(run.deal) == NOTHING


def test_what_a_team_left_there_is_nobody_elses(stage: Stage, systems: Systems) -> None:
    """An invoiced order that Finance credited must not pass for the order of the next win."""
    first = next(deal_amended(stage))
    order = systems.erp.order(first.deal)
    systems.erp.invoice(order)
    for decision in ("compensate", "skip", "skip"):
        first.resolve(decision)
    first.wait_for_end()
    stage.workflow.reopen(first.deal)

    second = stage.workflow.win(first.deal)
    exception = second.wait_for_exception()

    assert (exception.step, exception.error) == ("CreateErpOrder", "RecordConflict")
    assert "a team left it there: link what stands for it" in exception.message
    second.resolve("link", record=f"salesforce:{first.deal}", remote_id=order.remote_id)
    assert second.wait_for_end() == {"status": "accepted", "order": order.number}

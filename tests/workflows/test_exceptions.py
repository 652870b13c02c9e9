"""What a team can do about an exception, and what becomes of one that nobody cares for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from interlock.canonical import Order
from interlock.remediation import BusinessException

from tests.workflows.breakages import (
    Stage,
    credit_limit_exceeded,
    support_broken,
    unknown_payment_terms,
)
from tests.workflows.runs import FunctionFailed, Workflow
from tests.workflows.systems import Footprint, Systems

COMPLETE = Footprint(1, 1, 1, 1, 1, 2, "accepted")


def test_edit_and_retry(stage: Stage, systems: Systems) -> None:
    """The run goes on with the edited records, although the CRM still says otherwise."""
    run = next(unknown_payment_terms(stage))
    exception = run.resolve("retry", edit={"opportunity": {"payment_terms": "NET30"}})
    run.wait_for_end()
    assert exception.status == "resolved"
    assert systems.erp.order(run.deal).payment_terms == "NET30"
    assert systems.crm.opportunity(run.deal)["Payment_Terms__c"] == "NET75"


def test_edit_that_does_not_help(stage: Stage) -> None:
    """The same exception is raised again, and counts."""
    run = next(unknown_payment_terms(stage))
    first = run.wait_for_exception()
    run.resolve("retry", edit={"opportunity": {"payment_terms": "NET90"}})
    again = run.wait_for_exception()
    assert (again.id, again.occurrences) == (first.id, 2)
    assert "(NET90)" in again.message
    assert run.events.count("exception.raised") == 2
    assert again.resolutions[0].decision.edit == {"opportunity": {"payment_terms": "NET90"}}


def test_skip_with_a_reason(stage: Stage, systems: Systems) -> None:
    """The step is left out, and the run goes on; who said so and why is kept."""
    story = support_broken(stage)
    run = next(story)
    resolved = run.resolve("skip", reason="tasks are in the project tool")
    run.wait_for_end()
    next(story, None)
    assert systems.footprint(run.deal) == Footprint(1, 1, 1, 1, 1, 0, "accepted")
    decision = resolved.resolutions[-1].decision
    assert (decision.by, decision.reason) == ("robin", "tasks are in the project tool")
    told = next(event for event in run.timeline if event.type == "exception.resolved")
    assert told.data["decision"]["reason"] == "tasks are in the project tool"


def test_link_an_order_made_by_hand(stage: Stage, systems: Systems) -> None:
    """Finance has entered the order: the run takes it for its own."""
    story = credit_limit_exceeded(stage)
    run = next(story)
    exception = run.wait_for_exception()
    next(story, None)
    order = Order.model_validate(exception.records["order"])
    by_hand = systems.erp.enter_order(order, exception.records["erp_customers"][0]["remote_id"])

    run.resolve("link", remote_id=by_hand, record=order.id)
    output = run.wait_for_end()

    entered = systems.erp.order(run.deal)
    assert entered.remote_id == by_hand
    assert output["order"] == entered.number
    assert systems.crm.opportunity(run.deal)["Interlock_Order_Number__c"] == entered.number


def test_escalation(stage: Stage, workflow: Workflow, systems: Systems) -> None:
    """A day without a decision: the team is asked again, about the same exception."""
    run = next(unknown_payment_terms(stage))
    first = run.wait_for_exception()
    run.wait_until(lambda: run.exceptions("open")[0].escalations == 1)
    again = run.wait_for_exception()

    assert (again.id, again.escalations, again.occurrences) == (first.id, 1, 1)
    assert again.raised_at == first.raised_at
    assert again.due_at - first.due_at >= timedelta(hours=23)
    escalated = run.timeline[-1]
    assert escalated.type == "exception.escalated"
    assert escalated.subject == first.id
    run.resolve("retry", edit={"opportunity": {"payment_terms": "NET30"}})
    run.wait_for_end()


def test_decide_twice(stage: Stage) -> None:
    """A decision may be repeated, as when its answer got lost; another one is refused."""
    run = next(unknown_payment_terms(stage))
    exception = run.wait_for_exception()
    run.decide(exception.id, "compensate")
    with pytest.raises(FunctionFailed, match="is already resolved: compensate by robin") as refusal:
        run.decide(exception.id, "retry")
    assert refusal.value.name == "BusinessRuleViolation"
    repeated = run.decide(exception.id, "compensate")
    assert len(repeated.resolutions) == 1
    assert run.wait_for_end() == {"status": "cancelled"}
    assert run.events.count("exception.resolved") == 1


REFUSED = [
    ({"action": "skip"}, "ValidateOrder can only be resolved by: retry, compensate"),
    ({"action": "link", "remote_id": "7", "record": "salesforce:006"}, "can only be resolved by"),
    ({"action": "link"}, "names remote_id and record"),
    ({"action": "compensate", "edit": {"order": None}}, "an edit goes with retry"),
    ({"action": "forget"}, "malformed ResolveException: decision.action"),
    ({"action": "retry", "reason": ""}, "malformed ResolveException: decision.reason"),
]


def test_wrong_decision_is_refused(stage: Stage) -> None:
    """The run goes on waiting, the exception stays open."""
    run = next(unknown_payment_terms(stage))
    exception = run.wait_for_exception()
    for decision, says in REFUSED:
        with pytest.raises(FunctionFailed, match=says):
            run.decide(exception.id, **decision)
    with pytest.raises(FunctionFailed, match="RecordNotFound"):
        run.decide("EX-0000000000", "retry")
    assert run.wait_for_exception() == exception


def test_list_exceptions(stage: Stage, workflow: Workflow) -> None:
    """A team sees its own, the first due first."""
    run = next(unknown_payment_terms(stage))
    exception = run.wait_for_exception()

    def listed(**query: object) -> list[BusinessException]:
        answer = workflow.call("ListExceptionsFunction", query)
        return [BusinessException.model_validate(e) for e in answer["exceptions"]]

    assert exception in listed(team="RevOps")
    assert exception not in listed(team="Finance")
    assert exception not in listed(status="resolved", team="RevOps")
    assert listed(id=exception.id) == [exception]
    with pytest.raises(FunctionFailed, match="RecordNotFound"):
        listed(id="EX-0000000000")

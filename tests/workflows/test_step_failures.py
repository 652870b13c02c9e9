"""Each step of the workflow fails: for good, until people repair it, or for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from local.environment import LocalEnvironment
from local.sandboxes.salesforce_seed import EUR_DEAL
from local.sandboxes.sandbox import FaultKind
from tests.workflows.breakages import BREAKAGES, Breakage, Stage, unknown_payment_terms
from tests.workflows.runs import Run, Workflow
from tests.workflows.systems import Footprint, Systems

# Each step, for good and for a while: half a minute of them.
pytestmark = pytest.mark.slow

COMPLETE = Footprint(
    orders=1,
    projects=1,
    customers=1,
    billing_customers=1,
    subscriptions=1,
    tickets=2,
    told="accepted",
)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=str)
def test_failure_for_good(breakage: Breakage, stage: Stage, systems: Systems) -> None:
    """The right team is asked, with what it needs; after the repair, retry completes the run."""
    story = breakage.breaking(stage)
    run = next(story)
    exception = run.wait_for_exception()

    assert exception.step == breakage.step
    assert (exception.error, exception.team) == (breakage.error, breakage.team)
    assert breakage.says in exception.message
    assert exception.due_at - exception.raised_at == timedelta(hours=breakage.due_hours)
    assert exception.correlation_id == run.name
    assert exception.records["event"]["subject"] == f"salesforce:{run.deal}"
    assert run.events[-1] == "exception.raised"

    next(story, None)
    run.resolve("retry")
    run.wait_for_end()
    assert systems.footprint(run.deal) == replace(COMPLETE, customers=breakage.customers)
    assert run.events.count("contract.signed") == 1
    told = [event for event in run.events if event != "contract.signed"]
    assert told[-2:] == ["exception.resolved", "order.accepted"]


@dataclass(frozen=True)
class Call:
    """The request with which a step does its work."""

    step: str
    sandbox: str
    method: str
    path: str
    writes: bool = False
    waits_as_told: bool = True
    """Salesforce names no time to wait; of two tasks at once, the first failure is the Map's."""

    def __str__(self) -> str:
        return f"{self.step}-{self.method}-{self.path.rstrip('$').rsplit('/', 1)[-1]}"


CALLS = [
    Call("RefetchOpportunity", "salesforce", "GET", "/query", waits_as_told=False),
    Call("ReadErpOrderContext", "erp_proxy", "GET", "/company.company"),
    Call("ReadBillingCatalogue", "stripe", "GET", "/v1/products"),
    Call("MatchCustomer", "erp_proxy", "GET", "/party.party$"),
    Call("UpsertErpCustomer", "erp_proxy", "POST", "/party.party$", True),
    Call("CreateErpOrder", "erp_proxy", "POST", "/sale.sale$", True),
    Call("CreateErpOrder", "erp_proxy", "POST", "/confirm$", True),
    Call("CreateErpProject", "erp_proxy", "POST", "/project.work$", True),
    Call("UpsertBillingCustomer", "stripe", "POST", "/v1/customers$", True),
    Call("ProvisionSubscription", "stripe", "POST", "/v1/subscription_schedules$", True),
    Call("CreateImplementationTasks", "zendesk", "POST", "/tickets$", True, waits_as_told=False),
    Call("WriteBackToCrm", "salesforce", "PATCH", "/Opportunity/", True, waits_as_told=False),
]
RETRY_AFTER = 77


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_failure_for_a_while(
    call: Call, won: Callable[..., Run], environment: LocalEnvironment, systems: Systems
) -> None:
    """5xx, throttling, an answer lost before and after the write: it completes by itself."""
    sandbox = getattr(environment, call.sandbox)
    kinds = [FaultKind.UNAVAILABLE, FaultKind.THROTTLE, FaultKind.LOST_ANSWER]
    kinds += [FaultKind.UNAVAILABLE_AFTER_WRITE] if call.writes else []
    for kind in kinds:
        wish = RETRY_AFTER if kind is FaultKind.THROTTLE else None
        sandbox.fail(kind, method=call.method, path=call.path, retry_after=wish)

    run = won(EUR_DEAL)
    run.wait_for_end()

    assert not run.exceptions("resolved")
    # One attempt may meet two of them: the write is lost, then found by the next attempt's look.
    assert 1 <= run.count("BackOff") <= len(kinds)
    assert run.count(call.step) == run.count("BackOff") + 1
    if call.waits_as_told:
        assert max(run.back_offs) >= RETRY_AFTER
    assert systems.footprint(run.deal) == COMPLETE
    assert run.events == ["opportunity.closed_won", "contract.signed", "order.accepted"]


@pytest.mark.parametrize(
    ("step", "function", "sandbox", "path"),
    [
        ("ValidateOrder", "ValidateOrderFunction", None, None),
        ("CreateErpOrder", "CreateOrderFunction", "erp_proxy", "/confirm$"),
    ],
)
def test_function_killed_by_its_time_limit(
    workflow: Workflow,
    won: Callable[..., Run],
    systems: Systems,
    step: str,
    function: str,
    sandbox: str | None,
    path: str | None,
) -> None:
    """Where it wrote, the write had been applied when it was killed: it is not done again."""
    deployed = workflow.cloud.function(function)
    limit = deployed.timeout
    if sandbox:
        slow = {"method": "POST", "path": path, "seconds": 1.5}
        getattr(workflow.environment, sandbox).fail(FaultKind.LATENCY, **slow)
    deployed.timeout = 1.0 if sandbox else 0.0
    try:
        run = won(EUR_DEAL)
        run.wait_for_back_off(step)
    finally:
        deployed.timeout = limit
    run.wait_for_end()
    invocations = workflow.cloud.invocations(function)
    ours = [i.outcome.payload for i in invocations if run.name.encode() in i.payload]
    assert any(b"Sandbox.Timedout" in answer for answer in ours)
    assert systems.footprint(run.deal) == COMPLETE


def test_expired_tokens_are_renewed(
    won: Callable[..., Run], environment: LocalEnvironment, systems: Systems
) -> None:
    """An access token that expires in the middle of a run is fetched anew; no step fails."""
    environment.salesforce.fail(FaultKind.EXPIRED_TOKEN, method="PATCH")
    environment.zendesk.fail(FaultKind.EXPIRED_TOKEN, method="POST", path="/tickets$")
    run = won(EUR_DEAL)
    run.wait_for_end()
    assert environment.salesforce.faults == environment.zendesk.faults == []
    assert run.count("StepFailed") == 0
    assert systems.footprint(run.deal) == COMPLETE


def test_asking_a_team_fails(workflow: Workflow, stage: Stage) -> None:
    """The function that raises exceptions dies: it is tried again until the team is asked."""
    deployed = workflow.cloud.function("RaiseExceptionFunction")
    limit, deployed.timeout = deployed.timeout, 0.0
    before = len(workflow.cloud.invocations(deployed.name))
    try:
        run = next(unknown_payment_terms(stage))
        run.wait_until(lambda: len(workflow.cloud.invocations(deployed.name)) >= before + 3)
    finally:
        deployed.timeout = limit
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("ValidateOrder", "RevOps")
    assert run.status == "RUNNING"
    run.resolve("compensate")
    assert run.wait_for_end() == {"status": "cancelled"}

"""Each step of a renewal fails, is taken back, told twice, or meets another run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from decimal import Decimal

import pytest
from interlock.canonical.contracts import Contract, ContractStatus
from interlock.rules.months import later

from local.sandboxes import salesforce_seed as sales
from local.sandboxes.sandbox import FaultKind
from tests.workflows.breakages import events_refused
from tests.workflows.renewals import AUTO, SEATS, Renewals, Signed
from tests.workflows.runs import Run
from tests.workflows.test_replay import records_at, rehearse

# Minutes of the real machine; `make test` has the ordinary ways.
pytestmark = pytest.mark.slow

READ = (FaultKind.UNAVAILABLE, FaultKind.THROTTLE)
WRITE = (FaultKind.LOST_ANSWER, FaultKind.UNAVAILABLE_AFTER_WRITE)


def failures(run: Run, step: str) -> int:
    """How often a step failed."""
    states = run.states
    return sum(states[n : n + 2] == [step, "StepFailed"] for n in range(len(states)))


def assert_renewed_once(renewals: Renewals, signed: Signed, deal: str) -> None:
    """One term more, one order, one phase more, and one event that tells of it."""
    renewals.settle()
    contract = renewals.contract(signed)
    assert (contract.ends_on, contract.revision) == (later(signed.ends_on, 12), 2)
    assert len(contract.lines) == 4
    # A draft whose answer was lost is cancelled, and entered anew.
    assert [state for state in renewals.orders(deal) if state != "cancelled"] == ["confirmed"]
    assert len(renewals.charged_on(signed, signed.ends_on)) == 2
    assert renewals.run_of(signed).events.count("contract.renewed") == 1


# ---- For a while

CALLS = [
    ("CreateRenewalOpportunity", "salesforce", "PATCH", "/Interlock_Renewal__c/", READ[:1] + WRITE),
    ("AmendSubscription", "stripe", "POST", "/v1/subscription_schedules/", READ + WRITE),
    ("AmendErpContract", "erp_proxy", "POST", "/sale.sale$", READ + WRITE),
    ("AmendErpContract", "erp_proxy", "POST", "/confirm$", READ + WRITE),
    ("WriteBackToCrm", "salesforce", "PATCH", "/Opportunity/", READ[:1] + WRITE),
]


@pytest.mark.parametrize(("step", "sandbox", "method", "path", "kinds"), CALLS)
def test_failure_for_a_while(
    step: str,
    sandbox: str,
    method: str,
    path: str,
    kinds: tuple[FaultKind, ...],
    renewals: Renewals,
) -> None:
    """5xx, throttling, an answer lost before and after the write: one renewal, by itself."""

    def fail() -> None:
        for kind in kinds:
            getattr(renewals.environment, sandbox).fail(kind, method=method, path=path)

    signed = renewals.sign()
    opening = step == "CreateRenewalOpportunity"
    if opening:
        fail()
    run = renewals.started(signed)
    run.wait_until(lambda: run.status and run.states[-1] == "AwaitOutcome")
    deal = renewals.deal(signed)
    if not opening:
        fail()
    renewals.win(deal)

    assert run.wait_for_end() == {"status": "renewed"}
    assert not run.exceptions("resolved")
    assert failures(run, step)
    assert_renewed_once(renewals, signed, deal)


def test_notice_fails_for_a_while(renewals: Renewals) -> None:
    """The customer is told once."""
    signed = renewals.sign(days=60 + 28, renewal=AUTO)
    for kind in READ + WRITE:
        renewals.environment.zendesk.fail(kind, method="POST", path="/tickets$")
    run = renewals.started(signed)
    run.wait_until(lambda: run.status and run.states[-1] == "AwaitOutcome")
    assert failures(run, "SendNotice")
    assert len(renewals.mails(signed)) == 1


# ---- For good

# The function of each step, in the order of the process; None for what the machine does itself.
QUOTED = {
    "LoadContract": "GetContractFunction",
    "ReadTerms": "LoadContractTermsFunction",
    "CompleteView": "BuildCustomerViewFunction",
    "CreateRenewalOpportunity": "OpenRenewalFunction",
    "RefetchOpportunity": "GetOpportunityFunction",
    "Price": "PriceRenewalFunction",
    "DecideRenewal": "DecideRenewalFunction",
    "QuoteOpportunity": "QuoteRenewalFunction",
    "AwaitOutcome": "AwaitChangeFunction",
}
RENEWED = {
    "AmendContract": "AmendContractFunction",
    "AmendSubscription": "AmendSubscriptionFunction",
    "AmendErpContract": "CreateOrderFunction",
    "PlanMilestones": "PlanMilestonesFunction",
    "WriteBackToCrm": "WriteBackOrderFunction",
    "UpdateEntitlement": None,
    "PublishContractChanged": None,
}
ENDED = {
    "FinalInvoice": "GetFinalInvoiceFunction",
    "EndContract": "AmendContractFunction",
    "Offboard": None,
    "PublishContractEnded": None,
}
EVENTS = {
    "UpdateEntitlement": "service.change_requested",
    "PublishContractChanged": "contract.renewed",
    "AnnounceEnd": "service.change_requested",
    "PublishContractEnding": "contract.ending",
    "Offboard": "service.change_requested",
    "PublishContractEnded": "contract.ended",
}


def broken(renewals: Renewals, step: str, function: str | None) -> AbstractContextManager[None]:
    """What makes a step fail."""
    if function:
        return renewals.broken(function)
    return events_refused(renewals, EVENTS[step])


def each_fails(renewals: Renewals, steps: dict[str, str | None], begin: Callable[[], Run]) -> Run:
    """The platform's team is asked at each step in turn, and retry goes on after the repair."""
    waiting = list(steps.items())
    with ExitStack() as defects:
        defects.enter_context(broken(renewals, *waiting[0]))
        run = begin()
        for number, (step, _) in enumerate(waiting):
            exception = run.wait_for_exception()
            assert (exception.step, exception.team) == (step, "Platform")
            assert "retry" in exception.actions
            repaired = defects.pop_all()
            for following in waiting[number + 1 : number + 2]:
                defects.enter_context(broken(renewals, *following))
            repaired.close()
            run.resolve("retry")
    return run


def test_each_step_fails_for_good(renewals: Renewals) -> None:
    """Until it is quoted, and once it is won."""
    signed = renewals.sign()
    run = each_fails(renewals, QUOTED, lambda: renewals.started(signed))
    renewals.wait(run)
    deal = renewals.deal(signed)

    def win() -> Run:
        renewals.win(deal)
        return run

    each_fails(renewals, RENEWED, win)
    assert run.wait_for_end() == {"status": "renewed"}
    assert_renewed_once(renewals, signed, deal)


def test_each_step_of_an_end_fails_for_good(renewals: Renewals) -> None:
    """When it is lost, and at its end."""
    signed = renewals.sign(days=3)
    run = renewals.begun(signed)

    def lose() -> Run:
        renewals.lose(renewals.deal(signed))
        return run

    ending = {
        "LetContractEnd": "AmendContractFunction",
        "CancelAtPeriodEnd": "AmendSubscriptionFunction",
        "AnnounceEnd": None,
        "PublishContractEnding": None,
    }
    each_fails(renewals, ending, lose)
    renewals.wait(run)

    def end() -> Run:
        renewals.cloud.clock.advance(5 * 24 * 3600)
        renewals.environment.stripe.advance()
        return run

    each_fails(renewals, ENDED, end)
    assert run.wait_for_end() == {"status": "ended"}
    assert renewals.contract(signed).status == ContractStatus.ENDED
    assert renewals.contract(signed).revision == 3


def test_system_is_down_while_the_customer_is_looked_at(renewals: Renewals) -> None:
    """Sales get the price nevertheless, and what was read last with its age."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    [view] = [state for state in run.states if state == "CompleteView"][:1]
    assert view
    renewals.environment.zendesk.fail(FaultKind.UNAVAILABLE, times=None)
    renewals.upsell(signed, replace(SEATS, quantity=Decimal(5)))
    renewals.wait_until(lambda: run.states.count("QuoteOpportunity") == 2, jump=False)
    renewals.wait(run)

    read = records_at(renewals, run, "AwaitOutcome")["view"]
    assert read["support"]["stale"]
    assert read["support"]["content"] is not None
    assert not read["crm"]["stale"]
    renewals.environment.zendesk.heal()


def test_contract_that_nobody_knows(renewals: Renewals) -> None:
    """A deal that amends it is new business; so is one whose contract has ended."""
    signed = renewals.sign()
    deal = sales.create_amendment(renewals.organization, signed.deal, (SEATS,))
    unknown = {"Interlock_Contract__c": "salesforce:006000000000000AAA"}
    renewals.organization.update("Opportunity", deal, unknown)
    with renewals.billing.held_back():
        assert renewals.workflow.win(deal).wait_for_end()["status"] == "accepted"
    assert renewals.contract(replace(signed, deal=deal)).status == ContractStatus.ACTIVE


@pytest.mark.parametrize(
    ("step", "function"),
    [("LoadContract", "GetContractFunction"), ("HandOver", None)],
)
def test_handing_over_fails(step: str, function: str | None, renewals: Renewals) -> None:
    """The deal waits for the platform's team, and is handed over then."""
    signed = renewals.sign()
    deal = sales.create_amendment(
        renewals.organization, signed.deal, (SEATS,), starts_on=renewals.today
    )
    defect = renewals.broken(function) if function else events_refused(renewals.workflow)
    with defect:
        run = renewals.workflow.win(deal)
        exception = run.wait_for_exception()
        assert (exception.step, exception.team) == (step, "Platform")
    run.resolve("retry")
    assert run.wait_for_end() == {"status": "handed over"}
    assert renewals.amendment(deal).wait_for_end() == {"status": "amended"}


# ---- Taken back

TAKEN_BACK_AT = {
    "AmendSubscription": "AmendSubscriptionFunction",
    "AmendErpContract": "CreateOrderFunction",
    "PlanMilestones": "PlanMilestonesFunction",
    "WriteBackToCrm": "WriteBackOrderFunction",
}


def content(contract: Contract) -> str:
    """What a contract says, whatever its revision, and whichever run renews it."""
    return contract.fingerprint(exclude={"revision", "references", "renewal_run"})


@pytest.mark.parametrize("step", TAKEN_BACK_AT)
def test_renewal_is_taken_back(step: str, renewals: Renewals) -> None:
    """After each write: contract, billing, books and CRM are as they were."""
    signed = renewals.sign()
    before = renewals.contract(signed)
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    with renewals.broken(TAKEN_BACK_AT[step]):
        renewals.win(deal)
        assert run.wait_for_exception().step == step
    run.resolve("compensate", reason="the customer withdrew")

    assert run.wait_for_end() == {"status": "reverted"}
    renewals.settle()
    after = renewals.contract(signed)
    assert content(after) == content(before)
    assert after.revision == before.revision + 2
    assert renewals.planned(signed) == [90, 60, 30] or renewals.planned(signed)
    assert not [state for state in renewals.orders(deal) if state != "cancelled"]
    told = renewals.systems.crm.opportunity(deal)["Interlock_Order_Status__c"]
    assert told in (None, "cancelled")
    [reverted] = [event for event in run.timeline if event.type == "contract.reverted"]
    assert (reverted.data["by"], reverted.data["failed_step"]) == ("robin", step)
    expansion = Decimal(reverted.data["movement"]["expansion"]["amount"])
    assert expansion == -1080


def test_won_again_after_it_was_taken_back(renewals: Renewals) -> None:
    """Another run renews it, once: as many events as there are of the first one begin none."""
    signed = renewals.sign()
    first = renewals.begun(signed)
    deal = renewals.deal(signed)
    with renewals.broken("PlanMilestonesFunction"):
        renewals.win(deal)
        assert first.wait_for_exception().step == "PlanMilestones"
    first.resolve("compensate", reason="the customer withdrew")
    assert first.wait_for_end() == {"status": "reverted"}
    renewals.settle()
    sales.reopen(renewals.organization, deal)
    renewals.win(deal)

    again = Run(renewals, f"{first.transaction}-2")
    assert again.wait_for_end() == {"status": "renewed"}
    renewals.settle()
    contract = renewals.contract(signed)
    assert (contract.ends_on, contract.renewal_run) == (later(signed.ends_on, 12), 1)
    assert renewals.orders(deal).count("confirmed") == 1


def test_quote_and_notice_are_taken_back(renewals: Renewals) -> None:
    """The customer is told that the notice does not hold; the deal that we opened is closed."""
    signed = renewals.sign(days=60 + 28, renewal=AUTO)
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    with renewals.broken("DecideRenewalFunction"):
        sales.ask_discount(renewals.organization, deal, Decimal(1))
        assert run.wait_for_exception().step == "DecideRenewal"
    run.resolve("compensate")

    assert run.wait_for_end() == {"status": "reverted"}
    assert len(renewals.mails(signed)) == 2
    assert renewals.systems.crm.opportunity(deal)["StageName"] == sales.LOST_STAGE
    assert renewals.contract(signed).renewal_run == 2


def test_amendment_is_taken_back(renewals: Renewals) -> None:
    """And the open renewal is priced anew, twice."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    before = renewals.contract(signed)
    with renewals.broken("WriteBackOrderFunction"):
        upsell = renewals.upsell(signed, replace(SEATS, quantity=Decimal(5)))
        amendment = renewals.amendment(upsell)
        assert amendment.wait_for_exception().step == "WriteBackToCrm"
    amendment.resolve("compensate")
    assert amendment.wait_for_end() == {"status": "reverted"}
    renewals.settle()
    renewals.wait(run)
    assert content(renewals.contract(signed)) == content(before)
    assert renewals.orders(upsell) == ["cancelled"]
    assert renewals.quoted(renewals.deal(signed))["SEAT-ANNUAL"][0] == 25


# ---- Twice, late, and side by side


def test_what_tells_of_nothing_does_not_hold_up_the_rest(renewals: Renewals) -> None:
    """A message that is no event is set aside; the deal in the same batch is heard."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    heard = next(event for event in run.timeline if event.type == "renewal.due")
    told = json.dumps({"detail": heard.model_dump(mode="json")})
    before = len(run.states)
    renewals.send(renewals.cloud.resources["WakeQueue"], json.dumps({"detail": None}), told)

    run.wait_until(lambda: len(run.states) > before, jump=False)
    renewals.wait(run)
    assert len(renewals.take_dead_letters("WakeQueueDlq")) == 1


def test_milestones_are_told_twice_and_late(renewals: Renewals) -> None:
    """One run; after it, they are no longer due."""
    signed = renewals.sign()
    renewals.forget_milestones()
    event = renewals.due_event(signed)
    for _ in range(3):
        run = renewals.told(event)
    renewals.wait(run)
    renewals.due(signed, 90)
    renewals.settle()
    renewals.wait(run)
    deal = renewals.deal(signed)
    renewals.win(deal)
    assert run.wait_for_end() == {"status": "renewed"}

    renewals.told(event)
    late = renewals.replay(event, f"{event.correlation_id}-again")
    assert late.wait_for_end() == {"status": "not due"}
    assert_renewed_once(renewals, signed, deal)


def test_schedules_are_lost(renewals: Renewals) -> None:
    """The daily sweep tells of the milestone, once, as its schedule would have."""
    signed = renewals.sign()
    renewals.forget_milestones()
    renewals.cloud.clock.advance(24 * 3600)
    for _ in range(2):
        renewals.call("SweepContractsFunction", {})
        run = renewals.run_of(signed)
        renewals.wait(run)
        renewals.settle()
    assert run.events.count("renewal.due") == 1


def test_two_runs_change_one_contract(renewals: Renewals) -> None:
    """Who decided by an older revision decides anew: neither change is lost."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    with renewals.broken("AmendContractFunction"):
        renewals.win(deal)
        assert run.wait_for_exception().step == "AmendContract"
    upsell = renewals.upsell(signed, replace(SEATS, quantity=Decimal(5)))
    assert renewals.amendment(upsell).wait_for_end() == {"status": "amended"}

    run.resolve("retry")

    assert run.wait_for_end() == {"status": "renewed"}
    assert run.count("AmendContract") == 3
    contract = renewals.contract(signed)
    assert contract.revision == 3
    assert contract.deals == (signed.contract, f"salesforce:{upsell}", f"salesforce:{deal}")


def test_amendment_is_replayed(renewals: Renewals) -> None:
    """It is in the contract already."""
    signed = renewals.sign()
    upsell = renewals.upsell(signed, replace(SEATS, quantity=Decimal(5)))
    run = renewals.amendment(upsell)
    run.wait_for_end()
    event = run.timeline[0]
    assert rehearse(renewals, event) == ({"status": "amended already"}, [])
    again = renewals.replay(event, f"{run.name}-again")
    assert again.wait_for_end() == {"status": "amended already"}
    assert renewals.contract(signed).revision == 2


def test_dry_runs_write_nothing(renewals: Renewals) -> None:
    """Before there is a deal, with one that is won, and of a deal that would be handed over."""
    signed = renewals.sign()
    renewals.forget_milestones()
    event = renewals.due_event(signed)
    output, plans = rehearse(renewals, event)
    assert output == {"status": "dry run"}
    assert [(plan.operation, plan.action) for plan in plans] == [("open_renewal", "create")]

    run = renewals.told(event)
    renewals.wait(run)
    renewals.settle()
    renewals.wait(run)
    run.stop()
    with renewals.workflow.held_back():
        renewals.win(renewals.deal(signed))
    output, plans = rehearse(renewals, event)
    assert output == {"status": "dry run"}
    assert ("create_order", "create") in [(plan.operation, plan.action) for plan in plans]
    assert renewals.contract(signed).revision == 1

"""A contract comes to its end: priced, quoted, announced, and renewed as sales or its terms say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from interlock.canonical.contracts import ContractStatus
from interlock.canonical.services import ServiceState
from interlock.rules.months import later

from local.sandboxes import salesforce_seed as sales
from local.sandboxes.salesforce_seed import LineSample
from tests.workflows.renewals import AUTO, FINANCE, PLATFORM, SALES_LEAD, SEATS, Renewals, Signed

# Three percent more, as it was signed.
PLATFORM_NEXT, SEAT_NEXT = Decimal("24720.00"), Decimal("494.40")
A_YEAR = Decimal("37080.00")


def test_won_as_quoted(renewals: Renewals) -> None:
    """Sales see the price; once it is won, contract, billing, books and CRM say the same."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    assert renewals.quoted(deal) == {
        "PLATFORM-ANNUAL": (1, PLATFORM_NEXT),
        "SEAT-ANNUAL": (25, SEAT_NEXT),
    }

    renewals.win(deal)

    assert run.wait_for_end() == {"status": "renewed"}
    renewals.settle()
    contract = renewals.contract(signed)
    assert contract.ends_on == later(signed.ends_on, 12)
    assert contract.yearly_on(signed.ends_on).amount == A_YEAR
    assert contract.deals == (signed.contract, f"salesforce:{deal}")
    assert renewals.orders(deal) == ["confirmed"]
    assert renewals.charged_on(signed, signed.ends_on) == {
        ("PLATFORM-ANNUAL", 1, 2472000),
        ("SEAT-ANNUAL", 25, 49440),
    }
    assert renewals.systems.crm.opportunity(deal)["Interlock_Order_Status__c"] == "accepted"
    assert renewals.planned(signed) == [120, 90, 60, 30]
    [renewed] = [event for event in run.timeline if event.type == "contract.renewed"]
    assert Decimal(renewed.data["movement"]["expansion"]["amount"]) == A_YEAR - 36000
    assert renewals.shown(signed) == ServiceState.ACTIVE


def test_goes_on_by_itself(renewals: Renewals) -> None:
    """The customer is told within the law's time, and says nothing."""
    signed = renewals.sign(days=60 + 28, renewal=AUTO)
    run = renewals.begun(signed)
    [mail] = renewals.mails(signed)
    assert "37,080.00 USD a year" in mail["body"]
    assert renewals.contract(signed).ends_on == signed.ends_on

    renewals.pass_days(29)

    assert run.wait_for_end() == {"status": "renewed"}
    contract = renewals.contract(signed)
    assert contract.ends_on == later(signed.ends_on, 12)
    deal = renewals.deal(signed)
    assert contract.deals == (signed.contract, f"salesforce:{deal}")
    assert renewals.orders(deal) == ["confirmed"]
    assert len(renewals.mails(signed)) == 1
    told = renewals.systems.crm.opportunity(deal)
    assert (told["IsClosed"], told["Interlock_Order_Status__c"]) == (False, "accepted")

    renewals.win(deal)
    renewals.settle()

    assert renewals.contract(signed) == contract
    assert renewals.orders(deal) == ["confirmed"]


def test_lost_and_offboarded(renewals: Renewals) -> None:
    """It is served until its end, and then no more: nothing is left uninvoiced."""
    signed = renewals.sign(days=20)
    run = renewals.begun(signed)
    renewals.lose(renewals.deal(signed))
    renewals.wait(run)
    renewals.settle()
    assert renewals.contract(signed).status == ContractStatus.ENDING
    assert renewals.ends_in_billing(signed)
    assert renewals.service(signed).until == signed.ends_on - timedelta(days=1)
    assert renewals.planned(signed) == []

    renewals.pass_days(22)

    assert run.wait_for_end() == {"status": "ended"}
    renewals.settle()
    assert renewals.contract(signed).status == ContractStatus.ENDED
    assert renewals.shown(signed) == ServiceState.ENDED
    [ended] = [event for event in run.timeline if event.type == "contract.ended"]
    assert Decimal(ended.data["movement"]["churn"]["amount"]) == -36000
    assert run.events.count("contract.ending") == 1


# ---- The longer tails

slow = pytest.mark.slow


@slow
def test_upsell_while_a_quote_is_open(renewals: Renewals) -> None:
    """The contract is amended, the open quote is made again, and what is won has it all."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    upsell = renewals.upsell(signed, replace(SEATS, quantity=Decimal(5)))

    assert renewals.amendment(upsell).wait_for_end() == {"status": "amended"}
    renewals.wait(run)
    renewals.settle()
    assert renewals.contract(signed).yearly_on(renewals.today).amount == 38400
    assert renewals.orders(upsell) == ["confirmed"]
    assert renewals.quoted(deal)["SEAT-ANNUAL"] == (30, SEAT_NEXT)

    renewals.win(deal)
    assert run.wait_for_end() == {"status": "renewed"}
    assert renewals.contract(signed).yearly_on(signed.ends_on).amount == A_YEAR + 5 * SEAT_NEXT


@slow
def test_won_with_other_quantities(renewals: Renewals) -> None:
    """More seats than before are an expansion; what was sold counts."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    sales.set_lines(
        renewals.organization,
        deal,
        (
            LineSample("PLATFORM-ANNUAL", Decimal(1), PLATFORM_NEXT),
            LineSample("SEAT-ANNUAL", Decimal(40), SEAT_NEXT),
        ),
    )
    renewals.win(deal)
    assert run.wait_for_end() == {"status": "renewed"}
    assert renewals.contract(signed).yearly_on(signed.ends_on).amount == A_YEAR + 15 * SEAT_NEXT


@slow
def test_discount_within_policy(renewals: Renewals) -> None:
    """It is approved at once, by the policy's rule."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    sales.ask_discount(renewals.organization, deal, Decimal(1))
    renewals.settle()
    renewals.wait(run)
    assert renewals.quoted(deal)["PLATFORM-ANNUAL"] == (1, Decimal("24472.80"))
    assert "approval.decided" in run.events


@slow
def test_discount_that_a_person_approves(renewals: Renewals) -> None:
    """Then the deal has it, and is won for it."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    sales.ask_discount(renewals.organization, deal, Decimal(10))
    renewals.decide(renewals.asked(run), SALES_LEAD)
    renewals.settle()
    renewals.wait(run)
    assert renewals.quoted(deal)["PLATFORM-ANNUAL"] == (1, Decimal("22248.00"))

    renewals.win(deal)

    assert run.wait_for_end() == {"status": "renewed"}
    assert renewals.contract(signed).yearly_on(signed.ends_on).amount == A_YEAR * Decimal("0.9")


@slow
def test_discount_that_a_person_rejects(renewals: Renewals) -> None:
    """The price by the terms stays; asked for another one, people are asked anew."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    sales.ask_discount(renewals.organization, deal, Decimal(10))
    first = renewals.asked(run)
    renewals.decide(first, SALES_LEAD, "reject")
    renewals.settle()
    renewals.wait(run)
    assert renewals.quoted(deal)["PLATFORM-ANNUAL"] == (1, PLATFORM_NEXT)

    sales.ask_discount(renewals.organization, deal, Decimal(5))
    second = renewals.asked(run)
    assert second.id != first.id
    renewals.decide(second, SALES_LEAD)
    renewals.settle()
    renewals.wait(run)
    renewals.win(deal)
    assert run.wait_for_end() == {"status": "renewed"}
    assert renewals.contract(signed).yearly_on(signed.ends_on).amount == A_YEAR * Decimal("0.95")


@slow
def test_discount_that_nobody_decides(renewals: Renewals) -> None:
    """The next tier is asked when the time is over."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    sales.ask_discount(renewals.organization, renewals.deal(signed), Decimal(10))
    assert renewals.asked(run).role == "sales_lead"
    renewals.pass_days(2.1)
    run.wait_until(lambda: renewals.asked(run).role == "finance")
    renewals.decide(renewals.asked(run), FINANCE)
    renewals.settle()
    renewals.wait(run)
    assert "approval.escalated" in run.events


@slow
def test_won_for_less_without_an_approval(renewals: Renewals) -> None:
    """It is sold, but nobody agreed: people are asked, and RevOps if they do not agree."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    lines = [
        LineSample("PLATFORM-ANNUAL", Decimal(1), Decimal(20000)),
        LineSample("SEAT-ANNUAL", Decimal(25), Decimal(450)),
    ]
    with renewals.workflow.held_back():
        sales.set_lines(renewals.organization, deal, tuple(lines))
    renewals.win(deal)
    renewals.decide(renewals.asked(run), FINANCE, "reject")
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("DecideRenewal", "RevOps")
    assert "was rejected: correct the prices of the deal" in exception.message

    lines[0] = replace(lines[0], unit_price=PLATFORM_NEXT)
    lines[1] = replace(lines[1], unit_price=SEAT_NEXT)
    with renewals.workflow.held_back():
        sales.set_lines(renewals.organization, deal, tuple(lines))
    run.resolve("retry")
    assert run.wait_for_end() == {"status": "renewed"}


@slow
def test_lost_and_won_again_before_the_end(renewals: Renewals) -> None:
    """Who thinks better of it is served on: billing does not end it after all."""
    signed = renewals.sign(days=20)
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    renewals.lose(deal)
    renewals.wait(run)
    assert renewals.contract(signed).status == ContractStatus.ENDING

    renewals.pass_days(10)
    renewals.win(deal)

    assert run.wait_for_end() == {"status": "renewed"}
    renewals.settle()
    contract = renewals.contract(signed)
    assert (contract.status, contract.ends_on) == (ContractStatus.ACTIVE, later(signed.ends_on, 12))
    assert not renewals.ends_in_billing(signed)
    assert renewals.shown(signed) == ServiceState.ACTIVE
    assert renewals.service(signed).until is None


@slow
def test_goes_on_without_a_lawful_notice(renewals: Renewals) -> None:
    """RevOps is asked, since the customer was not; what it agrees upon counts."""
    signed = renewals.sign(days=65, renewal=AUTO)
    run = renewals.begun(signed)
    assert renewals.mails(signed) == []
    renewals.pass_days(7)
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("DecideRenewal", "RevOps")
    assert "the customer was not told" in exception.message

    renewals.win(renewals.deal(signed))
    run.resolve("retry")
    assert run.wait_for_end() == {"status": "renewed"}


@slow
def test_does_not_go_on_by_itself(renewals: Renewals) -> None:
    """Nobody says anything about a contract that does not renew itself: it ends."""
    signed = renewals.sign(days=20)
    run = renewals.begun(signed)
    renewals.pass_days(19.9)
    assert renewals.contract(signed).status == ContractStatus.ENDING
    renewals.pass_days(2)
    assert run.wait_for_end() == {"status": "ended"}


@slow
def test_overdue_customer_is_held_back(renewals: Renewals) -> None:
    """What is due for long is paid first; the day after it is renewed."""
    signed = renewals.sign(days=100, posted=True)
    run = renewals.begun(signed)
    renewals.pass_days(70)
    renewals.win(renewals.deal(signed))
    renewals.settle()
    renewals.wait(run)
    assert renewals.contract(signed).ends_on == signed.ends_on

    renewals.pay(signed)
    renewals.pass_days(1.1)

    assert run.wait_for_end() == {"status": "renewed"}


@slow
def test_sales_win_a_deal_of_their_own_beside_ours(renewals: Renewals) -> None:
    """It renews the contract, and ours is lost: nobody has to see it twice."""
    signed = renewals.sign()
    run = renewals.begun(signed)
    ours = renewals.deal(signed)
    theirs = renewals.renewed_by_sales(signed)
    renewals.win(theirs)

    assert run.wait_for_end() == {"status": "renewed"}
    renewals.settle()
    assert renewals.contract(signed).deals == (signed.contract, f"salesforce:{theirs}")
    assert renewals.orders(theirs) == ["confirmed"]
    assert renewals.systems.crm.opportunity(ours)["StageName"] == sales.LOST_STAGE


@slow
def test_early_renewal(renewals: Renewals) -> None:
    """A deal that sales made long before the first milestone: it is handed over when it is won."""
    signed = renewals.sign(days=200)
    deal = renewals.renewed_by_sales(signed)
    renewals.win(deal)

    run = renewals.run_of(signed)
    assert run.wait_for_end() == {"status": "renewed"}
    renewals.settle()
    assert renewals.deal(signed) == deal
    assert renewals.contract(signed).ends_on == later(signed.ends_on, 12)
    assert renewals.orders(deal) == ["confirmed"]

    # Won again, it is known already; the milestones of the old term are not due.
    sales.reopen(renewals.organization, deal)
    renewals.cloud.clock.advance(60)
    handing = renewals.workflow.win(deal)
    assert handing.wait_for_end() == {"status": "known already"}
    assert renewals.planned(signed) == [120, 90, 60, 30]


@slow
def test_consolidation_after_a_merger(renewals: Renewals) -> None:
    """Two contracts of a customer become one; over both nothing comes or goes."""
    host = renewals.sign(days=300)
    joining = renewals.sign(days=100, account_of=host)
    run = renewals.begun(joining)
    deal = renewals.deal(joining)
    renewals.organization.update("Opportunity", deal, {"Consolidates_Into__c": host.contract})
    renewals.win(deal)

    assert renewals.amendment(deal).wait_for_end() == {"status": "amended"}
    renewals.wait(run)
    assert renewals.contract(joining).status == ContractStatus.ENDING
    together = renewals.contract(host)
    assert together.yearly_on(joining.ends_on).amount == 36000 + A_YEAR
    assert together.ends_on == host.ends_on
    [amended] = [e for e in renewals.amendment(deal).timeline if e.type == "contract.amended"]

    renewals.pass_days(102)
    assert run.wait_for_end() == {"status": "ended"}
    [ended] = [event for event in run.timeline if event.type == "contract.ended"]
    moved = [Decimal(event.data["movement"]["transferred"]["amount"]) for event in (amended, ended)]
    assert moved[0] == -moved[1] == A_YEAR or sum(moved) == 0
    renewals.settle()
    assert renewals.shown(host) == ServiceState.ACTIVE


@slow
def test_leap_day_terms(renewals: Renewals) -> None:
    """What began on 29 February ends on 28 February, and on the 29th in a leap year."""
    signed = renewals.sign_from(date(2024, 2, 29), months=84)
    assert signed.ends_on == date(2031, 2, 28)
    renewals.win(renewals.renewed_by_sales(signed))
    assert renewals.run_of(signed).wait_for_end() == {"status": "renewed"}
    assert renewals.contract(signed).ends_on == date(2032, 2, 29)
    assert renewals.contract(signed).lines[-1].starts_on == signed.ends_on


@slow
def test_churn_that_is_reversed_after_the_end(renewals: Renewals) -> None:
    """It is new business: another order, subscription and contract; what is booked stays."""
    signed = renewals.sign(days=3)
    run = renewals.begun(signed)
    deal = renewals.deal(signed)
    renewals.lose(deal)
    renewals.wait(run)
    renewals.pass_days(5)
    assert run.wait_for_end() == {"status": "ended"}

    again = renewals.workflow.win(deal)

    assert again.wait_for_end()["status"] == "accepted"
    assert renewals.contract(signed).status == ContractStatus.ENDED
    contract = renewals.contract(replace(signed, deal=deal))
    assert contract.status == ContractStatus.ACTIVE
    assert renewals.orders(deal) == ["confirmed"]
    assert len(renewals.systems.billing.schedules(deal)) == 1
    renewals.settle()


RAMPED = (PLATFORM, SEATS, replace(SEATS, quantity=Decimal(40), from_month=6))


@slow
def test_ramp_is_signed(renewals: Renewals) -> None:
    """Billing is told of what begins later; what is renewed is what was served last."""
    signed = renewals.sign(days=300, lines=RAMPED)
    step = later(later(signed.ends_on, -12), 6)
    assert ("SEAT-ANNUAL", 25, 48000) in renewals.charged_on(signed, step - timedelta(days=1))
    assert ("SEAT-ANNUAL", 40, 48000) in renewals.charged_on(signed, step)
    contract = renewals.contract(signed)
    assert contract.yearly_on(step).amount - contract.yearly_on(renewals.today).amount == 15 * 480


@slow
@pytest.mark.parametrize("decision", ["retry", "compensate"])
def test_ramp_cannot_be_billed(decision: str, renewals: Renewals) -> None:
    """Finance or the platform's team goes on with it, or the deal is taken back as a whole."""
    with renewals.broken("AmendSubscriptionFunction"):
        run = renewals.signing(days=300, lines=RAMPED)
        exception = run.wait_for_exception()
        assert (exception.step, exception.team) == ("AmendSubscription", "Platform")
    run.resolve(decision)
    accepted = decision == "retry"
    assert run.wait_for_end()["status"] == ("accepted" if accepted else "cancelled")
    contract = renewals.contract(Signed(run.deal, renewals.today))
    assert contract.status == (ContractStatus.ACTIVE if accepted else ContractStatus.ENDED)
    [schedule] = renewals.systems.billing.schedules(run.deal)
    assert (schedule["status"] == "canceled") == (not accepted)

"""How contracts change: what stays as it was, what is added, and what that is in the books."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical import Line, LineKind, Order
from interlock.canonical.contracts import ChangeKind, Contract, ContractStatus
from interlock.canonical.records import DealKind, Opportunity, RenewalTerms
from interlock.errors import BusinessRuleViolation
from interlock.rules.contract_change import (
    amended,
    ended,
    ending,
    renewed,
    retired,
    reverted,
    signed,
)

from tests.unit import samples
from tests.unit.renewal_samples import (
    AMENDMENT_DEAL,
    ENDS,
    OTHER,
    RENEWAL_DEAL,
    STARTS,
    amendment,
    contract,
    contract_line,
    policy,
    quote,
    terms,
    usd,
    won,
)
from tests.unit.renewal_samples import deal as open_deal
from tests.unit.samples import ACCOUNT, DEAL, PARENT, account, line

MARCH = date(2027, 3, 1)


def moved(**parts: str) -> dict[str, Any]:
    """The parts of a movement: nothing but these."""
    none = dict.fromkeys(("new", "expansion", "contraction", "churn", "transferred"), "0")
    return {part: usd(amount) for part, amount in (none | parts).items()}


def order_of(deal: Opportunity, **values: Any) -> Order:
    """Its order."""
    return samples.order(lines=deal.lines, net=deal.amount, **values)


# ---- Signed


def test_a_contract_begins_with_an_order() -> None:
    deal = samples.opportunity()
    change = signed(deal, samples.order(), policy())

    assert change.after == contract()
    assert (change.kind, change.before, change.effective_on) == (ChangeKind.SIGNED, None, STARTS)
    assert (change.deal_id, change.order) == (DEAL, samples.order())
    assert change.movement.model_dump(exclude={"on"}) == {
        part: money.model_dump() for part, money in moved(new="14500.00").items()
    }
    assert (change.movement.on, change.steps) == (STARTS, ())


def test_the_bill_and_the_notices_go_to_who_pays() -> None:
    payer = account(id=PARENT, name="Calder Group", email="ap@calder.example")
    deal = samples.opportunity(accounts=(account(parent_id=PARENT), payer))

    after = signed(deal, samples.order(bill_to=PARENT), policy()).after

    assert (after.account_id, after.bill_to) == (ACCOUNT, PARENT)
    assert (after.customer_name, after.customer_email) == ("Calder Group", "ap@calder.example")


def test_what_the_deal_says_of_its_renewal_counts() -> None:
    agreed = RenewalTerms(auto_renews=False, notice_days=90)
    deal = samples.opportunity(renewal=agreed)

    assert signed(deal, samples.order(), policy()).after.renewal == agreed


def test_each_line_of_a_ramp_takes_the_place_of_the_one_before() -> None:
    deal = samples.opportunity(
        lines=(
            line(1, quantity="10"),
            line(2, "PLATFORM", quantity="1", price="2500.00"),
            line(3, quantity="20", from_month=6),
            line(4, quantity="30", from_month=18),
            line(5, "STORAGE", quantity="1", from_month=18),
        )
    )
    change = signed(deal, order_of(deal, term_months=24), policy())

    june, end = date(2027, 6, 1), date(2028, 12, 1)
    assert [(each.sku, each.starts_on, each.ends_on) for each in change.after.lines] == [
        ("SEAT", STARTS, june),
        ("PLATFORM", STARTS, end),
        ("SEAT", june, date(2028, 6, 1)),
        ("SEAT", date(2028, 6, 1), end),
        ("STORAGE", date(2028, 6, 1), end),
    ]
    assert change.movement.new == usd("7300.00")
    assert [(step.on, step.expansion) for step in change.steps] == [
        (june, usd("4800.00")),
        (date(2028, 6, 1), usd("5280.00")),
    ]


def test_a_ramp_ends_with_the_term() -> None:
    deal = samples.opportunity(lines=(line(), line(2, from_month=12)))

    with pytest.raises(BusinessRuleViolation, match=r"line 2 .SEAT. begins 12 months after"):
        signed(deal, order_of(deal), policy())


def test_a_contract_of_29_february_comes_back_to_it() -> None:
    leap = date(2024, 2, 29)
    deal = samples.opportunity(start_date=leap)
    current = signed(deal, samples.order(start_date=leap), policy()).after
    ends = [current.ends_on]
    for _ in range(3):
        current = renewed(current, quote(current), open_deal()).after
        ends.append(current.ends_on)

    assert ends == [
        date(2025, 2, 28),
        date(2026, 2, 28),
        date(2027, 2, 28),
        date(2028, 2, 29),
    ]


# ---- Renewed


def test_a_renewal_adds_a_term_and_leaves_what_was() -> None:
    before, deal = contract(), won(line(quantity="30", price="494.40"))
    change = renewed(before, quote(by=deal), deal)

    after = change.after
    assert after.lines[:2] == before.lines
    assert [(each.sku, each.starts_on, each.ends_on) for each in after.lines[2:]] == [
        ("SEAT", ENDS, date(2028, 12, 1))
    ]
    assert (after.ends_on, after.status, after.revision) == (
        date(2028, 12, 1),
        ContractStatus.ACTIVE,
        2,
    )
    assert after.deals == (DEAL, RENEWAL_DEAL)
    assert (change.kind, change.effective_on, change.deal_id) == (
        ChangeKind.RENEWED,
        ENDS,
        RENEWAL_DEAL,
    )
    # 30 seats for 14,832 instead of 25 for 12,000, and no platform.
    parts = moved(expansion="2832.00", contraction="-2500.00")
    assert {part: getattr(change.movement, part) for part in parts} == parts
    assert change.movement.on == ENDS


def test_the_order_of_a_renewal_is_what_was_sold() -> None:
    deal = won(line(3, price="494.40"), line(4, quantity="40", price="494.40", from_month=12))
    deal = deal.model_copy(update={"term_months": 24})
    order = renewed(contract(), quote(by=deal), deal).order

    assert order is not None
    assert (order.id, order.start_date, order.term_months) == (RENEWAL_DEAL, ENDS, 24)
    assert [(each.number, each.kind, each.from_month) for each in order.lines] == [
        (1, LineKind.RECURRING, 0),
        (2, LineKind.RECURRING, 12),
    ]
    assert order.net == usd("32136.00")
    assert (order.subsidiary, order.payment_terms, order.payment_days, order.bill_to) == (
        "TESSALINE-US",
        "NET30",
        30,
        ACCOUNT,
    )


def test_a_silent_renewal_is_its_open_deals() -> None:
    """So the deal sells nothing again, should it be won later."""
    change = renewed(contract(), quote(), open_deal())

    assert change.order is not None
    assert (change.order.id, change.deal_id) == (RENEWAL_DEAL, RENEWAL_DEAL)
    assert change.after.deals == (DEAL, RENEWAL_DEAL)
    assert change.movement.expansion == usd("435.00")


def test_a_renewal_may_agree_on_the_next_one() -> None:
    agreed = terms(notice_days=90)
    deal = won(renewal=agreed)

    assert renewed(contract(), quote(by=deal), deal).after.renewal == agreed
    asked = open_deal(renewal=agreed)
    assert renewed(contract(), quote(), asked).after.renewal == terms()


def test_a_contract_that_was_to_end_is_renewed_after_all() -> None:
    left = ending(contract()).after

    assert renewed(left, quote(left), open_deal()).after.status == ContractStatus.ACTIVE


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (ended(contract()).after, "has ended: sell it anew"),
        (
            ending(contract(), won(), handed_over=quote().lines).after,
            "another contract goes on with the products",
        ),
    ],
)
def test_what_has_ended_or_went_over_is_not_renewed(of: Contract, says: str) -> None:
    with pytest.raises(BusinessRuleViolation, match=says):
        renewed(of, quote(), open_deal())


# ---- Amended


def test_an_amendment_lasts_as_long_as_the_contract() -> None:
    change = amended(contract(), amendment())

    [added] = change.after.lines[2:]
    assert (added.sku, added.quantity, added.starts_on, added.ends_on) == ("SEAT", 5, MARCH, ENDS)
    assert (change.after.ends_on, change.after.revision) == (ENDS, 2)
    assert change.movement.expansion == change.movement.total == usd("2400.00")
    assert (change.movement.on, change.effective_on, change.deal_id) == (
        MARCH,
        MARCH,
        AMENDMENT_DEAL,
    )
    assert change.order is not None
    assert (change.order.id, change.order.start_date, change.order.term_months) == (
        AMENDMENT_DEAL,
        MARCH,
        9,
    )


@pytest.mark.parametrize(("day", "months"), [("2027-03-02", 9), ("2027-11-30", 1)])
def test_a_month_that_is_not_whole_counts_in_the_books(day: str, months: int) -> None:
    order = amended(contract(), amendment(), effective_on=date.fromisoformat(day)).order

    assert order is not None
    assert (order.start_date.isoformat(), order.term_months) == (day, months)


def test_a_contract_that_was_renewed_ahead_is_amended_through_both_terms() -> None:
    ahead = renewed(contract(), quote(), open_deal()).after

    change = amended(ahead, amendment())

    assert change.after.lines[-1].ends_on == ahead.ends_on == date(2028, 12, 1)
    assert change.movement.expansion == usd("2400.00")
    assert change.steps == ()


def test_an_amendment_may_be_a_ramp() -> None:
    change = amended(contract(), amendment(line(quantity="5"), line(2, from_month=6)))

    assert [each.starts_on for each in change.after.lines[2:]] == [MARCH, date(2027, 9, 1)]
    assert [(step.on, step.expansion) for step in change.steps] == [
        (date(2027, 9, 1), usd("9600.00"))
    ]


def consolidating(*lines: Line) -> Opportunity:
    """The renewal of another contract of the customer's, which goes over to this one."""
    lines = lines or (line(2, "STORAGE", quantity="2", price="100.00"),)
    return won(*lines, contract_id=OTHER, consolidates_into=DEAL, start_date=MARCH)


def test_what_another_contract_hands_over_is_transferred() -> None:
    change = amended(contract(), consolidating(), effective_on=MARCH)

    assert change.after.lines[-1].sku == "STORAGE"
    assert change.movement.transferred == change.movement.total == usd("200.00")


@pytest.mark.parametrize(
    ("deal", "says"),
    [
        (amendment(contract_id=OTHER), f"amends {OTHER}: correct it"),
        (amendment(contract_id=None), "amends no contract"),
        (amendment(kind=DealKind.NEW), "is a new one, which does not amend"),
        (won(), "is a renewal one, which does not amend"),
        (amendment(is_won=False), "not won any more"),
        (amendment(id=DEAL), "in the contract already"),
        (amendment(accounts=(account(id=PARENT),)), f"the contract with {ACCOUNT}"),
        (amendment(start_date=date(2026, 11, 30)), "starts on 2026-11-30, and the contract lasts"),
        (amendment(start_date=ENDS), "starts on 2027-12-01, and the contract lasts"),
        (amendment(line(currency="EUR")), "the deal is in EUR"),
        (amendment(line(kind=LineKind.SERVICE)), "is a service: sell services by a new deal"),
        (amendment(line(quantity="5", price="-480")), "takes 2,400.00 USD a year away.*at its ren"),
    ],
)
def test_what_speaks_against_an_amendment_is_named(deal: Opportunity, says: str) -> None:
    with pytest.raises(BusinessRuleViolation, match=says):
        amended(contract(), deal)


def test_everything_that_speaks_against_it_is_named_at_once() -> None:
    deal = amendment(is_won=False, start_date=ENDS)

    with pytest.raises(BusinessRuleViolation) as refused:
        amended(ended(contract()).after, deal)

    assert len(refused.value.problems) == 3


def test_a_contract_that_ends_may_be_amended_until_then() -> None:
    left = ending(contract()).after

    assert amended(left, amendment()).after.status == ContractStatus.ENDING


def test_a_contract_that_goes_over_is_amended_no_more() -> None:
    going = ending(contract(), won(), handed_over=quote().lines).after

    with pytest.raises(BusinessRuleViolation, match="sell what is new on that one"):
        amended(going, amendment())


# ---- Ended


def test_a_contract_ends_with_its_term_and_its_revenue_is_churn() -> None:
    left = ending(contract(), won())
    over = ended(left.after)

    assert (left.kind, left.deal_id, left.order) == (ChangeKind.ENDING, RENEWAL_DEAL, None)
    assert left.movement.total == usd("0")
    assert (left.after.status, over.after.status) == (ContractStatus.ENDING, ContractStatus.ENDED)
    assert (over.after.revision, over.after.lines) == (3, contract().lines)
    assert (over.movement.churn, over.movement.total) == (usd("-14500.00"), usd("-14500.00"))
    assert (over.kind, over.movement.on) == (ChangeKind.ENDED, ENDS)


def test_a_contract_that_goes_over_leaves_nothing_behind() -> None:
    """30 seats go over instead of 25, and the platform does not."""
    goes_on = (contract_line(quantity="30", starts_on=ENDS, ends_on=date(2028, 12, 1)),)
    left = ending(contract(), won(), handed_over=goes_on)
    over = ended(left.after)

    assert left.kind == ChangeKind.CONSOLIDATED
    assert left.movement.total == usd("0")
    parts = moved(expansion="2400.00", contraction="-2500.00", transferred="-14400.00")
    assert {part: getattr(over.movement, part) for part in parts} == parts
    assert over.movement.total == usd("-14500.00")


# ---- Taken back


def test_a_renewal_is_taken_back_by_a_further_revision() -> None:
    change = renewed(contract(references={"stripe": "sub_1"}), quote(), open_deal())
    back = reverted(change, change.after)

    assert back.after == contract(references={"stripe": "sub_1"}, revision=3, renewal_run=2)
    assert (back.kind, back.effective_on, back.order) == (ChangeKind.REVERTED, ENDS, None)
    assert back.movement.expansion == usd("-435.00")
    assert back.movement.on == change.movement.on


def test_ramps_are_taken_back_too() -> None:
    change = amended(contract(), amendment(line(quantity="5"), line(2, from_month=6)))
    back = reverted(change, change.after)

    assert [(step.on, step.expansion) for step in back.steps] == [
        (date(2027, 9, 1), usd("-9600.00"))
    ]


def test_a_signed_contract_that_is_taken_back_never_was_in_force() -> None:
    change = signed(samples.opportunity(), samples.order(), policy())
    back = reverted(change, change.after)

    assert back.after == retired(contract())
    assert (back.after.status, back.after.ends_on) == (ContractStatus.ENDED, STARTS)
    assert [each.sku for each in back.after.lines] == ["SEAT", "PLATFORM"]
    assert back.after.phases == ()
    assert back.after.yearly_on(MARCH) == usd("0")
    assert back.movement.new == usd("-14500.00")


def test_a_deal_that_was_taken_back_may_amend_again() -> None:
    """And who renews the contract is not touched by it."""
    change = amended(contract(), amendment())
    back = reverted(change, change.after).after

    assert back.renewal_run == 1
    assert amended(back, amendment()).after.revision == 4


def test_an_uplift_of_nothing_moves_nothing() -> None:
    flat = contract(renewal=terms(uplift=Decimal(0)))

    assert renewed(flat, quote(flat), open_deal()).movement.total == usd("0")

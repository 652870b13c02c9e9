"""What is to be done about a renewal next, in each situation and at each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical.contracts import (
    ChangeKind,
    Contract,
    ContractStatus,
    RenewalAction,
    RenewalDecision,
)
from interlock.canonical.customer_view import Reading
from interlock.errors import BusinessRuleViolation
from interlock.rules import renewal_notice
from interlock.rules.contract_change import ending
from interlock.rules.renewal_decision import DecidedApproval, Renewal, decide

from tests.unit.renewal_samples import (
    ENDS,
    OTHER,
    READ_AT,
    RENEWAL_DEAL,
    contract,
    days_before_end,
    deal,
    lost,
    notice,
    policy,
    quote,
    receivables,
    terms,
    usd,
    view,
    won,
)
from tests.unit.samples import line

TOLD = "as it was told"
OVERDUE = Reading(content=receivables("1000.01", date(2027, 1, 2)), read_at=READ_AT)
UNREAD = Reading(stale=True)
MANUAL = terms(auto_renews=False)


def renewal(days: int = 100, **values: Any) -> Renewal:
    """So many days before the end, at noon; sales know the price, unless `quoted` says else."""
    of, by = values.pop("contract", contract()), values.pop("deal", deal())
    offer = values.pop("quote", None) or quote(of, by)
    given = {
        "contract": of,
        "policy": policy(),
        "view": view(),
        "deal": by,
        "quote": offer,
        "approval": None,
        "quoted": TOLD,
        "notice": None,
        "now": days_before_end(days),
    }
    known = Renewal(**(given | values))
    return replace(known, quoted=offer.offer()) if known.quoted == TOLD else known


def decided(days: int = 100, **values: Any) -> RenewalDecision:
    """What is decided then."""
    return decide(renewal(days, **values))


def left(**values: Any) -> Contract:
    """It is not renewed."""
    return ending(contract(**values)).after


def going_over() -> Contract:
    """Another contract goes on with it."""
    return ending(contract(), won(), handed_over=quote().lines).after


def until(when: str, days: int) -> int:
    """How many seconds it is from noon of a day before the end until a time."""
    return int((datetime.fromisoformat(f"{when}+00:00") - days_before_end(days)).total_seconds())


# ---- An open deal


@pytest.mark.parametrize("quoted", [None, "another offer"])
def test_sales_are_told_the_price_and_the_customer(quoted: str | None) -> None:
    decision = decided(119, quoted=quoted)

    assert decision.action == RenewalAction.QUOTE
    assert decision.reasons == (
        "From 2027-12-01 on: 14,935.00 USD a year, net of tax.",
        "Billing: 14,500.00 USD a year, 20.00 USD of credit left.",
        "Books: nothing owed.",
        "Support: 2 open cases, critical: 4711.",
    )


@pytest.mark.parametrize("books", [OVERDUE, UNREAD])
def test_sales_are_told_the_price_also_of_a_customer_that_is_held_back(books: Any) -> None:
    assert decided(quoted=None, view=view(erp=books)).action == RenewalAction.QUOTE


def test_a_discount_is_told_once_it_is_approved() -> None:
    by = deal(discount=Decimal(10))
    approval = DecidedApproval(subject_hash=quote(by=by).offer(), status="approved")

    assert decided(deal=by, quoted=None, approval=approval).action == RenewalAction.QUOTE
    with pytest.raises(BusinessRuleViolation, match="nobody was asked for: retry"):
        decided(deal=by, quoted=None)


def test_one_that_is_ending_is_told_a_new_offer_too() -> None:
    assert decided(contract=left(), quoted=None).action == RenewalAction.QUOTE


# ---- Nobody says anything: a contract that renews itself


@pytest.mark.parametrize(
    ("days", "action", "then"),
    [
        (119, RenewalAction.WAIT, "2027-09-02T06:00"),  # the window opens 90 days before the end
        (91, RenewalAction.WAIT, "2027-09-02T06:00"),
        (90, RenewalAction.NOTICE, None),
        (75, RenewalAction.NOTICE, None),
        (74, RenewalAction.WAIT, "2027-10-03T06:00"),  # the day after the deadline
        (60, RenewalAction.WAIT, "2027-10-03T06:00"),
    ],
)
def test_the_customer_is_told_in_the_window(
    days: int, action: RenewalAction, then: str | None
) -> None:
    decision = decided(days)

    assert decision.action == action
    if then:
        assert decision.seconds == until(then, days)
    else:
        assert decision.notice == notice(None).model_copy(update={"remote_id": None})


def test_who_was_told_may_say_no_until_the_deadline() -> None:
    decision = decided(75, notice=notice())

    assert decision.action == RenewalAction.WAIT
    assert decision.seconds == until("2027-10-03T06:00", 75)
    assert decision.reasons == ("The customer may say no until 2027-10-02.",)


@pytest.mark.parametrize("sent", ["2027-09-02", "2027-09-17"])
@pytest.mark.parametrize("days", [59, 1, 0, -3])
def test_it_renews_itself_after_the_deadline(sent: str, days: int) -> None:
    decision = decided(days, notice=notice(sent))

    assert decision.action == RenewalAction.RENEW
    assert decision.change is not None
    assert (decision.change.kind, decision.change.deal_id) == (ChangeKind.RENEWED, RENEWAL_DEAL)
    assert decision.change.after.ends_on == date(2028, 12, 1)
    assert decision.reasons[0] == "Nobody said no until 2027-10-02."
    assert "SEAT: 25 at 480.00 USD, raised by 3 %: 494.40 USD" in decision.reasons


@pytest.mark.parametrize("sent", [None, "2027-09-01", "2027-09-18"])
def test_who_was_not_told_in_time_is_not_renewed_silently(sent: str | None) -> None:
    with pytest.raises(BusinessRuleViolation, match=r"not told from 2027-09-02 until 2027-09-17"):
        decided(59, notice=notice(sent))
    with pytest.raises(BusinessRuleViolation, match=r"record the outcome on the deal in the CRM"):
        decided(59, notice=None)


def test_who_was_told_another_price_is_not_renewed_silently() -> None:
    with pytest.raises(BusinessRuleViolation, match=r"14,935.00 USD a year.*told another price"):
        decided(59, notice=notice(of=contract(renewal=terms(uplift=Decimal(2)))))


def test_what_was_sent_is_not_sent_again_even_if_it_was_too_early() -> None:
    assert decided(80, notice=notice("2027-08-31")).action == RenewalAction.WAIT


def test_a_price_below_the_terms_is_not_renewed_silently_without_approval() -> None:
    by = deal(discount=Decimal(10))
    told = renewal_notice.write(contract(), quote(by=by), by).model_copy(
        update={"sent_at": days_before_end(80)}
    )
    approval = DecidedApproval(subject_hash=quote(by=by).offer(), status="approved")

    silent = decided(59, deal=by, notice=told, approval=approval)
    assert silent.change is not None
    assert silent.change.after.yearly_on(ENDS) == usd("13441.50")
    with pytest.raises(BusinessRuleViolation, match="nobody was asked for"):
        decided(59, deal=by, notice=told)


# ---- Nobody says anything: a contract that does not renew itself


@pytest.mark.parametrize("days", [100, 60, 2])
def test_it_waits_until_the_day_before_the_end(days: int) -> None:
    decision = decided(days, contract=contract(renewal=MANUAL))

    assert decision.action == RenewalAction.WAIT
    assert decision.seconds == until("2027-11-30T06:00", days)


@pytest.mark.parametrize("days", [1, 0, -1])
def test_it_ends_the_day_before_the_end(days: int) -> None:
    decision = decided(days, contract=contract(renewal=MANUAL))

    assert decision.action == RenewalAction.END
    assert decision.change is not None
    assert (decision.change.kind, decision.change.deal_id) == (ChangeKind.ENDING, None)
    assert decision.seconds == max(60, until("2027-12-02T06:00", days))


# ---- A deal that was won


@pytest.mark.parametrize("of", [contract(), left(), contract(renewal=MANUAL)])
@pytest.mark.parametrize("days", [300, 100, 1])
def test_it_renews(of: Contract, days: int) -> None:
    decision = decided(days, contract=of, deal=won(), quoted=None)

    assert decision.action == RenewalAction.RENEW
    assert decision.change is not None
    assert decision.change.deal_id == RENEWAL_DEAL
    assert decision.change.after.status == ContractStatus.ACTIVE
    assert decision.reasons[0] == f"The deal {RENEWAL_DEAL} was won."


def test_one_that_nobody_decided_upon_in_time_is_renewed_late() -> None:
    assert decided(-5, deal=won()).action == RenewalAction.RENEW


@pytest.mark.parametrize("days", [0, 1, 100])
def test_what_was_sold_for_less_has_to_be_approved(days: int) -> None:
    cheap = won(line(price="400.00"))
    offer = quote(by=cheap)
    approved = DecidedApproval(subject_hash=offer.offer(), status="approved")

    assert decided(days, deal=cheap, approval=approved).action == RenewalAction.RENEW
    with pytest.raises(BusinessRuleViolation, match=r"nobody was asked for: retry"):
        decided(days, deal=cheap)
    with pytest.raises(BusinessRuleViolation, match=r"nobody was asked for: retry"):
        decided(days, deal=cheap, approval=DecidedApproval(subject_hash="x", status="approved"))
    rejected = approved.model_copy(update={"status": "rejected"})
    with pytest.raises(BusinessRuleViolation, match=r"was rejected: correct the prices"):
        decided(days, deal=cheap, approval=rejected)


def test_it_lets_another_contract_go_on_with_the_products() -> None:
    decision = decided(deal=won(consolidates_into=OTHER))

    assert decision.action == RenewalAction.CONSOLIDATE
    assert decision.change is not None
    assert decision.change.kind == ChangeKind.CONSOLIDATED
    assert decision.change.after.handover is not None
    assert decision.change.after.handover.transferred == usd("-14935.00")
    assert decision.seconds == until("2027-12-02T06:00", 100)


def test_what_went_over_waits_for_its_end() -> None:
    decision = decided(contract=going_over(), deal=won(consolidates_into=OTHER))

    assert decision.action == RenewalAction.WAIT
    assert decision.seconds == until("2027-12-02T06:00", 100)


def test_what_went_over_is_not_renewed_as_well() -> None:
    with pytest.raises(BusinessRuleViolation, match="another contract goes on with the products"):
        decided(contract=going_over(), deal=won())


def test_a_contract_is_not_consolidated_into_itself() -> None:
    with pytest.raises(BusinessRuleViolation, match="into itself: name another one"):
        decided(deal=won(consolidates_into=contract().id))


# ---- A deal that was lost


@pytest.mark.parametrize("days", [100, 1, 0, -3])
def test_it_lets_the_contract_end(days: int) -> None:
    decision = decided(days, deal=lost(), quoted=None)

    assert decision.action == RenewalAction.END
    assert decision.change is not None
    assert decision.change.deal_id == RENEWAL_DEAL
    assert decision.seconds == max(60, until("2027-12-02T06:00", days))


@pytest.mark.parametrize("by", [lost(), deal()])
@pytest.mark.parametrize("days", [100, 1, 0])
def test_until_the_end_it_waits(by: Any, days: int) -> None:
    decision = decided(days, contract=left(), deal=by)

    assert decision.action == RenewalAction.WAIT
    assert decision.seconds == until("2027-12-02T06:00", days)


# ---- It has ended


@pytest.mark.parametrize("by", [lost(), deal(), won(), won(consolidates_into=OTHER)])
@pytest.mark.parametrize("quoted", [None, TOLD])
def test_the_day_after_the_end_it_is_offboarded(by: Any, quoted: str | None) -> None:
    decision = decided(-1, contract=left(), deal=by, quoted=quoted)

    assert decision.action == RenewalAction.OFFBOARD
    assert decision.change is not None
    assert decision.change.after.status == ContractStatus.ENDED
    assert decision.change.movement.churn == usd("-14500.00")
    assert decision.reasons[0] == "The contract ended on 2027-11-30."
    assert len(decision.reasons) == 1 + by.is_won


def test_one_that_went_over_is_offboarded_without_a_word_of_selling() -> None:
    by = won(consolidates_into=OTHER)

    assert decided(-1, contract=going_over(), deal=by).reasons == (
        "The contract ended on 2027-11-30.",
    )


# ---- Held back

LATE = date(2027, 7, 24)  # 30 days before the 100th day before the end


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize(
    ("owed", "since", "held"),
    [
        ("1000.01", LATE - timedelta(days=1), True),
        ("1000.01", LATE, False),
        ("1000.00", LATE - timedelta(days=300), False),
    ],
)
def test_who_is_overdue_by_more_for_longer_is_held_back(
    owed: str, since: date, held: bool, stale: bool
) -> None:
    books = Reading(content=receivables(owed, since), read_at=READ_AT, stale=stale)

    decision = decided(deal=won(), view=view(erp=books))

    assert decision.action == (RenewalAction.WAIT if held else RenewalAction.RENEW)
    if held:
        assert decision.seconds == until("2027-08-24T06:00", 100)
        assert decision.reasons == (
            "It is held back. The customer owes 1,000.01 USD that was due, the oldest of it since"
            " 2027-07-23.",
        )


def test_in_a_currency_that_the_terms_do_not_name_any_amount_counts() -> None:
    books = Reading(content=receivables("0.01", date(2027, 1, 2)), read_at=READ_AT)
    known = renewal(deal=won(), view=view(erp=books), policy=policy(held_above={"EUR": "1000"}))

    assert decide(known).action == RenewalAction.WAIT


@pytest.mark.parametrize("books", [OVERDUE, UNREAD])
@pytest.mark.parametrize(
    "values",
    [
        {"deal": won()},
        {"deal": won(consolidates_into=OTHER)},
        {"deal": won(), "contract": left()},
        {"days": 30, "notice": notice()},
    ],
)
def test_nothing_is_renewed_meanwhile_and_on_the_last_day_people_decide(
    books: Any, values: dict[str, Any]
) -> None:
    held = {"view": view(erp=books)} | values

    assert decided(**held).action == RenewalAction.WAIT
    with pytest.raises(BusinessRuleViolation, match=r"it is held back.*Collect what is due"):
        decided(**(held | {"days": 1}))


@pytest.mark.parametrize("books", [OVERDUE, UNREAD])
def test_a_notice_is_sent_and_a_contract_ends_all_the_same(books: Any) -> None:
    held = {"view": view(erp=books)}

    assert decided(80, **held).action == RenewalAction.NOTICE
    assert decided(80, deal=lost(), **held).action == RenewalAction.END
    assert decided(1, contract=contract(renewal=MANUAL), **held).action == RenewalAction.END


# ---- Whatever happens

RENEWALS = st.builds(
    renewal,
    st.integers(-10, 130),
    contract=st.sampled_from([contract(), left(), going_over(), contract(renewal=MANUAL)]),
    deal=st.sampled_from([deal(), won(), lost(), won(consolidates_into=OTHER)]),
    view=st.sampled_from([view(), view(erp=OVERDUE), view(erp=UNREAD)]),
    notice=st.sampled_from([None, notice(), notice("2027-08-01")]),
    quoted=st.sampled_from([None, TOLD]),
)


def outcome(known: Renewal) -> RenewalDecision | None:
    """What is decided; None where people have to."""
    try:
        return decide(known)
    except BusinessRuleViolation:
        return None


@given(known=RENEWALS)
def test_what_is_decided_can_be_done(known: Renewal) -> None:
    decision = outcome(known)
    if decision is None:
        return
    changes = {
        RenewalAction.RENEW: ChangeKind.RENEWED,
        RenewalAction.CONSOLIDATE: ChangeKind.CONSOLIDATED,
        RenewalAction.END: ChangeKind.ENDING,
        RenewalAction.OFFBOARD: ChangeKind.ENDED,
    }
    kind = decision.change.kind if decision.change else None
    assert kind == changes.get(decision.action)
    assert (decision.notice is not None) == (decision.action == RenewalAction.NOTICE)
    assert decision.reasons
    if decision.change:
        assert decision.change.before == known.contract
    if decision.action == RenewalAction.QUOTE:
        assert not known.deal.is_won
        assert not known.deal.is_lost
    if decision.action in {RenewalAction.RENEW, RenewalAction.CONSOLIDATE}:
        assert known.view == view()
        assert known.contract.handover is None
    if decision.action == RenewalAction.OFFBOARD:
        assert known.today > ENDS


@given(known=RENEWALS)
def test_whoever_waits_is_woken_in_time_and_nobody_waits_for_ever(known: Renewal) -> None:
    """Round after round, with nothing happening, it comes to its outcome or to people."""
    for _ in range(400):
        decision = outcome(known)
        if decision is None or decision.action in {RenewalAction.RENEW, RenewalAction.OFFBOARD}:
            return
        if decision.action == RenewalAction.QUOTE:
            known = replace(known, quoted=known.quote.offer())
        elif decision.action == RenewalAction.NOTICE:
            assert decision.notice is not None
            sent = decision.notice.model_copy(update={"sent_at": known.now})
            known = replace(known, notice=sent)
        else:
            if decision.change:
                known = replace(known, contract=decision.change.after)
            assert decision.seconds >= 60
            known = replace(known, now=known.now + timedelta(seconds=decision.seconds))
    pytest.fail("it goes round for ever")


def test_days_are_those_of_utc() -> None:
    late = datetime(2027, 10, 2, 23, 59, 30, tzinfo=UTC)

    assert decided(notice=notice(), now=late).action == RenewalAction.WAIT
    assert decided(notice=notice(), now=late + timedelta(minutes=1)).action == RenewalAction.RENEW


def test_a_wait_is_a_minute_at_least() -> None:
    nearly = datetime(2027, 9, 1, 23, 59, 59, tzinfo=UTC)
    early = datetime(2027, 12, 2, 5, 59, 59, tzinfo=UTC)

    assert decided(now=nearly).seconds == 6 * 3600 + 1
    assert decided(now=early, deal=lost()).seconds == 60

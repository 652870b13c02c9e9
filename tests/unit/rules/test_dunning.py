"""Which flag an account gets, and when its hold begins."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.billing import Collection, Invoice, InvoiceStatus
from interlock.canonical.dunning import DunningStatus
from interlock.rules.dunning import DunningDecision, DunningPolicy, decide

from local.paths import ROOT

ACCOUNT = "salesforce:001000000000001AAA"
POLICY = DunningPolicy(version=3, hold_after_days=14)
DUE = date(2026, 11, 10)
NEXT_DAY = datetime(2026, 11, 11, tzinfo=UTC)
HOLD = datetime(2026, 11, 24, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def invoice(
    number: int = 1,
    *,
    remaining: str = "100.00",
    currency: str = "USD",
    status: InvoiceStatus = InvoiceStatus.OPEN,
    attempts: int = 0,
    **values: Any,
) -> Invoice:
    """An invoice of 10 October, due on 10 November."""
    nothing, total = Money.of(0, currency), Money.of(remaining, currency)
    given = {
        "id": f"stripe:in_{number}",
        "number": f"INV-{number}",
        "customer_id": ACCOUNT,
        "subsidiary": "TESSALINE-US",
        "currency": currency,
        "issued_on": date(2026, 10, 10),
        "due_on": DUE,
        "lines": (),
        "net": total,
        "tax": nothing,
        "total": total,
        "balance_applied": nothing,
        "debt_carried": nothing,
        "collection": Collection(status=status, paid=nothing, remaining=total, attempts=attempts),
    }
    return Invoice(**(given | values))


def decided(*invoices: Invoice, at: datetime = NEXT_DAY) -> DunningDecision:
    """What our policy makes of an account's invoices."""
    return decide(ACCOUNT, invoices, at=at, policy=POLICY)


def test_an_invoice_is_overdue_once_its_day_is_over() -> None:
    before = decided(invoice(), at=NEXT_DAY - MOMENT)
    after = decided(invoice(), at=NEXT_DAY)

    assert (before.flag.status, before.hold_at) == (DunningStatus.NONE, None)
    assert (before.flag.overdue, before.flag.since) == (None, None)
    assert after.flag.account_id == ACCOUNT
    assert after.flag.status is DunningStatus.PAST_DUE
    assert after.flag.overdue == Money.of("100.00", "USD")
    assert after.flag.since == DUE
    assert after.hold_at == HOLD
    assert after.policy_version == 3


def test_the_day_is_that_of_utc() -> None:
    tokyo = timezone(timedelta(hours=9))

    early = decided(invoice(), at=datetime(2026, 11, 11, 8, 59, tzinfo=tokyo))
    late = decided(invoice(), at=datetime(2026, 11, 11, 9, 0, tzinfo=tokyo))

    assert early.flag.status is DunningStatus.NONE
    assert late.flag.status is DunningStatus.PAST_DUE


def test_a_hold_begins_when_it_was_said_to() -> None:
    before, at = decided(invoice(), at=HOLD - MOMENT), decided(invoice(), at=HOLD)

    assert (before.flag.status, before.hold_at) == (DunningStatus.PAST_DUE, HOLD)
    assert (at.flag.status, at.hold_at) == (DunningStatus.ON_HOLD, None)
    assert (at.flag.overdue, at.flag.since) == (before.flag.overdue, before.flag.since)


def test_an_invoice_that_is_charged_is_overdue_once_it_was_tried_in_vain() -> None:
    untried = decided(invoice(due_on=None))
    tried = decided(invoice(due_on=None, attempts=1))

    assert untried.flag.status is DunningStatus.NONE
    assert tried.flag.since == date(2026, 10, 10)
    assert tried.flag.status is DunningStatus.ON_HOLD


def test_an_attempt_in_vain_before_the_due_day_leaves_the_customer_the_time() -> None:
    at = datetime(2026, 11, 10, 12, tzinfo=UTC)

    assert decided(invoice(attempts=2), at=at).flag.status is DunningStatus.NONE


@pytest.mark.parametrize("status", [InvoiceStatus.DRAFT, InvoiceStatus.PAID, InvoiceStatus.VOID])
def test_what_is_not_owed_is_not_overdue(status: InvoiceStatus) -> None:
    assert decided(invoice(status=status, attempts=1)).flag.status is DunningStatus.NONE


def test_what_was_given_up_is_owed_still() -> None:
    given_up = invoice(status=InvoiceStatus.UNCOLLECTIBLE)

    assert decided(given_up).flag.overdue == Money.of("100.00", "USD")


def test_an_open_invoice_with_nothing_left_to_pay_is_not_overdue() -> None:
    assert decided(invoice(remaining="0")).flag.status is DunningStatus.NONE


def test_several_currencies_are_not_added_up() -> None:
    oldest = invoice(2, currency="EUR", remaining="30.00", due_on=DUE - timedelta(days=1))
    flag = decided(invoice(1), oldest, invoice(3, currency="EUR", remaining="12.34")).flag

    assert (flag.overdue, flag.since) == (Money.of("42.34", "EUR"), oldest.due_on)


def test_of_several_as_old_the_first_by_id_decides() -> None:
    invoices = invoice(2, currency="EUR"), invoice(1, currency="JPY", remaining="5000")

    assert decided(*invoices).flag.overdue == Money.of(5000, "JPY")
    assert decided(*reversed(invoices)) == decided(*invoices)


# ---- Whatever the invoices

STATUS = st.sampled_from(list(InvoiceStatus))
DAYS = st.dates(date(2026, 1, 1), date(2026, 6, 30))
TIMES = st.timedeltas(timedelta(0), timedelta(days=365)).map(
    lambda since: datetime(2026, 7, 1, tzinfo=UTC) + since
)
RANKS = {DunningStatus.NONE: 0, DunningStatus.PAST_DUE: 1, DunningStatus.ON_HOLD: 2}


@st.composite
def _invoices(draw: st.DrawFn) -> tuple[Invoice, ...]:
    return tuple(
        invoice(
            number,
            remaining=str(Decimal(draw(st.integers(0, 10**9))) / 100),
            currency=draw(st.sampled_from(["USD", "EUR"])),
            status=draw(STATUS),
            attempts=draw(st.integers(0, 3)),
            issued_on=(issued_on := draw(DAYS)),
            due_on=draw(st.none() | st.integers(0, 400).map(lambda n: issued_on + timedelta(n))),
        )
        for number in range(draw(st.integers(0, 6)))
    )


@given(invoices=_invoices(), at=TIMES, data=st.data())
def test_the_order_of_the_invoices_does_not_matter(
    invoices: tuple[Invoice, ...], at: datetime, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(invoices))

    assert decided(*shuffled, at=at) == decided(*invoices, at=at)


@given(invoices=_invoices(), at=TIMES)
def test_a_flag_says_an_amount_since_a_day_or_neither(
    invoices: tuple[Invoice, ...], at: datetime
) -> None:
    decision = decided(*invoices, at=at)
    flag = decision.flag

    is_flagged = flag.status is not DunningStatus.NONE
    assert (flag.overdue is not None) == (flag.since is not None) == is_flagged
    if is_flagged:
        assert flag.overdue.amount > 0
        assert flag.since <= at.date()
        owed = [
            i.collection.remaining.amount for i in invoices if i.currency == flag.overdue.currency
        ]
        assert flag.overdue.amount <= sum(owed)


@given(invoices=_invoices(), at=TIMES)
def test_there_is_a_hold_to_wait_for_while_it_is_past_due(
    invoices: tuple[Invoice, ...], at: datetime
) -> None:
    decision = decided(*invoices, at=at)

    assert (decision.hold_at is not None) == (decision.flag.status is DunningStatus.PAST_DUE)
    if decision.hold_at:
        assert decision.hold_at > at
        then = decided(*invoices, at=decision.hold_at)
        assert (then.flag.status, then.hold_at) == (DunningStatus.ON_HOLD, None)
        assert decided(*invoices, at=decision.hold_at - MOMENT).hold_at == decision.hold_at


@given(invoices=_invoices(), at=TIMES, later=st.timedeltas(timedelta(0), timedelta(days=400)))
def test_time_alone_never_makes_it_better(
    invoices: tuple[Invoice, ...], at: datetime, later: timedelta
) -> None:
    before, after = decided(*invoices, at=at).flag, decided(*invoices, at=at + later).flag

    assert RANKS[after.status] >= RANKS[before.status]
    assert before.since is None or after.since <= before.since


@given(invoices=_invoices(), at=TIMES)
def test_who_pays_all_has_no_flag(invoices: tuple[Invoice, ...], at: datetime) -> None:
    paid = tuple(
        each.model_copy(
            update={"collection": each.collection.model_copy(update={"status": InvoiceStatus.PAID})}
        )
        for each in invoices
    )

    assert decided(*paid, at=at).flag.status is DunningStatus.NONE


# ---- The policy


def test_the_policy_that_is_deployed_can_be_loaded() -> None:
    policy = DunningPolicy.load(ROOT / "functions/workflow/decide_dunning/policy.toml")

    assert policy.version >= 1
    assert policy.hold_after_days >= 1


@pytest.mark.parametrize(
    "text",
    [
        "version = 1",
        "version = 1\nhold_after_days = 0",
        "version = 1\nhold_after_days = -3",
        "version = 1\nhold_after_days = 'soon'",
        "version = 0\nhold_after_days = 30",
        "version = 1\nhold_after_days = 30\nhold_after_weeks = 2",
        "version 1",
    ],
)
def test_a_wrong_policy_is_refused_when_it_is_loaded(text: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)

    with pytest.raises(ValueError):  # noqa: PT011 - of TOML, or of the model
        DunningPolicy.load(path)

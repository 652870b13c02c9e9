"""What the open lines of a receivable come to, without an ERP."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.customer_view import Receivables
from interlock.connectors.erp.tryton_receivables import receivables

TODAY = date(2026, 4, 10)
YESTERDAY, LONG_AGO = TODAY - timedelta(days=1), TODAY - timedelta(days=90)


def line(amount: str, due: date | None = YESTERDAY, **changes: Any) -> dict[str, Any]:
    """A line of invoice 7; a debit, or a credit where the amount is negative."""
    value = Decimal(amount)
    move = {
        "date": LONG_AGO,
        "origin": "account.invoice,7",
        "journal": {"type": "revenue"},
        "company": {"id": 1, "currency": {"code": "USD"}},
    }
    values = {
        "debit": max(value, Decimal(0)),
        "credit": max(-value, Decimal(0)),
        "amount_second_currency": None,
        "second_currency": None,
        "maturity_date": due,
        "invoice_payment": None,
        "move": move | {key: changes.pop(key) for key in (*move,) if key in changes},
    }
    return values | changes


def paid(amount: str, invoice: int = 7) -> dict[str, Any]:
    """What pays so much of an invoice: it is not due on any day."""
    return line(f"-{amount}", None, invoice_payment=invoice, journal={"type": "cash"})


def usd(amount: str) -> tuple[Money, ...]:
    return (Money.of(amount, "USD"),)


def test_instalments_are_paid_in_the_order_in_which_they_are_due() -> None:
    instalments = [line("50.00", TODAY + timedelta(days=20)), line("50.00"), paid("70.00")]

    assert receivables(instalments, TODAY) == Receivables(
        owed=usd("30.00"), overdue=(), overdue_since=None
    )


def test_it_is_overdue_since_what_is_left_was_due() -> None:
    lines = [line("50.00", LONG_AGO), line("50.00"), paid("50.00")]

    assert receivables(lines, TODAY) == Receivables(
        owed=usd("50.00"), overdue=usd("50.00"), overdue_since=YESTERDAY
    )


def test_what_has_no_day_was_due_on_that_of_its_move() -> None:
    assert receivables([line("50.00", None)], TODAY).overdue_since == LONG_AGO


def test_too_much_of_a_payment_is_on_account() -> None:
    """It comes of the invoice, and is none of it."""
    lines = [
        line("50.00"),
        paid("50.00"),
        line("-20.00", None, journal={"type": "cash"}),
        line("30.00", origin="account.invoice,8"),
    ]

    assert receivables(lines, TODAY).owed == usd("10.00")


AMOUNTS = st.decimals(Decimal("0.01"), Decimal(1000), places=2)
LINES = st.lists(
    st.builds(
        lambda amount, sign, days, invoice, company: line(
            f"{sign}{amount}",
            TODAY + timedelta(days=days),
            origin=f"account.invoice,{invoice}",
            company={"id": company, "currency": {"code": "USD"}},
        ),
        AMOUNTS,
        st.sampled_from(["", "-"]),
        st.integers(-3, 3),
        st.integers(1, 3),
        st.integers(1, 2),
    ),
    max_size=8,
)


def total(amounts: tuple[Money, ...]) -> Decimal:
    return Money.total(amounts, "USD").amount


@given(LINES, st.randoms(use_true_random=False))
def test_the_sum_of_what_is_open_in_each_company(lines: list[dict[str, Any]], random: Any) -> None:
    found = receivables(lines, TODAY)

    balances = [
        sum(each["debit"] - each["credit"] for each in lines if each["move"]["company"]["id"] == id)
        for id in (1, 2)
    ]
    assert total(found.owed) == sum(max(balance, Decimal(0)) for balance in balances)
    assert Decimal(0) <= total(found.overdue) <= total(found.owed)
    assert (found.overdue_since is None) == (found.overdue == ())
    assert found.overdue_since is None or found.overdue_since < TODAY
    random.shuffle(lines)
    assert receivables(lines, TODAY) == found

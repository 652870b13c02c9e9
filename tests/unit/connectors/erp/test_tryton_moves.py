"""How much of a document a payment takes, and what that is worth in the books."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.connectors.erp import tryton_moves as moves
from interlock.connectors.erp.tryton_moves import Position
from interlock.errors import ContractViolation

INVOICE = Position(
    id=7,
    reference="stripe:in_1",
    company=1,
    party=5,
    account=39,
    currency_id=3,
    amount=Money.of("100.00", "GBP"),
    book=Money.of("115.00", "EUR"),
)
MEMO = replace(INVOICE, amount=Money.of("-100.00", "GBP"), book=Money.of("-115.00", "EUR"))


@pytest.mark.parametrize(
    ("position", "credit", "taken"),
    [
        (INVOICE, "40", "40"),
        (INVOICE, "140", "100"),
        (INVOICE, "-40", "0"),
        (MEMO, "-40", "-40"),
        (MEMO, "-140", "-100"),
        (MEMO, "40", "0"),
        (replace(INVOICE, amount=Money.of("0", "GBP")), "40", "0"),
    ],
)
def test_never_more_is_taken_than_is_open(position: Position, credit: str, taken: str):
    assert position.taken(Decimal(credit)) == Decimal(taken)


@given(
    book=st.integers(min_value=1, max_value=10**9),
    parts=st.lists(st.integers(min_value=1, max_value=10**6), min_size=1, max_size=6),
)
def test_parts_take_the_whole_book_value(book: int, parts: list[int]):
    """However it is paid: the last payment takes what is left."""
    open_, left = sum(parts), book
    for part in parts:
        position = replace(
            INVOICE,
            amount=Money.from_minor_units(open_, "GBP"),
            book=Money.from_minor_units(left, "EUR"),
        )
        worth = position.value(Money.from_minor_units(part, "GBP").amount)
        assert 0 <= worth <= position.book.amount
        open_ -= part
        left -= int(worth.scaleb(2))
    assert left == 0


def test_a_line_that_pays_has_both_amounts():
    assert INVOICE.paid(Decimal("40"), "Payment") == {
        "account": 39,
        "party": 5,
        "description": "Payment",
        "debit": Decimal("0"),
        "credit": Decimal("46.00"),
        "second_currency": 3,
        "amount_second_currency": Decimal("-40"),
        "invoice_payment": 7,
    }
    assert MEMO.paid(Decimal("-100"), "Refund")["debit"] == Decimal("115.00")


def test_nothing_pays_a_draft():
    with pytest.raises(ContractViolation, match="draft"):
        Position.of({"id": 7, "reference": "stripe:in_1", "state": "draft"})


def move(id: int, state: str = "posted", origin: str | None = None) -> dict:
    return {"id": id, "state": state, "origin": origin}


def test_only_a_posted_reversal_undoes_a_move():
    original, counter = move(1), move(2, origin="account.move,1")
    assert moves.live([original, counter]) == []
    assert moves.live([original, counter | {"state": "draft"}]) == [original]
    anew = move(3, origin="account.invoice,9")
    assert moves.live([original, counter, anew]) == [anew]

"""Do the lines of a payout agree with the books?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.billing import BalanceKind, BalanceLine
from interlock.canonical.books import Cleared
from interlock.errors import NotYetPosted
from interlock.rules.payout import MOST_TOLD, Matching, booked_as, match

from tests.unit.finance_samples import usd

US = "TESSALINE-US"
NO_FEE = usd("0")


def balance_line(number: int, kind: BalanceKind, gross: Money, fee: Money = NO_FEE) -> BalanceLine:
    record = None if kind in (BalanceKind.FEE, BalanceKind.OTHER) else f"stripe:r_{number}"
    return BalanceLine(id=f"stripe:txn_{number}", kind=kind, record_id=record, gross=gross, fee=fee)


def books(*lines: BalanceLine, subsidiary: str = US) -> dict[str, Cleared]:
    """That have each line as it is."""
    booked = {booked_as(line): line.gross for line in lines if line.record_id}
    return {id: Cleared(subsidiary=subsidiary, amount=gross) for id, gross in booked.items()}


PAYMENT = balance_line(1, BalanceKind.PAYMENT, usd("100.00"), usd("3.20"))
REFUND = balance_line(2, BalanceKind.REFUND, usd("-20.00"))
DISPUTE = balance_line(3, BalanceKind.DISPUTE, usd("-50.00"), usd("15.00"))
WON = balance_line(4, BalanceKind.DISPUTE_REVERSAL, usd("50.00"))
FEE = balance_line(5, BalanceKind.FEE, usd("-7.00"))


def test_what_a_payout_consists_of() -> None:
    lines = (PAYMENT, REFUND, DISPUTE, WON, FEE)

    matching = match(lines, books(*lines), Matching())

    assert matching.subsidiary == US
    assert matching.gross == usd("80.00")
    assert matching.fees == usd("25.20")
    assert matching.net("USD") == usd("54.80")
    assert (matching.lines, matching.differences) == (5, ())


def test_a_reinstated_dispute_is_the_entry_of_its_decision() -> None:
    assert booked_as(DISPUTE) == "stripe:r_3"
    assert booked_as(WON) == "stripe:r_4/closed"


@pytest.mark.parametrize("line", [PAYMENT, REFUND, DISPUTE, WON])
def test_what_is_not_in_the_books_yet_is_waited_for(line: BalanceLine) -> None:
    with pytest.raises(NotYetPosted, match=f"1 of the .* {booked_as(line)} of {line.gross}$"):
        match((line, FEE), {}, Matching())


def test_of_many_that_are_not_there_some_are_named() -> None:
    many = tuple(balance_line(n, BalanceKind.PAYMENT, usd("1")) for n in range(MOST_TOLD + 3))

    with pytest.raises(NotYetPosted, match=f"{len(many)} of the payout's .*, 3 more$") as raised:
        match(many, {}, Matching())

    assert str(raised.value).count("stripe:r_") == MOST_TOLD


def test_an_amount_that_differs_is_told_with_both() -> None:
    wrong = {booked_as(PAYMENT): Cleared(subsidiary=US, amount=usd("99.00"))}

    [told] = match((PAYMENT,), wrong, Matching()).differences

    assert told == "payment stripe:r_1: 100.00 USD in the balance, 99.00 USD in the books"


def test_a_movement_of_an_unknown_kind_is_told() -> None:
    unknown = balance_line(6, BalanceKind.OTHER, usd("-1.00"))

    [told] = match((unknown,), {}, Matching()).differences

    assert "stripe:txn_6 moved the balance by -1.00 USD" in told


def test_lines_of_two_subsidiaries_are_told() -> None:
    cleared = books(PAYMENT) | books(REFUND, subsidiary="TESSALINE-CA")

    [told] = match((PAYMENT, REFUND), cleared, Matching()).differences

    assert told == "its lines are in the books of TESSALINE-CA, TESSALINE-US"


def test_many_differences_are_counted() -> None:
    unknown = tuple(
        balance_line(number, BalanceKind.OTHER, usd("1.00")) for number in range(MOST_TOLD + 5)
    )

    matching = match(unknown[10:], {}, match(unknown[:10], {}, Matching()))

    assert len(matching.differences) == MOST_TOLD
    assert matching.untold == 5


@given(
    amounts=st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 10**6)), min_size=1),
    cut=st.integers(0, 20),
)
def test_pages_come_to_what_the_whole_comes_to(amounts: list[tuple[int, int]], cut: int) -> None:
    lines = tuple(
        balance_line(
            number,
            BalanceKind.PAYMENT if gross % 5 else BalanceKind.FEE,
            Money.from_minor_units(gross, "USD"),
            Money.from_minor_units(fee, "USD"),
        )
        for number, (gross, fee) in enumerate(amounts)
    )
    cleared = books(*lines)

    whole = match(lines, cleared, Matching())
    paged = match(lines[cut:], cleared, match(lines[:cut], cleared, Matching()))

    assert paged == whole
    expected = sum(gross - fee for gross, fee in amounts)
    assert whole.net("USD").amount == Decimal(expected).scaleb(-2)

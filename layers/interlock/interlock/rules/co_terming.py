"""What an addition to a contract costs until the contract's end, by days.

A yearly amount is charged for each year of the contract; of a year that is not whole, the share of
its days, of 366 in a year with a leap day. Each charge is rounded halves up, as on invoices.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from interlock.canonical.contracts import Contract, ContractLine
from interlock.canonical.money import EXACTLY, Money
from interlock.rules import months


class Charge(NamedTuple):
    """For `days` from a day until before another, of a contract year of so many: `amount`."""

    starts_on: date
    ends_on: date
    days: int
    of: int
    amount: Money


def co_termed(contract: Contract, line: ContractLine) -> tuple[Charge, ...]:
    """What a line of the contract is charged, year by year of the contract."""
    charges, year = [], 0
    while (start := months.later(contract.starts_on, 12 * year)) < line.ends_on:
        year += 1
        end = months.later(contract.starts_on, 12 * year)
        first, after = max(start, line.starts_on), min(end, line.ends_on)
        if first < after:
            days, of = (after - first).days, (end - start).days
            charges.append(Charge(first, after, days, of, _share(line.amount, days, of)))
    return tuple(charges)


def working(contract: Contract, lines: tuple[ContractLine, ...]) -> tuple[str, ...]:
    """The charges of lines that are added, in sentences."""
    return tuple(
        f"{line.sku}: {line.quantity} at {line.unit_price} are {line.amount} a year;"
        f" {charge.starts_on} to {charge.ends_on}: {charge.days} of {charge.of} days are"
        f" {charge.amount}"
        for line in lines
        for charge in co_termed(contract, line)
    )


def _share(amount: Money, days: int, of: int) -> Money:
    share = EXACTLY.divide(EXACTLY.multiply(amount.amount, days), Decimal(of))
    return Money.rounded(share, amount.currency)

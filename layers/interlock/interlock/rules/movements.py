"""What changes of contracts do to the yearly recurring revenue, such that nothing is left over.

A contract counts from its first day, with the lines that are in force. After its end it counts on,
as on its last day, until it is ended: nobody knows before whether it goes on. So over all contracts
the revenue of a day is the sum of all movements up to that day, those of ramps among them, which
come later than the change that they were agreed by.

Where another contract goes on with the products of one, more or less revenue is expansion or
contraction of the one that ends, and what is then left goes over: the other one gets just that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from interlock.canonical.contracts import Contract, ContractLine, ContractStatus, Movement
from interlock.canonical.money import Money

DAY = timedelta(days=1)
ByProduct = Mapping[str, Decimal]
Part = Literal["new", "churn", "transferred"]


def revenue(contract: Contract, day: date) -> Money:
    """What a contract counts on a day."""
    return Money.of(sum(_revenue(contract, day).values()), contract.currency)


def between(
    before: Contract | None, after: Contract, *, on: date, all_is: Part | None = None
) -> tuple[Movement, tuple[Movement, ...]]:
    """What a change that takes effect `on` a day does on it, and what its ramps do afterwards.

    By product, more is expansion and less is contraction, unless `all_is` something else.
    """
    lines = [*(before.lines if before else ()), *after.lines]
    ends = {each.ends_on for each in (before, after) if each}
    days = {day for line in lines for day in (line.starts_on, line.ends_on)} | ends
    movement = _movement(on, _difference(before, after, on), after.currency, all_is)
    later = [
        _movement(day, _less(today, yesterday), after.currency)
        for day in sorted(days)
        if day > on
        and (today := _difference(before, after, day))
        != (yesterday := _difference(before, after, day - DAY))
    ]
    return movement, tuple(later)


def handover(contract: Contract, lines: Iterable[ContractLine]) -> Movement:
    """What the end of a contract comes to, when another one goes on with these lines."""
    on, going_over = contract.ends_on, _by_product(lines)
    changed = _less(going_over, _revenue(contract, on))
    movement = _movement(on, changed, contract.currency)
    gone = Money.of(-sum(going_over.values()), contract.currency)
    return movement.model_copy(update={"transferred": gone})


def nothing(on: date, currency: str) -> Movement:
    """A movement that moves nothing."""
    return _movement(on, {}, currency)


def taken_back(movement: Movement) -> Movement:
    """What takes a movement back, of the same day: together they are nothing, part by part."""
    parts = ("new", "expansion", "contraction", "churn", "transferred")
    return movement.model_copy(update={part: -getattr(movement, part) for part in parts})


def _revenue(contract: Contract | None, day: date) -> ByProduct:
    if contract is None or (contract.status == ContractStatus.ENDED and day >= contract.ends_on):
        return {}
    return _by_product(contract.lines_on(min(day, contract.ends_on - DAY)))


def _by_product(lines: Iterable[ContractLine]) -> ByProduct:
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        amounts[line.sku] += line.amount.amount
    return amounts


def _difference(before: Contract | None, after: Contract, day: date) -> ByProduct:
    return _less(_revenue(after, day), _revenue(before, day))


def _less(one: ByProduct, other: ByProduct) -> ByProduct:
    amounts = {sku: one.get(sku, Decimal(0)) - other.get(sku, Decimal(0)) for sku in one | other}
    return {sku: amount for sku, amount in amounts.items() if amount}


def _movement(on: date, moved: ByProduct, currency: str, all_is: Part | None = None) -> Movement:
    parts = dict.fromkeys(("new", "expansion", "contraction", "churn", "transferred"), Decimal(0))
    for amount in moved.values():
        parts[all_is or ("expansion" if amount > 0 else "contraction")] += amount
    return Movement(on=on, **{part: Money.of(amount, currency) for part, amount in parts.items()})

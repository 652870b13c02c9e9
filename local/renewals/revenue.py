"""Yearly recurring revenue from one day to another: what it was, what moved it, and what it is.

| figure | from |
| --- | --- |
| opening | our contracts on the first day |
| new, expansion, contraction, churn, transferred | the movements that events told of |
| ramps | the steps that events told of before: nobody does anything when they come |
| closing | our contracts on the last day |
| billed | the billing system's live subscriptions on the last day |

All of it is net of tax, for a year.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from interlock.canonical import Money
from interlock.canonical.contracts import Contract, Movement
from interlock.events import Event

MOVED = ("new", "expansion", "contraction", "churn", "transferred")


@dataclass(frozen=True)
class Revenue:
    """Of one contract, or of several together."""

    opening: Money
    new: Money
    expansion: Money
    contraction: Money
    churn: Money
    transferred: Money
    ramps: Money
    closing: Money
    billed: Money

    @property
    def currency(self) -> str:
        """Of all its figures."""
        return self.opening.currency

    @property
    def expected(self) -> Money:
        """The opening and all that moved."""
        parts = (self.opening, *(getattr(self, name) for name in MOVED), self.ramps)
        return Money.total(parts, self.currency)

    def problems(self, whose: str) -> Iterator[str]:
        """Where it does not add up, and where the billing system has another figure."""
        if self.expected != self.closing:
            yield f"{whose}: opening and movements are {self.expected}, closing is {self.closing}"
        if self.billed != self.closing:
            yield f"{whose}: {self.billed} are billed, the contract says {self.closing}"


@dataclass(frozen=True)
class Years:
    """The days between which it is looked at: what moves on `since` itself is in the opening."""

    since: date
    until: date

    def __contains__(self, day: date) -> bool:
        return self.since < day <= self.until


def of_contract(
    opening: Contract | None,
    closing: Contract,
    told: Iterable[Event],
    billed: Money,
    years: Years,
) -> Revenue:
    """From the contract as it was on the first day, None where there was none, and as it is now.

    `told` are the events about it.
    """
    currency = closing.currency
    nothing = Money.of(0, currency)
    changes = [event.data for event in told if event.data.get("movement")]
    movements = _counted((change["movement"] for change in changes), years)
    steps = _counted((step for change in changes for step in change.get("steps", ())), years)
    moved = {
        name: Money.total((getattr(movement, name) for movement in movements), currency)
        for name in MOVED
    }
    return Revenue(
        opening=opening.yearly_on(years.since) if opening else nothing,
        **moved,
        ramps=Money.total((step.total for step in steps), currency),
        closing=closing.yearly_on(years.until),
        billed=billed,
    )


def total(revenues: Iterable[Revenue], currency: str) -> Revenue:
    """Those of one currency, together."""
    ours = [each for each in revenues if each.currency == currency]
    return Revenue(
        **{
            figure.name: Money.total((getattr(each, figure.name) for each in ours), currency)
            for figure in fields(Revenue)
        }
    )


def _counted(told: Iterable[dict[str, Any]], years: Years) -> list[Movement]:
    movements = map(Movement.model_validate, told)
    return [movement for movement in movements if movement.on in years]

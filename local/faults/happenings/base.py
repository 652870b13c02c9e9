"""What every happening is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from local.faults.census import Key
from local.faults.happenings.stage import Stage
from local.faults.invariants import Kind

if TYPE_CHECKING:
    from local.faults.harness import Plan

HOUR = 3600
A_DAY_AND_AN_HOUR = 25 * HOUR
"""Stripe keeps an idempotency key for 24 hours: https://docs.stripe.com/api/idempotent_requests"""

A_MONTH_AND_A_DAY = 31 * 24 * HOUR
"""We keep the key of a delivery for 30 days, see `interlock.deduplication`."""

DELAYS = (A_DAY_AND_AN_HOUR, A_MONTH_AND_A_DAY)


@dataclass
class Happening:
    """Nothing happens: the deal is won, and its event arrives.

    `place` is where the transaction is held, if it is. `calls_may_fail` says whether its calls meet
    drawn faults too: two runs at once would meet them in an order that is left to chance.
    `delay` is by how many seconds time is moved on once all has settled, which all transactions
    beside it see. `swept` says whether a sweep looks for deals then.
    """

    kind: ClassVar[str] = "nothing"
    calls_may_fail: ClassVar[bool] = True
    swept: ClassVar[bool] = False
    place: str | None = None
    delay: int = 0

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        """With everything that may vary drawn; `places` are those of an undisturbed run."""
        return cls()

    def plan(self) -> Plan:
        """What it adds to the plan of the transaction."""
        return {"hold": self.place} if self.place else {}

    def begin(self, stage: Stage) -> None:
        """How the transaction begins."""
        stage.publish(stage.win())

    def happen(self, stage: Stage) -> None:
        """Midway, at `place`."""

    def later(self, stage: Stage) -> None:
        """Once all has settled, and `delay` has passed."""

    def advise(self, *, older: bool) -> str | None:
        """What a team should decide about the older run of a deal, or a newer one."""

    def repair(self, stage: Stage) -> None:
        """What a team does about it before it tries again. May be repeated."""

    def came_to_pass(self, lines: Iterable[dict[str, Any]]) -> bool:
        """Whether the trace shows it, beside the transaction having been held."""
        return True

    def gone(self, stage: Stage) -> frozenset[Key]:
        """The records that people took away."""
        return frozenset()

    open: ClassVar[frozenset[Kind]] = frozenset()
    """The kinds of records of which there may be more or less than usual."""

    endings: ClassVar[frozenset[str]] = frozenset({"accepted"})
    """How runs may end when no team decides otherwise."""


@dataclass
class Midway(Happening):
    """Something happens at a place of an undisturbed run."""

    functions: ClassVar[tuple[str, ...]] = ()
    """Those within which it makes a difference; empty for all."""

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        """At any of the places."""
        fitting = [place for place in places if place.split()[0] in cls.functions]
        return cls(place=random.choice(fitting or places))

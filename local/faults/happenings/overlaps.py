"""Two runs at once that want the same records."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from local.faults.happenings.base import Happening, Midway
from local.faults.happenings.stage import Stage, header_of
from local.faults.scenarios import lead_to_order_of

if TYPE_CHECKING:
    from local.faults.harness import Plan


@dataclass
class Overlapped(Midway):
    """Another change of the deal starts a second run while the first one is under way.

    The clock of the first one's function may be wrong, so that its lease seems to be over. And both
    may be refused a later step, so that a team has two runs to decide about.
    """

    kind = "two executions with the same key at once"
    calls_may_fail = False
    skew: int = 0
    refused: str | None = None
    event: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        skew = random.choice((0, 0, -60, -240, 240))
        calling = sorted({place.split()[0] for place in places if "| AWS" not in place})
        refused = random.choice((None, random.choice(calling)))
        return cls(place=random.choice(places), skew=skew, refused=refused)

    def plan(self) -> Plan:
        function = self.place.split()[0]
        return super().plan() | {"skew": {f"{function} 1": self.skew}, "deny": self.refused}

    def repair(self, stage: Stage) -> None:
        stage.harness.take_from_plan(stage.main, "deny")

    def begin(self, stage: Stage) -> None:
        self.event = stage.win()
        stage.publish(self.event)

    def happen(self, stage: Stage) -> None:
        event = copy.deepcopy(self.event)
        header_of(event)["transactionKey"] += "-again"
        header_of(event)["commitTimestamp"] += 1
        stage.publish(event)


@dataclass
class Sibling(Midway):
    """Another deal of the same new customer is won while the first one is under way."""

    kind = "two deals of a new customer at once"
    calls_may_fail = False
    open = frozenset({("tryton", "customer"), ("stripe", "customer")})

    def begin(self, stage: Stage) -> None:
        deal = stage.sellers.enter_deal_like(stage.deal)
        stage.beside(lead_to_order_of(stage.harness.environment, deal))
        super().begin(stage)

    def happen(self, stage: Stage) -> None:
        [other] = stage.others
        other.begin()


@dataclass
class Amended(Midway):
    """The deal is reopened, one more is sold, and it is won again while its order is made."""

    kind = "deal amended midway"
    calls_may_fail = False
    endings = frozenset({"accepted", "cancelled"})

    def advise(self, *, older: bool) -> str | None:
        return "compensate" if older else "retry"

    def happen(self, stage: Stage) -> None:
        sellers, deal = stage.sellers, stage.deal

        def amend() -> None:
            sellers.reopen(deal)
            sellers.sell_one_more(deal)
            stage.main.begin()

        stage.publish(*stage.changes(amend))

"""How events arrive: again, late, in another order, in bad company, or before their own change."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from local.faults.happenings.base import DELAYS, HOUR, Happening, Midway
from local.faults.happenings.poison import POISONS
from local.faults.happenings.stage import Stage, header_of
from local.faults.scenarios import lead_to_order
from local.sandboxes.salesforce_seed import OPEN_STAGE

if TYPE_CHECKING:
    from local.faults.harness import Plan


@dataclass
class DuplicatedAtOnce(Happening):
    """The event is delivered several times at once."""

    kind = "event delivered several times at once"
    copies: int = 2

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        return cls(copies=random.randint(2, 5))

    def begin(self, stage: Stage) -> None:
        stage.publish(*[stage.win()] * self.copies)


@dataclass
class DuplicatedLater(Midway):
    """The event is delivered again midway, and again after the end."""

    kind = "event delivered again midway and after the end"
    event: dict[str, Any] = field(default_factory=dict)

    def begin(self, stage: Stage) -> None:
        self.event = stage.win()
        stage.publish(self.event)

    def happen(self, stage: Stage) -> None:
        stage.publish(self.event)

    def later(self, stage: Stage) -> None:
        stage.publish(self.event)


@dataclass
class Reordered(Midway):
    """Won, reopened, and won again: the last event comes first, the others midway."""

    kind = "events delivered in another order"
    calls_may_fail = False
    late: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, stage: Stage) -> None:
        events = [stage.win(), *stage.changes(lambda: stage.sellers.reopen(stage.deal))]
        for minutes, event in enumerate(events[::-1], 1):
            header_of(event)["commitTimestamp"] -= 60_000 * minutes
        self.late = events[::-1]
        stage.publish(stage.win())

    def happen(self, stage: Stage) -> None:
        stage.publish(*self.late)


@dataclass
class Late(Happening):
    """The event arrives a day, or a month, after the deal was won."""

    kind = "event delayed by more than 24 hours"
    event: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        return cls(delay=random.choice(DELAYS))

    def begin(self, stage: Stage) -> None:
        self.event = stage.win()

    def later(self, stage: Stage) -> None:
        stage.publish(self.event)


@dataclass
class Poisoned(Happening):
    """An event that no function can make sense of comes along."""

    kind = "poison event in the same batch"
    poison: str = ""

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        return cls(poison=random.choice(sorted(POISONS)))

    def begin(self, stage: Stage) -> None:
        event = stage.win()
        poison = POISONS[self.poison](copy.deepcopy(event), stage.deal)
        stage.harness.send_to_inbox([poison, json.dumps(event)])


@dataclass
class PartialBatch(Happening):
    """Several deals are won at once and read in one batch, in which one of them fails."""

    kind = "batch of which a part fails"
    deals: int = 3

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        return cls(deals=random.randint(2, 4))

    def plan(self) -> Plan:
        not_taken = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        fault = {"kind": "refuse", "status": 200, "json": not_taken}
        return {"faults": {"SalesforceFunction | AWS AWSEvents.PutEvents | 1": fault}}

    def came_to_pass(self, lines: Iterable[dict[str, Any]]) -> bool:
        return any(line.get("fault", {}).get("kind") == "refuse" for line in lines)

    def begin(self, stage: Stage) -> None:
        bodies = [json.dumps(stage.win())]
        for _ in range(self.deals - 1):
            other = stage.beside(lead_to_order(stage.harness.environment, stage.sample))
            [event] = stage.harness.changes_of(other.mark, other.begin)
            bodies.append(json.dumps(event))
        stage.harness.send_to_inbox(bodies)


@dataclass
class StaleRead(Happening):
    """The CRM's first answer is of a replica that has not heard of the win.

    The run ends then, and the scheduled sweep finds the deal.
    """

    kind = "stale read right after the event"
    swept = True
    endings = frozenset({"accepted", "not won"})
    delay: int = HOUR

    def plan(self) -> Plan:
        was = {"StageName": OPEN_STAGE, "IsWon": False}
        label = "GetOpportunityFunction 1 | GET salesforce /services/data/v66.0/query | 1"
        return {"faults": {label: {"kind": "stale", "was": was}}}

    def came_to_pass(self, lines: Iterable[dict[str, Any]]) -> bool:
        return any(line.get("fault", {}).get("kind") == "stale" for line in lines)

"""What becomes of the vendors' and our own platform midway."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from local.faults.happenings.base import DELAYS, Happening, Midway
from local.faults.happenings.stage import Stage
from local.faults.planned import place_of
from local.paths import ROOT

if TYPE_CHECKING:
    from local.faults.harness import Plan


@dataclass
class Stalled(Midway):
    """A vendor applies a write, loses the answer, and is away until a day or a month later."""

    kind = "stalled for more than 24 hours after an applied write"

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        writes = [place for place in places if place.split(" | ")[1].split()[0] != "GET"]
        vendors = [place for place in writes if "| AWS" not in place]
        return cls(place=random.choice(vendors), delay=random.choice(DELAYS))

    def plan(self) -> Plan:
        peer = self.place.split(" | ")[1].split()[1]
        fault = {"kind": "refuse", "status": 503}
        return {
            "faults": {self.place: {"kind": "lose"}},
            "outage": {"peer": peer, "since": self.place, "fault": fault},
        }

    def came_to_pass(self, lines: Iterable[dict[str, Any]]) -> bool:
        return any(
            place_of(line["call"]) == self.place and line.get("fault") == {"kind": "lose"}
            for line in lines
        )

    def repair(self, stage: Stage) -> None:
        stage.harness.take_from_plan(stage.main, "faults", "outage")


@dataclass
class Refused(Happening):
    """A vendor refuses all that one function asks for, until somebody corrects what is wrong."""

    kind = "step refused for good"
    function: str = ""

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        calling = {place.split()[0] for place in places if "| AWS" not in place}
        return cls(function=random.choice(sorted(calling)))

    def plan(self) -> Plan:
        return {"deny": self.function}

    def came_to_pass(self, lines: Iterable[dict[str, Any]]) -> bool:
        return any(line.get("fault") == {"kind": "refuse", "status": 400} for line in lines)

    def repair(self, stage: Stage) -> None:
        stage.harness.take_from_plan(stage.main, "deny")


@dataclass
class Skewed(Happening):
    """The clocks of some functions' machines are minutes wrong.

    AWS takes a signature whose time is up to five minutes wrong:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
    """

    kind = "clock of a function wrong by minutes"
    skews: dict[str, int] = field(default_factory=dict)

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        functions = sorted({place.split()[0] for place in places})
        chosen = random.sample(functions, len(functions) // 2)
        return cls(skews={function: random.randint(-280, 280) for function in chosen})

    def plan(self) -> Plan:
        return {"skew": self.skews}


@dataclass
class Deployed(Midway):
    """A new version is deployed."""

    kind = "new version deployed midway"

    def happen(self, stage: Stage) -> None:
        stage.harness.cloud.deploy(ROOT)

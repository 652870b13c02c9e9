"""What is planned for the calls of a transaction, and what happened to them.

It needs nothing but the standard library, since it is loaded into the functions' processes.

A plan is a file `plans/<mark>.json`. The mark is a text that every event of one transaction
contains, such as the id of the deal. A call is told apart by its label, which is the same in every
transaction that takes the same way:

    CreateOrderFunction 1 | POST tryton /model/sale.sale | 1

that is the function, which of the transaction's invocations of it, the call, and which of the
invocation's equal calls. Its place is the same without the invocation's number. What happened is
appended to `traces/<mark>.jsonl`, a call a line. A plan may have:

- `faults`: what happens at which label, or at which place each time;
- `deny`: a function whose every call to a vendor is refused;
- `draw`: faults by a seed, see `Invocation._drawn`;
- `hold`: a place where the function stops, once, until the harness lets it go on;
- `outage`: a vendor (`peer`) whose every call meets `fault` once the place `since` was passed;
- `skew`: by how many seconds the clock of which function, or of which of its invocations, is wrong.

Faults are, by `kind`: crash_before and crash_after the call, timeout before and timeout_after it,
lose (the answer), refuse (an answer instead of the call), refuse_after (instead of the call's own),
and stale (fields of the answer as they were). One with `times` is a storm: so many calls to the
same vendor in a row meet it. One with `once` is met by the first invocation at its place alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ONCE_PER_PROCESS = re.compile(r"GetParameter|GetSecretValue|POST \w+ \S*/tokens?\b")
"""What a process does before its first call, and now and then later: chance decides which one."""

Fault = dict[str, Any]
Line = dict[str, Any]


def plan_of(mark: str, directory: Path) -> dict[str, Any]:
    """The plan of a transaction."""
    return json.loads((directory / "plans" / f"{mark}.json").read_text())


def the_mark_in(text: str, directory: Path) -> str | None:
    """The transaction that a text is about; a batch of several belongs to none, and has no plan."""
    marks = [file.stem for file in (directory / "plans").glob("*.json") if file.stem in text]
    return marks[0] if len(marks) == 1 else None


class Invocation:
    """One invocation of a function for one transaction."""

    def __init__(self, directory: Path, mark: str, function: str, request_id: str) -> None:
        self.request_id = request_id
        self._trace = directory / "traces" / f"{mark}.jsonl"
        self._plan = plan_of(mark, directory)
        self._function = function
        self._calls: Counter[str] = Counter()
        self._number = self._count()

    @property
    def skew(self) -> float:
        """By how many seconds the clock is wrong."""
        skews = self._plan.get("skew", {})
        return skews.get(f"{self._function} {self._number}", skews.get(self._function, 0.0))

    def _count(self) -> int:
        """Which of the transaction's invocations of this function this is."""
        with self._locked() as file:
            number = sum(line.get("invoked") == self._function for line in _lines(file)) + 1
            self._write(file, {"invoked": self._function})
        return number

    def is_held(self, call: str) -> bool:
        """Whether to stop before this call, the first time that any invocation is there."""
        place = f"{self._function} | {call} | {self._calls[call] + 1}"
        if self._plan.get("hold") != place:
            return False
        with self._locked() as file:
            if any("held" in line for line in _lines(file)):
                return False
            self._write(file, {"held": place})
        return True

    def fault_of(self, call: str) -> Fault | None:
        """What shall happen to this call; None to let it be. Written to the trace either way."""
        with self._locked() as file:
            lines = _lines(file)
            label = self._label(call, lines)
            fault = (
                self._denied(call)
                or self._storm(call, lines)
                or self._outage(call, lines)
                or self._planned(label, lines)
                or self._drawn(label, call, lines)
            )
            self._write(file, {"call": label} | ({"fault": fault} if fault else {}))
        return fault

    def take_back(self, call: str) -> None:
        """The call is made again: it did not count, and neither did its fault."""
        self._calls[call] -= 1
        label = f"{self._function} {self._number} | {call} | {self._calls[call] + 1}"
        with self._locked() as file:
            self._write(file, {"again": label})

    def _label(self, call: str, lines: list[Line]) -> str:
        self._calls[call] += 1
        return f"{self._function} {self._number} | {call} | {self._calls[call]}"

    def _denied(self, call: str) -> Fault | None:
        """A function whose every call to a vendor is refused for good."""
        denied = self._function == self._plan.get("deny") and not call.startswith("AWS")
        return {"kind": "refuse", "status": 400} if denied else None

    @staticmethod
    def _storm(call: str, lines: list[Line]) -> Fault | None:
        """The rest of a storm of this vendor."""
        storm, left = None, 0
        for line in lines:
            fault = line.get("fault")
            if not fault or _peer_of(line["call"].split(" | ")[1]) != _peer_of(call):
                continue
            if fault.get("storm"):
                left -= 1
            elif fault.get("times", 1) > 1:
                storm, left = fault | {"storm": True}, fault["times"] - 1
        return storm if left > 0 else None

    def _outage(self, call: str, lines: list[Line]) -> Fault | None:
        outage = self._plan.get("outage")
        if not outage or _peer_of(call) != outage["peer"]:
            return None
        passed = any(place_of(line.get("call", "")) == outage["since"] for line in lines)
        return outage["fault"] | {"storm": True} if passed else None

    def _planned(self, label: str, lines: list[Line]) -> Fault | None:
        faults, place = self._plan.get("faults", {}), place_of(label)
        fault = faults.get(label) or faults.get(place)
        if fault and fault.get("once"):
            met = any(place_of(line["call"]) == place for line in lines if "fault" in line)
            return None if met else fault
        return fault

    def _drawn(self, label: str, call: str, lines: list[Line]) -> Fault | None:
        """A fault at random, the same whenever the seed and the label are the same.

        `share` of the calls meet one, `most` in all; `vendor`, `aws` and, by call, `messages` have
        those to choose from. The functions in `spare`, and what is done once per process, meet
        none.
        """
        draw = self._plan.get("draw")
        if not draw or self._function in draw["spare"] or ONCE_PER_PROCESS.search(call):
            return None
        random_ = random.Random(f"{draw['seed']} {label}")
        met = sum("fault" in line and not line["fault"].get("storm") for line in lines)
        if random_.random() >= draw["share"] or met >= draw["most"]:
            return None
        kinds = self._kinds(draw, call)
        return random_.choice(kinds) if kinds else None

    def _kinds(self, draw: dict[str, Any], call: str) -> list[Fault]:
        return draw["aws"] if call.startswith("AWS") else draw["vendor"]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Any]:
        """The trace, for this process alone."""
        with self._trace.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    @staticmethod
    def _write(file: Any, line: Line) -> None:
        file.write(json.dumps(line) + "\n")
        file.flush()


class Message(Invocation):
    """What a function does for one message of a batch; deliveries do not count, calls do."""

    def __init__(self, directory: Path, mark: str, function: str) -> None:
        super().__init__(directory, mark, function, "")

    def _count(self) -> int:
        return 0

    def _label(self, call: str, lines: list[Line]) -> str:
        name = f"{self._function} | {call} | "
        return name + str(sum(line.get("call", "").startswith(name) for line in lines) + 1)

    def _kinds(self, draw: dict[str, Any], call: str) -> list[Fault]:
        return draw["messages"].get(call, [])


def _lines(file: Any) -> list[Line]:
    """What happened so far, without the calls that did not count."""
    file.seek(0)
    return counted(map(json.loads, file))


def counted(lines: Iterable[Line]) -> list[Line]:
    """The lines of a trace without those that were taken back."""
    kept: list[Line] = []
    for line in lines:
        if "again" in line:
            kept = [each for each in kept if each.get("call") != line["again"]]
        else:
            kept.append(line)
    return kept


def place_of(label: str) -> str:
    """A label without the invocation's number."""
    return re.sub(r"^(\S+) \d+ \|", r"\1 |", label)


def _peer_of(call: str) -> str:
    """Who is called."""
    return call.split(" ")[1]

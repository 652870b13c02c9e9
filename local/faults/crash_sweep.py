"""The crash sweep: a workflow, crashed once at every boundary that it crosses.

A run is recorded: every call to a vendor and to AWS, of every function and of the state machine.
Then, for each call, one more transaction is begun whose function dies before the call is sent, or
when its answer has come and is not recorded yet, or never gets to see a vendor's answer. At the end
the systems are asked what they hold. The same for the compensation: a team takes a run back whose
last step is refused.

    make crash-sweep
    make crash-sweep SWEEP="--workflow subscription_billing.invoice --every 5"
    make crash-sweep SWEEP="--point 'CreateOrderFunction 1 | POST tryton … | 1 | lose'"
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import click

from local.faults.harness import Harness, Plan
from local.faults.invariants import Expectation, violations
from local.faults.planned import place_of
from local.faults.scenarios import BEGINNINGS, Transaction

WAVE = 24
ATTEMPTS_TO_REACH = 3
VENDOR = ("crash_before", "lose", "crash_after")
AWS = ("crash_before", "crash_after")
ONCE_PER_PROCESS = ("GetParameter", "GetSecretValue", "token", "/configuration")
COMPENSATE = "compensate"


@dataclass(frozen=True)
class Point:
    """One boundary: a call, and how it is crossed."""

    label: str
    kind: str

    def __str__(self) -> str:
        return f"{self.label} | {self.kind}"

    @property
    def function(self) -> str:
        return self.label.split()[0]

    @property
    def place(self) -> str:
        """The call in whichever invocation."""
        return place_of(self.label)

    def is_met_by(self, trace: list[dict[str, Any]]) -> bool:
        """Whether the fault came about, in whichever invocation."""
        return any(
            line["fault"]["kind"] == self.kind and place_of(line["call"]) == self.place
            for line in trace
            if "fault" in line
        )


@dataclass(frozen=True)
class Way:
    """A way through a workflow: all the way, or back again by a team's decision."""

    workflow: str
    decide: str | None = None

    def __str__(self) -> str:
        return f"{self.workflow}, compensated" if self.decide else self.workflow

    @property
    def plan(self) -> Plan:
        """To be taken back, a step is refused for good."""
        return {"deny": BEGINNINGS[self.workflow].refused} if self.decide else {}


@dataclass(frozen=True)
class Violation:
    """A promise that was broken at a point."""

    way: Way
    point: Point
    what: str


class Sweep:
    """One sweep in one harness."""

    def __init__(self, harness: Harness, say: Callable[[str], None]) -> None:
        self._harness = harness
        self._say = say
        self.violations: list[Violation] = []
        self.endings: Counter[str] = Counter()
        self.points = 0
        self.by_chance: list[Point] = []

    def record(self, way: Way, known: set[str]) -> tuple[Expectation, list[Point]]:
        """What a run without a crash leaves behind, and every boundary that it crosses and that is
        not known yet: what the way back begins with, a refusal, is none."""
        transaction = self._harness.new(way.workflow, way.plan)
        self._harness.start_cold(transaction)
        [account] = self._harness.run([transaction], way.decide)
        expected = Expectation.of(account)
        broken = violations(account, expected)
        if account.waiting:
            broken.append("a team was asked")
        if broken:
            raise RuntimeError(f"{way} is broken without any crash: {'; '.join(broken)}")
        trace = self._harness.trace(transaction)
        labels = [line["call"] for line in trace if "fault" not in line]
        new = [label for label in dict.fromkeys(labels) if label not in known]
        known.update(new)
        return expected, [
            Point(label, kind) for label in new for kind in (AWS if "| AWS" in label else VENDOR)
        ]

    def visit(self, way: Way, points: list[Point], expected: Expectation) -> None:
        """Crash one transaction at each point, many side by side."""
        self.points += len(points)
        # In a queue's batch several transactions would crash together: one at a time.
        fed_by_queues = self._harness.fed_by_queues
        alone = [point for point in points if point.function in fed_by_queues]
        others = [point for point in points if point not in alone]
        waves = [[point] for point in alone] + list(_batches(others, WAVE))
        visited = 0
        for wave in waves:
            unreached = wave
            for attempt in range(ATTEMPTS_TO_REACH):
                unreached = self._crash(way, unreached, expected, again=attempt > 0)
                if not unreached:
                    break
            if unreached:
                self._tell_unreached(way, unreached)
            visited += len(wave)
            self._say(f"  {way}: {visited} of {len(points)} boundaries")

    def _crash(
        self, way: Way, points: list[Point], expected: Expectation, *, again: bool
    ) -> list[Point]:
        """One transaction for each point; those that did not come to their point.

        Which item of a Map is invoked first is chance, how often a step finds that it has to wait
        is too, and what a process has asked once it may keep: `again`, any invocation will do, each
        in a process of its own.
        """
        begun: dict[str, Point] = {}
        transactions: list[Transaction] = []
        for point in points:
            where = point.place if again else point.label
            faults = {where: {"kind": point.kind, "once": True}}
            transaction = self._harness.new(way.workflow, way.plan | {"faults": faults})
            if again or any(call in point.label for call in ONCE_PER_PROCESS):
                self._harness.start_cold(transaction, point.function)
            begun[transaction.mark] = point
            transactions.append(transaction)
        unreached = []
        for account in self._harness.run(transactions, way.decide):
            point = begun[account.transaction.mark]
            if not point.is_met_by(self._harness.trace(account.transaction)):
                unreached.append(point)
                continue
            self.endings[account.ending] += 1
            for what in violations(account, expected):
                self._break(Violation(way, point, what))
        return unreached

    def _tell_unreached(self, way: Way, points: list[Point]) -> None:
        """A boundary that every run crosses without a fault must be reached.

        Any other was crossed by chance when it was recorded: two invocations side by side came in
        each other's way. Such meetings are for `make chaos`.
        """
        runs: list[set[str]] = []
        for _ in range(ATTEMPTS_TO_REACH):
            transaction = self._harness.new(way.workflow, way.plan)
            self._harness.start_cold(transaction)
            self._harness.run([transaction], way.decide)
            runs.append({place_of(line["call"]) for line in self._harness.trace(transaction)})
        for point in points:
            if all(point.place in crossed for crossed in runs):
                self._break(Violation(way, point, "not reached: the run crossed others"))
            else:
                self.by_chance.append(point)
                self._say(f"  {way}: {point} is crossed by chance, and was not this time")

    def _break(self, violation: Violation) -> None:
        self.violations.append(violation)
        self._say(f"  VIOLATION {violation.point}: {violation.what}")


def _ways(name: str) -> list[Way]:
    """Forward, and back where a team may decide so."""
    return [Way(name), *([Way(name, COMPENSATE)] if BEGINNINGS[name].refused else [])]


def _batches(points: list[Point], size: int) -> Iterator[list[Point]]:
    rest = iter(points)
    while batch := list(islice(rest, size)):
        yield batch


@click.command()
@click.option("--workflow", type=click.Choice(sorted(BEGINNINGS)), help="One alone.")
@click.option("--point", help="One boundary alone, as a violation names it.")
@click.option("--every", type=click.IntRange(1), default=1, help="Only every so many boundaries.")
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Of every random wait; where `--every` begins.",
)
def main(workflow: str | None, point: str | None, every: int, seed: int) -> None:
    """Crash a workflow at every boundary, and ask the systems what they hold."""
    random.seed(seed)
    began = time.monotonic()
    with Harness(lambda step: click.echo(f"  {step}")) as harness:
        sweep = Sweep(harness, click.echo)
        for name in [workflow] if workflow else sorted(BEGINNINGS):
            known: set[str] = set()
            for way in _ways(name):
                expected, points = sweep.record(way, known)
                if point:
                    points = [each for each in points if str(each) == point]
                else:
                    visited = points[seed % every :: every]
                    click.echo(f"{way}: {len(visited)} of {len(points)} boundaries, one run each")
                    points = visited
                sweep.visit(way, points, expected)
    if not sweep.points:
        raise click.UsageError(f"no run crosses {point!r}: `make crash-sweep` prints what there is")
    seconds = time.monotonic() - began
    ended = ", ".join(f"{number} {ending}" for ending, number in sweep.endings.most_common())
    click.echo(f"{sweep.points} boundaries in {seconds:.0f} s; runs: {ended}")
    for violation in sweep.violations:
        click.echo(f"VIOLATION {violation.way}, seed {seed}: {violation.what}")
        click.echo(f"  {replay(violation, seed)}")
    broken = {(violation.way, violation.point) for violation in sweep.violations}
    passed = sweep.points - len(broken) - len(sweep.by_chance)
    click.echo(f"boundaries: {passed} passed, {len(broken)} failed")
    sys.exit(bool(broken))


def replay(violation: Violation, seed: int) -> str:
    """The one command that shows a violation again."""
    chosen = f"--workflow {violation.way.workflow} --seed {seed} --point '{violation.point}'"
    return f'make crash-sweep SWEEP="{chosen}"'


if __name__ == "__main__":
    main()

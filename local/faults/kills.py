"""Real kills: processes end with SIGKILL, at random moments, while many orders are under way.

Nothing is planned within the processes: a function's process or the ERP's is killed from outside,
wherever it happens to be. The ERP is started again after a moment; a function gets a new process at
its next call, as in Lambda. Kills go on until every run has ended. Whenever a run waits for a team,
the team says: again. At the end the systems are asked what they hold.

    make kills
    make kills ORDERS=20 SEED=7

The processes, their load and the moments of the kills are real; time is virtual, which changes
nothing as long as anything works: then the clock is the real one. When nothing does, it skips what
would be left of waiting (back-offs of up to a minute, a dead owner's lease of 40 s, three minutes
until a queue shows a message again), in which there is nothing to kill. The ERP's outages are never
skipped. A seed draws the same numbers and kinds of victims again; where they are hit is chance.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import click

from local.cli import history
from local.cloud.functions import Process
from local.environment import LocalEnvironment
from local.faults.harness import Harness
from local.faults.invariants import RUNNING, Expectation, violations
from local.faults.scenarios import Transaction
from local.faults.snapshot import Account, follow

WORKFLOW = "lead_to_order"
RETRY = "retry"
ERP = "Tryton"

INVOCATIONS_PER_KILL = 5
"""On average. An order takes about 18, so it meets a few kills, however fast the machine is."""

DELAY_SECONDS = 0.4
"""At most, from when a kill is due to its moment, which is thus anywhere in an invocation."""

ERP_SHARE = 0.05
ERP_DOWN_SECONDS = 1.0
"""At most, before it is started again, which takes a moment too."""

BUSY_SHARE = 0.8
"""How often a function's process is killed while it handles an event, rather than between two."""

SECONDS_FOR_AN_ORDER = 5
SECONDS_AT_LEAST = 120
REPORT_SECONDS = 5.0

Say = Callable[[str], None]


class Killer:
    """Ends one process after another. `victims` counts them, functions by their logical ids."""

    def __init__(self, environment: LocalEnvironment, seed: int) -> None:
        self.victims: Counter[str] = Counter()
        self._environment = environment
        # What is drawn must not depend on how many processes there happen to be.
        self._schedule = random.Random(f"{seed} schedule")
        self._choice = random.Random(f"{seed} choice")
        self._due = self._after_some_invocations()
        self._moment: float | None = None

    def strike(self) -> None:
        """Kill the next one, if it is time."""
        if self._moment is None:
            if self._environment.cloud.invocations_begun >= self._due:
                self._moment = time.monotonic() + self._schedule.uniform(0, DELAY_SECONDS)
        elif time.monotonic() >= self._moment:
            self._kill_one()
            self._moment = None
            self._due = self._after_some_invocations()

    def _after_some_invocations(self) -> float:
        begun = self._environment.cloud.invocations_begun
        return begun + self._schedule.expovariate(1 / INVOCATIONS_PER_KILL)

    def _kill_one(self) -> None:
        is_erp = self._schedule.random() < ERP_SHARE
        down = self._schedule.uniform(0, ERP_DOWN_SECONDS)
        if is_erp:
            self._interrupt_the_erp(down)
        else:
            self._kill_a_function()

    def _interrupt_the_erp(self, seconds: float) -> None:
        """Its database is all that survives."""
        self._environment.tryton.kill()
        self.victims[ERP] += 1
        time.sleep(seconds)
        self._environment.tryton.start()

    def _kill_a_function(self) -> None:
        process = self._a_process()
        if process is None:
            return
        # It may have ended by itself a moment ago.
        with suppress(ProcessLookupError):
            os.kill(process.id, signal.SIGKILL)
            self.victims[process.function] += 1

    def _a_process(self) -> Process | None:
        """Every function in turn may be the victim, not only the slow ones."""
        processes = self._environment.cloud.processes
        busy = self._choice.random() < BUSY_SHARE
        candidates = [each for each in processes if each.busy == busy] or processes
        if not candidates:
            return None
        function = self._choice.choice(sorted({each.function for each in candidates}))
        return self._choice.choice([each for each in candidates if each.function == function])


class Watch:
    """Says how far it is, and remembers how many runs there were at the same time."""

    def __init__(self, harness: Harness, transactions: list[Transaction], say: Say) -> None:
        self.most_running = 0
        self._harness = harness
        self._transactions = transactions
        self._say = say
        self._began = time.monotonic()
        self._next = self._began

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def look(self, kills: int) -> None:
        """Look at the runs, every few seconds."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + REPORT_SECONDS
        accounts = follow(self._harness.cloud, self._transactions)
        runs = [run for account in accounts for run in account.runs]
        running = sum(run["status"] == RUNNING for run in runs)
        self.most_running = max(self.most_running, running)
        self._say(
            f"  {self.seconds:.0f} s: {len(runs) - running} of {len(accounts)} runs ended, "
            f"{running} under way; {kills} kills"
        )


@dataclass(frozen=True)
class Report:
    """What came of it. `orders` is how many more there are in the ERP than before.

    `running` are the runs that had not ended when the time was up, `most_running` how many there
    were at the same time; `failures` are the steps' errors, `asked` is how often a team was asked.
    """

    won: int
    orders: int
    running: int
    most_running: int
    seconds: float
    victims: Counter[str]
    endings: Counter[str]
    failures: Counter[str]
    back_offs: int
    asked: int
    violations: list[str]

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations and not self.running and self.orders == self.won

    def lines(self) -> list[str]:
        """For a person."""
        kinds = Counter(violation.split(":")[0] for violation in self.violations)
        promised = kinds["twice"] + kinds["lost"] + kinds["stuck"]
        return [
            f"{self.won} deals won at once, up to {self.most_running} runs at the same time; "
            f"{self.seconds:.0f} s",
            f"{self.victims.total()} kills: {_listed(self.victims)}",
            f"failed steps: {_listed(self.failures)}",
            f"{self.back_offs} back-offs; a team was asked {self.asked} times",
            f"runs: {_listed(self.endings)}",
            *([f"{self.running} runs had not ended when the time was up"] if self.running else []),
            *(f"VIOLATION {violation}" for violation in self.violations),
            f"{self.orders} orders, {kinds['twice']} duplicates, {kinds['lost']} lost, "
            f"{kinds['stuck']} stuck without an owner, {kinds.total() - promised} other violations",
        ]


def kill_under_load(harness: Harness, orders: int, seed: int, say: Say = print) -> Report:
    """Win deals all at once, and kill until all their runs have ended."""
    [whole] = harness.run([harness.new(WORKFLOW)])
    expected = Expectation.of(whole)
    if broken := violations(whole, expected):
        raise RuntimeError(f"{WORKFLOW} is broken without any kill: {'; '.join(broken)}")
    before = _live_orders(harness)
    transactions = [harness.new(WORKFLOW) for _ in range(orders)]
    killer = Killer(harness.environment, seed)
    watch = Watch(harness, transactions, say)

    def kill_and_look() -> None:
        killer.strike()
        watch.look(killer.victims.total())

    for transaction in transactions:
        transaction.begin()
    limit = SECONDS_AT_LEAST + orders * SECONDS_FOR_AN_ORDER
    accounts = harness.settle(transactions, RETRY, kill_and_look, limit)
    seconds = watch.seconds
    failures, back_offs = _troubles(harness, accounts)
    events = [event for account in accounts for event in account.events]
    return Report(
        won=orders,
        orders=_live_orders(harness) - before,
        running=sum(run["status"] == RUNNING for account in accounts for run in account.runs),
        most_running=watch.most_running,
        seconds=seconds,
        victims=killer.victims,
        endings=Counter(account.ending for account in accounts),
        failures=failures,
        back_offs=back_offs,
        asked=sum(event["type"] == "exception.raised" for event in events),
        violations=[
            f"{what} (deal {account.transaction.mark})"
            for account in accounts
            for what in violations(account, expected)
        ],
    )


def _live_orders(harness: Harness) -> int:
    """All that the ERP has, whosever they are: also those that carry no key."""
    census = harness.systems.census()
    orders = [remotes for key, remotes in census.items() if key[:2] == ("tryton", "order")]
    return sum(remote.live for remotes in orders for remote in remotes)


def _troubles(harness: Harness, accounts: list[Account]) -> tuple[Counter[str], int]:
    """The errors that steps failed with, and how often a run backed off."""
    states = harness.cloud.client("stepfunctions")
    failures: Counter[str] = Counter()
    back_offs = 0
    for account in accounts:
        for run in account.runs:
            visits = history.read(states, run["executionArn"])
            failures.update(visit.error.name for visit in visits if visit.error)
            back_offs += sum(visit.state == "BackOff" for visit in visits)
    return failures, back_offs


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counter.most_common()) or "none"


@click.command()
@click.option("--orders", type=click.IntRange(1), default=100, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the victims.")
def main(orders: int, seed: int) -> None:
    """Kill processes at random while many orders are under way; ask the systems what they hold."""
    with Harness(lambda step: click.echo(f"  {step}")) as harness:
        report = kill_under_load(harness, orders, seed, click.echo)
    for line in report.lines():
        click.echo(line)
    sys.exit(not report.passed)


if __name__ == "__main__":
    main()

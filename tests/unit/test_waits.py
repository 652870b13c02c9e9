"""Waiting and waking: in any order, with a crash anywhere, no run misses what has happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interlock import aws
from interlock.waits import KEPT_SECONDS, Waits

from tests.unit.conftest import Clock, Cloud

CONTRACT, DEAL = SUBJECTS = ("salesforce:006Contract", "salesforce:006Deal")


class Refused(Exception):
    """Step Functions knows of no run that waits with the token."""


@dataclass
class States:
    """Step Functions, as far as a token goes: it is answered once, while its run waits."""

    waiting: set[str] = field(default_factory=set)
    answered: list[str] = field(default_factory=list)

    exceptions = SimpleNamespace(
        TaskTimedOut=Refused, TaskDoesNotExist=Refused, InvalidToken=Refused
    )

    def send_task_success(self, *, taskToken: str, output: str) -> None:
        """Answer a token."""
        assert output == "{}"
        if taskToken not in self.waiting:
            raise Refused
        self.waiting.remove(taskToken)
        self.answered.append(taskToken)


@pytest.fixture
def states() -> States:
    """A run waits with token T1, and another one will with T2."""
    return States({"T1", "T2"})


@pytest.fixture
def waits(cloud: Cloud, clock: Clock, states: States) -> Waits:
    """Nobody waits yet."""
    return Waits(cloud.table("WaitsTable"), clock, aws.dynamodb(), states)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_run_is_woken_by_what_happens_to_either_record(
    waits: Waits, states: States, subject: str
) -> None:
    assert not waits.wait(SUBJECTS, "T1")
    assert states.answered == []

    assert waits.wake(subject)

    assert states.answered == ["T1"]


def test_what_happens_before_it_waits_wakes_it_at_once(waits: Waits, states: States) -> None:
    assert not waits.wake(DEAL)

    assert waits.wait(SUBJECTS, "T1")

    assert states.answered == ["T1"]


def test_what_it_was_woken_by_does_not_wake_it_again(waits: Waits, states: States) -> None:
    waits.wake(DEAL)
    waits.wait(SUBJECTS, "T1")

    assert not waits.wait(SUBJECTS, "T2")
    waits.wake(CONTRACT)

    assert states.answered == ["T1", "T2"]


def test_what_happens_while_it_works_wakes_it_when_it_waits_again(
    waits: Waits, states: States
) -> None:
    waits.wait(SUBJECTS, "T1")
    waits.wake(CONTRACT)
    assert not waits.wake(DEAL)

    assert waits.wait(SUBJECTS, "T2")

    assert states.answered == ["T1", "T2"]


def test_a_run_whose_time_was_over_is_woken_when_it_waits_again(
    waits: Waits, states: States
) -> None:
    waits.wait(SUBJECTS, "T1")
    states.waiting.remove("T1")
    assert not waits.wake(DEAL)

    assert waits.wait(SUBJECTS, "T2")


def test_what_happens_to_records_that_nobody_waits_for_is_forgotten(
    waits: Waits, clock: Clock
) -> None:
    """By the time that the table's rows expire at; never before a run could wait for it."""
    waits.wake(DEAL)
    clock.advance(1000)
    waits.wait([CONTRACT], "T1")

    rows = aws.dynamodb().scan(TableName=waits.table)["Items"]

    until = {row["subject"]: int(row["expires_at"]) for row in rows}
    assert until == {
        DEAL: int(clock.now) - 1000 + KEPT_SECONDS,
        CONTRACT: int(clock.now) + KEPT_SECONDS,
    }
    assert KEPT_SECONDS > 366 * 24 * 3600


# ---- Everything at once


# Enough calls for a process to come to its end.
MANY = 100


class Crash(BaseException):
    """The process dies here: nobody catches it."""


class Over(BaseException):
    """The example is over: every process ends."""


class Turns:
    """Lets processes take turns: each goes on by one call of a store when it is told to."""

    def __init__(self) -> None:
        self._may_go: list[threading.Semaphore] = []
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Semaphore(0)
        self._here = threading.local()
        self._raised: type[BaseException] | None = None

    def process(self, work: Callable[[], None]) -> None:
        """A new process, which does not begin before its first turn."""
        number = len(self._threads)

        def run() -> None:
            self._here.number = number
            self._may_go[number].acquire()
            with suppress(Over):
                work()
            self._stopped.release()

        self._may_go.append(threading.Semaphore(0))
        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[number].start()

    def boundary(self) -> None:
        """Wait for the next turn; the process may die instead."""
        self._stopped.release()
        self._may_go[self._here.number].acquire()
        if self._raised:
            raise self._raised

    def go(self, number: int, raised: type[BaseException] | None = None) -> None:
        """Let a process go on to its next boundary, or let it die there."""
        self._raised = raised
        self._may_go[number].release()
        self._stopped.acquire()

    def end(self, running: list[int]) -> None:
        """End the processes that are left."""
        for number in running:
            self.go(number, Over)


class World:
    """A run that reads a contract and its deal and then waits; and what happens to them.

    Its process, number 0, goes on for ever; each change is a process of its own.
    """

    def __init__(self, waits: Waits, name: str, subjects: list[str]) -> None:
        """`name` tells its records from those of another one."""
        self.turns = Turns()
        self.states = States()
        watched = (_Watched(each, self.turns) for each in (waits._client, self.states))
        self._waits = Waits(waits.table, waits.clock, *watched)
        self._name = name
        self.changes, self.read = 0, -1
        self._token, self._tokens = "", 0
        self._asleep = False
        self._open = [0]
        self.turns.process(self._run)
        for number, subject in enumerate(subjects, start=1):
            self._open.append(number)
            self.turns.process(lambda subject=subject, number=number: self._change(subject, number))

    @property
    def busy(self) -> list[int]:
        """The processes that have something to do."""
        asleep = self._asleep and self._token in self.states.waiting
        return self._open[1:] if asleep else self._open

    def go(self, number: int, *, crash: bool) -> None:
        """Let one of them take its turn, if it has something to do.

        The run itself does not die, only a step of it.
        """
        if number in self.busy:
            dies = crash and not (number == 0 and self._asleep)
            self.turns.go(number, Crash if dies else None)

    def end(self) -> None:
        """End what is left of it."""
        self.turns.end(self._open)

    def _run(self) -> None:
        while True:
            self.read = self.changes
            self._wait()
            self._asleep = True
            while self._token in self.states.waiting:
                self.turns.boundary()
            self._asleep = False

    def _wait(self) -> None:
        """A step that fails before its token is answered is tried again, with another token."""
        self._tokens += 1
        self._token = f"T{self._tokens}"
        self.states.waiting.add(self._token)
        try:
            self._waits.wait([self._name + each for each in SUBJECTS], self._token)
            self.turns.boundary()
        except Crash:
            if self._token in self.states.waiting:
                self.states.waiting.remove(self._token)
                self._wait()

    def _change(self, subject: str, number: int) -> None:
        self.changes += 1
        self._consume(subject)
        self._open.remove(number)

    def _consume(self, subject: str) -> None:
        """A message that was not consumed comes again."""
        try:
            self._waits.wake(self._name + subject)
            self.turns.boundary()
        except Crash:
            self._consume(subject)


class _Watched:
    """A client with a boundary before each of its calls."""

    def __init__(self, client: Any, turns: Turns) -> None:
        self._client = client
        self._turns = turns
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        def call(**options: Any) -> Any:
            self._turns.boundary()
            return getattr(self._client, name)(**options)

        return call


# Which process goes on, by how many calls, and whether it dies at the last of them.
Turn = tuple[int, int, bool]
TURN = st.tuples(st.integers(0, 3), st.integers(1, 6), st.booleans())
NUMBERS = count()


@pytest.mark.parametrize("calls", range(1, 7))
@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="before anything"),
        pytest.param([(0, MANY, False)], id="while the run sleeps"),
        pytest.param([(0, 1, False), (1, MANY, False)], id="after it has read"),
    ],
)
@pytest.mark.parametrize("dying", [0, 1])
def test_a_crash_at_any_call_loses_nothing(
    waits: Waits, before: list[Turn], dying: int, calls: int
) -> None:
    play(waits, [DEAL], [*before, (dying, calls, True), (dying, MANY, False)])


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    subjects=st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=3),
    order=st.lists(TURN, min_size=3, max_size=15),
)
def test_whichever_process_goes_on_next_nothing_is_lost(
    waits: Waits, subjects: list[str], order: list[Turn]
) -> None:
    play(waits, subjects, order)


def play(waits: Waits, subjects: list[str], order: list[Turn]) -> None:
    """Let these things happen in this order, and then the rest.

    In the end the run waits, and has read the last change.
    """
    world = World(waits, f"world-{next(NUMBERS)}:", subjects)
    for number, calls, dies in [*order, *[(n, MANY, False) for n in (1, 2, 3, 0)]]:
        for left in reversed(range(calls)):
            world.go(number, crash=dies and left == 0)

    asleep, read = not world.busy, world.read
    world.end()

    assert asleep, "it never comes to rest"
    assert read == world.changes == len(subjects)

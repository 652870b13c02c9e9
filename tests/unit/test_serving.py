"""Suspending and resuming: once, in order, completed by whoever comes next; on moto's DynamoDB."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from interlock import aws, events, serving
from interlock.audit import Audit
from interlock.errors import BusinessRuleViolation, RecordNotFound
from interlock.events import Event
from interlock.suspensions import Instruction, Suspensions

from tests.unit.conftest import Clock, Cloud

ACCOUNT = "salesforce:001Hs00000LarkRIAS"
ANA, BEN = "ana@interlock.example", "ben@interlock.example"
NOW = datetime(2026, 11, 18, 11, 6, 40, 250_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def wanted(action: str = "suspend", **values: Any) -> Instruction:
    """What Ana wants."""
    given = {
        "account_id": ACCOUNT,
        "action": action,
        "by": ANA,
        "reason": "as agreed",
        "caller_arn": "arn:aws:sts::1:assumed-role/operator/ana",
        "at": NOW,
    }
    return Instruction(**(given | values))


def later(action: str, seconds: float = 60, **values: Any) -> Instruction:
    """What somebody wants after that."""
    return wanted(action, at=NOW + timedelta(seconds=seconds), **values)


class Crash(BaseException):
    """The process dies here: nobody catches it."""


class World:
    """The stores, and what was told; each step can be the last one."""

    def __init__(self, cloud: Cloud, clock: Clock, patch: pytest.MonkeyPatch) -> None:
        cloud.mock.reset()
        self.told: list[Event] = []
        self.passed = 0
        self.crash_at: int | None = None
        client = aws.dynamodb()
        self.store = Suspensions(cloud.table("SuspensionsTable"), client)
        self.audit = Audit(cloud.table("AuditTable"), clock, client)
        patch.setattr(Suspensions, "load", lambda: self.store)
        patch.setattr(Audit, "load", lambda: self.audit)
        patch.setattr(events, "publish", self._bounded(self.told.append))
        patch.setattr(self.store, "write", self._bounded(self.store.write))
        patch.setattr(self.audit, "append", self._bounded(self.audit.append))

    def _bounded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._pass()
            result = function(*arguments, **options)
            self._pass()
            return result

        return call

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self.crash_at:
            raise Crash

    def crashes(self, instruction: Instruction, boundary: int) -> bool:
        """Whether it dies at this boundary."""
        self.passed, self.crash_at = 0, boundary
        try:
            serving.change(instruction)
        except Crash:
            return True
        finally:
            self.crash_at = None
        return False

    def audited(self) -> list[tuple[str, str]]:
        """Who did what to the account, by an audit that is whole."""
        chains = self.audit.of_subject(ACCOUNT)
        assert not [problem for chain in chains for problem in chain.problems()]
        return [(row.actor, row.action) for chain in chains for row in chain.rows]

    def events(self) -> list[Event]:
        """What was told, each once."""
        return list({event.id: event for event in self.told}.values())


@pytest.fixture
def world(cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> World:
    """Nobody was ever suspended."""
    return World(cloud, clock, monkeypatch)


def test_an_account_is_suspended_audited_and_told(world: World) -> None:
    kept = serving.change(wanted())

    assert kept == wanted()
    assert world.store.get(ACCOUNT) == kept
    assert world.audited() == [(ANA, "suspended")]
    [event] = world.told
    assert (event.type, event.subject) == ("service.change_requested", ACCOUNT)
    assert event.correlation_id == f"service-001Hs00000LarkRIAS-{int(NOW.timestamp())}"
    [chain] = world.audit.of_subject(ACCOUNT)
    assert chain.head is not None
    assert event.data == {
        "action": "suspend",
        "by": ANA,
        "reason": "as agreed",
        "audit": chain.head.model_dump(),
    }


def test_its_service_is_resumed_and_it_may_be_suspended_again(world: World, clock: Clock) -> None:
    first = serving.change(wanted())
    clock.advance(60)
    resumed = serving.change(later("resume", by=BEN))

    assert world.store.get(ACCOUNT) is None
    last = world.store.last(ACCOUNT)
    assert last is not None
    assert (last.suspended, last.resumed) == (first, resumed)
    clock.advance(60)
    again = serving.change(later("suspend", 120))
    assert world.store.get(ACCOUNT) == again
    assert world.audited() == [(ANA, "suspended"), (BEN, "resumed"), (ANA, "suspended")]
    assert len({event.correlation_id for event in world.told}) == 3


@pytest.mark.parametrize("action", ["suspend", "resume"])
def test_the_same_again_changes_nothing(world: World, action: str) -> None:
    serving.change(wanted())
    first = serving.change(later(action))

    assert serving.change(later(action, 120, reason="as I said")) == first

    assert len(world.audited()) == len(world.events()) == (1 if action == "suspend" else 2)


def test_who_does_what_is_done_is_told_by_whom(world: World) -> None:
    serving.change(wanted(reason="not paid"))

    with pytest.raises(
        BusinessRuleViolation,
        match=f"was suspended before by {ANA}, at 2026-11-18 11:06 UTC: not paid",
    ):
        serving.change(later("suspend", by=BEN))

    assert world.audited() == [(ANA, "suspended")]


def test_there_is_nothing_to_resume(world: World) -> None:
    with pytest.raises(BusinessRuleViolation, match="is not suspended"):
        serving.change(wanted("resume"))

    assert (world.audited(), world.told) == ([], [])


@pytest.mark.parametrize("earlier", [0, 0.5, 3600])
def test_each_instruction_is_a_transaction_of_its_own(world: World, earlier: float) -> None:
    """Also within a second, or when clocks disagree."""
    first = serving.change(wanted())
    second = serving.change(later("resume", -earlier))
    third = serving.change(later("suspend", -earlier))

    assert (second.at - first.at, third.at - second.at) == (SECOND, SECOND)
    assert len({each.transaction for each in (first, second, third)}) == 3


@pytest.mark.parametrize(
    "id", ["", "Larkspur", "salesforce:", "salesforce:0 1", "a:b:c", f"a:{'1' * 61}"]
)
def test_what_is_no_accounts_id(world: World, id: str) -> None:
    with pytest.raises(RecordNotFound, match="give the canonical one"):
        serving.change(wanted(account_id=id))

    assert world.told == []


def test_the_longest_id_names_a_run(world: World) -> None:
    serving.change(wanted(account_id=f"crm:{'1' * 60}"))

    assert len(world.told[0].correlation_id) <= 80


def test_of_many_at_once_one_counts(world: World) -> None:
    together = threading.Barrier(6)

    def suspend(number: int) -> bool:
        together.wait()
        try:
            serving.change(wanted(by=f"{number}@interlock.example"))
        except BusinessRuleViolation:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(suspend, range(6))) == 1

    [(actor, action)] = world.audited()
    last = world.store.last(ACCOUNT)
    assert last is not None
    assert (actor, action) == (last.suspended.by, "suspended")


@pytest.mark.parametrize(
    "next_one", [later("suspend"), later("suspend", by=BEN), later("resume", by=BEN)]
)
def test_what_a_crash_left_is_completed_by_whoever_comes_next(
    cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch, next_one: Instruction
) -> None:
    completed = 0
    for boundary in count(1):
        world = World(cloud, clock, monkeypatch)
        crashed = world.crashes(wanted(), boundary)
        stored = world.store.get(ACCOUNT)

        try:
            serving.change(next_one)
        except BusinessRuleViolation:
            assert (stored is None) == (next_one.action == "resume")

        if stored:
            completed += crashed
            assert (ANA, "suspended") in world.audited()
            assert world.events()[0].data["by"] == ANA
        # All that is stored was audited and told, each once.
        assert len(world.audited()) == len(world.events())
        if not crashed:
            break
    assert completed > 3

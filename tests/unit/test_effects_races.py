"""The effect ledger with real threads that want the same record at the same moment."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from interlock import aws
from interlock.crossref import CrossReferences
from interlock.effects import Effect, EffectKey, Ledger
from interlock.errors import OutcomeUnknown

from tests.unit import samples
from tests.unit.conftest import Cloud
from tests.unit.fake_vendor import Note

THREADS = 8


@pytest.fixture
def ledger(cloud: Cloud) -> Ledger:
    """On the system's clock, as threads have it."""
    crossref = CrossReferences(cloud.table("CrossReferencesTable"))
    return Ledger(cloud.table("EffectsTable"), crossref, _client=aws.dynamodb())


@pytest.mark.parametrize("number", range(6))
def test_of_many_at_once_one_writes(ledger: Ledger, number: int) -> None:
    key = EffectKey("zendesk", "create_task", f"salesforce:{number}/kickoff")
    together = threading.Barrier(THREADS)
    performed: list[str] = []

    def perform(idempotency_key: str) -> Note:
        time.sleep(0.01)
        performed.append(idempotency_key)
        return Note(id=key.record, subject="Kick off", remote_id=f"R{len(performed)}")

    def write(thread: int) -> str:
        effect = Effect(
            key=key,
            entity="task",
            content=Note(id=key.record, subject="Kick off"),
            origin="integration",
            command=samples.command(f"T{thread}"),
            result=Note,
        )
        together.wait()
        while True:
            try:
                return ledger.once(
                    effect, perform=perform, find=lambda: None, read=_unread
                ).remote_id
            except OutcomeUnknown:
                time.sleep(0.005)

    with ThreadPoolExecutor(THREADS) as threads:
        answers = Counter(threads.map(write, range(THREADS)))

    assert answers == {"R1": THREADS}
    assert len(performed) == 1


def test_of_many_at_once_one_takes_back(ledger: Ledger) -> None:
    key = EffectKey("zendesk", "create_task", "salesforce:1/kickoff")
    made = Note(id=key.record, subject="Kick off", remote_id="R1")
    effect = Effect(
        key=key,
        entity="task",
        content=Note(id=key.record, subject="Kick off"),
        origin="integration",
        command=samples.command("T1"),
        result=Note,
    )
    ledger.once(effect, perform=lambda _: made, find=lambda: None, read=_unread)
    together = threading.Barrier(THREADS)
    cancelled: list[str] = []

    def undo(_: int) -> bool:
        together.wait()
        try:
            undone = ledger.undo(
                key,
                entity="task",
                command=samples.command("T1"),
                find=lambda: None,
                cancel=cancelled.append,
            )
        except OutcomeUnknown:
            return False
        return undone.remote_id == "R1"

    with ThreadPoolExecutor(THREADS) as threads:
        winners = sum(threads.map(undo, range(THREADS)))

    assert cancelled == ["R1"]
    assert winners == 1


def _unread(remote_id: str) -> Note:
    raise AssertionError(f"nobody linked {remote_id}")

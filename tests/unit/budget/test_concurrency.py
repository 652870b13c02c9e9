"""Slots that all processes share."""

from __future__ import annotations

from typing import Any

import pytest
from interlock.budget.admission import Admission, CircuitOpen, TurnedAway
from interlock.budget.concurrency import LEASE_SECONDS, PATIENCE_SECONDS, ConcurrencyLimiter
from interlock.budget.limits import ConcurrencyLimit
from interlock.budget.row import SharedRow

from tests.unit.conftest import Clock

LIMIT = ConcurrencyLimit(concurrency=3)


def limiter(
    row: SharedRow, clock: Clock, limit: ConcurrencyLimit = LIMIT, **options: Any
) -> ConcurrencyLimiter:
    """One process; its sleep moves the clock."""
    return ConcurrencyLimiter(row, limit, clock=clock, **{"sleep": clock.advance} | options)


def take_all(row: SharedRow, clock: Clock, limit: ConcurrencyLimit = LIMIT) -> list[Admission]:
    """Every slot, each by another process."""
    return [limiter(row, clock, limit).admit(under_way=False) for _ in range(limit.concurrency)]


@pytest.mark.parametrize("concurrency", [1, 3, 20])
def test_so_many_at_once_and_no_more(row: SharedRow, clock: Clock, concurrency: int) -> None:
    limit = ConcurrencyLimit(concurrency=concurrency)
    begun = clock()

    taken = take_all(row, clock, limit)

    assert clock() == begun, "nobody waits while a slot is free"
    assert len({admission.slot for admission in taken}) == concurrency
    with pytest.raises(TurnedAway) as turned_away:
        limiter(row, clock, limit).admit(under_way=False)
    assert turned_away.value.seconds >= 1
    assert clock() <= begun + PATIENCE_SECONDS


def test_who_waits_gets_the_slot_that_is_given_back(row: SharedRow, clock: Clock) -> None:
    first, *_ = take_all(row, clock)
    waiting = limiter(row, clock)

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        limiter(row, clock).release(first)

    waiting.sleep = sleep

    assert waiting.admit(under_way=False).slot == first.slot


def test_a_step_that_was_let_in_waits_longer(row: SharedRow, clock: Clock) -> None:
    take_all(row, clock)
    begun = clock()

    with pytest.raises(TurnedAway):
        limiter(row, clock).admit(under_way=True)

    assert clock() > begun + PATIENCE_SECONDS


def test_a_dead_holders_slot_is_free_after_its_lease(row: SharedRow, clock: Clock) -> None:
    taken = take_all(row, clock)
    clock.advance(LEASE_SECONDS)

    assert limiter(row, clock).admit(under_way=False).slot in {each.slot for each in taken}


def test_who_lost_its_slot_cannot_give_it_back(row: SharedRow, clock: Clock) -> None:
    """It is another's by now."""
    limit = ConcurrencyLimit(concurrency=1)
    process = limiter(row, clock, limit)
    lost = process.admit(under_way=False)
    clock.advance(LEASE_SECONDS)
    limiter(row, clock, limit).admit(under_way=False)

    process.release(lost)

    with pytest.raises(TurnedAway):
        limiter(row, clock, limit).admit(under_way=False)


def test_background_work_leaves_a_slot_to_orders(row: SharedRow, clock: Clock) -> None:
    background = limiter(row, clock, background=True)
    begun = clock()

    for _ in range(LIMIT.concurrency - 1):
        background.admit(under_way=False)
    with pytest.raises(TurnedAway):
        background.admit(under_way=False)

    assert clock() == begun, "it does not wait for what an order may want"
    limiter(row, clock).admit(under_way=False)


def test_background_work_may_have_the_only_slot(row: SharedRow, clock: Clock) -> None:
    limit = ConcurrencyLimit(concurrency=1)

    assert limiter(row, clock, limit, background=True).admit(under_way=False).slot


def test_an_open_breaker_lends_no_slot(row: SharedRow, clock: Clock) -> None:
    row.change("SET open_until = :until", until=clock() + 60)

    with pytest.raises(CircuitOpen) as circuit:
        limiter(row, clock).admit(under_way=False)

    assert set(circuit.value.state) == {"open_until"}

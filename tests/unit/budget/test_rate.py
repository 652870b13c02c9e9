"""The shared rate, one behaviour at a time, then whole crowds in simulated time."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interlock.budget.admission import TurnedAway
from interlock.budget.limits import RateLimit
from interlock.budget.rate import (
    EARLY_SECONDS,
    PATIENCE_SECONDS,
    PATIENCE_UNDER_WAY_SECONDS,
    RateLimiter,
)
from interlock.budget.row import Change, SharedRow

from tests.unit.budget.conftest import another
from tests.unit.budget.crowd import Crowd
from tests.unit.conftest import Clock

STRIPE = RateLimit(requests=25, seconds=1)
ZENDESK = RateLimit(requests=200, seconds=60)
GOAL = 0.95


def limiter(row: SharedRow, clock: Clock, limit: RateLimit = STRIPE, **options: Any) -> RateLimiter:
    """One process; its sleep moves the clock."""
    return RateLimiter(row, limit, clock=clock, **{"sleep": clock.advance} | options)


def test_who_comes_alone_is_served_at_once(row: SharedRow, clock: Clock) -> None:
    begun = clock()
    process = limiter(row, clock)

    for _ in range(3):
        process.admit(under_way=False)
        clock.advance(1)

    assert clock() == begun + 3


def test_requests_of_all_processes_are_spaced(row: SharedRow, clock: Clock) -> None:
    begun = clock()
    processes = [limiter(row, clock) for _ in range(3)]

    moments = []
    for process in [*processes, *processes]:
        process.admit(under_way=False)
        moments.append(clock() - begun)

    assert moments == pytest.approx([n * STRIPE.interval for n in range(6)], abs=1e-5)


def test_after_a_pause_some_go_at_once(row: SharedRow, clock: Clock) -> None:
    """The headroom of a long time is room for a few requests."""
    begun = clock()
    process = limiter(row, clock, ZENDESK)

    for _ in range(6):
        process.admit(under_way=False)

    assert clock() == begun
    process.admit(under_way=False)
    assert clock() > begun


def test_who_would_have_to_wait_for_long_is_told_when_to_return(
    row: SharedRow, clock: Clock
) -> None:
    """One after the other, at the vendor's rate."""
    row.change("SET next_slot = :at", at=clock() + 60)
    told = []
    for _ in range(10):
        with pytest.raises(TurnedAway) as turned_away:
            limiter(row, clock).admit(under_way=False)
        told.append(turned_away.value.seconds)

    expected = [60 - EARLY_SECONDS + n * STRIPE.interval for n in range(10)]
    assert told == pytest.approx(expected, abs=1e-5)


def test_a_step_that_was_let_in_goes_before_new_ones(row: SharedRow, clock: Clock) -> None:
    row.change("SET next_slot = :at", at=clock() + PATIENCE_SECONDS + 1)
    begun = clock()

    with pytest.raises(TurnedAway):
        limiter(row, clock).admit(under_way=False)
    limiter(row, clock).admit(under_way=True)

    assert begun < clock() < begun + PATIENCE_UNDER_WAY_SECONDS


def test_who_wakes_too_late_asks_again(row: SharedRow, clock: Clock) -> None:
    """Its slot is over: others may be sending by now."""
    process = limiter(row, clock)
    process.admit(under_way=False)
    process.sleep = lambda seconds: clock.advance(seconds + STRIPE.lateness * 2)

    process.admit(under_way=False)

    state = row.change("SET failures = :none", none=0).state
    assert state["next_slot"] == pytest.approx(clock() + STRIPE.interval, abs=1e-5)


def test_who_always_wakes_too_late_is_turned_away(row: SharedRow, clock: Clock) -> None:
    def sleep(seconds: float) -> None:
        clock.advance(seconds + STRIPE.lateness * 2)
        others_come()

    def others_come() -> None:
        row.change("SET next_slot = :at", at=clock() + 1)

    others_come()

    with pytest.raises(TurnedAway):
        limiter(row, clock, sleep=sleep).admit(under_way=False)


class SlowRow:
    """A row whose table takes its time."""

    def __init__(self, row: SharedRow, clock: Clock, seconds: float) -> None:
        self._row = row
        self._clock = clock
        self._seconds = seconds
        self.changes = 0

    def change(self, *arguments: Any, **options: Any) -> Change:
        """As the row's, later."""
        self.changes += 1
        changed = self._row.change(*arguments, **options)
        self._clock.advance(self._seconds)
        return changed


def test_a_slow_table_is_asked_ahead(row: SharedRow, clock: Clock) -> None:
    """Otherwise every free slot would be over when the answer arrives."""
    slow = SlowRow(row, clock, STRIPE.lateness * 3)
    process = limiter(slow, clock)  # type: ignore[arg-type]
    process.admit(under_way=False)
    slow.changes = 0

    for _ in range(3):
        clock.advance(1)
        process.admit(under_way=False)

    assert slow.changes == 3


def test_background_work_takes_what_nobody_wants(row: SharedRow, clock: Clock) -> None:
    background = limiter(row, clock, background=True)

    background.admit(under_way=False)
    with pytest.raises(TurnedAway) as turned_away:
        background.admit(under_way=True)

    assert turned_away.value.seconds >= 1
    clock.advance(turned_away.value.seconds)
    background.admit(under_way=False)


def test_the_vendors_pause_holds_for_all(row: SharedRow, clock: Clock) -> None:
    process, other = limiter(row, clock), limiter(row, clock)
    process.admit(under_way=False)

    process.hold_off(30)

    with pytest.raises(TurnedAway) as turned_away:
        other.admit(under_way=False)
    assert turned_away.value.seconds == pytest.approx(28, abs=1)


def test_a_shorter_pause_changes_nothing(row: SharedRow, clock: Clock) -> None:
    process = limiter(row, clock)
    process.admit(under_way=False)
    process.hold_off(30)
    process.hold_off(1)

    with pytest.raises(TurnedAway):
        limiter(row, clock).admit(under_way=False)


def test_orders_that_wait_use_the_rate(row: SharedRow, clock: Clock) -> None:
    """All at once; steps take a while to return, and processes wake a little late."""
    chance = random.Random(5)
    crowd = Crowd(
        row,
        STRIPE,
        clock,
        late=lambda: chance.uniform(0, STRIPE.lateness / 2),
        back=lambda: chance.uniform(0.1, 0.5),
    )

    crowd.play([clock() + n / 1000 for n in range(200)])

    assert len(crowd.sent) == 200
    assert crowd.rate >= GOAL * STRIPE.requests
    assert crowd.most_in_a_window <= STRIPE.requests
    assert max(crowd.turned_away.values()) <= 2, "the time it was told was not its turn"


def test_orders_go_before_background_work(row: SharedRow, clock: Clock) -> None:
    """A sweep is at work when orders come, and goes on when they are done."""
    begun = clock()
    crowd = Crowd(row, STRIPE, clock)

    crowd.play(
        orders=[begun + 1 + n / 1000 for n in range(60)],
        background=[begun + n / 10 for n in range(40)],
    )

    orders = [sent for sent in crowd.sent if not sent.background]
    sweep = [sent for sent in crowd.sent if sent.background]
    assert (len(orders), len(sweep)) == (60, 40)
    for sent in sweep:
        assert not [order for order in orders if order.came <= sent.at < order.at]
    assert sweep[-1].at > orders[-1].at


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    limit=st.sampled_from(
        [
            STRIPE,
            RateLimit(requests=3, seconds=1),
            RateLimit(requests=1, seconds=2),
            RateLimit(requests=50, seconds=60),
        ]
    ),
    gaps=st.lists(st.sampled_from([0, 0, 0, 0.001, 0.03, 0.5, 4, 70]), min_size=1, max_size=40),
    lateness=st.lists(st.floats(0, 0.2), min_size=1, max_size=20),
)
def test_no_window_ever_holds_more_than_the_limit(
    row: SharedRow, clock: Clock, limit: RateLimit, gaps: list[float], lateness: list[float]
) -> None:
    """However callers come, and however late they wake; and each is served in the end."""
    moments = [clock() + sum(gaps[: n + 1]) for n in range(len(gaps))]
    late = iter(lateness)
    crowd = Crowd(another(row), limit, clock, late=lambda: next(late, 0.0))

    crowd.play(moments)

    assert len(crowd.sent) == len(gaps)
    assert crowd.most_in_a_window <= limit.requests

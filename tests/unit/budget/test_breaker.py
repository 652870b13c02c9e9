"""The breaker that all processes share: it opens, lets one probe through, and closes."""

from __future__ import annotations

import pytest
from interlock.budget.admission import Admission, CircuitOpen
from interlock.budget.breaker import (
    FAILURES,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PROBE_SECONDS,
    Breaker,
    VendorDown,
)
from interlock.budget.limits import RateLimit
from interlock.budget.rate import RateLimiter
from interlock.budget.row import SharedRow

from tests.unit.conftest import Clock

LIMIT = RateLimit(requests=1000, seconds=1)


class Process:
    """A process with its limiter and its breaker."""

    def __init__(self, row: SharedRow, clock: Clock) -> None:
        self.limiter = RateLimiter(row, LIMIT, clock=clock, sleep=clock.advance)
        self.breaker = Breaker(row, clock)

    def admit(self) -> Admission:
        """Leave to send a request. Raises VendorDown."""
        try:
            return self.limiter.admit(under_way=False)
        except CircuitOpen as circuit:
            return self.breaker.probe(circuit.state)

    def request(self, *, answered: bool) -> None:
        """A request and how it went. Raises VendorDown."""
        admission = self.admit()
        (self.breaker.answered if answered else self.breaker.failed)(admission)


@pytest.fixture
def process(row: SharedRow, clock: Clock) -> Process:
    """The one that the vendor fails."""
    return Process(row, clock)


@pytest.fixture
def other(row: SharedRow, clock: Clock) -> Process:
    """Another process."""
    return Process(row, clock)


def fail(process: Process, times: int) -> None:
    """So many requests in a row."""
    for _ in range(times):
        process.request(answered=False)


def refused(process: Process) -> float:
    """Nothing is let through: when the next probe is due, in seconds."""
    with pytest.raises(VendorDown) as down:
        process.admit()
    return down.value.seconds


def test_it_opens_for_all_after_failures_in_a_row(process: Process, other: Process) -> None:
    fail(process, FAILURES)

    assert refused(other) == pytest.approx(FIRST_PAUSE_SECONDS)
    assert refused(process) == pytest.approx(FIRST_PAUSE_SECONDS)


def test_failures_of_all_processes_count(process: Process, other: Process) -> None:
    fail(process, FAILURES - 1)
    fail(other, 1)

    assert refused(process)


def test_an_answer_between_failures_keeps_it_closed(process: Process, other: Process) -> None:
    fail(process, FAILURES - 1)
    other.request(answered=True)
    fail(process, FAILURES - 1)

    other.request(answered=True)


def test_a_failure_after_it_has_opened_changes_nothing(
    process: Process, other: Process, clock: Clock
) -> None:
    """Requests that were under way end one after the other."""
    under_way = other.admit()
    fail(process, FAILURES)
    clock.advance(FIRST_PAUSE_SECONDS - 1)

    other.breaker.failed(under_way)

    assert refused(process) == pytest.approx(1)


def test_one_probe_is_let_through(process: Process, other: Process, clock: Clock) -> None:
    fail(process, FAILURES)
    clock.advance(FIRST_PAUSE_SECONDS)

    assert other.admit().probe

    assert refused(process) == pytest.approx(PROBE_SECONDS)
    assert refused(other) == pytest.approx(PROBE_SECONDS)


def test_an_answered_probe_closes_it(process: Process, other: Process, clock: Clock) -> None:
    fail(process, FAILURES)
    clock.advance(FIRST_PAUSE_SECONDS)

    other.request(answered=True)

    fail(process, FAILURES - 1)
    process.request(answered=True)


def test_a_failed_probe_opens_it_for_longer(process: Process, clock: Clock) -> None:
    fail(process, FAILURES)
    pauses = []
    for _ in range(7):
        pauses.append(refused(process))
        clock.advance(pauses[-1])
        process.request(answered=False)

    assert pauses == pytest.approx([15, 30, 60, 120, 240, 300, 300])
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_SECONDS)


def test_after_an_outage_it_begins_anew(process: Process, clock: Clock) -> None:
    fail(process, FAILURES)
    clock.advance(FIRST_PAUSE_SECONDS)
    fail(process, 1)
    clock.advance(2 * FIRST_PAUSE_SECONDS)
    process.request(answered=True)

    fail(process, FAILURES)

    assert refused(process) == pytest.approx(FIRST_PAUSE_SECONDS)


def test_a_dead_probe_is_followed_by_another(
    process: Process, other: Process, clock: Clock
) -> None:
    fail(process, FAILURES)
    clock.advance(FIRST_PAUSE_SECONDS)
    process.admit()

    clock.advance(PROBE_SECONDS)
    other.request(answered=True)

    process.request(answered=True)


def test_a_probe_that_was_given_up_decides_nothing(
    process: Process, other: Process, clock: Clock
) -> None:
    fail(process, FAILURES)
    clock.advance(FIRST_PAUSE_SECONDS)
    given_up = process.admit()
    clock.advance(PROBE_SECONDS)
    other.admit()

    process.breaker.answered(given_up)
    process.breaker.failed(given_up)

    assert refused(process) == pytest.approx(PROBE_SECONDS)


def test_a_closed_breaker_costs_nothing(
    process: Process, row: SharedRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = []
    change = SharedRow.change

    def count(self: SharedRow, update: str, **options: object) -> object:
        changes.append(update)
        return change(self, update, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(SharedRow, "change", count)

    process.request(answered=True)

    assert len(changes) == 1

"""So many requests in a time: the generic cell rate algorithm, on a row that all share.

The row holds when the next slot is (`next_slot`, as seconds since the epoch); taking one moves it
on by an interval. So requests of all processes are spaced evenly, in the order they were asked
for: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm

Whose slot is too far away to sleep until then takes none. It is told when to come back, by a second
such row of slots (`line_end`): those who were turned away return one by one, at the vendor's rate,
a little before it is their turn, so that somebody is always there to use the next slot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from interlock.budget.admission import CLOSED, Admission, CircuitOpen, TurnedAway
from interlock.budget.limits import RateLimit
from interlock.budget.row import SharedRow

# How long a function sleeps at most until its slot. It is paid for that, and a step of several
# requests must not run into its function's timeout (30 s).
PATIENCE_SECONDS = 3.0
# The same for the further requests of a step that was let in.
PATIENCE_UNDER_WAY_SECONDS = 6.0
# How much earlier than its turn one who was turned away comes back: what a step may take to return
# without leaving a slot unused.
EARLY_SECONDS = 2.0
# Slots that may be missed one after the other, because the process woke too late.
MISSES = 4
# Attempts to take a slot that others were quicker to take.
RACES = 8
MOST_LEAD_SECONDS = 0.5
A_DAY = 86400.0


@dataclass
class RateLimiter:
    """Lets requests through at a vendor's rate. `background` work only takes what nobody wants.

    `clock` returns seconds since the epoch.
    """

    row: SharedRow
    limit: RateLimit
    background: bool = False
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        # How long DynamoDB took the last time: a free slot is asked for that much ahead.
        self._lead = 0.0
        # Whether others were waiting the last time: what is tried first.
        self._queued = False

    def admit(self, *, under_way: bool) -> Admission:
        """Sleep until a slot of one's own. Raises TurnedAway, CircuitOpen."""
        patience = PATIENCE_UNDER_WAY_SECONDS if under_way else PATIENCE_SECONDS
        for _ in range(MISSES):
            slot, state = self._reserve(patience)
            wait = slot - self.limit.burst - self.clock()
            if wait > 0:
                self.sleep(wait)
            if self.clock() <= slot + self.limit.lateness:
                return Admission(failures=int(state.get("failures", 0)))
        raise TurnedAway(1)

    def release(self, admission: Admission) -> None:
        """A rate counts what was sent."""

    def hold_off(self, seconds: float) -> None:
        """No slot before then."""
        until = self.clock() + seconds
        self.row.change("SET next_slot = :until", only_if="next_slot < :until", until=until)

    def _reserve(self, patience: float) -> tuple[float, dict[str, float]]:
        asked = self.clock()
        floor = asked + self._lead
        farthest = floor if self.background else floor + patience + self.limit.burst
        slot, state = self._take("next_slot", floor, farthest)
        self._lead = min(max(0.0, self.clock() - asked), MOST_LEAD_SECONDS)
        if slot is None:
            raise TurnedAway(self._return_after(state))
        return slot, state

    def _return_after(self, state: dict[str, float]) -> float:
        """When one who is turned away should be back, in seconds."""
        now = self.clock()
        soonest = max(now + PATIENCE_SECONDS, state.get("next_slot", 0.0) - self.limit.burst)
        if self.background:
            place = max(soonest, state.get("line_end", 0.0))
        else:
            place = self._take("line_end", soonest, soonest + A_DAY)[0] or soonest
        return max(1.0, place - now - EARLY_SECONDS)

    def _take(
        self, queue: str, floor: float, farthest: float
    ) -> tuple[float | None, dict[str, float]]:
        """The next slot of a queue, not before `floor`; None where it would be after `farthest`."""
        interval = self.limit.interval
        behind_others = self._queued
        for _ in range(RACES):
            if behind_others:
                change = self.row.change(
                    f"SET {queue} = {queue} + :interval",
                    only_if=f"{queue} > :floor AND {queue} <= :farthest AND {CLOSED}",
                    interval=interval,
                    floor=floor,
                    farthest=farthest,
                )
            else:
                change = self.row.change(
                    f"SET {queue} = :next",
                    only_if=f"(attribute_not_exists({queue}) OR {queue} <= :floor) AND {CLOSED}",
                    next=floor + interval,
                    floor=floor,
                )
            if change.made:
                self._queued = behind_others
                return change.state[queue] - interval, change.state
            if "open_until" in change.state:
                raise CircuitOpen(change.state)
            end = change.state.get(queue, 0.0)
            behind_others = end > floor
            if end > farthest:
                self._queued = True
                break
        return None, change.state

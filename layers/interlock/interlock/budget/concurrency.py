"""So many requests at once: slots in a row that all share, each lent until it is given back.

A slot's attribute says until when it is lent. A holder that died loses it then.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from interlock.budget.admission import CLOSED, Admission, CircuitOpen, TurnedAway
from interlock.budget.limits import ConcurrencyLimit
from interlock.budget.row import SharedRow

# Longer than a request may take, and than a function may run.
LEASE_SECONDS = 40.0
# How long a function looks for a free slot, and a step whose earlier requests were let in.
PATIENCE_SECONDS = 2.0
PATIENCE_UNDER_WAY_SECONDS = 10.0
# Pauses between two looks grow up to the second one.
LOOK_SECONDS = (0.05, 0.8)
# When one who is turned away should be back: at random, so that not all return at once.
RETURN_SECONDS = (2.0, 10.0)


@dataclass
class ConcurrencyLimiter:
    """Lends slots. `background` work leaves one slot free for an order.

    `clock` returns seconds since the epoch.
    """

    row: SharedRow
    limit: ConcurrencyLimit
    background: bool = False
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._slots = [f"slot_{number}" for number in range(self.limit.concurrency)]

    def admit(self, *, under_way: bool) -> Admission:
        """Wait until a slot is free, and take it. Raises TurnedAway, CircuitOpen."""
        patience = PATIENCE_UNDER_WAY_SECONDS if under_way else PATIENCE_SECONDS
        deadline = self.clock() + (0 if self.background else patience)
        pause, longest = LOOK_SECONDS
        state: dict[str, float] = {}
        while True:
            admission, state = self._take(state)
            if admission:
                return admission
            if self._may_take(state):
                continue
            wait = random.uniform(pause / 2, pause)
            if self.clock() + wait > deadline:
                raise TurnedAway(random.uniform(*RETURN_SECONDS))
            self.sleep(wait)
            pause = min(2 * pause, longest)

    def release(self, admission: Admission) -> None:
        """Give the slot back, unless it was lost meanwhile."""
        slot = admission.slot
        self.row.change(f"REMOVE {slot}", only_if=f"{slot} = :until", until=admission.until)

    def hold_off(self, seconds: float) -> None:
        """Only the request that was refused waits: the others' slots are no cause of it."""

    def _take(self, known: dict[str, float]) -> tuple[Admission | None, dict[str, float]]:
        """Try one slot that seems free, or any."""
        now = self.clock()
        slot, *spare = self._choice(known)
        free = [f"(attribute_not_exists({name}) OR {name} <= :now)" for name in (slot, *spare)]
        change = self.row.change(
            f"SET {slot} = :until",
            only_if=" AND ".join([*free, CLOSED]),
            now=now,
            until=now + LEASE_SECONDS,
        )
        if "open_until" in change.state:
            raise CircuitOpen(change.state)
        if not change.made:
            return None, change.state
        failures = int(change.state.get("failures", 0))
        return Admission(failures, slot, until=change.state[slot]), change.state

    def _choice(self, known: dict[str, float]) -> list[str]:
        """The slot to take; for background work, another one too that must be free."""
        wanted = min(2, len(self._slots)) if self.background else 1
        free = self._free(known)
        return random.sample(free if len(free) >= wanted else self._slots, wanted)

    def _may_take(self, state: dict[str, float]) -> bool:
        return len(self._free(state)) > (1 if self.background and len(self._slots) > 1 else 0)

    def _free(self, state: dict[str, float]) -> list[str]:
        now = self.clock()
        return [slot for slot in self._slots if state.get(slot, 0.0) <= now]

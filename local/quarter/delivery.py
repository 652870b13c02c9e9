"""How Stripe's events reach the partner bus: as they happen, or in disorder.

https://docs.stripe.com/webhooks#event-ordering: no order is promised, and an event may come twice.
"""

from __future__ import annotations

import random
from typing import Any

from interlock.connectors.billing.stripe_events import TYPES

Event = dict[str, Any]
ONE_LOST_OF = 20


class Disorder:
    """Keeps the events of a day, and delivers them shuffled and doubled; one in twenty never.

    Only what means something is lost, and counted: in `delivered` each time that it came.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._kept: list[Event] = []
        self._number = self._loses = 0
        self.delivered = 0
        self.lost = 0

    def keep(self, event: Event) -> None:
        """It is on its way."""
        self._kept.append(event)

    def arriving(self) -> list[Event]:
        """What arrives of the events that are on their way, each twice."""
        arriving = []
        for event in self._kept:
            if event["type"] in TYPES:
                if self._is_lost():
                    self.lost += 1
                    continue
                self.delivered += 2
            arriving += [event, event]
        self._kept.clear()
        self._rng.shuffle(arriving)
        return arriving

    def _is_lost(self) -> bool:
        """Some one of each twenty."""
        if self._number == 0:
            self._loses = self._rng.randrange(ONE_LOST_OF)
        is_lost = self._number == self._loses
        self._number = (self._number + 1) % ONE_LOST_OF
        return is_lost

"""What Stripe does without being asked, each thing at its time and in order of time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime

HOUR = 3600
DAY = 24 * HOUR


class Agenda:
    """Things to do at moments to come, in seconds since the epoch."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._tasks: list[tuple[int, bool, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._moment: int | None = None

    def now(self) -> int:
        """The time; while the agenda catches up, that of what it is doing."""
        return int(self._clock().timestamp()) if self._moment is None else self._moment

    def at(self, moment: int, action: Callable[[], object], *, first: bool = False) -> None:
        """Do this then; among things of one moment, `first` ones come first, then in order."""
        task = (max(moment, self.now()), not first, next(self._numbers), action)
        heapq.heappush(self._tasks, task)

    def clear(self) -> None:
        """Do none of it."""
        self._tasks.clear()

    def catch_up(self) -> None:
        """Do everything that is due, however far the clock has jumped."""
        until = self.now()
        try:
            while self._tasks and self._tasks[0][0] <= until:
                self._moment, _, _, action = heapq.heappop(self._tasks)
                action()
        finally:
            self._moment = None

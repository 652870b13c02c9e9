"""Many processes that share a rate, in simulated time: each one's limiter runs as it is.

What happens between asking for a slot and getting it takes no time, so events can be played one
after the other in the order of their times.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from interlock.budget.admission import TurnedAway
from interlock.budget.limits import RateLimit
from interlock.budget.rate import RateLimiter
from interlock.budget.row import SharedRow

from tests.unit.conftest import Clock

# Processes that are reused: each remembers what it found the last time.
PROCESSES = 8


@dataclass(frozen=True, order=True)
class Sent:
    """A request: when its caller came, for the last time, and when it was sent."""

    at: float
    came: float
    background: bool = False


@dataclass
class Crowd:
    """Callers of one connection. `late` is how much too late the next sleeper wakes, in seconds;
    `back` is how much later than told one who was turned away returns."""

    row: SharedRow
    limit: RateLimit
    clock: Clock
    late: Callable[[], float] = lambda: 0.0
    back: Callable[[], float] = lambda: 0.0
    sent: list[Sent] = field(default_factory=list)
    turned_away: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._limiters = {
            background: [self._limiter(background) for _ in range(PROCESSES)]
            for background in (False, True)
        }

    def play(self, orders: Iterable[float], background: Iterable[float] = ()) -> None:
        """Callers come at these times; who is turned away comes again, until all were served."""
        numbers = count()
        events = [(at, next(numbers), False) for at in orders]
        events += [(at, next(numbers), True) for at in background]
        heapq.heapify(events)
        while events:
            at, number, is_background = heapq.heappop(events)
            self.clock.now = at
            limiter = self._limiters[is_background][number % PROCESSES]
            try:
                limiter.admit(under_way=False)
                self.sent.append(Sent(self.clock.now, at, is_background))
            except TurnedAway as turned_away:
                self.turned_away[number] += 1
                # As the error's text tells it.
                again = self.clock.now + math.ceil(turned_away.seconds) + self.back()
                heapq.heappush(events, (again, number, is_background))
        self.sent.sort()

    @property
    def rate(self) -> float:
        """Requests per second, from the first to the last."""
        return (len(self.sent) - 1) / (self.sent[-1].at - self.sent[0].at)

    @property
    def most_in_a_window(self) -> int:
        """The most requests that any time of the limit's length held."""
        moments = [sent.at for sent in self.sent]
        return max(
            sum(1 for at in moments if start <= at < start + self.limit.seconds - 1e-6)
            for start in moments
        )

    def _limiter(self, background: bool) -> RateLimiter:
        def sleep(seconds: float) -> None:
            self.clock.advance(seconds + self.late())

        return RateLimiter(self.row, self.limit, background, clock=self.clock, sleep=sleep)

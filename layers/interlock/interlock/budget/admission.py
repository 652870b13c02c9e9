"""Leave to send one request, and the reasons to refuse it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

# The condition of whatever lets a request through: the breaker is closed.
CLOSED = "attribute_not_exists(open_until)"


@dataclass(frozen=True)
class Admission:
    """Leave to send one request.

    `failures` is how many requests in a row had failed by then, `slot` what must be given back,
    `until` when it is lost otherwise, and `probe` the breaker's mark if this request is its probe.
    """

    failures: int = 0
    slot: str | None = None
    until: float = 0.0
    probe: float | None = None


class TurnedAway(Exception):
    """Others are to be served first; `seconds` is when to come back."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class CircuitOpen(Exception):
    """The breaker was found open: `state` is the row."""

    def __init__(self, state: dict[str, float]) -> None:
        super().__init__()
        self.state = state


class Limiter(Protocol):
    """How a vendor counts."""

    def admit(self, *, under_way: bool) -> Admission:
        """Wait until a request may be sent.

        `under_way` says that a request of the same transaction was let in before: it goes first,
        since what it did would have to be repeated. Raises TurnedAway, CircuitOpen.
        """

    def release(self, admission: Admission) -> None:
        """The request is over."""

    def hold_off(self, seconds: float) -> None:
        """The vendor asks for a pause."""

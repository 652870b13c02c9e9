"""Which requests for a credit a sweep has to tell of: those that no event told of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from interlock.canonical.credits import Case

if TYPE_CHECKING:
    from interlock.events import Event

# How long the ordinary event has, through all its queues, before a sweep looks at the case.
GRACE = timedelta(minutes=15)
# An event's time may be a little before the request's own; nobody asks twice within it.
SLACK = timedelta(seconds=5)


def is_told(case: Case, told: Iterable[Event]) -> bool:
    """Whether the timeline has the case's request; `told` is what it has of the case.

    What it has of an earlier request does not count. An event that comes late, with a time that
    names another transaction, starts a second run: for what the first has counted, it computes
    nothing.
    """
    return case.requested_at is None or any(
        event.type == "credit.requested" and event.occurred_at >= case.requested_at - SLACK
        for event in told
    )

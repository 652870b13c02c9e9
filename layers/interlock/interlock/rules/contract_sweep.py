"""Which renewals a sweep has to tell of: those whose last milestone nobody told of, and those that
went past the end of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from interlock.canonical.contracts import Contract, ContractStatus
from interlock.rules.milestones import MILESTONES, due

if TYPE_CHECKING:
    from interlock.events import Event

# How long a milestone's own schedule has before a sweep looks at the contract.
GRACE = timedelta(hours=6)
# How long what is left may take to be invoiced, after the end.
WEEK = timedelta(days=7)


def horizon(today: date) -> date:
    """What ends before this day has reached its first milestone."""
    return today + timedelta(days=MILESTONES[0] + 1)


def is_past_end(contract: Contract, today: date) -> bool:
    """Whether it has ended, and nobody decided what becomes of it, or did what was decided.

    So every run of its renewal was given up, aborted, or waits for people in vain.
    """
    if contract.status is ContractStatus.ENDING:
        return contract.ends_on + WEEK <= today
    return contract.status is ContractStatus.ACTIVE and contract.ends_on <= today


def untold(contract: Contract, today: date, told: Iterable[Event]) -> int | None:
    """The milestone that was reached last, by its days, if nobody told of it.

    `told` is what the timeline has of the contract; what it has of an earlier term does not count.
    """
    days = due(contract, today)
    wanted = {"ends_on": contract.ends_on.isoformat(), "days": days}
    if any(event.type == "renewal.due" and event.data == wanted for event in told):
        return None
    return days

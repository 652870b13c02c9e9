"""Which renewals a sweep has to tell of: those whose last milestone nobody told of, and those that
went past the end of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from interlock.canonical.contracts import Contract, ContractStatus
from interlock.rules.milestones import due

if TYPE_CHECKING:
    from interlock.events import Event

# How long a milestone's own schedule has before a sweep looks at the contract.
GRACE = timedelta(hours=6)
# How long what is left may take to be invoiced, after the end.
WEEK = timedelta(days=7)


def is_past_end(contract: Contract, today: date) -> bool:
    """Whether it has ended, and nobody decided what becomes of it, or did what was decided.

    So every run of its renewal was given up, aborted, or waits for people in vain.
    """
    if contract.status is ContractStatus.ENDING:
        return contract.ends_on + WEEK <= today
    return contract.status is ContractStatus.ACTIVE and contract.ends_on <= today


def untold(
    contract: Contract, today: date, told_of: Callable[[str], Iterable[Event]]
) -> int | None:
    """The milestone that was reached last, by its days, if nobody told of it.

    `told_of` reads what the timeline has of a contract, which is asked about one that is due; what
    it has of an earlier term does not count. One that is not to be renewed has no milestones.
    """
    days = due(contract, today) if contract.status is ContractStatus.ACTIVE else None
    if days is None:
        return None
    wanted = {"ends_on": contract.ends_on.isoformat(), "days": days}
    told = told_of(contract.id)
    if any(event.type == "renewal.due" and event.data == wanted for event in told):
        return None
    return days

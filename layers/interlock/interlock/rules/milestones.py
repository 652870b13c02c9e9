"""When is a renewal looked at? So many days before the contract's end, in the morning."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from interlock.canonical.contracts import Contract

MILESTONES = (120, 90, 60, 30)
MORNING = time(6, tzinfo=UTC)


def milestones(contract: Contract) -> tuple[tuple[int, datetime], ...]:
    """Each milestone of the term, as days before its end, with the moment; the first one first."""
    return tuple((days, morning_of(_day(contract, days))) for days in MILESTONES)


def due(contract: Contract, today: date) -> int | None:
    """The milestone that was reached last, as days before the end; None before the first one."""
    return min((days for days in MILESTONES if _day(contract, days) <= today), default=None)


def morning_of(day: date) -> datetime:
    """When something is done that is to be done on a day."""
    return datetime.combine(day, MORNING)


def _day(contract: Contract, days: int) -> date:
    return contract.ends_on - timedelta(days=days)

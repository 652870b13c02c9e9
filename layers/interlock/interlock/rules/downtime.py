"""Calendar months in UTC, the times in them, and what of a downtime counts: exact, to the moment.

A month is named by its first day. A span is a time until before its end; spans are merged before
their lengths are added, so that nothing counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from interlock.canonical.billing import ServicePeriod
from interlock.rules.contract_terms import MaintenanceWindow, ServiceTerms

Span = tuple[datetime, datetime]

DAY = timedelta(days=1)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def months_in(start: datetime, end: datetime) -> tuple[date, ...]:
    """The months that a time touches; none when it is empty."""
    months = []
    month = start.date().replace(day=1)
    while start < end and _midnight(month) < end:
        months.append(month)
        month = _next(month)
    return tuple(months)


def last_day(month: date) -> date:
    """The last day of a month."""
    return _next(month) - DAY


def whole(month: date) -> Span:
    """All of a month: 28 to 31 days of 24 hours."""
    return _midnight(month), _midnight(_next(month))


def days_between(period: ServicePeriod, first_day: date, last_day: date) -> int:
    """How many days a service period has of those from a first to a last one, both included."""
    start, end = max(period.first_day, first_day), min(period.last_day, last_day)
    return max(0, (end - start).days + 1)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times without overlaps, in order."""
    result: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def common(spans: list[Span], others: list[Span]) -> list[Span]:
    """What is in both, each of which is merged."""
    both = [(max(s[0], o[0]), min(s[1], o[1])) for s in spans for o in others]
    return [(start, end) for start, end in both if start < end]


def length(spans: list[Span]) -> timedelta:
    """How long merged spans are together."""
    return sum((end - start for start, end in spans), timedelta(0))


def exclusions(service: ServiceTerms, month: date) -> Iterator[tuple[Span, str]]:
    """The times in which downtime does not count in a month, and why; they may overlap."""
    for window in service.maintenance:
        yield from ((span, "maintenance") for span in _weekly(window, month))
    for each in service.excluded:
        yield (each.start, each.end), each.reason


def _weekly(window: MaintenanceWindow, month: date) -> Iterator[Span]:
    for number in range((_next(month) - month).days):
        day = month + number * DAY
        if WEEKDAYS[day.weekday()] == window.weekday:
            # A window that ends at midnight ends with its day.
            end = day + DAY if window.end == time.min else day
            yield (
                datetime.combine(day, window.start, UTC),
                datetime.combine(end, window.end, UTC),
            )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _next(month: date) -> date:
    return (month + 31 * DAY).replace(day=1)

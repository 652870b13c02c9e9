"""A customer in a few sentences, for sales: each with its age, where it could not be read now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from interlock.canonical.customer_view import (
    USAGE_DAYS,
    CustomerView,
    OpenCases,
    Part,
    Reading,
    Receivables,
    RecurringRevenue,
)
from interlock.canonical.money import Money

HOUR = timedelta(hours=1)


def summary(view: CustomerView, now: datetime) -> tuple[str, ...]:
    """What billing, the books and support say, in that order."""
    return (
        _told("Billing", view.billing, _charged, now),
        _told("Books", view.erp, _owed, now),
        _told("Support", view.support, _open, now),
    )


def _told(
    system: str, reading: Reading[Part], say: Callable[[Part], Iterator[str]], now: datetime
) -> str:
    if reading.content is None:
        return f"{system}: could never be read."
    told = f"{system}: {', '.join(say(reading.content))}"
    if reading.stale and reading.read_at:
        told += f" (as of {reading.read_at:%Y-%m-%d %H:%M} UTC, {_age(now - reading.read_at)} ago)"
    return f"{told}."


def _age(time: timedelta) -> str:
    hours = time // HOUR
    return f"{hours // 24} d" if hours >= 48 else f"{hours} h"


def _charged(revenue: RecurringRevenue) -> Iterator[str]:
    yield f"{_sum(revenue.yearly)} a year"
    if any(amount.amount for amount in revenue.credit_balance):
        yield f"{_sum(revenue.credit_balance)} of credit left"
    for used in revenue.usage:
        yield f"{used.quantity:,f} {used.sku} used in {USAGE_DAYS} days"


def _owed(receivables: Receivables) -> Iterator[str]:
    yield f"{_sum(receivables.owed)} owed"
    if receivables.overdue_since:
        yield f"{_sum(receivables.overdue)} overdue since {receivables.overdue_since}"


def _open(cases: OpenCases) -> Iterator[str]:
    yield f"{cases.open} open cases"
    if cases.severe:
        yield f"critical: {' and '.join(cases.severe)}"


def _sum(amounts: Iterable[Money]) -> str:
    return " and ".join(str(amount) for amount in amounts) or "nothing"

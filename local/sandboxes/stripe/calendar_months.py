"""Calendar arithmetic as Stripe does it: a month later is the same day, or the month's last."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}


def later(timestamp: int, interval: str, count: int) -> int:
    """So many days, weeks, months or years after a time; both are seconds since the epoch, UTC.

    https://docs.stripe.com/billing/subscriptions/billing-cycle
    """
    start = datetime.fromtimestamp(timestamp, UTC)
    if interval in _DAYS:
        return int((start + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = start.month - 1 + _MONTHS[interval] * count
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def period(anchor: int, now: int, interval: str, count: int) -> tuple[int, int]:
    """The billing period that contains `now`, counted from the anchor."""
    number = 0
    while later(anchor, interval, count * (number + 1)) <= now:
        number += 1
    return later(anchor, interval, count * number), later(anchor, interval, count * (number + 1))

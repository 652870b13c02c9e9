"""Calendar months: a month later is the same day, or the last one of a shorter month.

So billing systems count, https://docs.stripe.com/billing/subscriptions/billing-cycle. What began on
29 February ends on 28 February of a year without that day, and on the 29th in the next leap year:
since all is counted from the day that it began on, not from the last end.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date


def later(day: date, months: int) -> date:
    """So many months after a day."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def between(first: date, after: date) -> int:
    """How many whole months are between two days."""
    months = 12 * (after.year - first.year) + after.month - first.month
    return months if later(first, months) <= after else months - 1


def begun_between(first: date, after: date) -> int:
    """How many months begin from a day until before another: one that is not whole counts."""
    months = between(first, after)
    return months if later(first, months) == after else months + 1

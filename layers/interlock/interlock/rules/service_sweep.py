"""Whose entitlements change by themselves: on days that were agreed upon before.

A new term, a step of a ramp, or what another contract hands over comes into force on its day, and
nobody does anything then. A sweep of that day tells support and CRM; one of the days after, if that
sweep was missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from interlock.canonical.contracts import Contract

# For so long a missed day is made up for.
WEEK = timedelta(days=7)


def changed_on(contract: Contract, today: date) -> Iterator[date]:
    """The days of the last week, up to today, on which lines of a contract came or went."""
    days = {day for line in contract.lines for day in (line.starts_on, line.ends_on)}
    return (day for day in sorted(days) if today - WEEK < day <= today)

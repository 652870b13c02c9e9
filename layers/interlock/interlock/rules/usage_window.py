"""In which period usage is charged: in its own, or as an adjustment of the one that runs.

A period is open until its invoice becomes final. Usage of an open period is submitted under its own
time. Usage of an earlier one comes too late for that: it is charged with the period that runs,
under the time at which it is placed, which no change of a price or an item in that period can have
left behind.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from interlock.canonical.billing import BillingPeriod, PlacedUsage, UsageRecord, UsageWindow
from interlock.errors import BusinessRuleViolation

CLOCKS_DIFFER = timedelta(minutes=5)
SECOND = timedelta(seconds=1)


def place(usage: UsageRecord, windows: tuple[UsageWindow, ...]) -> PlacedUsage:
    """Under which time usage is submitted.

    `windows` is what the customer's subscriptions charge of the meter. Raises
    BusinessRuleViolation for usage that none charges, or several would, and for usage that is to
    come, negative, or too late for a meter that does not add up.
    """
    problems = _problems(usage, windows)
    if problems:
        raise BusinessRuleViolation(problems, operation="place_usage", record=usage.id)
    [window] = windows
    period = _period_of(usage.occurred_at, window)
    is_late = usage.occurred_at < max(period.start, window.oldest)
    if is_late and not window.adds_up:
        problem = (
            f"the usage is of {_text(usage.occurred_at)}, which is over, and the meter"
            f" {usage.meter} does not add up what comes later: charge it by hand, or skip it"
        )
        raise BusinessRuleViolation([problem], operation="place_usage", record=usage.id)
    moment = window.read_at if is_late else usage.occurred_at
    return PlacedUsage(
        usage=usage,
        placed_at=window.read_at,
        # Clocks may differ at the end of a period, too.
        charged_at=min(moment, period.end - SECOND),
        period=period,
        is_adjustment=usage.occurred_at < period.start,
    )


def again(placed: PlacedUsage, first: PlacedUsage) -> PlacedUsage:
    """Where usage is submitted after a first attempt: in one period, that one's time stays.

    Unless it was corrected meanwhile.
    """
    is_same = (first.usage, first.period) == (placed.usage, placed.period)
    return first if is_same else placed


def _problems(usage: UsageRecord, windows: tuple[UsageWindow, ...]) -> list[str]:
    problems = []
    if usage.quantity < 0:
        problems.append(
            f"the quantity is {usage.quantity:f}, and usage counts from 0: tell it again as it was"
            " under another id; what was charged too much is credited on its invoice"
        )
    if not windows:
        problems.append(
            f"{usage.customer_id} has no running subscription that charges {usage.meter}: add its"
            " price to the subscription, or charge the usage by hand and skip it"
        )
    if len(windows) > 1:
        names = ", ".join(sorted(window.subscription for window in windows))
        problems.append(
            f"several subscriptions would charge {usage.meter} ({names}): leave its price on one"
        )
    for window in windows:
        if usage.occurred_at > window.read_at + CLOCKS_DIFFER:
            problems.append(
                f"the usage is of {_text(usage.occurred_at)}, which is to come: tell it again with"
                " its own time"
            )
        elif usage.occurred_at < window.since:
            problems.append(
                f"the usage is of {_text(usage.occurred_at)}, and {window.subscription} charges"
                f" {usage.meter} since {_text(window.since)}: charge it by hand, or skip it"
            )
    return problems


def _period_of(moment: datetime, window: UsageWindow) -> BillingPeriod:
    """The open period that usage belongs to, or else the one that runs."""
    if window.closing and moment in window.closing:
        return window.closing
    return window.current


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

"""In which period usage is charged, and what is a person's to decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical.billing import BillingPeriod, PlacedUsage
from interlock.errors import BusinessRuleViolation
from interlock.rules.usage_window import again, place

from tests.unit.finance_samples import MOMENT, MONTH, placed, usage, window

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
OCTOBER = BillingPeriod(start=MONTH.start - 31 * DAY, end=MONTH.start)
# An hour into November, while the invoice of October is a draft.
CLOSING = {"closing": OCTOBER, "read_at": MONTH.start + HOUR}
# A year that is three months old.
YEAR = BillingPeriod(start=MONTH.start - 90 * DAY, end=MONTH.start + 275 * DAY)


def at(moment: datetime, **values: Any) -> PlacedUsage:
    """The placement of usage of a moment, in a window."""
    return place(usage(occurred_at=moment), (window(**values),))


@pytest.mark.parametrize("moment", [MONTH.start, MONTH.start + DAY, MOMENT])
def test_in_its_period_at_its_own_time(moment: datetime) -> None:
    result = at(moment)

    assert (result.charged_at, result.period, result.is_adjustment) == (moment, MONTH, False)


@pytest.mark.parametrize("before", [SECOND, 20 * DAY, 200 * DAY])
def test_before_its_period_as_an_adjustment(before: timedelta) -> None:
    result = at(MONTH.start - before)

    assert (result.charged_at, result.period, result.is_adjustment) == (MOMENT, MONTH, True)
    assert result.usage.occurred_at == MONTH.start - before


def test_as_long_as_the_invoice_is_a_draft_in_its_period() -> None:
    last = at(MONTH.start - SECOND, **CLOSING)
    earlier = at(OCTOBER.start - SECOND, **CLOSING)

    assert (last.charged_at, last.period) == (MONTH.start - SECOND, OCTOBER)
    assert not last.is_adjustment
    assert (earlier.period, earlier.is_adjustment) == (MONTH, True)


def test_too_old_to_be_taken_but_in_its_period() -> None:
    """The time is another, the invoice is the same: no adjustment."""
    result = at(YEAR.start + DAY, current=YEAR)

    assert (result.charged_at, result.period, result.is_adjustment) == (MOMENT, YEAR, False)


def test_a_clock_that_is_ahead_at_the_end_of_a_period() -> None:
    result = at(MONTH.end + SECOND, read_at=MONTH.end - SECOND)

    assert result.charged_at in MONTH


@given(
    age=st.integers(0, 300 * 24 * 3600),
    read=st.integers(0, 30 * 24 * 3600 - 1),
    closing=st.sampled_from([None, OCTOBER]),
)
def test_charged_once_in_a_period_that_is_open(
    age: int, read: int, closing: BillingPeriod | None
) -> None:
    read_at = MONTH.start + read * SECOND
    occurred, oldest = read_at - age * SECOND, read_at - 34 * DAY
    result = at(occurred, read_at=read_at, closing=closing, oldest=oldest)

    assert result.period in (closing, MONTH)
    assert result.charged_at in result.period
    assert result.charged_at >= oldest
    assert result.is_adjustment == (occurred not in result.period)
    # Nothing is moved without need.
    if oldest <= occurred and any(occurred in open_ for open_ in (closing, MONTH) if open_):
        assert result.charged_at == occurred


@pytest.mark.parametrize(
    ("changes", "windows", "says"),
    [
        ({"quantity": "-3"}, (window(),), "the quantity is -3, and usage counts from 0"),
        ({}, (), "has no running subscription that charges api-requests: add its price"),
        ({}, (window(), window(subscription="sub_2")), r"\(sub_1, sub_2\): leave its price on one"),
        ({"occurred_at": MOMENT + 301 * SECOND}, (window(),), "is to come: tell it again"),
        ({"occurred_at": MOMENT}, (window(since=MOMENT + SECOND),), "since 2026-11-05 09:30 UTC"),
        (
            {"occurred_at": MONTH.start - DAY},
            (window(adds_up=False),),
            "does not add up what comes later: charge it by hand",
        ),
    ],
)
def test_what_people_decide(changes: dict[str, Any], windows: Any, says: str) -> None:
    with pytest.raises(BusinessRuleViolation, match=says) as problem:
        place(usage(**changes), windows)

    assert problem.value.record == "product:tick-1"


def test_a_meter_that_does_not_add_up_takes_what_comes_in_time() -> None:
    assert at(MOMENT - DAY, adds_up=False).charged_at == MOMENT - DAY


def test_a_tolerable_clock_and_no_usage_at_all() -> None:
    assert place(usage(quantity=0, occurred_at=MOMENT + 300 * SECOND), (window(),))


def test_the_time_of_the_first_attempt_stays_in_its_period() -> None:
    first = placed(charged_at=MONTH.start)
    later = BillingPeriod(start=MONTH.end, end=MONTH.end + 31 * DAY)
    moved = placed(period=later, charged_at=later.start, is_adjustment=True)

    assert again(placed(charged_at=MOMENT), first) == first
    assert again(moved, first) == moved
    corrected = placed(usage=usage(quantity=13))
    assert again(corrected, first) == corrected

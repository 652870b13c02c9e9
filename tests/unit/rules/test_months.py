"""Calendar months: as billing counts them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.rules import months

from local.sandboxes.stripe import calendar_months

DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))


@pytest.mark.parametrize(
    ("day", "count", "then"),
    [
        ("2026-12-01", 12, "2027-12-01"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-10-31", 4, "2027-02-28"),
        ("2026-10-31", 5, "2027-03-31"),
        ("2026-11-30", 1, "2026-12-30"),
        ("2026-11-30", 0, "2026-11-30"),
    ],
)
def test_so_many_months_later(day: str, count: int, then: str) -> None:
    assert months.later(date.fromisoformat(day), count) == date.fromisoformat(then)


@given(day=DAYS, count=st.integers(0, 240))
def test_billing_counts_the_same(day: date, count: int) -> None:
    moment = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())

    billed = datetime.fromtimestamp(calendar_months.later(moment, "month", count), UTC)

    assert months.later(day, count) == billed.date()


@given(day=DAYS, count=st.integers(0, 240))
def test_months_are_counted_back(day: date, count: int) -> None:
    then = months.later(day, count)

    assert months.between(day, then) == months.begun_between(day, then) == count


@given(day=DAYS, other=DAYS)
def test_a_begun_month_counts_only_where_it_is_asked_for(day: date, other: date) -> None:
    first, after = sorted([day, other])
    whole, begun = months.between(first, after), months.begun_between(first, after)

    assert months.later(first, whole) <= after < months.later(first, whole + 1)
    assert begun == whole + (months.later(first, whole) < after)

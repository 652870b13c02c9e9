"""The milestones of a renewal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from interlock.rules.milestones import due, milestones

from tests.unit.renewal_samples import ENDS, contract


def test_they_are_so_many_days_before_the_end_in_the_morning() -> None:
    assert milestones(contract()) == (
        (120, datetime(2027, 8, 3, 6, tzinfo=UTC)),
        (90, datetime(2027, 9, 2, 6, tzinfo=UTC)),
        (60, datetime(2027, 10, 2, 6, tzinfo=UTC)),
        (30, datetime(2027, 11, 1, 6, tzinfo=UTC)),
    )


def test_a_leap_day_is_a_day() -> None:
    assert milestones(contract(ends_on=date(2028, 3, 1)))[3][1].date() == date(2028, 1, 31)


@pytest.mark.parametrize(
    ("days", "reached"),
    [(121, None), (120, 120), (91, 120), (90, 90), (60, 60), (31, 60), (30, 30), (0, 30), (-9, 30)],
)
def test_the_one_that_was_reached_last_is_due(days: int, reached: int | None) -> None:
    assert due(contract(), ENDS - timedelta(days=days)) == reached

"""On which days entitlements change by themselves."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from interlock.rules.service_sweep import changed_on

from tests.unit.renewal_samples import ENDS, STARTS, contract, contract_line

DAY = timedelta(days=1)
STEP = STARTS + 100 * DAY
RAMPED = contract(
    contract_line(quantity="10", ends_on=STEP), contract_line(quantity="20", starts_on=STEP)
)


def found(today: date) -> list[date]:
    return list(changed_on(RAMPED, today))


@pytest.mark.parametrize("day", [STARTS, STEP, ENDS])
def test_what_comes_or_goes_is_found_on_its_day(day: date):
    assert found(day) == [day]


def test_nothing_changes_in_between():
    assert found(STEP - DAY) == []
    assert found(STARTS - DAY) == []


def test_a_missed_day_is_made_up_for_during_a_week():
    assert found(STEP + 6 * DAY) == [STEP]
    assert found(STEP + 7 * DAY) == []


def test_days_that_lines_share_are_one():
    assert found(STARTS + DAY) == [STARTS]

"""When scheduled rules are due."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.schedule_expressions import InvalidSchedule, parse

# A Monday.
START = datetime(2026, 11, 23, 15, 4, 12, 318_000, tzinfo=UTC)


def due(expression: str, times: int = 3) -> list[str]:
    """When it is due next after START."""
    schedule, moment, found = parse(expression), START, []
    while len(found) < times and (moment := schedule.after(moment)):
        found.append(f"{moment:%a %Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("expression", "period"),
    [
        ("rate(1 minute)", timedelta(minutes=1)),
        ("rate(15 minutes)", timedelta(minutes=15)),
        ("rate(1 hour)", timedelta(hours=1)),
        ("rate(7 days)", timedelta(days=7)),
    ],
)
def test_rate(expression, period):
    assert parse(expression).after(START) == START + period


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "cron(0 10 * * ? *)",
            ["Tue 2026-11-24 10:00", "Wed 2026-11-25 10:00", "Thu 2026-11-26 10:00"],
        ),
        (
            "cron(4 15 * * ? *)",  # the minute that has begun is over
            ["Tue 2026-11-24 15:04", "Wed 2026-11-25 15:04", "Thu 2026-11-26 15:04"],
        ),
        (
            "cron(1/20 15-16 ? * MON-FRI *)",
            ["Mon 2026-11-23 15:21", "Mon 2026-11-23 15:41", "Mon 2026-11-23 16:01"],
        ),
        (
            "cron(0 8 1 JAN,jul ? *)",
            ["Fri 2027-01-01 08:00", "Thu 2027-07-01 08:00", "Sat 2028-01-01 08:00"],
        ),
        (
            "cron(0 0 L 2 ? *)",
            ["Sun 2027-02-28 00:00", "Tue 2028-02-29 00:00", "Wed 2029-02-28 00:00"],
        ),
        (
            "cron(0 0 ? * L *)",
            ["Sat 2026-11-28 00:00", "Sat 2026-12-05 00:00", "Sat 2026-12-12 00:00"],
        ),
        (
            "cron(0 0 ? * 3#2 *)",
            ["Tue 2026-12-08 00:00", "Tue 2027-01-12 00:00", "Tue 2027-02-09 00:00"],
        ),
        (
            "cron(0 0 ? * SUN#5 *)",
            ["Sun 2026-11-29 00:00", "Sun 2027-01-31 00:00", "Sun 2027-05-30 00:00"],
        ),
        (
            "cron(0 0 1W * ? *)",  # within the month: 1 August is a Sunday, 1 May a Saturday
            ["Tue 2026-12-01 00:00", "Fri 2027-01-01 00:00", "Mon 2027-02-01 00:00"],
        ),
        ("cron(0 0 1W 5,8 ? 2027)", ["Mon 2027-05-03 00:00", "Mon 2027-08-02 00:00"]),
        ("cron(0 0 31W 1,10 ? 2027)", ["Fri 2027-01-29 00:00", "Fri 2027-10-29 00:00"]),
        ("cron(0 0 14W 2,3 ? 2027)", ["Mon 2027-02-15 00:00", "Mon 2027-03-15 00:00"]),
        ("cron(0 0 30 2 ? *)", []),
        ("cron(0 0 * * ? 2025)", []),
    ],
)
def test_cron(expression, expected):
    assert due(expression) == expected


@given(st.integers(0, 59), st.integers(1, 30), st.integers(0, 23))
def test_cron_is_due_at_its_minutes_and_at_no_other(first, step, hour):
    schedule = parse(f"cron({first}/{step} {hour} * * ? *)")
    moments = [START]
    for _ in range(5):
        moments.append(schedule.after(moments[-1]))

    assert all(earlier < later for earlier, later in pairwise(moments))
    for moment in moments[1:]:
        assert moment.minute >= first
        assert (moment.minute - first) % step == 0
        assert (moment.hour, moment.second, moment.microsecond) == (hour, 0, 0)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(0 minutes)",
        "rate(5 weeks)",
        "every 5 minutes",
        "at(2026-11-24T00:00:00)",
        "cron(0 10 * * *)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(60 10 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 10 32 * ? *)",
        "cron(0 10 ? * 0 *)",
        "cron(0 10 ? * FRI-MON *)",
        "cron(*/0 10 * * ? *)",
        "cron(0 10 ? * 3#6 *)",
        "cron(0 10 ? * MONDAY *)",
        "cron(0 10 * * ? 1969)",
    ],
)
def test_what_eventbridge_refuses(expression):
    with pytest.raises(InvalidSchedule):
        parse(expression)

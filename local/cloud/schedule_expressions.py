"""When a scheduled rule of EventBridge is due: rate(...) and cron(...), in UTC.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
Unconfirmed: whether a rate's first time is at once or one period after the rule is made. Here it is
one period after; nothing relies on it.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)")
CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
SATURDAY = 7
LAST_YEAR = 2199

IsDue = Callable[[date], bool]


class InvalidSchedule(Exception):
    """EventBridge would refuse this expression."""


@dataclass(frozen=True)
class Rate:
    """Every so often, counted from when the rule was made."""

    period: timedelta

    def after(self, moment: datetime) -> datetime:
        """When it is due next."""
        return moment + self.period


@dataclass(frozen=True)
class Cron:
    """At these minutes of these hours (UTC) of the days that `is_due` says."""

    minutes: list[int]
    hours: list[int]
    is_due: IsDue

    def after(self, moment: datetime) -> datetime | None:
        """When it is due next, None if it never is again."""
        day = moment.date()
        while day.year <= LAST_YEAR:
            if self.is_due(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                        if due > moment:
                            return due
            day += timedelta(days=1)
        return None


def parse(expression: str) -> Rate | Cron:
    """The schedule that an expression stands for. Errors: InvalidSchedule."""
    if match := RATE.fullmatch(expression):
        value, unit, plural = int(match[1]), match[2], match[3]
        if (value == 1) == bool(plural):
            raise InvalidSchedule(f"{expression}: singular for 1, plural for more")
        return Rate(timedelta(**{f"{unit}s": value}))
    if match := CRON.fullmatch(expression):
        minutes, hours, day_of_month, months, day_of_week, years = match.groups()
        if (day_of_month == "?") == (day_of_week == "?"):
            raise InvalidSchedule(f"{expression}: one of the two days has to be ?, and only one")
        in_month = set(values(months, 1, 12, MONTHS))
        in_year = set(values(years, 1970, LAST_YEAR))
        on_day = _weekdays(day_of_week) if day_of_month == "?" else _days(day_of_month)
        return Cron(
            minutes=values(minutes, 0, 59),
            hours=values(hours, 0, 23),
            is_due=lambda day: day.month in in_month and day.year in in_year and on_day(day),
        )
    raise InvalidSchedule(f"{expression}: neither rate(value unit) nor cron(six fields)")


def values(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> list[int]:
    """The numbers that a field stands for, in order; `names` are those of 1, 2, 3 …

    Errors: InvalidSchedule.
    """

    def number(word: str) -> int:
        if word.upper() in names:
            return names.index(word.upper()) + 1
        value = int(word) if word.isdigit() else -1
        if not low <= value <= high:
            raise InvalidSchedule(f"{word} is not from {low} to {high}")
        return value

    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isdigit() and int(step)):
            raise InvalidSchedule(f"{part}: after / comes a number above 0")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = number(first)
            end = number(last) if dash else high if slash else start
        if end < start:
            raise InvalidSchedule(f"{part}: ends before it starts")
        found.update(range(start, end + 1, int(step or 1)))
    return sorted(found)


def _days(field: str) -> IsDue:
    """The field day-of-month: `L` is the last one, `3W` the weekday nearest to the third."""
    if field == "L":
        return lambda day: day.day == _length(day)
    if field.endswith("W"):
        [wanted] = values(field.removesuffix("W"), 1, 31)
        return lambda day: wanted <= _length(day) and day == _nearest_weekday(day, wanted)
    days = set(values(field, 1, 31))
    return lambda day: day.day in days


def _weekdays(field: str) -> IsDue:
    """The field day-of-week, 1 to 7 from Sunday: `L` is Saturday, `3#2` the second Tuesday."""
    if "#" in field:
        name, _, which = field.partition("#")
        [wanted] = values(name, 1, 7, WEEKDAYS)
        [week] = values(which, 1, 5)
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == week
    days = {SATURDAY} if field == "L" else set(values(field, 1, 7, WEEKDAYS))
    return lambda day: _weekday(day) in days


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(month: date, day: int) -> date:
    """Monday to Friday, within the month."""
    wanted = month.replace(day=day)
    if wanted.isoweekday() == 6:
        return wanted + timedelta(days=-1 if day > 1 else 2)
    if wanted.isoweekday() == 7:
        return wanted + timedelta(days=1 if day < _length(month) else -2)
    return wanted

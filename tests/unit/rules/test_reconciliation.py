"""Billing against the books: which documents differ, why, and which only seem to."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind, FactsPage
from interlock.errors import BusinessRuleViolation, VendorThrottled
from interlock.rules import reconciliation
from interlock.rules.digest import Digest
from interlock.rules.reconciliation import (
    MOST_LOOKED_UP,
    MOST_PARTS,
    Difference,
    Progress,
    Reconciled,
    Slice,
    asked,
    period,
    read_on,
    reconcile,
    slices,
)

DAY = date(2026, 11, 3)
PART = Slice(kind=FactKind.INVOICE, first_day=DAY, last_day=DAY, most_told=10)


def fact(number: int, amount: str = "10.00", **values: Any) -> Fact:
    given = {
        "kind": FactKind.INVOICE,
        "id": f"stripe:in_{number}",
        "customer_id": "sf:1",
        "amount": Money.of(amount, "USD"),
        "day": DAY,
    }
    return Fact(**(given | values))


def held(
    billing: list[Fact], books: list[Fact], elsewhere: tuple[Fact, ...] = (), part: Slice = PART
) -> Reconciled:
    """Both systems list what is of the slice; asked for a document, they tell of any day."""
    one = Digest().with_facts(f for f in billing if part.holds(f.day))
    two = Digest().with_facts(f for f in books if part.holds(f.day))
    ids = asked(one.differences(two))
    return reconcile(
        part,
        one,
        two,
        in_billing=[f for f in billing if f.id in ids],
        in_books=[f for f in (*books, *elsewhere) if f.id in ids],
    )


def test_equal_books_have_no_break() -> None:
    facts = [fact(1), fact(2, "20.00")]

    result = held(facts, list(reversed(facts)))

    assert result.agrees
    assert result.billing == result.books
    assert result.billing["USD"].count == 2


@pytest.mark.parametrize(
    ("billing", "books", "difference"),
    [
        ([fact(1)], [], Difference.NOT_IN_BOOKS),
        ([], [fact(1)], Difference.NOT_IN_BILLING),
        ([fact(1)], [fact(1), fact(1)], Difference.TWICE),
        ([fact(1)], [fact(1, "10.01")], Difference.AMOUNT),
        (
            [fact(1)],
            [fact(1).model_copy(update={"amount": Money.of("10.00", "EUR")})],
            Difference.AMOUNT,
        ),
        ([fact(1)], [fact(1, customer_id="sf:2")], Difference.CUSTOMER),
    ],
)
def test_what_may_be_wrong(billing: list[Fact], books: list[Fact], difference: Difference) -> None:
    result = held([*billing, fact(9)], [*books, fact(9)])

    [found] = result.breaks
    assert found.difference == difference
    assert found.id == "stripe:in_1"
    assert difference in str(found)
    assert found.advice in str(found)
    assert not result.elsewhere


def test_a_document_of_another_period_is_told_and_is_no_break() -> None:
    later = fact(1, day=date(2026, 12, 1))

    result = held([fact(1)], [], elsewhere=(later,))

    assert result.agrees
    [told] = result.elsewhere
    assert (told.difference, told.billing_day, told.books_day) == (
        Difference.PERIOD,
        DAY,
        date(2026, 12, 1),
    )


def test_an_amount_that_differs_in_another_period_is_a_break() -> None:
    result = held([fact(1)], [], elsewhere=(fact(1, "9.00", day=date(2026, 12, 1)),))

    assert [one.difference for one in result.breaks] == [Difference.AMOUNT]


def test_what_both_systems_say_when_asked_is_what_counts() -> None:
    """A system listed it under another day, or it became equal since."""
    listed = Digest().with_facts([fact(1)])

    result = reconcile(PART, listed, Digest(), in_billing=[fact(1)], in_books=[fact(1)])

    assert result.agrees
    assert not result.elsewhere


def test_a_document_that_is_gone_from_both_is_none() -> None:
    result = reconcile(PART, Digest().with_facts([fact(1)]), Digest(), in_billing=[], in_books=[])

    assert result.agrees


def test_so_many_are_told_and_how_many_more_there_are() -> None:
    part = PART.model_copy(update={"most_told": 3})

    result = held([fact(number) for number in range(60)], [], part=part)

    assert len(result.breaks) == 3
    assert result.untold == 57
    assert not result.agrees


def test_thousands_that_differ_are_a_break_by_their_number() -> None:
    result = held([fact(number) for number in range(2000)], [])

    assert not result.agrees
    assert result.untold + MOST_LOOKED_UP >= 1990


@given(
    st.sets(st.integers(0, 300), max_size=20),
    st.sets(st.integers(0, 300), max_size=20),
    st.integers(0, 300),
)
def test_every_missing_document_is_found(lost: set[int], unknown: set[int], common: int) -> None:
    both = [fact(1000 + number) for number in range(common)]
    part = PART.model_copy(update={"most_told": 100})
    billing = [fact(number) for number in lost]
    books = [fact(number) for number in unknown]

    result = held([*both, *billing], [*both, *books], part=part)

    assert {one.id for one in result.breaks} == {f"stripe:in_{number}" for number in lost ^ unknown}


def test_the_report_adds_up_what_the_slices_have() -> None:
    parts = slices(DAY, date(2026, 11, 4))
    one, two = (part for part in parts if part.kind == FactKind.INVOICE)
    late = fact(3, day=two.first_day)
    first = held([fact(1), fact(2)], [fact(1)], part=one)
    second = held([late], [late], part=two)

    report = reconciliation.report([first, second])

    [row] = report.rows
    assert (row.billing.count, row.books.count, str(row.difference)) == (3, 2, "10.00 USD")
    assert (report.first_day, report.last_day) == (DAY, two.last_day)
    assert len(report.problems) == 1
    assert "stripe:in_2" in report.problems[0]


def test_twenty_breaks_are_told_in_words() -> None:
    part = PART.model_copy(update={"most_told": 30})
    result = held([fact(number) for number in range(25)], [], part=part)

    problems = reconciliation.report([result]).problems

    assert len(problems) == 21
    assert problems[-1] == "5 more are in the report"


def test_the_month_so_far_without_what_is_in_flight() -> None:
    shortly_after_midnight = datetime(2026, 11, 24, 0, 59, tzinfo=UTC)
    an_hour_after_midnight = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)

    assert period(shortly_after_midnight, None, None)[1] == date(2026, 11, 22)
    assert period(an_hour_after_midnight, None, None) == (date(2026, 11, 1), date(2026, 11, 23))


def test_on_the_first_the_month_before_is_reconciled_whole() -> None:
    now = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)

    assert period(now, None, None) == (date(2026, 11, 1), date(2026, 11, 30))


@pytest.mark.parametrize(
    ("first", "last"), [(date(2026, 11, 24), None), (date(2025, 1, 1), date(2026, 11, 1))]
)
def test_a_period_that_cannot_be_reconciled(first: date, last: date | None) -> None:
    with pytest.raises(BusinessRuleViolation):
        period(datetime(2026, 11, 24, 12, tzinfo=UTC), first, last)


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.integers(0, 365))
def test_slices_hold_every_day_of_every_kind_once(first: date, days: int) -> None:
    last = date.fromordinal(first.toordinal() + days)
    parts = slices(first, last)

    assert len(parts) <= MOST_PARTS * len(FactKind)
    for kind in FactKind:
        held_days = [
            day
            for part in parts
            if part.kind == kind
            for day in range(part.first_day.toordinal(), part.last_day.toordinal() + 1)
        ]
        assert held_days == list(range(first.toordinal(), last.toordinal() + 1))


class Pages:
    """Of two facts each; the one at `failing` cannot be had."""

    def __init__(self, facts: list[Fact], failing: int | None = None) -> None:
        self.facts = facts
        self.failing = failing

    def __call__(self, after: str | None) -> FactsPage:
        start = int(after or 0)
        if start == self.failing:
            raise VendorThrottled("too many requests")
        following = start + 2
        rest = following < len(self.facts)
        return FactsPage(
            facts=tuple(self.facts[start:following]), next=str(following) if rest else None
        )


FACTS = [fact(number) for number in range(7)]
NOTHING = Progress(system="stripe")


def test_reading_goes_on_where_time_ran_out() -> None:
    progress = NOTHING
    rounds = 0
    while not progress.is_done:
        progress = read_on(progress, Pages(FACTS), lambda: False)
        rounds += 1

    assert rounds == 4
    assert progress.digest == Digest().with_facts(FACTS)


def test_what_was_read_before_a_failure_is_kept() -> None:
    progress = read_on(NOTHING, Pages(FACTS, failing=4), lambda: True)

    assert not progress.is_done
    assert progress.next == "4"
    assert progress.digest.figures["USD"].count == 4


def test_the_failure_of_a_first_page_is_the_failure() -> None:
    with pytest.raises(VendorThrottled):
        read_on(NOTHING, Pages(FACTS, failing=0), lambda: True)

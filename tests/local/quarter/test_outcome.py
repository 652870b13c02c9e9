"""What is wrong with the books of a quarter, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from interlock.canonical import Money

from local.quarter.figures import Comparison
from local.quarter.outcome import Books, differing
from local.tryton.trial_balance import Balance

DECEMBER, JANUARY = date(2026, 12, 1), date(2027, 1, 1)
BANK = Comparison((Balance("1.1.1", "Bank", "bank", Decimal("5.00")),), Decimal("5.00"), "paid out")
BOOKS = Books(
    company="TESSALINE-US",
    currency="USD",
    comparisons=[BANK],
    months={
        ("1.1.1", DECEMBER): Decimal("5.00"),
        ("4.1.1", JANUARY): Decimal("-3.00"),
        ("4.1.1", DECEMBER): Decimal("-2.00"),
    },
    owed={"salesforce:001A": (Money.of("1.00", "USD"), Money.of("1.00", "USD"))},
)


def test_books_that_agree_have_no_problem():
    assert list(BOOKS.problems()) == []
    assert list(differing([BOOKS], [BOOKS])) == []


def test_a_figure_that_differs_is_a_problem():
    books = replace(BOOKS, comparisons=[BANK, replace(BANK, expected=Decimal("4.99"))])

    assert list(books.problems()) == ["TESSALINE-US: paid out: 0.01 too much in Tryton"]


def test_a_customer_that_owes_another_amount_is_a_problem():
    owed = {"salesforce:001A": (Money.of("1.00", "USD"), Money.of("0.00", "USD"))}

    [problem] = replace(BOOKS, owed=owed).problems()

    assert problem == "TESSALINE-US: salesforce:001A owes 1.00 USD in Tryton, 0.00 USD at Stripe"


def test_a_posting_in_another_month_is_a_difference():
    months = BOOKS.months | {("1.1.1", JANUARY): Decimal("5.00")}
    del months["1.1.1", DECEMBER]

    assert list(differing([BOOKS], [replace(BOOKS, months=months)])) == [
        "TESSALINE-US, 1.1.1, 2026-12: 5.00 in order, 0 in disorder",
        "TESSALINE-US, 1.1.1, 2027-01: 0 in order, 5.00 in disorder",
    ]


def test_postings_are_found_by_what_the_account_is_for():
    revenue = BOOKS.of_role("revenue")

    assert list(revenue.items()) == [(DECEMBER, Decimal("-2.00")), (JANUARY, Decimal("-3.00"))]

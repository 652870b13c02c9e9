"""A customer in a few sentences."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from interlock.canonical import Money
from interlock.canonical.customer_view import OpenCases, Reading, RecentUsage, RecurringRevenue
from interlock.rules.customer_summary import summary

from tests.unit.renewal_samples import READ_AT, receivables, usd, view

YEARLY = (usd("10"), Money.of(5, "JPY"))


def test_what_is_overdue_is_told_with_its_day() -> None:
    owing = Reading(content=receivables("1200", date(2027, 7, 1)), read_at=READ_AT)

    assert summary(view(erp=owing), READ_AT)[1] == (
        "Books: 1,200.00 USD owed, 1,200.00 USD overdue since 2027-07-01."
    )


def test_several_currencies_are_told_apart() -> None:
    revenue = RecurringRevenue(subscriptions=2, yearly=YEARLY, credit_balance=(usd("0"),))

    assert summary(view(billing=Reading(content=revenue, read_at=READ_AT)), READ_AT)[0] == (
        "Billing: 10.00 USD and 5 JPY a year."
    )


def test_what_was_used_is_told_by_product() -> None:
    used = (
        RecentUsage(sku="API-CALLS", quantity=Decimal(12500)),
        RecentUsage(sku="STORAGE", quantity=Decimal("1.5")),
    )
    revenue = RecurringRevenue(subscriptions=1, yearly=YEARLY, credit_balance=(), usage=used)

    assert summary(view(billing=Reading(content=revenue, read_at=READ_AT)), READ_AT)[0] == (
        "Billing: 10.00 USD and 5 JPY a year, 12,500 API-CALLS used in 30 days,"
        " 1.5 STORAGE used in 30 days."
    )


def test_what_could_not_be_read_has_its_age() -> None:
    cases = Reading(content=OpenCases(open=0, severe=()), read_at=READ_AT, stale=True)

    told = summary(view(support=cases, erp=Reading(stale=True)), READ_AT + timedelta(hours=47))
    assert told[1:] == (
        "Books: could never be read.",
        "Support: 0 open cases (as of 2027-08-03 05:00 UTC, 47 h ago).",
    )
    later = summary(view(support=cases), READ_AT + timedelta(days=2, hours=5))
    assert later[2].endswith("2 d ago).")

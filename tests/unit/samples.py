"""Canonical records as the rest of the tests need them; each takes what a test cares about."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from interlock.canonical import (
    Account,
    Address,
    Command,
    Line,
    LineKind,
    Money,
    Opportunity,
    Order,
    UnitPrice,
)

DEAL = "salesforce:006000000000001AAA"
ACCOUNT = "salesforce:001000000000001AAA"
PARENT = "salesforce:001000000000002AAA"


def account(**values: Any) -> Account:
    """A company with all that an order needs of it."""
    given = {
        "id": ACCOUNT,
        "name": "Calder Robotics",
        "domain": "calder.example",
        "tax_id": "DE811111111",
        "email": "billing@calder.example",
        "billing_address": Address(street="Hafenstr. 1", city="Hamburg", country="DE"),
    }
    return Account(**(given | values))


def line(
    number: int = 1,
    sku: str = "SEAT",
    *,
    quantity: str = "25",
    price: str = "480.00",
    currency: str = "USD",
    kind: LineKind = LineKind.RECURRING,
    **values: Any,
) -> Line:
    """A line whose amount is its quantity at its price."""
    unit_price = UnitPrice.of(price, currency)
    given = {
        "number": number,
        "sku": sku,
        "description": sku.title(),
        "kind": kind,
        "quantity": Decimal(quantity),
        "unit_price": unit_price,
        "amount": unit_price.times(Decimal(quantity)),
    }
    return Line(**(given | values))


def opportunity(**values: Any) -> Opportunity:
    """A won deal over two subscription lines and a service, 16,500.00 USD together."""
    lines = (
        line(),
        line(2, "PLATFORM", quantity="1", price="2500.00"),
        line(3, "ONBOARDING", quantity="1", price="2000.00", kind=LineKind.SERVICE),
    )
    given = {
        "id": DEAL,
        "name": "Calder Robotics 2026",
        "is_won": True,
        "currency": "USD",
        "amount": Money.of("16500.00", "USD"),
        "close_date": date(2026, 11, 20),
        "start_date": date(2026, 12, 1),
        "term_months": 12,
        "payment_terms": "NET30",
        "subsidiary": "TESSALINE-US",
        "lines": lines,
        "accounts": (account(),),
        "owner": "seller@tessaline.example",
        "modified_at": datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC),
    }
    return Opportunity(**(given | values))


def order(**values: Any) -> Order:
    """The order of `opportunity`."""
    deal = opportunity()
    given = {
        "id": deal.id,
        "bill_to": deal.account.id,
        "subsidiary": deal.subsidiary,
        "currency": deal.currency,
        "payment_terms": deal.payment_terms,
        "payment_days": 30,
        "start_date": deal.start_date,
        "term_months": deal.term_months,
        "lines": deal.lines,
        "net": deal.amount,
    }
    return Order(**(given | values))


def command(transaction: str = "T1", *, dry_run: str = "", **decision: Any) -> Command:
    """What a function was told: its transaction, and a team's decision if one is given."""
    remediation = decision and {"step": "Write", "by": "ana", "reason": "seen", **decision}
    return Command(correlation_id=transaction, dry_run=dry_run, remediation=remediation or None)

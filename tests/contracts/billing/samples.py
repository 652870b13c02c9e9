"""What the billing tests sell, and the types of their fixtures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.canonical import Account, Address, Line, LineKind, Subscription, UnitPrice
from interlock.connectors.billing.stripe import Stripe

Later = Callable[[timedelta], None]
Connect = Callable[..., Stripe]

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

ACCOUNT = Account(
    id="salesforce:0015e00000Acme1",
    name="Acme Robotics GmbH",
    email="billing@acme.example",
    billing_address=Address(street="Hauptstraße 1", city="Berlin", country="DE"),
)


def line(number: int, sku: str, quantity: int, unit_price: UnitPrice) -> Line:
    """A recurring line whose amounts add up."""
    return Line(
        number=number,
        sku=sku,
        description=f"{sku} for a year",
        kind=LineKind.RECURRING,
        quantity=quantity,
        unit_price=unit_price,
        amount=unit_price.times(quantity),
    )


def subscription(currency: str = "USD", **changes: Any) -> Subscription:
    """A year from today: the platform and twenty-five seats, in this currency."""
    values = {
        "id": "salesforce:0065e00000Deal1",
        "customer_id": ACCOUNT.id,
        "subsidiary": "TESSALINE-DE",
        "currency": currency,
        "payment_days": 30,
        "start_date": NOW.date(),
        "term_months": 12,
        "lines": (
            line(1, "PLATFORM-ANNUAL", 1, UnitPrice.of("12000", currency)),
            line(2, "SEAT-ANNUAL", 25, UnitPrice.of("240", currency)),
        ),
    }
    return Subscription(**{**values, **changes})

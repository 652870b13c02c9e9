"""Customers and subscriptions at the Stripe sandbox, entered by Stripe's own client."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import stripe as official

from tests.contracts.billing.samples import Later

HOUR = timedelta(hours=1)


def customer(
    client: official.StripeClient, card: str | None = None, country: str | None = None
) -> str:
    """A customer with an e-mail address; `card` is a test card that its invoices are charged to."""
    fields: dict[str, Any] = {"name": "Acme", "email": "billing@acme.example"}
    if country:
        fields["address"] = {"country": country}
    id = client.v1.customers.create(fields).id
    if card:
        method = client.v1.payment_methods.attach(card, {"customer": id})
        settings = {"invoice_settings": {"default_payment_method": method.id}}
        client.v1.customers.update(id, settings)
    return id


def schedule(
    customer: str,
    start_date: int | str = "now",
    *,
    currency: str = "usd",
    charged: bool = False,
    taxed: bool = False,
    interval: str = "year",
    **changes: Any,
) -> dict[str, Any]:
    """Three seats, for a year; `charged` to the customer's card, or invoices are sent."""
    price = {
        "currency": currency,
        "product": "SEAT-ANNUAL",
        "recurring": {"interval": interval},
        "tax_behavior": "exclusive",
        "unit_amount": 24000,
    }
    phase = {
        "items": [{"price_data": price, "quantity": 3}],
        "duration": {"interval": "year", "interval_count": 1},
        "billing_cycle_anchor": "phase_start",
        "metadata": {"order": "4711"},
    }
    sent = {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 30}}
    return {
        "customer": customer,
        "start_date": start_date,
        "default_settings": {
            **({"collection_method": "charge_automatically"} if charged else sent),
            "automatic_tax": {"enabled": taxed},
        },
        "metadata": {"order": "4711"},
        "phases": [{**phase, **changes}],
    }


def settled(
    client: official.StripeClient,
    later: Later,
    card: str | None = None,
    country: str | None = None,
    **changes: Any,
) -> official.Subscription:
    """A running subscription an hour later: its first invoice is final, and charged to the card."""
    wanted = schedule(customer(client, card, country), charged=card is not None, **changes)
    made = client.v1.subscription_schedules.create(wanted)
    later(HOUR)
    return client.v1.subscriptions.retrieve(str(made.subscription))


def metered(
    client: official.StripeClient,
    customer: str,
    *,
    unit_amount: str = "0.5",
    formula: str = "sum",
    **changes: Any,
) -> official.Subscription:
    """A subscription, by the month from now on: three seats, and what a meter counts."""
    [meter] = client.v1.billing.meters.list()
    if formula != "sum":
        event = {"display_name": "Peak", "event_name": f"peak-{formula}"}
        aggregation: Any = {"default_aggregation": {"formula": formula}}
        meter = client.v1.billing.meters.create({**event, **aggregation})
    price = client.v1.prices.create(
        {
            "currency": "usd",
            "product": "PLATFORM-ANNUAL",
            "recurring": {"interval": "month", "meter": meter.id, "usage_type": "metered"},
            "unit_amount_decimal": Decimal(unit_amount),
            "tax_behavior": "exclusive",
        }
    )
    plan = schedule(customer, interval="month", **changes)
    plan["phases"][0]["items"].append({"price": price.id})
    made = client.v1.subscription_schedules.create(cast("Any", plan))
    return client.v1.subscriptions.retrieve(cast("str", made.subscription))

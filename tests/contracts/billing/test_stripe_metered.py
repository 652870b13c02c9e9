"""What the Stripe sandbox charges for usage, driven by Stripe's own client."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import stripe as official

from tests.contracts.billing.samples import NOW, Later
from tests.contracts.billing.stripe_samples import HOUR, customer, metered, schedule

pytestmark = pytest.mark.usefixtures("described")

DAY = timedelta(days=1)
DECEMBER = NOW.replace(month=12)


def use(client: official.StripeClient, buyer: str, value: str, at: datetime, **fields: Any) -> None:
    """Tell the seeded meter what a customer used."""
    event: Any = {
        "event_name": "api-requests",
        "payload": {"stripe_customer_id": buyer, "value": value},
        "timestamp": int(at.timestamp()),
    }
    client.v1.billing.meter_events.create({**event, **fields})


def usage_lines(client: official.StripeClient, buyer: str) -> list[tuple[str, int]]:
    """Quantity and amount of the lines of usage, oldest invoice first."""
    found = []
    for invoice in client.v1.invoices.list({"customer": buyer}).data[::-1]:
        for line in client.v1.invoices.line_items.list(invoice.id):
            price: Any = line.pricing and line.pricing.price_details
            recurring = client.v1.prices.retrieve(price.price).recurring
            if recurring and recurring.usage_type == "metered":
                found.append((str(line.quantity_decimal), line.amount))
    return found


def test_usage_is_charged_after_its_period(client: official.StripeClient, later: Later) -> None:
    buyer = customer(client)
    subscription = metered(client, buyer)
    assert "quantity" not in subscription["items"].data[1]
    later(DAY)
    use(client, buyer, "100", NOW)
    use(client, buyer, "25.5", NOW + DAY)
    assert usage_lines(client, buyer) == []
    later(DECEMBER - NOW - DAY + HOUR)

    final = client.v1.invoices.list({"customer": buyer}).data[0]
    assert (final.status, final.billing_reason) == ("open", "subscription_cycle")
    assert usage_lines(client, buyer) == [("125.5", 63)]
    assert final.total == 3 * 24000 + 63
    period = final.lines.data[0].period
    assert (period.start, period.end) == (int(NOW.timestamp()), int(DECEMBER.timestamp()))


def test_draft_takes_usage_of_its_period_until_it_is_final(
    client: official.StripeClient, later: Later
) -> None:
    buyer = customer(client)
    metered(client, buyer)
    later(DECEMBER - NOW)
    [draft] = client.v1.invoices.list({"customer": buyer, "status": "draft"})
    use(client, buyer, "10", DECEMBER - HOUR)
    later(HOUR)
    assert client.v1.invoices.retrieve(draft.id).total == 3 * 24000 + 5
    assert usage_lines(client, buyer) == [("10", 5)]

    use(client, buyer, "1000", DECEMBER - HOUR)
    use(client, buyer, "20", DECEMBER)
    later(40 * DAY)

    assert usage_lines(client, buyer) == [("10", 5), ("20", 10)]


def test_item_that_is_added_charges_usage_from_then_on(
    client: official.StripeClient, later: Later
) -> None:
    buyer, other = customer(client), customer(client)
    price = metered(client, other)["items"].data[1].price.id
    plan: Any = schedule(buyer, interval="month")
    made: Any = client.v1.subscription_schedules.create(plan)
    later(5 * DAY)
    use(client, buyer, "10", NOW + DAY)
    use(client, buyer, "30", NOW + 5 * DAY)
    client.v1.subscriptions.update(made.subscription, {"items": [{"price": price}]})
    later(DECEMBER - NOW)

    assert usage_lines(client, buyer) == [("30", 15)]


def test_subscription_that_ends_charges_its_last_usage(
    client: official.StripeClient, later: Later
) -> None:
    buyer = customer(client)
    subscription = metered(client, buyer)
    use(client, buyer, "8", NOW)
    ending: Any = {"cancel_at_period_end": True}
    with pytest.raises(official.InvalidRequestError, match="managed by the subscription schedule"):
        client.v1.subscriptions.update(subscription.id, ending)
    client.v1.subscription_schedules.release(str(subscription.schedule))
    client.v1.subscriptions.update(subscription.id, ending)
    later(DECEMBER - NOW)

    assert usage_lines(client, buyer) == [("8", 4)]


def test_corrections_come_to_nothing_at_least(client: official.StripeClient, later: Later) -> None:
    buyer = customer(client)
    metered(client, buyer)
    use(client, buyer, "8", NOW)
    use(client, buyer, "-9", NOW)
    later(DECEMBER - NOW)

    assert usage_lines(client, buyer) == [("0", 0)]


@pytest.mark.parametrize("recurring", [{"usage_type": "metered"}, {"meter": "mtr_other"}])
def test_metered_price_needs_its_meter(
    client: official.StripeClient, recurring: dict[str, str]
) -> None:
    price: Any = {"currency": "usd", "product": "SEAT-ANNUAL", "unit_amount": 1}
    with pytest.raises(official.InvalidRequestError, match="has a meter"):
        client.v1.prices.create({**price, "recurring": {"interval": "month", **recurring}})

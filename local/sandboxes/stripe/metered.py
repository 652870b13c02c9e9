"""Metered prices: usage is charged when its period is over, in the period of its own time.

The invoice that a period's end makes has a line for the usage of that period, which is counted once
more when the invoice becomes final. What is told after that is on no invoice. An item that is added
to a running subscription charges the usage from then on.

- https://docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period
- https://docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup

The grace period is the hour that every draft has. An item that is taken away or gets another price
within a period charges nothing of its usage here, and neither do the elapsed periods of a backdated
subscription.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from local.sandboxes.stripe import invoice_lines, meters
from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.amounts import rounded


def is_metered(price: StripeObject) -> bool:
    """Whether usage is charged, and not a quantity."""
    return bool(price["recurring"]) and price["recurring"]["usage_type"] == "metered"


def quantity(price: StripeObject, number: int) -> StripeObject:
    """The quantity of an item with this price, as its field: none where usage is charged."""
    return {} if is_metered(price) else {"quantity": number}


def line(
    account: Account, subscription: StripeObject, item: StripeObject, start: int, end: int
) -> StripeObject:
    """The line of an item's usage in a time; what was used is for `measure` to say."""
    if item["created"] > subscription["created"]:
        start = max(start, item["created"])
    span = (start, end, Fraction(1))
    return invoice_lines.subscription_line(account, subscription, {**item, "quantity": 0}, span)


def measure(account: Account, invoice: StripeObject) -> None:
    """Bring the lines of usage up to date, as long as the invoice is a draft."""
    for line in account.lines[invoice["id"]]:
        pricing = line["pricing"]
        price = pricing and account.prices[pricing["price_details"]["price"]]
        if not price or not is_metered(price):
            continue
        meter = account.meters[price["recurring"]["meter"]]
        start, end = line["period"]["start"], line["period"]["end"]
        used = Decimal(max(0, meters.used(account, meter, invoice["customer"], start, end)))
        amount = rounded(invoice_lines.price_of(price, used), price["currency"])
        line.update(
            amount=amount,
            description=invoice_lines.describe(account, price, used),
            quantity=int(used),
            quantity_decimal=f"{used:f}",
            subtotal=amount,
        )

"""The lines of invoices, and the invoice items that become lines.

An invoice item waits for the next invoice of its subscription, or for one made by hand:
https://docs.stripe.com/api/invoiceitems and https://docs.stripe.com/api/invoice-line-item

Unconfirmed: that an item given as an amount has no price.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.amounts import rounded


def price_of(price: StripeObject, quantity: int | Decimal) -> Fraction:
    """What so many cost, before rounding."""
    return Fraction(price["unit_amount_decimal"]) * Fraction(quantity)


def pricing(price: StripeObject) -> StripeObject:
    """How a line says its price and, with it, its product."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def describe(account: Account, price: StripeObject, quantity: int | Decimal) -> str:
    """A line's text."""
    return f"{quantity} x {account.products[price['product']]['name']}"


def subscription_line(
    account: Account,
    subscription: StripeObject,
    item: StripeObject,
    span: tuple[int, int, Fraction],
) -> StripeObject:
    """The line of a subscription's item for a time, `span`: from, until, share of its price."""
    start, end, share = span
    price, quantity = item["price"], item["quantity"]
    return _line(
        account,
        rounded(price_of(price, quantity) * share, price["currency"]),
        currency=price["currency"],
        description=describe(account, price, quantity),
        metadata=dict(subscription["metadata"]),
        parent={
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": None,
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        period=(start, end),
        pricing=pricing(price),
        quantity=quantity,
        subscription=subscription["id"],
    )


def item_line(account: Account, item: StripeObject) -> StripeObject:
    """The line of an invoice item."""
    subscription = item["parent"] and item["parent"]["subscription_details"]
    details = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": _credited(item),
        "subscription": subscription and subscription["subscription"],
    }
    if subscription and "subscription_item" in subscription:
        own = details | {"subscription_item": subscription["subscription_item"]}
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": own,
            "type": "subscription_item_details",
        }
    else:
        parent = {
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        }
    return _line(
        account,
        item["amount"],
        currency=item["currency"],
        description=item["description"],
        metadata=dict(item["metadata"]),
        parent=parent,
        period=(item["period"]["start"], item["period"]["end"]),
        pricing=item["pricing"],
        quantity=item["quantity"],
        subscription=details["subscription"],
    )


def add_item(
    account: Account,
    customer: str,
    amount: int,
    currency: str,
    *,
    period: tuple[int, int],
    quantity: int,
    **fields: Any,
) -> StripeObject:
    """Enter an invoice item; `fields` are those of Stripe's object that are not usual."""
    item = {
        "id": account.new_id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "date": account.now(),
        "description": None,
        "discountable": not fields.get("proration", False),
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": amount,
        "parent": None,
        "period": {"start": period[0], "end": period[1]},
        "pricing": None,
        "proration": False,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "tax_rates": [],
        "test_clock": None,
        **fields,
    }
    account.invoice_items[item["id"]] = item
    account.pending[customer].append(item)
    return item


def pending(account: Account, customer: str, subscription: str | None) -> list[StripeObject]:
    """The items that wait for an invoice of this subscription; for None, of the customer."""
    return [
        item
        for item in account.pending[customer]
        if subscription is None
        or (item["parent"] or {}).get("subscription_details", {}).get("subscription")
        == subscription
    ]


def remove(account: Account, item: StripeObject) -> None:
    """Forget an item that waits."""
    account.pending[item["customer"]].remove(item)
    del account.invoice_items[item["id"]]


def _credited(item: StripeObject) -> StripeObject | None:
    if not item["proration"]:
        return None
    credited = item["proration_details"]["credited_items"]
    return {"credited_items": credited and credited["invoice_line_item_details"]}


def _line(
    account: Account,
    amount: int,
    *,
    period: tuple[int, int],
    parent: StripeObject,
    **fields: Any,
) -> StripeObject:
    details = parent[parent["type"]]
    return {
        "id": account.new_id("il"),
        "object": "line_item",
        "amount": amount,
        "discount_amounts": [],
        "discountable": not details["proration"],
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "parent": parent,
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "quantity_decimal": str(fields["quantity"]),
        "subtotal": amount,
        "taxes": [],
        **fields,
    }

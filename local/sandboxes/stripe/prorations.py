"""Changes of a running subscription: https://docs.stripe.com/billing/subscriptions/prorations

For every item that changes, one line gives back the unused time of what was, and one charges the
remaining time of what is now, both to the second; none for usage, which is not charged in advance.
They wait for the next invoice, or are invoiced
and collected at once (`always_invoice`). The interval and the currency do not change here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from local.sandboxes.stripe import (
    catalogue,
    collection,
    customers,
    invoice_lines,
    metered,
    payment_methods,
)
from local.sandboxes.stripe.account import EXPAND, Account, StripeObject
from local.sandboxes.stripe.amounts import rounded
from local.sandboxes.stripe.errors import invalid_parameter, missing_parameter, no_such
from local.sandboxes.stripe.parameters import (
    boolean,
    hash_of,
    integer,
    list_of,
    metadata,
    one_of,
    text,
)

ITEM = hash_of(
    {
        "deleted": boolean,
        "id": text(),
        "metadata": metadata,
        "price": text(),
        "price_data": catalogue.PRICE_DATA,
        "quantity": integer(0),
    }
)
UPDATE = {
    **EXPAND,
    "cancel_at_period_end": boolean,
    "collection_method": one_of("charge_automatically", "send_invoice"),
    "days_until_due": integer(0),
    "default_payment_method": text(),
    "items": list_of(ITEM, 20),
    "metadata": metadata,
    "proration_behavior": one_of("always_invoice", "create_prorations", "none"),
    "proration_date": integer(0),
}
# Of items, before and after; None where an item is not there.
Changes = Sequence[tuple[StripeObject | None, StripeObject | None]]
AS_GIVEN = ("cancel_at_period_end", "collection_method", "days_until_due")


def update(account: Account, subscription: StripeObject, parameters: dict[str, Any]) -> None:
    """Change what a request says. Raises ApiError for a change that cannot be."""
    moment = parameters.get("proration_date", account.now())
    period = subscription["items"]["data"][0]
    if not period["current_period_start"] <= moment <= period["current_period_end"]:
        raise invalid_parameter("proration_date", "It is not within the current period.")
    changes = [
        _change(account, subscription, given, f"items[{index}]")
        for index, given in enumerate(parameters.get("items", ()))
    ]
    added = sum((before is None) - (after is None) for before, after in changes)
    if len(subscription["items"]["data"]) + added < 1:
        raise invalid_parameter("items", "A subscription must have at least one item.")
    subscription.update({name: parameters[name] for name in AS_GIVEN if name in parameters})
    if subscription["collection_method"] == collection.CHARGED:
        subscription["days_until_due"] = None
    if method := parameters.get("default_payment_method"):
        own = payment_methods.attached(account, method, subscription["customer"])
        subscription["default_payment_method"] = own["id"]
    if "metadata" in parameters:
        before = subscription["metadata"]
        subscription["metadata"] = customers.merged(before, parameters["metadata"])
    behavior = parameters.get("proration_behavior", "create_prorations")
    change(account, subscription, changes, moment, behavior)
    invoice(account, subscription, behavior)


def change(
    account: Account,
    subscription: StripeObject,
    changes: Changes,
    moment: int,
    behavior: str,
) -> None:
    """Change items as of a moment within the period."""
    for before, after in changes:
        _apply(subscription, before, after)
        if behavior != "none" and _charged_otherwise(before, after):
            if before:
                _prorate(account, subscription, before, moment, unused=True)
            if after:
                _prorate(account, subscription, after, moment, unused=False)


def invoice(account: Account, subscription: StripeObject, behavior: str) -> None:
    """Invoice what waits for the subscription's next invoice, if that is to be done at once."""
    waiting = invoice_lines.pending(account, subscription["customer"], subscription["id"])
    if behavior == "always_invoice" and waiting:
        collection.bill(account, subscription, [], "subscription_update", at_once=True)


def move_end(
    account: Account, subscription: StripeObject, cancel_at: int | None, behavior: str
) -> None:
    """Let it end then, or not: what is charged of the period beyond its end is given back.

    https://docs.stripe.com/api/subscriptions/update#update_subscription-cancel_at
    """
    items = subscription["items"]["data"]
    before = [charged_until(subscription, item) for item in items]
    subscription["cancel_at"] = cancel_at
    if behavior == "none":
        return
    for item, until in zip(items, before, strict=True):
        moved = charged_until(subscription, item)
        if moved != until:
            first, last = sorted((moved, until))
            _prorate(account, subscription, item, first, unused=moved < until, until=last)


def charged_until(subscription: StripeObject, item: StripeObject) -> int:
    """The end of an item's period, or of the subscription where that is sooner."""
    end = item["current_period_end"]
    return min(subscription["cancel_at"] or end, end)


def credit_unused(account: Account, subscription: StripeObject, moment: int) -> None:
    """Give back what is left of the period, of every item."""
    for item in subscription["items"]["data"]:
        _prorate(account, subscription, item, moment, unused=True)


def _change(
    account: Account, subscription: StripeObject, given: dict[str, Any], param: str
) -> tuple[StripeObject | None, StripeObject | None]:
    """An item before and after; None where it is not there."""
    items = subscription["items"]["data"]
    before = None
    if "id" in given:
        before = next((item for item in items if item["id"] == given["id"]), None)
        if before is None:
            raise no_such("subscription item", given["id"], param=f"{param}[id]", status=400)
    if given.get("deleted"):
        if before is None:
            raise missing_parameter(f"{param}[id]")
        return before, None
    price = before and before["price"]
    if "price" in given or "price_data" in given:
        price = catalogue.chosen_price(account, given, param)
    like = items[0]["price"]
    if price is None or catalogue.rhythm(price) != catalogue.rhythm(like):
        message = "Give a price with the subscription's currency and interval."
        raise invalid_parameter(f"{param}[price]", message)
    new = {"id": account.new_id("si"), "created": account.now(), "metadata": {}, "quantity": 1}
    kept = before or {**items[0], **new}
    number = given.get("quantity", kept.get("quantity", 1))
    after = {
        **{name: value for name, value in kept.items() if name != "quantity"},
        "metadata": customers.merged(kept["metadata"], given["metadata"])
        if "metadata" in given
        else kept["metadata"],
        "price": price,
        **metered.quantity(price, number),
    }
    return before, after


def _apply(
    subscription: StripeObject, before: StripeObject | None, after: StripeObject | None
) -> None:
    items = subscription["items"]["data"]
    if before is None:
        items.append(after)
    elif after is None:
        items.remove(before)
    else:
        items[items.index(before)] = after


def _charged_otherwise(before: StripeObject | None, after: StripeObject | None) -> bool:
    if before is None or after is None:
        return True
    return any(before.get(name) != after.get(name) for name in ("price", "quantity"))


def _prorate(
    account: Account,
    subscription: StripeObject,
    item: StripeObject,
    moment: int,
    *,
    unused: bool,
    until: int | None = None,
) -> None:
    """Enter the line for what is left of the period: given back if it is unused, or charged."""
    if metered.is_metered(item["price"]):
        return
    price, quantity = item["price"], item["quantity"]
    until = until or charged_until(subscription, item)
    whole = item["current_period_end"] - item["current_period_start"]
    share = Fraction(until - moment, whole) * (-1 if unused else 1)
    what = invoice_lines.describe(account, price, quantity)
    day = datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y")
    credited = _last_debit(account, subscription, item) if unused else None
    invoice_lines.add_item(
        account,
        subscription["customer"],
        rounded(invoice_lines.price_of(price, quantity) * share, price["currency"]),
        price["currency"],
        period=(moment, until),
        quantity=quantity,
        description=f"{'Unused' if unused else 'Remaining'} time on {what} after {day}",
        metadata=dict(subscription["metadata"]),
        parent={
            "subscription_details": {
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_details",
        },
        pricing=invoice_lines.pricing(price),
        proration=True,
        proration_details={"credited_items": credited, "discount_amounts": []},
    )


def _last_debit(
    account: Account, subscription: StripeObject, item: StripeObject
) -> StripeObject | None:
    """The line that last charged an item, on the subscription's latest invoice."""
    latest = subscription["latest_invoice"]
    for line in reversed(account.lines[latest] if latest else []):
        details = line["parent"]["subscription_item_details"]
        if details and details["subscription_item"] == item["id"] and line["amount"] > 0:
            lines = {"invoice": latest, "invoice_line_items": [line["id"]]}
            return {"invoice_line_item_details": lines, "type": "invoice_line_items"}
    return None

"""The phases of a schedule: https://docs.stripe.com/billing/subscriptions/subscription-schedules

They follow one another without a gap. A subscription's items become those of a phase when it
begins; an item that keeps its price stays the same item. Coupons, trials and what a phase may
invoice besides its items are not here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from local.sandboxes.stripe import catalogue, metered
from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.calendar_months import later
from local.sandboxes.stripe.customers import merged
from local.sandboxes.stripe.errors import ApiError, invalid_parameter
from local.sandboxes.stripe.parameters import (
    Reader,
    boolean,
    hash_of,
    integer,
    list_of,
    metadata,
    one_of,
    text,
    timestamp_or_now,
)

MAXIMUM_ITEMS = 20
# Of current and future ones.
MAXIMUM_PHASES = 10
BEHAVIORS = ("always_invoice", "create_prorations", "none")
AUTOMATIC_TAX = hash_of({"enabled": boolean}, required=("enabled",))
_ITEM = hash_of(
    {
        "metadata": metadata,
        "price": text(),
        "price_data": catalogue.PRICE_DATA,
        "quantity": integer(0),
    }
)
_COPIED = ("automatic_tax", "billing_cycle_anchor", "description", "metadata", "proration_behavior")


def parameters(account: Account) -> Reader:
    """Reads the phases of a request."""
    moment = timestamp_or_now(lambda: datetime.fromtimestamp(account.now(), UTC))
    fields = {
        "automatic_tax": AUTOMATIC_TAX,
        "billing_cycle_anchor": one_of("automatic", "phase_start"),
        "description": text(500),
        "duration": hash_of(
            {"interval": one_of("day", "month", "week", "year"), "interval_count": integer(1)},
            required=("interval",),
        ),
        "end_date": moment,
        "items": list_of(_ITEM, MAXIMUM_ITEMS),
        "metadata": metadata,
        "proration_behavior": one_of(*BEHAVIORS),
        "start_date": moment,
    }
    return list_of(hash_of(fields, required=("items",)), MAXIMUM_PHASES)


def made(account: Account, given: list[dict[str, Any]], start: int) -> list[StripeObject]:
    """The phases of a request, the first of which starts then. Raises ApiError."""
    phases = []
    for index, phase in enumerate(given):
        name = f"phases[{index}]"
        if phase.get("start_date", start) != start:
            message = "A phase starts when the one before it ends."
            raise invalid_parameter(f"{name}[start_date]", message)
        end = _end(phase, start, name)
        items = _items(account, phase["items"], f"{name}[items]")
        phases.append(_phase(account, phase, start, end, items))
        start = end
    return phases


def current(schedule: StripeObject) -> StripeObject:
    """The phase that an active schedule is in."""
    start = schedule["current_phase"]["start_date"]
    return next(phase for phase in schedule["phases"] if phase["start_date"] == start)


def following(schedule: StripeObject) -> StripeObject | None:
    """The phase after the current one, if any."""
    end = schedule["current_phase"]["end_date"]
    return next((phase for phase in schedule["phases"] if phase["start_date"] == end), None)


def window(phase: StripeObject) -> StripeObject:
    """How a schedule names its current phase."""
    return {"start_date": phase["start_date"], "end_date": phase["end_date"]}


def ends_at(schedule: StripeObject) -> int | None:
    """When its subscription is cancelled, which is known in the last phase."""
    if schedule["end_behavior"] != "cancel" or following(schedule):
        return None
    return schedule["current_phase"]["end_date"]


def settings_of(schedule: StripeObject, phase: StripeObject) -> StripeObject:
    """What a subscription takes from its schedule and a phase, besides items and metadata."""
    settings = schedule["default_settings"]
    return {
        "automatic_tax": phase.get("automatic_tax", settings["automatic_tax"]),
        "collection_method": settings["collection_method"],
        "days_until_due": settings["invoice_settings"]["days_until_due"],
        "default_payment_method": settings["default_payment_method"],
        "description": phase["description"] or settings["description"],
    }


def changes(
    account: Account, subscription: StripeObject, phase: StripeObject
) -> list[tuple[StripeObject | None, StripeObject | None]]:
    """The items of a subscription before and after a phase begins; None where it is not there."""
    found: list[tuple[StripeObject | None, StripeObject | None]] = []
    left = list(subscription["items"]["data"])
    like = left[0]
    for wanted in phase["items"]:
        price = account.prices[wanted["price"]]
        before = next((item for item in left if item["price"]["id"] == price["id"]), None)
        if before:
            left.remove(before)
        new = {"id": account.new_id("si"), "created": account.now(), "metadata": {}}
        kept = before or {**like, **new}
        kept = {name: value for name, value in kept.items() if name != "quantity"}
        after = {
            **kept,
            "metadata": merged(kept["metadata"], wanted["metadata"] or {})
            if wanted["metadata"]
            else kept["metadata"],
            "price": price,
            **metered.quantity(price, wanted.get("quantity", 1)),
        }
        found.append((before, after))
    return [*found, *((item, None) for item in left)]


def of_subscription(
    account: Account, subscription: StripeObject, start: int, end: int, **copied: Any
) -> StripeObject:
    """A phase with the items that a subscription has now."""
    items = [
        {
            "billing_thresholds": None,
            "discounts": [],
            "metadata": dict(item["metadata"]),
            "price": item["price"]["id"],
            **metered.quantity(item["price"], item.get("quantity", 1)),
            "tax_rates": [],
        }
        for item in subscription["items"]["data"]
    ]
    return _phase(account, {"metadata": dict(subscription["metadata"])}, start, end, items) | copied


def split(account: Account, schedule: StripeObject, subscription: StripeObject) -> None:
    """A change of the items that was made on the subscription begins a phase of its own."""
    before, now = current(schedule), account.now()
    copied = {name: before[name] for name in _COPIED if name in before}
    after = of_subscription(account, subscription, now, before["end_date"], **copied)
    index = schedule["phases"].index(before)
    if before["start_date"] == now:
        schedule["phases"][index] = after
    else:
        schedule["phases"][index : index + 1] = [before | {"end_date": now}, after]
    schedule["current_phase"] = window(after)


def _end(phase: dict[str, Any], start: int, name: str) -> int:
    if ("duration" in phase) == ("end_date" in phase):
        message = "Give either the duration or the end date of a phase."
        raise invalid_parameter(f"{name}[duration]", message)
    if "end_date" in phase:
        end = phase["end_date"]
    else:
        duration = phase["duration"]
        end = later(start, duration["interval"], duration.get("interval_count", 1))
    if end <= start:
        raise invalid_parameter(f"{name}[end_date]", "A phase ends after it starts.")
    return end


def _items(account: Account, items: list[dict[str, Any]], name: str) -> list[StripeObject]:
    """The items with a price each; all must share one currency and one interval."""
    prices = [
        catalogue.chosen_price(account, item, f"{name}[{index}]")
        for index, item in enumerate(items)
    ]
    if len({catalogue.rhythm(price) for price in prices}) != 1:
        message = "All items must have the same currency and billing interval."
        raise invalid_parameter(name, message)
    if len({price["id"] for price in prices}) < len(prices):
        raise ApiError(400, "Two items cannot have the same price.", param=name)
    return [
        {
            "billing_thresholds": None,
            "discounts": [],
            "metadata": item.get("metadata", {}),
            "price": price["id"],
            **metered.quantity(price, item.get("quantity", 1)),
            "tax_rates": [],
        }
        for item, price in zip(items, prices, strict=True)
    ]


def _phase(
    account: Account, phase: dict[str, Any], start: int, end: int, items: list[StripeObject]
) -> StripeObject:
    own_tax = phase.get("automatic_tax")
    tax = {"automatic_tax": automatic_tax(own_tax)} if own_tax else {}
    return {
        **tax,
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": phase.get("billing_cycle_anchor"),
        "billing_thresholds": None,
        "collection_method": None,
        "currency": account.prices[items[0]["price"]]["currency"],
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": phase.get("description"),
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": phase.get("metadata", {}),
        "on_behalf_of": None,
        "proration_behavior": phase.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


def automatic_tax(given: dict[str, Any]) -> StripeObject:
    """The setting as schedules and their phases have it."""
    return {**given, "disabled_reason": None, "liability": None}

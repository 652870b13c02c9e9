"""Subscriptions, as schedules start them: https://docs.stripe.com/api/subscriptions"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe.account import EXPAND, PAGE, Account, StripeObject
from local.sandboxes.stripe.calendar_months import period
from local.sandboxes.stripe.errors import no_such
from local.sandboxes.stripe.parameters import boolean, one_of, read_all, text

STATUSES = (
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)
ENDED = ("canceled", "incomplete_expired")


def start(account: Account, schedule: StripeObject) -> StripeObject:
    """The subscription of a schedule whose first phase begins.

    Its billing cycle is anchored where the phase starts if the phase says so; left to Stripe, a
    backdated subscription is anchored where it was created, so that a year begins on that day:
    https://docs.stripe.com/billing/subscriptions/backdating
    """
    phase = schedule["phases"][0]
    settings = schedule["default_settings"]
    anchoring = phase["billing_cycle_anchor"] or settings["billing_cycle_anchor"]
    start_date = phase["start_date"]
    anchor = start_date if anchoring == "phase_start" else max(start_date, schedule["created"])
    id = account.new_id("sub")
    subscription = {
        "id": id,
        "object": "subscription",
        "application": None,
        "automatic_tax": phase.get("automatic_tax", settings["automatic_tax"]),
        "billing_cycle_anchor": anchor,
        "billing_mode": schedule["billing_mode"],
        "billing_schedules": [],
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "collection_method": settings["collection_method"],
        "created": account.now(),
        "currency": phase["currency"],
        "customer": schedule["customer"],
        "days_until_due": settings["invoice_settings"]["days_until_due"],
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": phase["description"] or settings["description"],
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {
            "object": "list",
            "data": [_item(account, id, item, anchor) for item in phase["items"]],
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={id}",
        },
        "latest_invoice": None,
        "livemode": False,
        "metadata": dict(phase["metadata"]),
        "schedule": schedule["id"],
        "start_date": start_date,
        "status": "active",
        "test_clock": None,
        "trial_end": None,
        "trial_start": None,
    }
    account.subscriptions[id] = subscription
    return subscription


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscriptions/<id>`"""
    parameters = read_all(raw, EXPAND)
    return account.expand(_existing(account, id), parameters.get("expand", ()))


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscriptions`: without a status, all that are not cancelled."""
    fields = {**PAGE, **EXPAND, "customer": text(), "status": one_of(*STATUSES)}
    parameters = read_all(raw, fields)
    customer = parameters.get("customer")
    rows = [
        row
        for row in account.subscriptions.values()
        if customer in (None, row["customer"]) and _listed(row, parameters.get("status"))
    ]
    page = account.page(rows, parameters, "/v1/subscriptions")
    return account.expand(page, parameters.get("expand", ()))


def cancel(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`DELETE /v1/subscriptions/<id>`: at once; a schedule that manages it ends with it."""
    parameters = read_all(raw, {**EXPAND, "invoice_now": boolean, "prorate": boolean})
    subscription = _existing(account, id)
    if subscription["status"] in ENDED:
        raise no_such("subscription", id, param="id")
    if schedule := account.schedules.get(subscription["schedule"]):
        schedule.update(status="canceled", canceled_at=account.now(), current_phase=None)
    end(account, subscription)
    return account.expand(subscription, parameters.get("expand", ()))


def end(account: Account, subscription: StripeObject) -> None:
    """Cancel at once."""
    now = account.now()
    subscription.update(status="canceled", canceled_at=now, ended_at=now)


def advance(account: Account) -> None:
    """Move the billing periods on to the one that contains now."""
    for subscription in account.subscriptions.values():
        if subscription["status"] in ENDED:
            continue
        for item in subscription["items"]["data"]:
            item.update(_period(account, item["price"], subscription["billing_cycle_anchor"]))


def _item(account: Account, subscription: str, item: StripeObject, anchor: int) -> StripeObject:
    price = account.prices[item["price"]]
    return {
        "id": account.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now(),
        "discounts": [],
        "metadata": dict(item["metadata"]),
        "price": price,
        "quantity": item["quantity"],
        "subscription": subscription,
        "tax_rates": [],
        **_period(account, price, anchor),
    }


def _period(account: Account, price: StripeObject, anchor: int) -> dict[str, int]:
    recurring = price["recurring"]
    begin, finish = period(
        anchor, account.now(), recurring["interval"], recurring["interval_count"]
    )
    return {"current_period_start": begin, "current_period_end": finish}


def _existing(account: Account, id: str) -> StripeObject:
    if id not in account.subscriptions:
        raise no_such("subscription", id, param="id")
    return account.subscriptions[id]


def _listed(row: StripeObject, status: str | None) -> bool:
    if status == "all":
        return True
    if status == "ended":
        return row["status"] in ENDED
    return row["status"] == status if status else row["status"] not in ENDED

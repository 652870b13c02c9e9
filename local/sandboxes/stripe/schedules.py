"""Subscription schedules: https://docs.stripe.com/api/subscription_schedules

A schedule starts its subscription on its start date, which may be past, now or to come. This
sandbox takes one phase and invoices that are sent (no customer here has a payment method).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.sandboxes.stripe import catalogue, customers, subscriptions
from local.sandboxes.stripe.account import EXPAND, PAGE, Account, StripeObject
from local.sandboxes.stripe.calendar_months import later
from local.sandboxes.stripe.errors import (
    ApiError,
    invalid_parameter,
    missing_parameter,
    no_such,
)
from local.sandboxes.stripe.parameters import (
    Reader,
    boolean,
    hash_of,
    integer,
    list_of,
    metadata,
    one_of,
    read_all,
    text,
    timestamp_or_now,
)

MAXIMUM_ITEMS = 20
AUTOMATIC_TAX = hash_of({"enabled": boolean}, required=("enabled",))
ITEM = hash_of(
    {"metadata": metadata, "price_data": catalogue.PRICE_DATA, "quantity": integer(0)},
    required=("price_data",),
)
PHASE = hash_of(
    {
        "automatic_tax": AUTOMATIC_TAX,
        "billing_cycle_anchor": one_of("automatic", "phase_start"),
        "description": text(500),
        "duration": hash_of(
            {"interval": one_of("day", "month", "week", "year"), "interval_count": integer(1)},
            required=("interval",),
        ),
        "end_date": integer(0),
        "items": list_of(ITEM, MAXIMUM_ITEMS),
        "metadata": metadata,
        "proration_behavior": one_of("always_invoice", "create_prorations", "none"),
    },
    required=("items",),
)
DEFAULT_SETTINGS = hash_of(
    {
        "automatic_tax": AUTOMATIC_TAX,
        "billing_cycle_anchor": one_of("automatic", "phase_start"),
        "collection_method": one_of("charge_automatically", "send_invoice"),
        "description": text(500),
        "invoice_settings": hash_of({"days_until_due": integer(0)}),
    }
)


def _fields(account: Account) -> dict[str, Reader]:
    return {
        **EXPAND,
        "billing_mode": hash_of({"type": one_of("classic", "flexible")}, required=("type",)),
        "customer": text(),
        "default_settings": DEFAULT_SETTINGS,
        "end_behavior": one_of("cancel", "release"),
        "metadata": metadata,
        "phases": list_of(PHASE, 1),
        "start_date": timestamp_or_now(account.clock),
    }


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules`"""
    required = ("customer", "phases", "start_date")
    parameters = read_all(raw, _fields(account), required=required)
    customer = customers.existing(account, parameters["customer"], param="customer")
    defaults = parameters.get("default_settings", {})
    _check_collection(customer, defaults)
    phase = parameters["phases"][0]
    start = parameters["start_date"]
    schedule = {
        "id": account.new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": parameters.get("billing_mode", {"type": "flexible"}),
        "canceled_at": None,
        "completed_at": None,
        "created": account.now(),
        "current_phase": None,
        "customer": customer["id"],
        "default_settings": _default_settings(defaults),
        "end_behavior": parameters.get("end_behavior", "release"),
        "livemode": False,
        "metadata": parameters.get("metadata", {}),
        "phases": [
            _phase(phase, start, _end(phase, start), _items(account, phase["items"]), account)
        ],
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": None,
    }
    account.schedules[schedule["id"]] = schedule
    advance(account)
    return account.expand(schedule, parameters.get("expand", ()))


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscription_schedules/<id>`"""
    parameters = read_all(raw, EXPAND)
    return account.expand(_existing(account, id), parameters.get("expand", ()))


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscription_schedules`, of one customer where one is given, in every status."""
    parameters = read_all(raw, {**PAGE, **EXPAND, "customer": text()})
    customer = parameters.get("customer")
    rows = [row for row in account.schedules.values() if customer in (None, row["customer"])]
    page = account.page(rows, parameters, "/v1/subscription_schedules")
    return account.expand(page, parameters.get("expand", ()))


def cancel(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules/<id>/cancel`: its subscription is cancelled with it."""
    parameters = read_all(raw, {**EXPAND, "invoice_now": boolean, "prorate": boolean})
    schedule = _open(account, id, "canceled")
    subscription = account.subscriptions.get(schedule["subscription"])
    schedule.update(status="canceled", canceled_at=account.now(), current_phase=None)
    if subscription:
        subscriptions.end(account, subscription)
    return account.expand(schedule, parameters.get("expand", ()))


def release(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules/<id>/release`: its subscription goes on without it."""
    parameters = read_all(raw, {**EXPAND, "preserve_cancel_date": boolean})
    schedule = _open(account, id, "released")
    _release(account, schedule)
    return account.expand(schedule, parameters.get("expand", ()))


def advance(account: Account) -> None:
    """Start and end what the clock has reached; Stripe does so without being asked."""
    now = account.now()
    for schedule in account.schedules.values():
        phase = schedule["phases"][0]
        if schedule["status"] == "not_started" and phase["start_date"] <= now:
            subscription = subscriptions.start(account, schedule)
            window = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
            schedule.update(status="active", subscription=subscription["id"], current_phase=window)
        if schedule["status"] == "active" and phase["end_date"] <= now:
            _finish(account, schedule)
    subscriptions.advance(account)


def _finish(account: Account, schedule: StripeObject) -> None:
    if schedule["end_behavior"] == "release":
        _release(account, schedule)
        return
    subscriptions.end(account, account.subscriptions[schedule["subscription"]])
    schedule.update(status="completed", completed_at=account.now(), current_phase=None)


def _release(account: Account, schedule: StripeObject) -> None:
    subscription = account.subscriptions.get(schedule["subscription"])
    if subscription:
        subscription["schedule"] = None
    schedule.update(
        status="released",
        released_at=account.now(),
        released_subscription=schedule["subscription"],
        subscription=None,
        current_phase=None,
    )


def _existing(account: Account, id: str) -> StripeObject:
    if id not in account.schedules:
        raise no_such("subscription schedule", id, param="schedule")
    return account.schedules[id]


def _open(account: Account, id: str, wanted: str) -> StripeObject:
    schedule = _existing(account, id)
    if schedule["status"] not in ("not_started", "active"):
        message = f"A schedule in status {schedule['status']} cannot be {wanted}."
        raise ApiError(400, message)
    return schedule


def _check_collection(customer: StripeObject, defaults: dict[str, Any]) -> None:
    if defaults.get("collection_method") != "send_invoice":
        message = "This customer has no attached payment source or default payment method."
        raise ApiError(400, message, code="resource_missing")
    name = "default_settings[invoice_settings][days_until_due]"
    if "days_until_due" not in defaults.get("invoice_settings", {}):
        raise missing_parameter(name)
    if not customer["email"]:
        message = "Missing email: invoices are sent only to a customer with a valid email."
        raise ApiError(400, message)


def _end(phase: dict[str, Any], start: int) -> int:
    if ("duration" in phase) == ("end_date" in phase):
        message = "Give either the duration or the end date of a phase."
        raise invalid_parameter("phases[0][duration]", message)
    if "end_date" in phase:
        end = phase["end_date"]
    else:
        duration = phase["duration"]
        end = later(start, duration["interval"], duration.get("interval_count", 1))
    if end <= start:
        raise invalid_parameter("phases[0][end_date]", "A phase ends after it starts.")
    return end


def _items(account: Account, items: list[dict[str, Any]]) -> list[StripeObject]:
    """The items with a price each; all must share one currency and one interval."""
    kinds = {
        (item["price_data"]["currency"].lower(), *sorted(item["price_data"]["recurring"].items()))
        for item in items
    }
    if len(kinds) != 1:
        message = "All items must have the same currency and billing interval."
        raise invalid_parameter("phases[0][items]", message)
    name: Callable[[int], str] = "phases[0][items][{}][price_data]".format
    return [
        {
            "billing_thresholds": None,
            "discounts": [],
            "metadata": item.get("metadata", {}),
            "price": catalogue.add_price(account, item["price_data"], name(index))["id"],
            "quantity": item.get("quantity", 1),
            "tax_rates": [],
        }
        for index, item in enumerate(items)
    ]


def _phase(
    phase: dict[str, Any], start: int, end: int, items: list[StripeObject], account: Account
) -> StripeObject:
    own_tax = phase.get("automatic_tax")
    automatic_tax = {"automatic_tax": _automatic_tax(own_tax)} if own_tax else {}
    return {
        **automatic_tax,
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


def _default_settings(defaults: dict[str, Any]) -> StripeObject:
    return {
        "application_fee_percent": None,
        "automatic_tax": _automatic_tax(defaults.get("automatic_tax", {"enabled": False})),
        "billing_cycle_anchor": defaults.get("billing_cycle_anchor", "automatic"),
        "billing_thresholds": None,
        "collection_method": defaults["collection_method"],
        "default_payment_method": None,
        "description": defaults.get("description"),
        "invoice_settings": {
            "account_tax_ids": None,
            "days_until_due": defaults["invoice_settings"]["days_until_due"],
            "issuer": {"type": "self"},
        },
        "on_behalf_of": None,
        "transfer_data": None,
    }


def _automatic_tax(given: dict[str, Any]) -> StripeObject:
    return {**given, "disabled_reason": None, "liability": None}

"""Subscription schedules: https://docs.stripe.com/api/subscription_schedules

A schedule starts its subscription on its start date, which may be past, now or to come. This
sandbox takes one phase.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.sandboxes.stripe import (
    catalogue,
    collection,
    events,
    metered,
    payment_methods,
    subscriptions,
)
from local.sandboxes.stripe.account import (
    EXPAND,
    Account,
    StripeObject,
    existing,
    live_customer,
)
from local.sandboxes.stripe.calendar_months import later
from local.sandboxes.stripe.errors import (
    ApiError,
    invalid_parameter,
    missing_parameter,
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
    {
        "metadata": metadata,
        "price": text(),
        "price_data": catalogue.PRICE_DATA,
        "quantity": integer(0),
    }
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
        "default_payment_method": text(),
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
    customer = live_customer(account, parameters["customer"])
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
        "default_settings": _default_settings(account, customer, defaults),
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
    events.emit(account, "subscription_schedule.created", schedule)
    account.agenda.at(start, lambda: _start(account, schedule))
    account.agenda.catch_up()
    return account.expanded(schedule, parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscription_schedules/<id>`"""
    return account.retrieved(account.schedules, id, raw, "subscription schedule")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscription_schedules`, of one customer where one is given, in every status."""
    rows = account.schedules.values()
    return account.listed(rows, raw, "/v1/subscription_schedules", "customer")


def cancel(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules/<id>/cancel`: its subscription is cancelled with it."""
    parameters = read_all(raw, {**EXPAND, "invoice_now": boolean, "prorate": boolean})
    schedule = _open(account, id, "canceled")
    subscription = account.subscriptions.get(schedule["subscription"])
    schedule.update(status="canceled", canceled_at=account.now(), current_phase=None)
    events.emit(account, "subscription_schedule.canceled", schedule)
    if subscription:
        terms = {name: parameters.get(name, True) for name in ("invoice_now", "prorate")}
        subscriptions.end(account, subscription, **terms)
    return account.expanded(schedule, parameters)


def release(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules/<id>/release`: its subscription goes on without it."""
    parameters = read_all(raw, {**EXPAND, "preserve_cancel_date": boolean})
    schedule = _open(account, id, "released")
    _release(account, schedule)
    return account.expanded(schedule, parameters)


def _start(account: Account, schedule: StripeObject) -> None:
    if schedule["status"] != "not_started":
        return
    phase = schedule["phases"][0]
    # The phase ends before the period that would be charged next begins.
    account.agenda.at(phase["end_date"], lambda: _finish(account, schedule))
    subscription = subscriptions.start(account, schedule)
    window = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    schedule.update(status="active", subscription=subscription["id"], current_phase=window)


def _finish(account: Account, schedule: StripeObject) -> None:
    if schedule["status"] != "active":
        return
    if schedule["end_behavior"] == "release":
        _release(account, schedule)
        return
    subscriptions.end(account, account.subscriptions[schedule["subscription"]])
    schedule.update(status="completed", completed_at=account.now(), current_phase=None)
    events.emit(account, "subscription_schedule.completed", schedule)


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
    events.emit(account, "subscription_schedule.released", schedule)


def _open(account: Account, id: str, wanted: str) -> StripeObject:
    schedule = existing(account.schedules, id, "subscription schedule")
    if schedule["status"] not in ("not_started", "active"):
        message = f"A schedule in status {schedule['status']} cannot be {wanted}."
        raise ApiError(400, message)
    return schedule


def _check_collection(customer: StripeObject, defaults: dict[str, Any]) -> None:
    if defaults.get("collection_method") != "send_invoice":
        own = customer["invoice_settings"]["default_payment_method"]
        if not (own or defaults.get("default_payment_method")):
            message = "This customer has no attached payment source or default payment method."
            raise ApiError(400, message, code="resource_missing")
        return
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
    name: Callable[[int], str] = "phases[0][items][{}]".format
    prices = [_price(account, item, name(index)) for index, item in enumerate(items)]
    if len({catalogue.rhythm(price) for price in prices}) != 1:
        message = "All items must have the same currency and billing interval."
        raise invalid_parameter("phases[0][items]", message)
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


def _price(account: Account, item: dict[str, Any], param: str) -> StripeObject:
    if ("price" in item) == ("price_data" in item):
        raise invalid_parameter(f"{param}[price]", "Give either a price or the data of one.")
    if "price_data" in item:
        return catalogue.add_price(account, item["price_data"], f"{param}[price_data]")
    return existing(account.prices, item["price"], "price", param=f"{param}[price]", status=400)


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


def _default_settings(
    account: Account, customer: StripeObject, defaults: dict[str, Any]
) -> StripeObject:
    method = defaults.get("default_payment_method")
    if method:
        method = payment_methods.attached(account, method, customer["id"])["id"]
    return {
        "application_fee_percent": None,
        "automatic_tax": _automatic_tax(defaults.get("automatic_tax", {"enabled": False})),
        "billing_cycle_anchor": defaults.get("billing_cycle_anchor", "automatic"),
        "billing_thresholds": None,
        "collection_method": defaults.get("collection_method", collection.CHARGED),
        "default_payment_method": method,
        "description": defaults.get("description"),
        "invoice_settings": {
            "account_tax_ids": None,
            "days_until_due": defaults.get("invoice_settings", {}).get("days_until_due"),
            "issuer": {"type": "self"},
        },
        "on_behalf_of": None,
        "transfer_data": None,
    }


def _automatic_tax(given: dict[str, Any]) -> StripeObject:
    return {**given, "disabled_reason": None, "liability": None}

"""Customers: https://docs.stripe.com/api/customers

A customer may have a default payment method for its invoices; a test card given as such is attached
on the way.
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import events, invoices, payment_methods
from local.sandboxes.stripe.account import EXPAND, PAGE, Account, StripeObject, live_customer
from local.sandboxes.stripe.parameters import hash_of, metadata, read_all, text

ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")
LIVE = ("not_started", "active", "past_due")
FIELDS = {
    **EXPAND,
    "address": hash_of({name: text() for name in ADDRESS_FIELDS}),
    "description": text(),
    "email": text(512),
    "invoice_settings": hash_of({"default_payment_method": text()}),
    "metadata": metadata,
    "name": text(),
    "phone": text(20),
}


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/customers`"""
    parameters = read_all(raw, FIELDS)
    id = account.new_id("cus")
    customer = {
        "id": id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now(),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "email": None,
        "invoice_prefix": id[-8:],
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    account.customers[id] = customer
    _apply(account, customer, parameters)
    events.emit(account, "customer.created", customer)
    return account.expanded(customer, parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/customers/<id>`: a deleted customer stays retrievable, marked as deleted."""
    return account.retrieved(account.customers, id, raw, "customer")


def update(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/customers/<id>`"""
    parameters = read_all(raw, FIELDS)
    customer = live_customer(account, id, param="id", status=404)
    _apply(account, customer, parameters)
    events.emit(account, "customer.updated", customer)
    return account.expanded(customer, parameters)


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/customers`: deleted ones are not listed; `email` is compared case by case."""
    parameters = read_all(raw, {**PAGE, "email": text(512)})
    email = parameters.get("email")
    rows = [
        customer
        for customer in account.customers.values()
        if not customer.get("deleted") and (email is None or customer["email"] == email)
    ]
    return account.page(rows, parameters, "/v1/customers")


def delete(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`DELETE /v1/customers/<id>`: for good, and its subscriptions are cancelled with it."""
    read_all(raw, {})
    events.emit(account, "customer.deleted", live_customer(account, id, param="id", status=404))
    invoices.stop(account, "customer", id)
    for kind, records in (
        ("subscription_schedule.canceled", account.schedules),
        ("customer.subscription.deleted", account.subscriptions),
    ):
        for record in records.values():
            if record["customer"] == id and record["status"] in LIVE:
                record.update(status="canceled", canceled_at=account.now())
                events.emit(account, kind, record)
    account.customers[id] = {"id": id, "object": "customer", "deleted": True}
    return account.customers[id]


def _apply(account: Account, customer: StripeObject, parameters: dict[str, Any]) -> None:
    changes = {name: value for name, value in parameters.items() if name not in EXPAND}
    if "metadata" in changes:
        changes["metadata"] = merged(customer["metadata"], changes["metadata"])
    if "address" in changes:
        changes["address"] = {**dict.fromkeys(ADDRESS_FIELDS), **changes["address"]}
    if "invoice_settings" in changes:
        method = changes["invoice_settings"].get("default_payment_method")
        if method:
            method = payment_methods.attached(account, method, customer["id"])["id"]
        changes["invoice_settings"] = {
            **customer["invoice_settings"],
            "default_payment_method": method,
        }
    customer.update(changes)


def merged(before: dict[str, str], changes: dict[str, str]) -> dict[str, str]:
    """Metadata after an update: keys are added and replaced, an empty value removes its key."""
    if not changes:
        return {}
    return {key: value for key, value in {**before, **changes}.items() if value}

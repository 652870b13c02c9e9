"""Customers: https://docs.stripe.com/api/customers"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe.account import PAGE, Account, StripeObject
from local.sandboxes.stripe.errors import no_such
from local.sandboxes.stripe.parameters import hash_of, metadata, read_all, text

ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")
FIELDS = {
    "address": hash_of({name: text() for name in ADDRESS_FIELDS}),
    "description": text(),
    "email": text(512),
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
    return _apply(customer, parameters)


def retrieve(account: Account, id: str) -> StripeObject:
    """`GET /v1/customers/<id>`: a deleted customer stays retrievable, marked as deleted."""
    if id not in account.customers:
        raise no_such("customer", id, param="id")
    return account.customers[id]


def update(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/customers/<id>`"""
    parameters = read_all(raw, FIELDS)
    return _apply(existing(account, id, param="id", status=404), parameters)


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
    existing(account, id, param="id", status=404)
    account.customers[id] = {"id": id, "object": "customer", "deleted": True}
    now = account.now()
    for record in (*account.schedules.values(), *account.subscriptions.values()):
        if record["customer"] == id and record["status"] in ("not_started", "active"):
            record.update(status="canceled", canceled_at=now)
    return account.customers[id]


def existing(account: Account, id: str, *, param: str, status: int = 400) -> StripeObject:
    """The customer, unless it is unknown or deleted."""
    customer = account.customers.get(id)
    if customer is None or customer.get("deleted"):
        raise no_such("customer", id, param=param, status=status)
    return customer


def _apply(customer: StripeObject, parameters: dict[str, Any]) -> StripeObject:
    changes = dict(parameters)
    if "metadata" in changes:
        changes["metadata"] = merged(customer["metadata"], changes["metadata"])
    if "address" in changes:
        changes["address"] = {**dict.fromkeys(ADDRESS_FIELDS), **changes["address"]}
    customer.update(changes)
    return customer


def merged(before: dict[str, str], changes: dict[str, str]) -> dict[str, str]:
    """Metadata after an update: keys are added and replaced, an empty value removes its key."""
    if not changes:
        return {}
    return {key: value for key, value in {**before, **changes}.items() if value}

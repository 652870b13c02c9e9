"""The requests about invoices: https://docs.stripe.com/api/invoices"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import (
    collection,
    customers,
    invoice_lines,
    invoice_payments,
    invoices,
    payment_intents,
    payment_methods,
)
from local.sandboxes.stripe.account import (
    EXPAND,
    Account,
    StripeObject,
    existing,
    live_customer,
)
from local.sandboxes.stripe.errors import ApiError, missing_parameter
from local.sandboxes.stripe.parameters import (
    boolean,
    hash_of,
    integer,
    metadata,
    one_of,
    read_all,
    text,
)

INVOICE = {
    **EXPAND,
    "auto_advance": boolean,
    "automatic_tax": hash_of({"enabled": boolean}, required=("enabled",)),
    "collection_method": one_of("charge_automatically", "send_invoice"),
    "currency": text(3),
    "customer": text(),
    "days_until_due": integer(0),
    "default_payment_method": text(),
    "description": text(1500),
    "metadata": metadata,
    "pending_invoice_items_behavior": one_of("exclude", "include"),
}
KEPT = ("collection_method", "days_until_due", "default_payment_method", "description", "metadata")


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/invoices`: a draft, which stays one unless it shall advance by itself."""
    parameters = read_all(raw, INVOICE, required=("customer",))
    customer = live_customer(account, parameters["customer"])
    sent = parameters.get("collection_method") == "send_invoice"
    if sent and "days_until_due" not in parameters:
        raise missing_parameter("days_until_due")
    fields = {name: parameters[name] for name in KEPT if name in parameters}
    include = parameters.get("pending_invoice_items_behavior") == "include"
    waiting = invoice_lines.pending(account, customer["id"], None) if include else []
    currencies = {item["currency"] for item in waiting}
    currency = parameters.get("currency") or customer["currency"] or "usd"
    if currencies - {currency}:
        raise ApiError(400, f"The pending invoice items are not all in {currency}.")
    invoice = invoices.draft(
        account,
        customer,
        currency,
        [invoice_lines.item_line(account, item) for item in waiting],
        automatic_tax=parameters.get("automatic_tax"),
        auto_advance=parameters.get("auto_advance", False),
        **fields,
    )
    collection.take(account, invoice, waiting)
    if invoice["auto_advance"]:
        collection.schedule(account, invoice)
    return account.expanded(invoice, parameters)


def update(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/invoices/<id>`: whether it advances by itself, and its metadata."""
    fields = {name: INVOICE[name] for name in ("auto_advance", "expand", "metadata")}
    parameters = read_all(raw, fields)
    invoice = existing(account.invoices, id, "invoice")
    if "metadata" in parameters:
        invoice["metadata"] = customers.merged(invoice["metadata"], parameters["metadata"])
    advance = parameters.get("auto_advance", invoice["auto_advance"])
    invoices.set_advance(account, invoice, advance)
    if invoice["automatically_finalizes_at"]:
        collection.schedule(account, invoice)
    return account.expanded(invoice, parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/invoices/<id>`"""
    return account.retrieved(account.invoices, id, raw, "invoice")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/invoices`"""
    wanted = dict(raw)
    subscription = wanted.pop("subscription", None)
    rows = (
        row
        for row in account.invoices.values()
        if subscription in (None, invoices.subscription_of(row))
    )
    names = ("collection_method", "customer", "status")
    return account.listed(rows, wanted, "/v1/invoices", *names, ranges=("due_date",))


def list_lines(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/invoices/<id>/lines`, in the order of the invoice."""
    existing(account.invoices, id, "invoice")
    return account.listed(account.lines[id][::-1], raw, f"/v1/invoices/{id}/lines")


def finalize(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/invoices/<id>/finalize`"""
    parameters = read_all(raw, {**EXPAND, "auto_advance": boolean})
    invoice = existing(account.invoices, id, "invoice")
    invoice["auto_advance"] = parameters.get("auto_advance", invoice["auto_advance"])
    collection.finalize(account, invoice)
    return account.expanded(invoice, parameters)


def pay(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/invoices/<id>/pay`: by a card, or outside Stripe; a draft is finalised first."""
    fields = {"off_session": boolean, "paid_out_of_band": boolean, "payment_method": text()}
    parameters = read_all(raw, {**EXPAND, **fields})
    invoice = existing(account.invoices, id, "invoice")
    method = None
    if chosen := parameters.get("payment_method"):
        method = payment_methods.attached(account, chosen, invoice["customer"])
    if invoice["status"] == "draft":
        invoice["auto_advance"] = False
        collection.finalize(account, invoice)
        if invoice["status"] == "paid":
            return account.expanded(invoice, parameters)
    _check_payable(invoice)
    if parameters.get("paid_out_of_band"):
        collection.pay_outside(account, invoice)
    elif not collection.charge(account, invoice, method):
        raise _declined(account, invoice)
    return account.expanded(invoice, parameters)


def attach_payment(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/invoices/<id>/attach_payment`, of a payment intent."""
    fields = {**EXPAND, "payment_intent": text()}
    parameters = read_all(raw, fields, required=("payment_intent",))
    invoice = existing(account.invoices, id, "invoice")
    _check_payable(invoice)
    intent = existing(
        account.payment_intents,
        parameters["payment_intent"],
        "payment_intent",
        param="payment_intent",
        status=400,
    )
    collection.attach(account, invoice, intent)
    return account.expanded(invoice, parameters)


def void(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/invoices/<id>/void`"""
    parameters = read_all(raw, EXPAND)
    invoice = existing(account.invoices, id, "invoice")
    invoices.void(account, invoice)
    invoice_payments.follow(account, invoice, "void_invoice")
    return account.expanded(invoice, parameters)


def mark_uncollectible(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/invoices/<id>/mark_uncollectible`"""
    parameters = read_all(raw, EXPAND)
    invoice = existing(account.invoices, id, "invoice")
    invoices.mark_uncollectible(account, invoice)
    return account.expanded(invoice, parameters)


def _check_payable(invoice: StripeObject) -> None:
    if invoice["status"] == "paid":
        raise ApiError(400, "Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise ApiError(400, f"An invoice in status {invoice['status']} cannot be paid.")


def _declined(account: Account, invoice: StripeObject) -> ApiError:
    payment = invoice_payments.default_of(account, invoice)
    intent = payment and invoice_payments.intent_of(account, payment)
    if not intent or not intent["latest_charge"]:
        message = "There is no default_payment_method set on this Customer or Invoice."
        return ApiError(400, message, code="resource_missing")
    return payment_intents.declined(account.charges[intent["latest_charge"]])

"""The requests about invoice items: https://docs.stripe.com/api/invoiceitems

An item is an amount, or a product's price in place with a quantity; it waits for the next invoice
unless it names a draft.
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import catalogue, collection, invoice_lines, invoices
from local.sandboxes.stripe.account import (
    EXPAND,
    Account,
    StripeObject,
    existing,
    live_customer,
)
from local.sandboxes.stripe.amounts import rounded
from local.sandboxes.stripe.errors import ApiError, missing_parameter
from local.sandboxes.stripe.parameters import boolean, hash_of, integer, metadata, read_all, text

ITEM = {
    **EXPAND,
    "amount": integer(),
    "currency": text(3),
    "customer": text(),
    "description": text(),
    "invoice": text(),
    "metadata": metadata,
    "period": hash_of({"end": integer(0), "start": integer(0)}, required=("end", "start")),
    "price_data": catalogue.ONE_TIME_PRICE_DATA,
    "quantity": integer(0),
}


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/invoiceitems`"""
    parameters = read_all(raw, ITEM, required=("customer",))
    customer = live_customer(account, parameters["customer"])
    period = parameters.get("period", {"start": account.now(), "end": account.now()})
    quantity = parameters.get("quantity", 1)
    price = None
    if "price_data" in parameters:
        price = catalogue.add_price(account, parameters["price_data"], "price_data")
        amount = rounded(invoice_lines.price_of(price, quantity), price["currency"])
        currency = price["currency"]
    elif "amount" in parameters and "currency" in parameters:
        amount, currency = parameters["amount"], parameters["currency"].lower()
    else:
        raise missing_parameter("amount")
    draft = _draft(account, parameters.get("invoice"), currency)
    item = invoice_lines.add_item(
        account,
        customer["id"],
        amount,
        currency,
        period=(period["start"], period["end"]),
        quantity=quantity,
        description=parameters.get("description")
        or (price and invoice_lines.describe(account, price, quantity)),
        metadata=parameters.get("metadata", {}),
        pricing=price and invoice_lines.pricing(price),
    )
    if draft:
        invoices.put_lines(account, draft, [invoice_lines.item_line(account, item)])
        collection.take(account, draft, [item])
    return account.expanded(item, parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/invoiceitems/<id>`"""
    return account.retrieved(account.invoice_items, id, raw, "invoiceitem")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/invoiceitems`: all, those that wait for an invoice, or those that are on one."""
    wanted = dict(raw)
    pending = wanted.pop("pending", None)
    waits = pending and boolean(pending, "pending")
    rows = (
        item for item in account.invoice_items.values() if waits in (None, item["invoice"] is None)
    )
    return account.listed(rows, wanted, "/v1/invoiceitems", "customer", "invoice")


def delete(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`DELETE /v1/invoiceitems/<id>`, while it waits."""
    read_all(raw, {})
    item = existing(account.invoice_items, id, "invoiceitem")
    if item["invoice"]:
        raise ApiError(400, "This invoice item is on an invoice already.")
    invoice_lines.remove(account, item)
    return {"id": id, "object": "invoiceitem", "deleted": True}


def _draft(account: Account, id: str | None, currency: str) -> StripeObject | None:
    if id is None:
        return None
    invoice = existing(account.invoices, id, "invoice", param="invoice", status=400)
    if invoice["status"] != "draft" or invoice["currency"] != currency:
        message = f"Items in {currency} can be added to a draft invoice in {currency} only."
        raise ApiError(400, message, param="invoice")
    return invoice

"""Invoice payments, which say what pays an invoice: https://docs.stripe.com/api/invoice-payment

A finalised invoice has a default payment for all that remains. Others may pay parts of it, or all
of it outside Stripe: https://docs.stripe.com/invoicing/partial-payments

Unconfirmed: that an invoice marked as paid out of band has a payment by a payment record.
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import events, invoices, payment_intents
from local.sandboxes.stripe.account import EXPAND, PAGE, Account, StripeObject
from local.sandboxes.stripe.parameters import hash_of, one_of, read_all, text

BY_INTENT, BY_RECORD = "payment_intent", "payment_record"


def add_default(account: Account, invoice: StripeObject) -> None:
    """The payment of all that is due, which is still to be made."""
    intent = payment_intents.new(
        account,
        invoice["amount_remaining"],
        invoice["currency"],
        invoice["customer"],
        description=f"Invoice {invoice['number']}",
    )
    _add(account, invoice, BY_INTENT, intent["id"], invoice["amount_remaining"], default=True)


def default_of(account: Account, invoice: StripeObject) -> StripeObject | None:
    """The default payment while it is open."""
    return next(
        (
            payment
            for payment in account.payments[invoice["id"]]
            if payment["is_default"] and payment["status"] == "open"
        ),
        None,
    )


def intent_of(account: Account, payment: StripeObject) -> StripeObject:
    """The payment intent behind a payment."""
    return account.payment_intents[payment["payment"][BY_INTENT]]


def attach(account: Account, invoice: StripeObject, intent: StripeObject) -> None:
    """Pay a part of it by a payment that has been made."""
    amount = intent["amount_received"]
    pay(account, invoice, _add(account, invoice, BY_INTENT, intent["id"], amount))


def pay_outside(account: Account, invoice: StripeObject) -> None:
    """All that remains was paid outside Stripe."""
    record = account.new_id("payrec")
    pay(account, invoice, _add(account, invoice, BY_RECORD, record, invoice["amount_remaining"]))


def pay(account: Account, invoice: StripeObject, payment: StripeObject) -> None:
    """The payment was made."""
    amount = payment["amount_requested"]
    payment.update(amount_paid=amount, status="paid")
    payment["status_transitions"]["paid_at"] = account.now()
    invoices.apply(account, invoice, amount, outside=payment["payment"]["type"] == BY_RECORD)
    follow(account, invoice)
    events.emit(account, "invoice_payment.paid", payment)


def follow(account: Account, invoice: StripeObject, reason: str = "automatic") -> None:
    """Keep the default payment at what remains, and cancel it when nothing does."""
    default = default_of(account, invoice)
    if default is None:
        return
    intent = intent_of(account, default)
    if invoice["status"] == "void" or not invoice["amount_remaining"]:
        default["status"] = "canceled"
        default["status_transitions"]["canceled_at"] = account.now()
        payment_intents.drop(account, intent, reason)
    else:
        default["amount_requested"] = intent["amount"] = invoice["amount_remaining"]


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/invoice_payments/<id>`"""
    return account.retrieved(account.invoice_payments, id, raw, "invoice_payment")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/invoice_payments`, of an invoice or by what paid."""
    by = {"type": one_of(BY_INTENT, BY_RECORD), BY_INTENT: text(), BY_RECORD: text()}
    fields = {
        "invoice": text(),
        "payment": hash_of(by, required=("type",)),
        "status": one_of("canceled", "open", "paid"),
    }
    parameters = read_all(raw, {**PAGE, **EXPAND, **fields})
    invoice, status = parameters.get("invoice"), parameters.get("status")
    rows = account.payments[invoice] if invoice else account.invoice_payments.values()
    wanted = parameters.get("payment", {}).items()
    rows = [
        row for row in rows if status in (None, row["status"]) and wanted <= row["payment"].items()
    ]
    return account.expanded(account.page(rows, parameters, "/v1/invoice_payments"), parameters)


def _add(
    account: Account, invoice: StripeObject, by: str, id: str, amount: int, *, default: bool = False
) -> StripeObject:
    payment = {
        "id": account.new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": amount,
        "created": account.now(),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": default,
        "livemode": False,
        "payment": {by: id, "type": by},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    account.invoice_payments[payment["id"]] = payment
    account.payments[invoice["id"]].append(payment)
    return payment

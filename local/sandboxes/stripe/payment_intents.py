"""Payment intents: https://docs.stripe.com/api/payment_intents

An invoice has its own, which only the invoice's payment confirms; others are made for payments that
are attached to invoices afterwards: https://docs.stripe.com/invoicing/partial-payments
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import charges, events, payment_methods
from local.sandboxes.stripe.account import (
    EXPAND,
    Account,
    StripeObject,
    existing,
    live_customer,
)
from local.sandboxes.stripe.errors import ApiError
from local.sandboxes.stripe.parameters import boolean, integer, metadata, one_of, read_all, text

FIELDS = {
    **EXPAND,
    "amount": integer(1, 99_999_999),
    "confirm": boolean,
    "currency": text(3),
    "customer": text(),
    "description": text(1000),
    "metadata": metadata,
    "off_session": boolean,
    "payment_method": text(),
    "payment_method_types": lambda value, name: value,
}
OPEN = ("requires_payment_method", "requires_confirmation")


def new(
    account: Account,
    amount: int,
    currency: str,
    customer: str | None,
    *,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> StripeObject:
    """A payment that is still to be made."""
    intent = {
        "id": account.new_id("pi"),
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": None,
        "confirmation_method": "automatic",
        "created": account.now(),
        "currency": currency,
        "customer": customer,
        "description": description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    account.payment_intents[intent["id"]] = intent
    events.emit(account, "payment_intent.created", intent)
    return intent


def confirm(account: Account, intent: StripeObject, method: StripeObject) -> bool:
    """Charge it; says whether that succeeded."""
    charge = charges.make(account, intent, method)
    intent["latest_charge"] = charge["id"]
    if not charge["paid"]:
        intent["last_payment_error"] = {**declined(charge).fields(), "payment_method": method}
        events.emit(account, "payment_intent.payment_failed", intent)
        return False
    intent.update(
        amount_received=intent["amount"],
        last_payment_error=None,
        payment_method=method["id"],
        status="succeeded",
    )
    events.emit(account, "payment_intent.succeeded", intent)
    return True


def declined(charge: StripeObject) -> ApiError:
    """402: https://docs.stripe.com/declines/codes"""
    return ApiError(
        402,
        charge["failure_message"],
        type="card_error",
        code=charge["failure_code"],
        decline_code="generic_decline",
        charge=charge["id"],
    )


def drop(account: Account, intent: StripeObject, reason: str) -> None:
    """Cancel a payment that is not made."""
    intent.update(status="canceled", canceled_at=account.now(), cancellation_reason=reason)
    events.emit(account, "payment_intent.canceled", intent)


def pays_invoice(account: Account, id: str) -> bool:
    """Whether it pays an invoice, or is to."""
    return any(
        payment["payment"].get("payment_intent") == id
        for payment in account.invoice_payments.values()
    )


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/payment_intents`; with `confirm` it is charged at once."""
    parameters = read_all(raw, FIELDS, required=("amount", "currency", "customer"))
    customer = live_customer(account, parameters["customer"])
    intent = new(
        account,
        parameters["amount"],
        parameters["currency"].lower(),
        customer["id"],
        description=parameters.get("description"),
        metadata=parameters.get("metadata"),
    )
    if parameters.get("confirm"):
        _confirm(account, intent, parameters)
    return account.expanded(intent, parameters)


def confirm_one(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/payment_intents/<id>/confirm`"""
    fields = {**EXPAND, "off_session": boolean, "payment_method": text()}
    parameters = read_all(raw, fields)
    intent = _changeable(account, id)
    _confirm(account, intent, parameters)
    return account.expanded(intent, parameters)


def cancel(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/payment_intents/<id>/cancel`"""
    reasons = one_of("abandoned", "duplicate", "fraudulent", "requested_by_customer")
    parameters = read_all(raw, {**EXPAND, "cancellation_reason": reasons})
    intent = _changeable(account, id)
    drop(account, intent, parameters.get("cancellation_reason"))
    return account.expanded(intent, parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/payment_intents/<id>`"""
    return account.retrieved(account.payment_intents, id, raw, "payment_intent")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/payment_intents`"""
    rows = account.payment_intents.values()
    return account.listed(rows, raw, "/v1/payment_intents", "customer")


def _changeable(account: Account, id: str) -> StripeObject:
    intent = existing(account.payment_intents, id, "payment_intent")
    if intent["status"] not in OPEN:
        message = f"This PaymentIntent's status is {intent['status']}."
        raise ApiError(400, message, code="payment_intent_unexpected_state")
    if pays_invoice(account, id):
        message = "The default payment of an invoice changes with its invoice only."
        raise ApiError(400, message, code="payment_intent_unexpected_state")
    return intent


def _confirm(account: Account, intent: StripeObject, parameters: dict[str, Any]) -> None:
    method = parameters.get("payment_method")
    if not method:
        message = "A payment is confirmed with a payment method."
        raise ApiError(400, message, param="payment_method")
    card = payment_methods.attached(account, method, intent["customer"])
    if not confirm(account, intent, card):
        raise declined(account.charges[intent["latest_charge"]])

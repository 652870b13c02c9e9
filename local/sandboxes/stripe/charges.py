"""Charges: https://docs.stripe.com/api/charges

A payment intent that is confirmed makes one, which succeeds or is declined at once. A successful
one is settled as the account says; the card for disputes is disputed right away.
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import balance, disputes, events, payouts
from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.payment_methods import DECLINED_DIGITS, DISPUTED_DIGITS

DECLINE_CODE = "card_declined"
DECLINE_MESSAGE = "Your card was declined."


def make(account: Account, intent: StripeObject, method: StripeObject) -> StripeObject:
    """Charge the amount of a payment intent to a card; look at `paid` for what came of it."""
    card = method["card"]
    paid = card["last4"] != DECLINED_DIGITS
    charge = _charge(account, intent, method, paid)
    account.charges[charge["id"]] = charge
    if not paid:
        events.emit(account, "charge.failed", charge)
        return charge
    settled = balance.move(
        account,
        charge["amount"],
        currency=charge["currency"],
        source=charge["id"],
        type="charge",
        category="charge",
        description=charge["description"] or "Payment",
        fee=balance.payment_fee(charge["amount"], charge["currency"]),
        available_after=balance.AVAILABLE_AFTER,
    )
    charge["balance_transaction"] = settled["id"]
    payouts.collect(account, settled)
    events.emit(account, "charge.succeeded", charge)
    if card["last4"] == DISPUTED_DIGITS:
        account.agenda.at(account.now(), lambda: disputes.open_on(account, charge))
    return charge


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/charges/<id>`"""
    return account.retrieved(account.charges, id, raw, "charge")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/charges`"""
    rows = account.charges.values()
    return account.listed(rows, raw, "/v1/charges", "customer", "payment_intent")


def _charge(
    account: Account, intent: StripeObject, method: StripeObject, paid: bool
) -> StripeObject:
    card = method["card"]
    details = {name: card[name] for name in ("brand", "country", "exp_month", "exp_year")} | {
        "checks": None,
        "fingerprint": card["fingerprint"],
        "funding": card["funding"],
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "network": card["brand"],
        "three_d_secure": None,
        "wallet": None,
    }
    return {
        "id": account.new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if paid else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "INTERLOCK",
        "captured": paid,
        "created": account.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None if paid else DECLINE_CODE,
        "failure_message": None if paid else DECLINE_MESSAGE,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": {
            "advice_code": None if paid else "try_again_later",
            "network_advice_code": None,
            "network_decline_code": None if paid else "generic_decline",
            "network_status": "approved_by_network" if paid else "declined_by_network",
            "reason": None if paid else "generic_decline",
            "risk_level": "normal",
            "risk_score": 10,
            "seller_message": "Payment complete." if paid else "The bank declined the payment.",
            "type": "authorized" if paid else "issuer_declined",
        },
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": details, "type": "card"},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if paid else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }

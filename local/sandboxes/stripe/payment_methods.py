"""Payment methods: https://docs.stripe.com/api/payment_methods

Stripe's documented test cards, each of which becomes a payment method of its own when it is
attached to a customer: https://docs.stripe.com/testing
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import events
from local.sandboxes.stripe.account import (
    EXPAND,
    Account,
    StripeObject,
    existing,
    live_customer,
)
from local.sandboxes.stripe.errors import ApiError
from local.sandboxes.stripe.parameters import read_all, text

DECLINED = "pm_card_chargeCustomerFail"
DISPUTED = "pm_card_createDispute"
# The card that a test payment method stands for: brand and last four digits.
TEST_CARDS = {
    "pm_card_visa": ("visa", "4242"),
    "pm_card_mastercard": ("mastercard", "4444"),
    DECLINED: ("visa", "0341"),
    DISPUTED: ("visa", "0259"),
}
DECLINED_DIGITS = TEST_CARDS[DECLINED][1]
DISPUTED_DIGITS = TEST_CARDS[DISPUTED][1]


def attach(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/payment_methods/<id>/attach`"""
    parameters = read_all(raw, {**EXPAND, "customer": text()}, required=("customer",))
    customer = live_customer(account, parameters["customer"])
    return account.expanded(attached(account, id, customer["id"]), parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/payment_methods/<id>`"""
    return account.retrieved(account.payment_methods, id, raw, "PaymentMethod")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/payment_methods`, of a customer."""
    rows = account.payment_methods.values()
    return account.listed(rows, raw, "/v1/payment_methods", "customer", "type")


def attached(account: Account, id: str, customer: str) -> StripeObject:
    """The customer's payment method: this one, or a new one from a test card."""
    if id not in TEST_CARDS:
        method = existing(
            account.payment_methods, id, "PaymentMethod", param="payment_method", status=400
        )
        if method["customer"] != customer:
            raise ApiError(400, "The payment method belongs to another customer.")
        return method
    brand, digits = TEST_CARDS[id]
    method = {
        "id": account.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": None,
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "card": {
            "brand": brand,
            "checks": None,
            "country": "US",
            "display_brand": brand,
            "exp_month": 12,
            "exp_year": 2099,
            "fingerprint": f"fingerprint{digits}",
            "funding": "credit",
            "generated_from": None,
            "last4": digits,
            "networks": {"available": [brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": account.now(),
        "customer": customer,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }
    account.payment_methods[method["id"]] = method
    events.emit(account, "payment_method.attached", method)
    return method

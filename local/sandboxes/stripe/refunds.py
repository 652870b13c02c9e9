"""Refunds: https://docs.stripe.com/refunds and https://docs.stripe.com/api/refunds

A refund of a card payment succeeds at once; the fee of the payment is not returned.
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import balance, customers, events, payouts
from local.sandboxes.stripe.account import EXPAND, Account, StripeObject, existing
from local.sandboxes.stripe.errors import ApiError, missing_parameter
from local.sandboxes.stripe.parameters import integer, metadata, one_of, read_all, text

REFUND = {
    **EXPAND,
    "amount": integer(1),
    "charge": text(),
    "metadata": metadata,
    "payment_intent": text(),
    "reason": one_of("duplicate", "fraudulent", "requested_by_customer"),
}


def make(
    account: Account,
    charge: StripeObject,
    amount: int,
    *,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> StripeObject:
    """Give back so much of a charge. Raises ApiError when that is not possible."""
    _check(charge, amount)
    refund = {
        "id": account.new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "destination_details": {
            "card": {"reference_status": "pending", "type": "refund"},
            "type": "card",
        },
        "metadata": metadata or {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    account.refunds[refund["id"]] = refund
    refund["balance_transaction"] = _move(account, refund, -amount, "refund")["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    events.emit(account, "refund.created", refund)
    events.emit(account, "charge.refunded", charge)
    return refund


def fail(account: Account, refund: StripeObject) -> None:
    """The customer's bank cannot take it: the money is in the balance again."""
    refund["failure_balance_transaction"] = _move(
        account, refund, refund["amount"], "refund_failure"
    )["id"]
    refund.update(status="failed", failure_reason="expired_or_canceled_card")
    charge = account.charges[refund["charge"]]
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    events.emit(account, "refund.failed", refund)
    events.emit(account, "refund.updated", refund)


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/refunds`: of a charge or of a payment intent's; of all that is left of it."""
    parameters = read_all(raw, REFUND)
    charge = _charge(account, parameters)
    left = charge["amount"] - charge["amount_refunded"]
    rest = {name: parameters[name] for name in ("reason", "metadata") if name in parameters}
    return account.expanded(
        make(account, charge, parameters.get("amount", left), **rest), parameters
    )


def update(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/refunds/<id>`: its metadata."""
    parameters = read_all(raw, {**EXPAND, "metadata": metadata})
    refund = existing(account.refunds, id, "refund")
    refund["metadata"] = customers.merged(refund["metadata"], parameters.get("metadata", {}))
    events.emit(account, "refund.updated", refund)
    return account.expanded(refund, parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/refunds/<id>`"""
    return account.retrieved(account.refunds, id, raw, "refund")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/refunds`"""
    rows = account.refunds.values()
    return account.listed(rows, raw, "/v1/refunds", "charge", "payment_intent")


def _move(account: Account, refund: StripeObject, amount: int, type: str) -> StripeObject:
    moved = balance.move(
        account,
        amount,
        currency=refund["currency"],
        source=refund["id"],
        type=type,
        category=type,
        description="REFUND FOR PAYMENT" if amount < 0 else "REFUND FAILURE",
    )
    payouts.collect(account, moved)
    return moved


def _charge(account: Account, parameters: dict[str, Any]) -> StripeObject:
    if id := parameters.get("charge"):
        return existing(account.charges, id, "charge", param="charge", status=400)
    if id := parameters.get("payment_intent"):
        kind = "payment_intent"
        intent = existing(account.payment_intents, id, kind, param=kind, status=400)
        if intent["latest_charge"]:
            return account.charges[intent["latest_charge"]]
        raise ApiError(400, f"This PaymentIntent ({id}) does not have a successful charge.")
    raise missing_parameter("charge")


def _check(charge: StripeObject, amount: int) -> None:
    left = charge["amount"] - charge["amount_refunded"]
    if not charge["paid"]:
        raise ApiError(400, f"Charge {charge['id']} has not succeeded.")
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back."
        raise ApiError(400, message, code="charge_disputed")
    if not left:
        message = f"Charge {charge['id']} has already been refunded."
        raise ApiError(400, message, code="charge_already_refunded")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise ApiError(400, message, param="amount")

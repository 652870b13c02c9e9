"""Disputes: https://docs.stripe.com/disputes and https://docs.stripe.com/api/disputes

The customer's bank takes the money back, with a fee, until the dispute is decided. As at Stripe, a
test dispute is won or lost by the evidence's text: https://docs.stripe.com/testing#disputes

Unconfirmed: that the fee of a dispute that is won is not returned.
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import balance, events, payouts
from local.sandboxes.stripe.account import EXPAND, Account, StripeObject, existing
from local.sandboxes.stripe.agenda import DAY
from local.sandboxes.stripe.errors import ApiError
from local.sandboxes.stripe.parameters import boolean, hash_of, metadata, read_all, text

FEE = 1500
DAYS_TO_RESPOND = 14
TEXTS = (
    *("access_activity_log", "billing_address", "cancellation_policy"),
    *("cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication"),
    *("customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature"),
    *("duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id"),
    *("product_description", "receipt", "refund_policy", "refund_policy_disclosure"),
    *("refund_refusal_explanation", "service_date", "service_documentation", "shipping_address"),
    *("shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number"),
    *("uncategorized_file", "uncategorized_text"),
)
OUTCOMES = {"winning_evidence": "won", "losing_evidence": "lost"}
UNDECIDED = ("needs_response", "under_review")


def open_on(
    account: Account, charge: StripeObject, *, amount: int | None = None, reason: str = "fraudulent"
) -> StripeObject:
    """The customer disputes a charge, or a part of it."""
    dispute = _dispute(account, charge, amount or charge["amount"], reason)
    account.disputes[dispute["id"]] = dispute
    charge["disputed"] = True
    withdrawn = _move(account, dispute, -dispute["amount"], "dispute", "Chargeback withdrawal")
    dispute["balance_transactions"].append(withdrawn)
    events.emit(account, "charge.dispute.created", dispute)
    events.emit(account, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def decide(account: Account, dispute: StripeObject, outcome: str) -> None:
    """The bank decides: "won" gives the money back, "lost" keeps it."""
    if dispute["status"] not in UNDECIDED:
        raise ApiError(400, f"This dispute is already {dispute['status']}.")
    dispute["status"] = outcome
    if outcome == "won":
        back = _move(account, dispute, dispute["amount"], "dispute_reversal", "Chargeback reversal")
        dispute["balance_transactions"].append(back)
    events.emit(account, "charge.dispute.closed", dispute)
    if outcome == "won":
        events.emit(account, "charge.dispute.funds_reinstated", dispute)


def update(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/disputes/<id>`: evidence, which is submitted unless it says otherwise."""
    evidence = hash_of({name: text(20_000) for name in TEXTS})
    fields = {**EXPAND, "evidence": evidence, "metadata": metadata, "submit": boolean}
    parameters = read_all(raw, fields)
    dispute = existing(account.disputes, id, "dispute")
    dispute["metadata"].update(parameters.get("metadata", {}))
    given = parameters.get("evidence", {})
    dispute["evidence"].update(given)
    dispute["evidence_details"]["has_evidence"] |= bool(given)
    if given and parameters.get("submit", True):
        dispute["evidence_details"]["submission_count"] += 1
        dispute["status"] = "under_review"
        events.emit(account, "charge.dispute.updated", dispute)
        if outcome := OUTCOMES.get(dispute["evidence"]["uncategorized_text"]):
            decide(account, dispute, outcome)
    return account.expanded(dispute, parameters)


def close(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/disputes/<id>/close`: give in."""
    parameters = read_all(raw, EXPAND)
    dispute = existing(account.disputes, id, "dispute")
    decide(account, dispute, "lost")
    return account.expanded(dispute, parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/disputes/<id>`"""
    return account.retrieved(account.disputes, id, raw, "dispute")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/disputes`"""
    rows = account.disputes.values()
    return account.listed(rows, raw, "/v1/disputes", "charge", "payment_intent")


def _move(
    account: Account, dispute: StripeObject, amount: int, category: str, description: str
) -> StripeObject:
    moved = balance.move(
        account,
        amount,
        currency=dispute["currency"],
        source=dispute["id"],
        type="adjustment",
        category=category,
        description=f"{description} for {dispute['charge']}",
        fee=FEE if amount < 0 else 0,
        fee_description="Dispute fee",
    )
    payouts.collect(account, moved)
    return moved


def _dispute(account: Account, charge: StripeObject, amount: int, reason: str) -> StripeObject:
    card = charge["payment_method_details"]["card"]
    return {
        "id": account.new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(TEXTS), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": account.now() + DAYS_TO_RESPOND * DAY,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card["brand"],
                "case_type": "chargeback",
                "network": card["brand"],
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }

"""Stripe's objects of billing as Stripe answers them: each is held against its description."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from interlock.connectors.billing.stripe_requests import API_VERSION

Object = dict[str, Any]

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
CUSTOMER = "cus_1"


def seconds(*date: int) -> int:
    """A time in UTC as Stripe writes it."""
    return int(datetime(*date, tzinfo=UTC).timestamp())


CREATED = seconds(2026, 11, 2, 9, 30)
# A year of service, the first second of the next year being the period's end.
YEAR = {"start": seconds(2026, 11, 2), "end": seconds(2027, 11, 2)}


def customer(**changes: Any) -> Object:
    """The customer of an account of the CRM."""
    return {
        "id": CUSTOMER,
        "object": "customer",
        "created": CREATED,
        "default_source": None,
        "description": None,
        "email": "billing@acme.example",
        "livemode": False,
        "metadata": {"interlock_account_id": "crm:acme"},
        "shipping": None,
    } | changes


def tax_rate(id: str = "txr_19", percentage: float = 19.0, **changes: Any) -> Object:
    """A rate of VAT."""
    return {
        "id": id,
        "object": "tax_rate",
        "active": True,
        "created": CREATED,
        "display_name": "VAT",
        "inclusive": False,
        "livemode": False,
        "percentage": percentage,
        "effective_percentage": None,
    } | changes


def tax(amount: int, taxable: int | None, rate: str = "txr_19", **changes: Any) -> Object:
    """A tax of a line, on top of its price."""
    return {
        "amount": amount,
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": rate},
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    } | changes


def discount(amount: int) -> Object:
    """A discount of a line."""
    return {"amount": amount, "discount": "di_1"}


def line(id: str, amount: int, *, proration: bool = False, **changes: Any) -> Object:
    """A line of an invoice: a year of the platform."""
    return {
        "id": id,
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "description": "Platform for a year",
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": "in_1",
        "livemode": False,
        "metadata": {},
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": None},
                "subscription": "sub_1",
                "subscription_item": "si_1",
            },
        },
        "period": YEAR,
        "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details",
            "price_details": {"price": "price_1", "product": "PLATFORM-ANNUAL"},
            "unit_amount_decimal": str(amount),
        },
        "quantity": 1,
        "quantity_decimal": "1",
        "subscription": "sub_1",
        "subtotal": amount,
        "taxes": [],
    } | changes


def listed(data: list[Object], path: str) -> Object:
    """A list as it is embedded in an object."""
    return {"object": "list", "data": data, "has_more": False, "url": path}


def invoice(*lines: Object, tax: int = 0, included: int = 0, **changes: Any) -> Object:
    """A finalised invoice on these lines.

    `tax` is all of it; `included` what of it is in the lines' amounts already.
    """
    less = sum(each["amount"] for row in lines for each in row["discount_amounts"] or ())
    less += sum(
        each["amount"]
        for row in lines
        for each in row["pretax_credit_amounts"]
        if each["type"] != "discount"
    )
    net = sum(row["amount"] for row in lines) - less - included
    id = changes.get("id", "in_1")
    return {
        "id": id,
        "object": "invoice",
        "amount_due": net + tax,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": net + tax,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "enabled": False,
            "disabled_reason": None,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "collection_method": "send_invoice",
        "created": CREATED,
        "currency": "usd",
        "customer": CUSTOMER,
        "default_tax_rates": [],
        "discounts": [],
        "due_date": seconds(2026, 12, 2, 10, 30),
        "effective_at": seconds(2026, 11, 2, 10, 30),
        "ending_balance": 0,
        "issuer": {"type": "self"},
        "lines": listed(list(lines), f"/v1/invoices/{id}/lines"),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": "ACME-0001",
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "metadata": {
                    "interlock_account_id": "crm:acme",
                    "interlock_order_id": "crm:deal",
                    "interlock_subsidiary": "TESSALINE-US",
                },
                "subscription": "sub_1",
            },
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": CREATED,
        "period_start": CREATED,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "open",
        "status_transitions": {
            "finalized_at": seconds(2026, 11, 2, 10, 30),
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": net + less + included,
        "total": net + tax,
        "total_discount_amounts": [],
        "total_excluding_tax": net,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    } | changes


def invoice_payment(id: str = "inpay_1", **changes: Any) -> Object:
    """What was paid of an invoice through a payment intent."""
    return {
        "id": id,
        "object": "invoice_payment",
        "amount_paid": 120000,
        "amount_requested": 120000,
        "created": CREATED,
        "currency": "usd",
        "invoice": "in_1",
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": seconds(2026, 11, 20, 8)},
    } | changes


def payment_intent(**changes: Any) -> Object:
    """One that succeeded."""
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 120000,
        "amount_received": 120000,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
        "created": CREATED,
        "currency": "usd",
        "customer": CUSTOMER,
        "description": None,
        "last_payment_error": None,
        "latest_charge": "ch_1",
        "livemode": False,
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "status": "succeeded",
    } | changes


def charge(**changes: Any) -> Object:
    """One that succeeded."""
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 120000,
        "amount_captured": 120000,
        "amount_refunded": 0,
        "balance_transaction": "txn_charge",
        "billing_details": {
            "address": None,
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "captured": True,
        "created": seconds(2026, 11, 20, 8),
        "currency": "usd",
        "customer": CUSTOMER,
        "disputed": False,
        "livemode": False,
        "metadata": {},
        "paid": True,
        "payment_intent": "pi_1",
        "refunded": False,
        "status": "succeeded",
    } | changes


def balance_transaction(id: str, amount: int, category: str, **changes: Any) -> Object:
    """A movement of the balance."""
    fee = changes.get("fee", 0)
    return {
        "id": id,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": CREATED,
        "balance_type": "payments",
        "created": CREATED,
        "currency": "usd",
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": category,
        "source": None,
        "status": "available",
        "type": "adjustment",
    } | changes


def refund(id: str = "re_1", **changes: Any) -> Object:
    """A refund of a part of the charge."""
    return {
        "id": id,
        "object": "refund",
        "amount": 20000,
        "balance_transaction": "txn_refund",
        "charge": "ch_1",
        "created": seconds(2026, 11, 20, 9),
        "currency": "usd",
        "metadata": {},
        "payment_intent": "pi_1",
        "reason": "requested_by_customer",
        "status": "succeeded",
    } | changes


def dispute(*movements: Object, **changes: Any) -> Object:
    """A dispute of the whole charge."""
    return {
        "id": "dp_1",
        "object": "dispute",
        "amount": 120000,
        "balance_transactions": list(movements),
        "charge": "ch_1",
        "created": seconds(2026, 11, 10),
        "currency": "usd",
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": "needs_response",
    } | changes


def credit_note_line(id: str, amount: int, **changes: Any) -> Object:
    """A line of a credit note on the invoice's first line."""
    return {
        "id": id,
        "object": "credit_note_line_item",
        "amount": amount,
        "description": "Platform for a year",
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": "il_1",
        "livemode": False,
        "pretax_credit_amounts": [],
        "quantity": 1,
        "tax_rates": [],
        "taxes": [],
        "type": "invoice_line_item",
        "unit_amount": None,
        "unit_amount_decimal": None,
    } | changes


def credit_note(*lines: Object, tax: int = 0, **changes: Any) -> Object:
    """A credit note that lowers what is due."""
    net = sum(row["amount"] - row["discount_amount"] for row in lines)
    return {
        "id": "cn_1",
        "object": "credit_note",
        "amount": net + tax,
        "amount_shipping": 0,
        "created": seconds(2026, 11, 18, 23, 59),
        "currency": "usd",
        "customer": CUSTOMER,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": None,
        "invoice": "in_1",
        "lines": listed(list(lines), "/v1/credit_notes/cn_1/lines"),
        "livemode": False,
        "memo": None,
        "metadata": {},
        "number": "ACME-0001-CN-01",
        "out_of_band_amount": None,
        "pdf": "https://pay.stripe.example/credit_notes/cn_1/pdf",
        "post_payment_amount": 0,
        "pre_payment_amount": net + tax,
        "pretax_credit_amounts": [],
        "reason": "order_change",
        "refunds": [],
        "status": "issued",
        "subtotal": net,
        "total": net + tax,
        "total_excluding_tax": net,
        "total_taxes": [],
        "type": "pre_payment",
    } | changes


def customer_balance_transaction(amount: int) -> Object:
    """An entry on the customer's balance: a credit is negative."""
    return {
        "id": "cbtxn_1",
        "object": "customer_balance_transaction",
        "amount": amount,
        "created": CREATED,
        "credit_note": "cn_1",
        "currency": "usd",
        "customer": CUSTOMER,
        "description": None,
        "ending_balance": amount,
        "invoice": "in_1",
        "livemode": False,
        "metadata": {},
        "type": "credit_note",
    }


def payout(**changes: Any) -> Object:
    """An automatic payout that has arrived."""
    return {
        "id": "po_1",
        "object": "payout",
        "amount": 96000,
        "arrival_date": seconds(2026, 11, 23),
        "automatic": True,
        "created": seconds(2026, 11, 20),
        "currency": "usd",
        "livemode": False,
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "status": "paid",
        "type": "bank_account",
    } | changes


def event(type: str, record: Object, id: str = "evt_1", **changes: Any) -> Object:
    """Stripe's event of a record."""
    return {
        "id": id,
        "object": "event",
        "api_version": API_VERSION,
        "created": seconds(2026, 11, 19, 12),
        "data": {"object": record},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type,
    } | changes

"""Invoices, from draft to paid or void: https://docs.stripe.com/api/invoices

What an invoice says and how its state changes; who makes it and how it is paid is in `collection`.
A finalised invoice takes the customer's credit balance; one that comes to less than nothing adds
to it. https://docs.stripe.com/invoicing/integration/workflow-transitions
https://docs.stripe.com/billing/customer/balance

Unconfirmed: the type of the balance transaction of an invoice below zero, and that an invoice which
is partly paid or credited cannot be voided.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from local.sandboxes.stripe import customer_balance, events, metered, taxes
from local.sandboxes.stripe.account import Account, StripeObject, first_lines, live_customer
from local.sandboxes.stripe.agenda import DAY, HOUR
from local.sandboxes.stripe.errors import ApiError

# https://docs.stripe.com/invoicing/integration/automatic-advancement-collection
FINALISED_AFTER = HOUR
MANUAL = "manual"


def draft(
    account: Account,
    customer: StripeObject,
    currency: str,
    lines: Iterable[StripeObject],
    *,
    subscription: StripeObject | None = None,
    automatic_tax: dict[str, Any] | None = None,
    auto_advance: bool,
    **fields: Any,
) -> StripeObject:
    """A new invoice, whose lines may still change; `fields` are those that are not usual."""
    now = account.now()
    customer["currency"] = customer["currency"] or currency
    settings = subscription or {}
    days = fields.pop("days_until_due", settings.get("days_until_due"))
    id = account.new_id("in")
    invoice = {
        "id": id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Interlock sandbox",
        "account_tax_ids": None,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": auto_advance,
        "automatic_tax": _automatic_tax(automatic_tax or settings.get("automatic_tax", {})),
        "automatically_finalizes_at": now + FINALISED_AFTER if auto_advance else None,
        "billing_reason": MANUAL,
        "collection_method": settings.get("collection_method", "charge_automatically"),
        "created": now,
        "currency": currency,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None if days is None else now + days * DAY,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": _parent(subscription),
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "test_clock": None,
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "webhooks_delivered_at": now,
        **fields,
    }
    if auto_advance and invoice["collection_method"] == "charge_automatically":
        invoice["next_payment_attempt"] = now + FINALISED_AFTER
    account.invoices[id] = invoice
    put_lines(account, invoice, lines)
    events.emit(account, "invoice.created", invoice)
    return invoice


def put_lines(account: Account, invoice: StripeObject, lines: Iterable[StripeObject]) -> None:
    """Add lines to a draft, and make its totals anew."""
    own = account.lines[invoice["id"]]
    for line in lines:
        line["invoice"] = invoice["id"]
        own.append(line)
    _calculate(account, invoice)


def finalize(account: Account, invoice: StripeObject) -> None:
    """Make it open: from now on what it says stays, and what is due is to be paid."""
    _check_status(invoice, "finalised", "draft")
    customer = live_customer(account, invoice["customer"])
    _calculate(account, invoice)
    automatic_tax = invoice["automatic_tax"]
    if automatic_tax["status"] == "requires_location_inputs":
        reason = "finalization_requires_location_inputs"
        automatic_tax.update(enabled=False, disabled_reason=reason, status=None)
    number = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] += 1
    url = f"https://invoice.stripe.com/i/acct_sandbox/{invoice['id']}"
    invoice.update(
        automatically_finalizes_at=None,
        effective_at=account.now(),
        hosted_invoice_url=url,
        invoice_pdf=f"{url}/pdf",
        number=invoice["number"] or f"{customer['invoice_prefix']}-{number:04d}",
        status="open",
    )
    invoice["status_transitions"]["finalized_at"] = account.now()
    _take_balance(account, invoice, customer)
    events.emit(account, "invoice.finalized", invoice)


def apply(account: Account, invoice: StripeObject, amount: int, *, outside: bool = False) -> None:
    """A payment of so much; `outside` Stripe it is in no balance of ours."""
    invoice["amount_paid"] += amount
    invoice["amount_remaining"] -= amount
    if outside:
        invoice["amount_paid_off_stripe"] += amount


def settle(account: Account, invoice: StripeObject) -> bool:
    """Make an invoice of which nothing remains paid; says whether it was to be done."""
    if invoice["amount_remaining"] or invoice["status"] not in ("open", "uncollectible"):
        return False
    invoice.update(status="paid", auto_advance=False, attempted=True, next_payment_attempt=None)
    invoice["status_transitions"]["paid_at"] = account.now()
    events.emit(account, "invoice.paid", invoice)
    return True


def void(account: Account, invoice: StripeObject) -> None:
    """Make it worth nothing; the customer's credit that it took is given back."""
    _check_status(invoice, "voided", "open", "uncollectible")
    if invoice["amount_paid"] or invoice["pre_payment_credit_notes_amount"]:
        raise ApiError(400, "An invoice that is partly paid or credited cannot be voided.")
    taken = invoice["ending_balance"] - invoice["starting_balance"]
    customer = account.customers[invoice["customer"]]
    if taken and not customer.get("deleted"):
        customer_balance.move(
            account,
            customer,
            -taken,
            "unapplied_from_invoice",
            currency=invoice["currency"],
            invoice=invoice["id"],
        )
    invoice.update(status="void", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["voided_at"] = account.now()
    events.emit(account, "invoice.voided", invoice)


def mark_uncollectible(account: Account, invoice: StripeObject) -> None:
    """Give it up; it may still be paid."""
    _check_status(invoice, "marked uncollectible", "open")
    invoice.update(status="uncollectible", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["marked_uncollectible_at"] = account.now()
    events.emit(account, "invoice.marked_uncollectible", invoice)


def credit(account: Account, invoice: StripeObject, before: int, after: int) -> None:
    """A credit note takes so much off what is due, and so much off what was paid.

    Negative amounts take a credit note back.
    """
    invoice["amount_due"] -= before
    invoice["amount_remaining"] -= before
    invoice["pre_payment_credit_notes_amount"] += before
    invoice["post_payment_credit_notes_amount"] += after
    if not settle(account, invoice):
        events.emit(account, "invoice.updated", invoice)


def set_advance(account: Account, invoice: StripeObject, advance: bool) -> None:
    """Whether it is finalised and collected by itself from now on."""
    _check_status(invoice, "advanced", "draft", "open")
    invoice["auto_advance"] = advance
    if not advance:
        invoice.update(automatically_finalizes_at=None, next_payment_attempt=None)
    elif invoice["status"] == "draft":
        invoice["automatically_finalizes_at"] = account.now() + FINALISED_AFTER
    events.emit(account, "invoice.updated", invoice)


def stop(account: Account, name: str, id: str) -> None:
    """No longer finalise or collect by itself what belongs to a customer or a subscription."""
    for invoice in account.invoices.values():
        owner = invoice["customer"] if name == "customer" else subscription_of(invoice)
        if owner == id and invoice["auto_advance"]:
            set_advance(account, invoice, False)


def subscription_of(invoice: StripeObject) -> str | None:
    """The subscription that an invoice is for."""
    parent = invoice["parent"]
    return parent["subscription_details"]["subscription"] if parent else None


def _calculate(account: Account, invoice: StripeObject) -> None:
    """The totals of a draft, with the customer's usage, name and address of now."""
    metered.measure(account, invoice)
    customer = account.customers[invoice["customer"]]
    lines = account.lines[invoice["id"]]
    address = customer["address"] or {}
    automatic_tax = invoice["automatic_tax"]
    rates: list[StripeObject] = []
    if automatic_tax["enabled"]:
        known = bool(address.get("country"))
        automatic_tax["status"] = "complete" if known else "requires_location_inputs"
        rates = taxes.rates_in(account, address.get("country"))
    for line in lines:
        line["taxes"] = taxes.taxes_on(line["amount"], rates, invoice["currency"])
    subtotal = sum(line["amount"] for line in lines)
    total_taxes = taxes.summed(lines)
    total = subtotal + sum(each["amount"] for each in total_taxes)
    invoice.update(
        amount_due=max(total, 0),
        amount_remaining=max(total, 0),
        customer_address=customer["address"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        customer_phone=customer["phone"],
        lines=first_lines(lines, f"/v1/invoices/{invoice['id']}/lines"),
        starting_balance=customer_balance.of(account, customer, invoice["currency"]),
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal,
        total=total,
        total_excluding_tax=subtotal,
        total_taxes=total_taxes,
    )


def _take_balance(account: Account, invoice: StripeObject, customer: StripeObject) -> None:
    total = invoice["total"]
    balance = customer_balance.of(account, customer, invoice["currency"])
    # What is owed, in all, is due; what the customer has left, in all, stays.
    due = max(total + balance, 0)
    change = min(total + balance, 0) - balance
    if change:
        customer_balance.move(
            account,
            customer,
            change,
            "applied_to_invoice",
            currency=invoice["currency"],
            invoice=invoice["id"],
        )
    invoice.update(
        amount_due=due,
        amount_remaining=due,
        starting_balance=balance,
        ending_balance=balance + change,
    )


def _automatic_tax(settings: dict[str, Any]) -> StripeObject:
    enabled = settings.get("enabled", False)
    return {
        "disabled_reason": None,
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": None,
    }


def _parent(subscription: StripeObject | None) -> StripeObject | None:
    if subscription is None:
        return None
    return {
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
        },
        "type": "subscription_details",
    }


def _check_status(invoice: StripeObject, wanted: str, *allowed: str) -> None:
    if invoice["status"] not in allowed:
        message = f"An invoice in status {invoice['status']} cannot be {wanted}."
        raise ApiError(400, message, code="invoice_not_editable")

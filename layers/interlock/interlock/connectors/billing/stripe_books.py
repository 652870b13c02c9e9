"""What the books follow, read from Stripe: invoices, credit notes, payments, payouts, events.

- An object's lists hold only their first page, so further pages are read:
  https://docs.stripe.com/api/invoices/line_item
- A payment is booked under its charge's id, which its refunds, its disputes and its line of a
  payout refer to. Invoice payments tell which invoice that was, by payment intent:
  https://docs.stripe.com/invoicing/multiple-payments-overview
- A charge may succeed up to an hour before Stripe knows what it adds to the balance:
  https://docs.stripe.com/payments/payment-intents/asynchronous-capture
- Events are kept for 30 days: https://docs.stripe.com/api/events
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from interlock.canonical.billing import OWED, CreditNote, Dispute, Invoice, Payment, Payout, Refund
from interlock.connectors.billing import stripe_documents as documents
from interlock.connectors.billing import stripe_events
from interlock.connectors.billing.port import BalanceLines
from interlock.connectors.billing.stripe_documents import Object, id_of
from interlock.connectors.billing.stripe_events import DAY
from interlock.connectors.billing.stripe_objects import instant
from interlock.connectors.billing.stripe_requests import VENDOR
from interlock.connectors.billing.stripe_usage import StripeUsage
from interlock.errors import (
    BusinessRuleViolation,
    ContractViolation,
    RecordNotFound,
    VendorUnavailable,
)
from interlock.events import Event

INVOICES = "/v1/invoices"
INVOICE_PAYMENTS = "/v1/invoice_payments"
CREDIT_NOTES = "/v1/credit_notes"
RELATED_TO_NOTES = ("customer", "invoice", "customer_balance_transaction")
EVENTS = "/v1/events"
# How long to wait for the balance transaction of a charge.
SETTLEMENT_WAIT = 60


class StripeBooks(StripeUsage):
    """The part of the billing port on Stripe that the ERP's books follow: see this module."""

    def get_invoice(self, invoice_id: str) -> Invoice:
        """https://docs.stripe.com/api/invoices/retrieve"""
        row = self._read(INVOICES, invoice_id, "get_invoice", "customer")
        return self._to_invoice(row, "get_invoice")

    def overdue_invoices(self, customer_remote_id: str, *, at: datetime) -> tuple[Invoice, ...]:
        """https://docs.stripe.com/api/invoices/list"""
        operation = "overdue_invoices"
        selection = {"customer": customer_remote_id, "expand": ["data.customer"]}
        owed = self._owed(selection, operation, customer_remote_id)
        overdue = [row for row in owed if self._is_overdue(row, at, operation)]
        return tuple(self._to_invoice(row, operation) for row in overdue)

    def get_payment(self, payment_id: str) -> Payment:
        """https://docs.stripe.com/api/invoice-payment/retrieve

        Raises BusinessRuleViolation for a charge that pays several invoices.
        """
        operation = "get_payment"
        remote_id = self._connection.remote_id(payment_id)
        if remote_id.startswith("inpay_"):
            related = ("invoice.customer", "payment.payment_intent")
            row = self._read(INVOICE_PAYMENTS, payment_id, operation, *related)
            charge_id = charge_of(row["payment"])
        else:
            row, charge_id = None, remote_id
        charge = self._charge(charge_id, operation) if charge_id else None
        paid = self._payments_of(charge, operation) if charge else []
        row = row or next(iter(paid), None)
        where = {"vendor": VENDOR, "operation": operation, "record": payment_id}
        if row is None:
            raise RecordNotFound("the charge pays no invoice", **where)
        if len(paid) > 1:
            invoices = ", ".join(sorted(id_of(one["invoice"]) for one in paid))
            problem = f"{charge_id} pays several invoices ({invoices}): divide it in the ERP"
            raise BusinessRuleViolation([problem], **where)
        payment = documents.payment(self._connection, row, charge)
        if charge and payment.is_confirmed and payment.settled is None:
            raise self._not_settled(operation, payment_id)
        return payment

    def get_credit_note(self, credit_note_id: str) -> CreditNote:
        """https://docs.stripe.com/api/credit_notes/retrieve"""
        operation = "get_credit_note"
        row = self._read(CREDIT_NOTES, credit_note_id, operation, *RELATED_TO_NOTES)
        lines = self._lines(f"{CREDIT_NOTES}/{row['id']}", row, operation)
        credited = self._lines(f"{INVOICES}/{row['invoice']['id']}", row["invoice"], operation)
        rates = self._rates([*lines, *credited], operation)
        return documents.credit_note(self._connection, row, lines, credited, rates)

    def get_refund(self, refund_id: str) -> Refund:
        """https://docs.stripe.com/api/refunds/retrieve

        Only the invoice's credit notes know that a refund belongs to one of them.
        """
        operation = "get_refund"
        related = ("balance_transaction", "charge.customer")
        row = self._read("/v1/refunds", refund_id, operation, *related)
        if row["charge"] is None:
            raise ContractViolation("a refund of no charge", vendor=VENDOR, record=refund_id)
        if row["status"] == "succeeded" and row["balance_transaction"] is None:
            raise self._not_settled(operation, refund_id)
        invoice = self._invoice_of(row["charge"], operation)
        note = self._credit_note_of(row["id"], invoice, operation) if invoice else None
        return documents.refund(
            self._connection,
            row,
            invoice_id=self._connection.canonical_id(invoice) if invoice else None,
            credit_note_id=self._connection.canonical_id(note) if note else None,
        )

    def get_dispute(self, dispute_id: str) -> Dispute:
        """https://docs.stripe.com/api/disputes/retrieve

        When it was closed is told by its event alone, so that of one closed more than 30 days ago
        is not known.
        """
        operation = "get_dispute"
        row = self._read("/v1/disputes", dispute_id, operation, "charge.customer")
        invoice = self._invoice_of(row["charge"], operation)
        is_decided = row["status"] in documents.OUTCOMES
        return documents.dispute(
            self._connection,
            row,
            invoice_id=self._connection.canonical_id(invoice) if invoice else None,
            closed_at=self._closed_at(row, operation) if is_decided else None,
        )

    def get_payout(self, payout_id: str) -> Payout:
        """https://docs.stripe.com/api/payouts/retrieve"""
        return documents.payout(
            self._connection, self._read("/v1/payouts", payout_id, "get_payout")
        )

    def payout_lines(self, payout_id: str, *, after: str | None, limit: int) -> BalanceLines:
        """https://docs.stripe.com/api/balance_transactions/list"""
        payout = self._connection.remote_id(payout_id)
        query = {
            "payout": payout,
            "limit": limit,
            "starting_after": self._connection.remote_id(after) if after else None,
        }
        page = self._requests.get("/v1/balance_transactions", "payout_lines", payout_id, query)
        rows = page["data"]
        return BalanceLines(
            lines=tuple(
                documents.balance_line(self._connection, row)
                for row in rows
                if row["source"] is None or id_of(row["source"]) != payout
            ),
            next=self._connection.canonical_id(rows[-1]["id"]) if page["has_more"] else None,
        )

    def events_since(self, moment: datetime) -> Iterator[Event]:
        """https://docs.stripe.com/api/events/list

        Nothing of more than 30 days ago. They are all read before the first is told, since Stripe
        lists them newest first. That an invoice's day is over is told where it is owed now: Stripe
        itself does not tell everyone.
        """
        selection = {
            "types": sorted(stripe_events.TYPES),
            "created": {"gte": int(moment.timestamp())},
        }
        newest_first = list(self._requests.all(EVENTS, selection, "events_since"))
        told = [
            stripe_events.translate_object(row, connection=self._connection.name)
            for row in reversed(newest_first)
        ]
        found = [*(event for event in told if event), *self._fallen_due(moment)]
        yield from sorted(found, key=lambda event: event.occurred_at)

    def _read(self, collection: str, canonical_id: str, operation: str, *related: str) -> Object:
        """One object, with related ones expanded: https://docs.stripe.com/expand"""
        path = f"{collection}/{self._connection.remote_id(canonical_id)}"
        return self._requests.get(path, operation, canonical_id, {"expand": list(related)})

    def _lines(self, path: str, row: Object, operation: str) -> list[Object]:
        """All lines of a document, of which it has the first."""
        lines = self._requests.all(f"{path}/lines", {}, operation, row["id"], page=row["lines"])
        return list(lines)

    def _rates(self, lines: list[Object], operation: str) -> dict[str, Object]:
        """https://docs.stripe.com/api/tax_rates/retrieve"""
        return {
            rate: self._requests.get(f"/v1/tax_rates/{rate}", operation, rate)
            for rate in documents.rate_ids(lines)
        }

    def _to_invoice(self, row: Object, operation: str) -> Invoice:
        lines = self._lines(f"{INVOICES}/{row['id']}", row, operation)
        return documents.invoice(self._connection, row, lines, self._rates(lines, operation))

    def _owed(self, selection: Object, operation: str, record: str | None = None) -> list[Object]:
        """The selected invoices that are not paid, given up or not; oldest first.

        https://docs.stripe.com/api/invoices/list has one status at a time.
        """
        rows = [
            row
            for status in OWED
            for row in self._requests.all(
                INVOICES, {**selection, "status": status}, operation, record
            )
        ]
        newest_first = sorted(rows, key=lambda row: row["created"], reverse=True)
        return newest_first[::-1]

    def _fallen_due(self, since: datetime) -> Iterator[Event]:
        """Of what is owed, the invoices whose due day has ended since, at midnight in UTC."""
        first = math.ceil(since.timestamp() / DAY) * DAY
        last = math.floor(self._clock() / DAY) * DAY
        if first > last:
            return
        selection = {"due_date": {"gte": first - DAY, "lt": last}}
        for row in self._owed(selection, "events_since"):
            yield stripe_events.fallen_due(row, connection=self._connection.name)

    def _is_overdue(self, row: Object, at: datetime, operation: str) -> bool:
        """Whether an owed invoice is past due, or its payment failed and none is under way."""
        if row["due_date"]:
            return instant(row["due_date"]) < at
        if not row["attempt_count"]:
            return False
        open_ = {
            "invoice": row["id"],
            "status": "open",
            "expand": ["data.payment.payment_intent"],
        }
        payments = self._requests.all(INVOICE_PAYMENTS, open_, operation, row["id"])
        return not any(_is_under_way(payment["payment"]) for payment in payments)

    def _charge(self, charge_id: str, operation: str) -> Object:
        """https://docs.stripe.com/api/charges/retrieve"""
        expand = {"expand": ["balance_transaction", "payment_intent"]}
        return self._requests.get(f"/v1/charges/{charge_id}", operation, charge_id, expand)

    def _payments_of(self, charge: Object, operation: str) -> list[Object]:
        """What a charge pays of invoices, or is to pay: none, one, or several.

        https://docs.stripe.com/api/invoice-payment/list, which knows them by payment intent.
        """
        if charge["payment_intent"] is None:
            return []
        selection = {
            "payment": {
                "type": "payment_intent",
                "payment_intent": id_of(charge["payment_intent"]),
            },
            "expand": ["data.invoice.customer"],
        }
        rows = list(self._requests.all(INVOICE_PAYMENTS, selection, operation, charge["id"]))
        return [row for row in rows if row["status"] == "paid"] or rows[:1]

    def _invoice_of(self, charge: Object, operation: str) -> str | None:
        """The invoice that a charge pays; None when it pays none or several."""
        rows = self._payments_of(charge, operation)
        return id_of(rows[0]["invoice"]) if len(rows) == 1 else None

    def _credit_note_of(self, refund: str, invoice: str, operation: str) -> str | None:
        """https://docs.stripe.com/api/credit_notes/list"""
        for note in self._requests.all(CREDIT_NOTES, {"invoice": invoice}, operation, invoice):
            if any(id_of(one["refund"]) == refund for one in documents.refunds_of(note)):
                return note["id"]
        return None

    def _closed_at(self, dispute: Object, operation: str) -> datetime | None:
        selection = {
            "type": "charge.dispute.closed",
            "created": {"gte": dispute["created"]},
        }
        for row in self._requests.all(EVENTS, selection, operation, dispute["id"]):
            if row["data"]["object"]["id"] == dispute["id"]:
                return instant(row["created"])
        return None

    def _not_settled(self, operation: str, record: str) -> VendorUnavailable:
        return VendorUnavailable(
            "does not know yet what this moves on its balance",
            vendor=VENDOR,
            operation=operation,
            record=record,
            retry_after=SETTLEMENT_WAIT,
        )


def charge_of(payment: Object) -> str | None:
    """The charge of an invoice payment whose payment intent is expanded."""
    if payment["type"] == "charge":
        return id_of(payment["charge"])
    if payment["type"] == "payment_intent":
        charge = payment["payment_intent"]["latest_charge"]
        return id_of(charge) if charge else None
    return None


def _is_under_way(payment: Object) -> bool:
    intent = payment.get("payment_intent")
    return intent is not None and intent["status"] == "processing"

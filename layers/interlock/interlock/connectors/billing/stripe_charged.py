"""What Stripe charged a customer for some days, and what of it can still be given back.

- A credit note takes so much of an invoice's line; one that is void no longer does.
  https://docs.stripe.com/api/credit_notes/line_item
- What was paid through Stripe was paid by charges, which invoice payments tell of:
  https://docs.stripe.com/api/invoice-payment/list
- A line is recurring if a subscription charges it. One that gives back unused time is negative:
  https://docs.stripe.com/billing/subscriptions/prorations
- A period ends when the next one starts, at any time of the day. Here that day is the next one's,
  so that a fee is spread over each day once.

Unconfirmed: whether a charge whose dispute was won can be refunded; here it cannot.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from interlock.canonical.billing import ServicePeriod
from interlock.canonical.credits import BillingContext, ChargedInvoice, ChargedLine
from interlock.connectors.billing import stripe_documents as documents
from interlock.connectors.billing.stripe_books import (
    CREDIT_NOTES,
    INVOICE_PAYMENTS,
    INVOICES,
    charge_of,
)
from interlock.connectors.billing.stripe_documents import Object
from interlock.connectors.billing.stripe_facts import StripeFacts
from interlock.connectors.billing.stripe_objects import SUBSIDIARY, day, money
from interlock.connectors.billing.stripe_requests import VENDOR
from interlock.errors import BusinessRuleViolation

SCHEDULES = "/v1/subscription_schedules"
SUBSCRIPTIONS = "/v1/subscriptions"
LIVE_SCHEDULES = ("not_started", "active")
# What may be credited: an open invoice that is paid meanwhile is listed twice, and never missed.
_CREDITABLE = ("open", "paid")


class StripeCharged(StripeFacts):
    """The part of the billing port on Stripe that credits are computed from: see this module."""

    def get_billing_context(
        self, account_id: str, *, customer_remote_id: str, first_day: date, last_day: date
    ) -> BillingContext:
        """https://docs.stripe.com/api/invoices/list"""
        operation, asked = "get_billing_context", (first_day, last_day)
        found = {
            row["id"]: row
            for status in _CREDITABLE
            for row in self._requests.all(
                INVOICES,
                {"customer": customer_remote_id, "status": status},
                operation,
                customer_remote_id,
            )
        }
        newest_first = sorted(found.values(), key=lambda row: row["created"], reverse=True)
        charged = ((row, self._charged_lines(row, operation, *asked)) for row in newest_first)
        return BillingContext(
            account_id=account_id,
            is_active=bool(self._live(customer_remote_id, operation)),
            invoices=tuple(
                self._charged_invoice(row, lines, operation) for row, lines in charged if lines
            ),
        )

    def _live(self, customer: str, operation: str) -> list[str]:
        """The customer's subscriptions that have not ended, and the schedules that go on."""
        ours = {"customer": customer}
        live = [row["id"] for row in self._requests.all(SUBSCRIPTIONS, ours, operation, customer)]
        schedules = self._requests.all(SCHEDULES, ours, operation, customer)
        return live + [row["id"] for row in schedules if row["status"] in LIVE_SCHEDULES]

    def _charged_lines(
        self, row: Object, operation: str, first_day: date, last_day: date
    ) -> list[tuple[Object, ServicePeriod]]:
        """The lines of an invoice for recurring products that are charged for some of the days."""
        lines = self._lines(f"{INVOICES}/{row['id']}", row, operation)
        with_period = ((line, _days(line["period"])) for line in lines)
        return [
            (line, period)
            for line, period in with_period
            if _is_recurring(line)
            and documents.sku_of(line)
            and documents.net_amount(line)
            and period.first_day <= last_day
            and period.last_day >= first_day
        ]

    def _charged_invoice(
        self, row: Object, lines: list[tuple[Object, ServicePeriod]], operation: str
    ) -> ChargedInvoice:
        currency, subsidiary = row["currency"], documents.told(row, SUBSIDIARY)
        if subsidiary is None:
            problem = (
                f"{row['number']} does not say whose books it belongs to: enter the subsidiary as "
                f"{SUBSIDIARY} in its metadata"
            )
            raise BusinessRuleViolation(
                [problem], vendor=VENDOR, operation=operation, record=row["id"]
            )
        taken = self._taken(row["id"], operation)
        return ChargedInvoice(
            id=self._connection.canonical_id(row["id"]),
            number=row["number"],
            subsidiary=subsidiary,
            currency=currency.upper(),
            due=money(row["amount_remaining"], currency),
            refundable=money(self._refundable(row, operation), currency),
            lines=tuple(
                ChargedLine(
                    remote_id=line["id"],
                    sku=documents.sku_of(line),
                    description=line["description"] or "",
                    amount=money(documents.net_amount(line), currency),
                    creditable=money(left_of(line, taken), currency),
                    service_period=period,
                )
                for line, period in lines
            ),
        )

    def _taken(self, invoice: str, operation: str) -> Counter[str]:
        """How much, net, the credit notes that are not void took of each line of an invoice.

        One that was countered is among them: Stripe credits nothing twice.
        """
        taken: Counter[str] = Counter()
        for note in self._requests.all(CREDIT_NOTES, {"invoice": invoice}, operation, invoice):
            if note["status"] != "void":
                for line in self._lines(f"{CREDIT_NOTES}/{note['id']}", note, operation):
                    taken[line.get("invoice_line_item")] += documents.net_amount(line)
        return taken

    def _refundable(self, invoice: Object, operation: str) -> int:
        """What its charges brought, less what was refunded of them, and without disputed ones."""
        if not invoice["amount_paid"]:
            return 0
        paid = {
            "invoice": invoice["id"],
            "status": "paid",
            "expand": ["data.payment.payment_intent"],
        }
        left = 0
        for payment in self._requests.all(INVOICE_PAYMENTS, paid, operation, invoice["id"]):
            if charge_id := charge_of(payment["payment"]):
                charge = self._charge(charge_id, operation)
                if charge["status"] == "succeeded" and not charge["disputed"]:
                    kept = charge["amount_captured"] - charge["amount_refunded"]
                    left += min(payment["amount_paid"], kept)
        return left


def _days(period: Object) -> ServicePeriod:
    first_day, next_day = day(period["start"]), day(period["end"])
    last_day = max(first_day, next_day - timedelta(days=1))
    return ServicePeriod(first_day=first_day, last_day=last_day)


def _is_recurring(line: Object) -> bool:
    """Whether a subscription charges it, or gives unused time back."""
    parent = line["parent"] or {}
    details = parent.get(parent.get("type")) or {}
    return details.get("subscription") is not None


def left_of(line: Object, taken: Counter[str]) -> int:
    """What may still be credited of a line: nothing of one that gives back itself."""
    return max(documents.net_amount(line) - taken[line["id"]], 0)

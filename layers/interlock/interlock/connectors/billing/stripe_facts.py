"""What Stripe says of all documents of some days, to be held against the books.

Stripe lists by when an object was made, payouts by when they arrive:

- An invoice becomes final about an hour after its draft was made, later where people made it:
  those made up to `DRAFT_DAYS` before the asked days are looked at too.
  https://docs.stripe.com/billing/invoices/subscription
- A charge is listed as a payment without asking whether it pays an invoice; asked for by its id, it
  is. https://docs.stripe.com/api/charges/list
- The decision of a dispute is listed on the day on which it was opened: Stripe tells when it was
  decided for 30 days alone. https://docs.stripe.com/api/disputes/list
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from interlock.canonical import Money
from interlock.canonical.billing import Dispute, DisputeOutcome
from interlock.canonical.books import Fact, FactKind, FactsPage
from interlock.connections import Connection
from interlock.connectors.billing import stripe_documents as documents
from interlock.connectors.billing.stripe_books import (
    CREDIT_NOTES,
    INVOICES,
    RELATED_TO_NOTES,
    StripeBooks,
)
from interlock.connectors.billing.stripe_documents import Object
from interlock.connectors.billing.stripe_objects import day, money
from interlock.errors import BusinessRuleViolation, RecordNotFound

DRAFT_DAYS = 3
MOST_ROWS = 100
CLOSED = "/closed"

_FINAL = ("open", "paid", "uncollectible")
_COLLECTIONS = {
    FactKind.INVOICE: (INVOICES, ("customer",)),
    FactKind.CREDIT_NOTE: (CREDIT_NOTES, RELATED_TO_NOTES),
    FactKind.PAYMENT: ("/v1/charges", ("customer",)),
    FactKind.REFUND: ("/v1/refunds", ("balance_transaction", "charge.customer")),
    FactKind.DISPUTE: ("/v1/disputes", ("charge.customer",)),
    FactKind.PAYOUT: ("/v1/payouts", ()),
}


class StripeFacts(StripeBooks):
    """The part of the billing port on Stripe that reconciliation reads: see this module."""

    def facts(
        self, kind: FactKind, *, first_day: date, last_day: date, after: str | None, limit: int
    ) -> FactsPage:
        """A hundred objects at most: https://docs.stripe.com/api/pagination"""
        path, related = _COLLECTIONS[kind]
        query = {
            **_days(kind, first_day, last_day),
            "expand": [f"data.{name}" for name in related],
            "limit": min(limit, MOST_ROWS),
            "starting_after": after,
        }
        page = self._requests.get(path, "facts", None, query)
        found = (fact for row in page["data"] for fact in _facts(self._connection, kind, row))
        listed = tuple(fact for fact in found if first_day <= fact.day <= last_day)
        return FactsPage(facts=listed, next=page["data"][-1]["id"] if page["has_more"] else None)

    def find_facts(self, kind: FactKind, ids: tuple[str, ...]) -> tuple[Fact, ...]:
        """One request for each, or a few for a payment."""
        ask = self._paid if kind == FactKind.PAYMENT else partial(self._said, kind)
        objects = dict.fromkeys(id.removesuffix(CLOSED) for id in ids)
        return tuple(fact for id in objects for fact in ask(id) if fact.id in ids)

    def _said(self, kind: FactKind, id: str) -> Iterator[Fact]:
        path, related = _COLLECTIONS[kind]
        try:
            row = self._read(path, id, "find_facts", *related)
        except RecordNotFound:
            return
        yield from _facts(self._connection, kind, row)

    def _paid(self, id: str) -> Iterator[Fact]:
        """What a payment is to the books; one that pays several invoices is a charge to them."""
        try:
            payment = self.get_payment(id)
        except RecordNotFound:
            return
        except BusinessRuleViolation:
            yield from self._said(FactKind.PAYMENT, id)
            return
        if payment.is_confirmed:
            whose, on = payment.customer_id, payment.paid_at.date()
            yield _fact(FactKind.PAYMENT, payment.id, whose, payment.amount, on)


def _days(kind: FactKind, first_day: date, last_day: date) -> Object:
    """The parameters that select at least the objects of these days."""
    if kind == FactKind.INVOICE:
        first_day -= timedelta(days=DRAFT_DAYS)
    by = "arrival_date" if kind == FactKind.PAYOUT else "created"
    return {by: {"gte": _midnight(first_day), "lt": _midnight(last_day + timedelta(days=1))}}


def _midnight(on: date) -> int:
    return int(datetime.combine(on, time(), UTC).timestamp())


def _facts(connection: Connection, kind: FactKind, row: Object) -> Iterator[Fact]:
    """What an object, with its related ones expanded, is to the books: none, one or two facts."""
    convert: Callable[[Connection, Object], Iterator[Fact]] = _FACTS[kind]
    yield from convert(connection, row)


def _invoice(connection: Connection, row: Object) -> Iterator[Fact]:
    if row["status"] in _FINAL:
        found = documents.invoice(connection, row, (), {})
        yield _fact(FactKind.INVOICE, found.id, found.customer_id, found.total, found.issued_on)


def _credit_note(connection: Connection, row: Object) -> Iterator[Fact]:
    found = documents.credit_note(connection, row, (), [], {})
    if not found.is_void:
        yield _fact(FactKind.CREDIT_NOTE, found.id, found.customer_id, found.total, found.issued_on)


def _charge(connection: Connection, row: Object) -> Iterator[Fact]:
    if row["status"] == "succeeded" and row["amount_captured"]:
        amount = money(row["amount_captured"], row["currency"])
        id, customer = connection.canonical_id(row["id"]), documents.account_id(row["customer"])
        yield _fact(FactKind.PAYMENT, id, customer, amount, day(row["created"]))


def _refund(connection: Connection, row: Object) -> Iterator[Fact]:
    if row["status"] != "succeeded" or row["charge"] is None:
        return
    found = documents.refund(connection, row, invoice_id=None, credit_note_id=None)
    on = found.refunded_at.date()
    yield _fact(FactKind.REFUND, found.id, found.customer_id, found.amount, on)


def _dispute(connection: Connection, row: Object) -> Iterator[Fact]:
    """What is disputed, and what no longer is."""
    found = documents.dispute(connection, row, invoice_id=None, closed_at=None)
    on = found.opened_at.date()
    for id, amount in ((found.id, found.withdrawn), (f"{found.id}{CLOSED}", -_decided(found))):
        if amount.amount:
            yield _fact(FactKind.DISPUTE, id, None, amount, on)


def _decided(dispute: Dispute) -> Money:
    if dispute.outcome == DisputeOutcome.WON:
        return dispute.reinstated
    is_lost = dispute.outcome == DisputeOutcome.LOST
    return dispute.withdrawn.times(1 if is_lost else 0)


def _payout(connection: Connection, row: Object) -> Iterator[Fact]:
    found = documents.payout(connection, row)
    if found.is_settled:
        yield _fact(FactKind.PAYOUT, found.id, None, found.amount, found.arrives_on)


def _fact(kind: FactKind, id: str, customer: str | None, amount: Money, on: date) -> Fact:
    return Fact(kind=kind, id=id, customer_id=customer, amount=amount, day=on)


_FACTS = {
    FactKind.INVOICE: _invoice,
    FactKind.CREDIT_NOTE: _credit_note,
    FactKind.PAYMENT: _charge,
    FactKind.REFUND: _refund,
    FactKind.DISPUTE: _dispute,
    FactKind.PAYOUT: _payout,
}

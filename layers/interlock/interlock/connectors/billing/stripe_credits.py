"""Credits at Stripe: credit notes on the invoices that charged for a product.

- A credit note over an amount of an invoice's line takes that line's taxes along. It first lowers
  what is to be paid of the invoice; the rest has to be given back in full, here to the customer's
  balance or as a refund. A preview tells how much that is, with the tax:
  https://docs.stripe.com/api/credit_notes/preview
- A line is credited by amount alone: one that people credited by quantity can only be credited so
  again, and Stripe refuses it.
  https://docs.stripe.com/invoicing/integration/programmatic-credit-notes
- A refund made without a credit note lowers what can be credited of its invoice, not of a line:
  https://docs.stripe.com/api/credit_notes/create
- A credit note can be voided while its invoice is open. After that it is countered: a debit on the
  customer's balance, which its next invoice collects, and the debit's id in the credit note's
  metadata, which makes it void to the books as well.
  https://docs.stripe.com/api/customer_balance_transactions/create
- What an entry left of a balance it says itself, in its currency; the customer tells it of one
  currency alone. https://docs.stripe.com/billing/customer/balance

Unconfirmed: whether a line's amount is before or after discounts and the taxes that its price
includes, where Stripe Tax is not in use: whichever the preview shows to come to the net amount is
sent. How Stripe divides a refund among several payments of an invoice: should it not, it refuses
what is too much for one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from interlock.canonical.credits import (
    Credit,
    CreditLine,
    Instrument,
    IssuedCredit,
)
from interlock.connectors.billing import stripe_documents as documents
from interlock.connectors.billing.stripe_books import (
    CREDIT_NOTES,
    INVOICES,
    RELATED_TO_NOTES,
)
from interlock.connectors.billing.stripe_charged import StripeCharged, left_of
from interlock.connectors.billing.stripe_documents import Object
from interlock.connectors.billing.stripe_objects import (
    CASE_ID,
    COUNTERED_BY,
    COUNTERS,
    CREDIT_ID,
    minor_units,
    money,
)
from interlock.connectors.billing.stripe_requests import VENDOR, once, only
from interlock.errors import BusinessRuleViolation

CUSTOMERS = "/v1/customers"
_EXPANDED: Object = {"expand": list(RELATED_TO_NOTES)}
_GIVEN_BACK = {Instrument.BALANCE: "credit_amount", Instrument.REFUND: "refund_amount"}


class StripeCredits(StripeCharged):
    """The part of the billing port on Stripe that gives something back: see this module."""

    def get_credit(self, remote_id: str) -> IssuedCredit:
        """https://docs.stripe.com/api/credit_notes/retrieve"""
        return self._issued(self._note(remote_id, "get_credit"))

    def find_credit(self, credit_id: str, *, invoice_id: str) -> IssuedCredit | None:
        """https://docs.stripe.com/api/credit_notes/list"""
        selection = {
            "invoice": self._connection.remote_id(invoice_id),
            "expand": [f"data.{name}" for name in RELATED_TO_NOTES],
        }
        rows = self._requests.all(CREDIT_NOTES, selection, "find_credit", credit_id)
        carrying = [row for row in rows if (row["metadata"] or {}).get(CREDIT_ID) == credit_id]
        left = [self._issued(row) for row in carrying if not documents.is_taken_back(row)]
        return only(left, credit_id)

    def issue_credit(self, credit: Credit, *, idempotency_key: str) -> IssuedCredit:
        """https://docs.stripe.com/api/credit_notes/create"""
        operation = "issue_credit"
        invoice = self._read(INVOICES, credit.invoice_id, operation)
        lines = self._lines(f"{INVOICES}/{invoice['id']}", invoice, operation)
        charged = {row["id"]: row for row in lines}
        taken = self._taken(invoice["id"], operation)
        _check([*_too_much(credit, charged, taken)], operation, credit.id)
        parameters, rest = self._previewed(credit, charged, operation)
        if rest and credit.instrument is Instrument.REFUND:
            _check([*self._unrefundable(rest, invoice, operation)], operation, credit.id)
        parameters |= {
            "memo": credit.memo,
            "metadata": {CREDIT_ID: credit.id, CASE_ID: credit.case_id},
            "reason": "product_unsatisfactory",
            _GIVEN_BACK[credit.instrument]: rest or None,
            **_EXPANDED,
        }

        def create(key: str) -> IssuedCredit:
            return self._issued(
                self._requests.post(CREDIT_NOTES, parameters, operation, credit.id, key=key)
            )

        def find() -> IssuedCredit | None:
            return self.find_credit(credit.id, invoice_id=credit.invoice_id)

        # A key goes with one division: the invoice may be paid between two attempts.
        return once(create, find, f"{idempotency_key}@{rest}")

    def void_credit(self, remote_id: str) -> IssuedCredit:
        """https://docs.stripe.com/api/credit_notes/void

        The debit comes first and names the credit note: where only it was made, it is found, and
        the credit note is marked.
        """
        operation = "void_credit"
        note = self._note(remote_id, operation)
        path, changes = f"{CREDIT_NOTES}/{remote_id}", dict(_EXPANDED)
        if documents.is_taken_back(note):
            return self._issued(note)
        if note["invoice"]["status"] == "open" and not note["post_payment_amount"]:
            path = f"{path}/void"
        else:
            changes["metadata"] = {COUNTERED_BY: self._counter(note, operation)}
        return self._issued(self._requests.post(path, changes, operation, remote_id))

    def _note(self, remote_id: str, operation: str) -> Object:
        return self._requests.get(f"{CREDIT_NOTES}/{remote_id}", operation, remote_id, _EXPANDED)

    def _issued(self, row: Object) -> IssuedCredit:
        """From a credit note whose related objects are expanded."""
        note = documents.credit_note(self._connection, row, (), [], {})
        return IssuedCredit(
            id=(row["metadata"] or {}).get(CREDIT_ID) or note.id,
            references=note.references,
            remote_id=row["id"],
            credit_note_id=note.id,
            number=note.number,
            net=note.net,
            tax=note.tax,
            total=note.total,
            reduces_due=note.reduces_due,
            to_balance=note.to_balance,
            refunded=note.refunded,
        )

    def _unrefundable(self, rest: int, invoice: Object, operation: str) -> Iterator[str]:
        left = self._refundable(invoice, operation)
        if rest > left:
            wanted, have = (money(units, invoice["currency"]) for units in (rest, left))
            yield (
                f"{wanted} of it were to be refunded, and {have} of what was paid of "
                f"{invoice['number']} can be: give it to the customer's balance, or pay it back "
                "outside the billing system"
            )

    def _previewed(
        self, credit: Credit, charged: dict[str, Object], operation: str
    ) -> tuple[Object, int]:
        """The parameters of what comes to the credit's net amount, and how much is to give back."""
        for is_gross in (False, True):
            lines = [
                {
                    "type": "invoice_line_item",
                    "invoice_line_item": line.remote_id,
                    "amount": _units(line, charged[line.remote_id], is_gross),
                }
                for line in credit.lines
            ]
            parameters = {"invoice": self._connection.remote_id(credit.invoice_id), "lines": lines}
            path = f"{CREDIT_NOTES}/preview"
            preview = self._requests.get(path, operation, credit.id, parameters)
            net = money(documents.net_total(preview), preview["currency"])
            if net == credit.net:
                return parameters, preview["post_payment_amount"]
        problem = f"Stripe makes {net} of {credit.net}: issue a credit note by hand, and link it"
        raise BusinessRuleViolation([problem], vendor=VENDOR, operation=operation, record=credit.id)

    def _counter(self, note: Object, operation: str) -> str:
        """The debit on the customer's balance that counters a credit note, made if it is not there.

        Raises BusinessRuleViolation for what no debit takes back.
        """
        path = f"{CUSTOMERS}/{note['customer']['id']}/balance_transactions"

        def entries() -> list[Object]:
            rows = self._requests.all(path, {}, operation, note["id"])
            return [row for row in rows if row["currency"] == note["currency"]]

        def find() -> str | None:
            ours = [row for row in entries() if (row["metadata"] or {}).get(COUNTERS) == note["id"]]
            return only([row["id"] for row in ours], note["id"])

        def create(key: str) -> str:
            parameters = {
                "amount": note["total"],
                "currency": note["currency"],
                "description": f"{note['number']} is taken back",
                "metadata": {COUNTERS: note["id"]},
            }
            return self._requests.post(path, parameters, operation, note["id"], key=key)["id"]

        if made := find():
            return made
        _check([*self._used(note, entries())], operation, note["id"])
        return once(create, find, f"{operation}#{note['id']}")

    def _used(self, note: Object, entries: list[Object]) -> Iterator[str]:
        """What the customer has had of a credit note for good; `entries` are newest first."""
        given = self._issued(note)
        outside = given.total - given.reduces_due - given.to_balance
        if outside.amount:
            yield (
                f"{given.number} gave {outside} back to the customer: charge it by an invoice, or "
                "leave the credit"
            )
        left = money(max(-entries[0]["ending_balance"], 0) if entries else 0, note["currency"])
        if left.amount < given.to_balance.amount:
            yield (
                f"{given.number} gave {given.to_balance} to the customer's balance, and {left} are "
                "left there: charge what was used by an invoice, or leave the credit"
            )


def _check(problems: list[str], operation: str, record: str) -> None:
    if problems:
        raise BusinessRuleViolation(problems, vendor=VENDOR, operation=operation, record=record)


def _too_much(credit: Credit, charged: dict[str, Object], taken: Counter[str]) -> Iterator[str]:
    for line in credit.lines:
        row = charged.get(line.remote_id)
        if row is None:
            yield f"{credit.invoice_id} has no line {line.remote_id}: compute the credit again"
            continue
        left = money(left_of(row, taken), row["currency"])
        if line.amount.currency != left.currency:
            yield f"{line.sku} was charged in {left.currency}: credit it in that currency"
        elif line.amount.amount > left.amount:
            yield (
                f"{line.amount} were to be credited of {row['description']}, and earlier credit "
                f"notes have left {left}: compute the credit again"
            )


def _units(line: CreditLine, row: Object, is_gross: bool) -> int:
    """What is credited of a line, net, or with the share of what its amount has more than that."""
    share = Decimal(row["amount"]) / documents.net_amount(row) if is_gross else 1
    return minor_units(line.amount.times(share))

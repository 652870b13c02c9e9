"""A customer's own credit in Tryton, and the later invoice that it pays.

Credit is what is open of credit memos and of invoices below zero, and what is on account: lines on
the customer's receivable that pay no invoice and are no invoice's own, which are those of journals
of another type than revenue. An application is a move as any other (see `tryton_entries`), whose
key is the invoice's reference: it debits what it takes, in order of age, and credits the invoice.

Tryton refuses a payment line of more than is open of a document, so two invoices never take the
same credit memo. Nothing keeps two at the same moment from taking the same that is on account: the
books then have less credit than billing until they have caught up.

**Currencies.** The credit memos of an invoice in a foreign currency are taken at their own book
value, and the difference is a gain or a loss on exchange. What is on account in a foreign currency
is not taken: which rate it has is for Finance to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from interlock.canonical import Money
from interlock.canonical.books import PostedEntry
from interlock.connectors.erp import tryton_invoices as invoices
from interlock.connectors.erp import tryton_moves as moves
from interlock.connectors.erp.tryton_documents import CREDIT, INVOICE, TrytonDocuments
from interlock.connectors.erp.tryton_drafts import other_attempt
from interlock.connectors.erp.tryton_moves import Position
from interlock.connectors.erp.tryton_rest import VENDOR
from interlock.errors import BusinessRuleViolation, NotYetPosted

REVENUE = "revenue"
CREDIT_FIELDS = [
    "debit",
    "credit",
    "second_currency",
    "move.date",
    "move.origin",
    "move.journal.type",
]


class TrytonCredits(TrytonDocuments):
    """The part of the port that applies a customer's credit: see this module."""

    def find_customer_credit(self, invoice_id: str) -> PostedEntry | None:
        """The move that applies it; `id` is the invoice's."""
        found = self.find_entry(f"{invoice_id}{CREDIT}")
        return _of_invoice(found) if found else None

    def apply_customer_credit(
        self, amount: Money, *, posting_date: date, invoice_remote_id: str
    ) -> PostedEntry:
        """What is applied already is left as it is.

        It is posted on the latest day of all that it takes, or later. Raises OutcomeUnknown while
        somebody reverses the invoice.
        """
        row = self._invoice(invoice_remote_id)
        key = f"{row['reference']}{CREDIT}"
        if found := self._entered(key):
            return _of_invoice(found)
        if self._referring([invoices.reversal_of(row)], invoices.POSTED):
            raise other_attempt(key)
        invoice = self._position(invoice_remote_id)
        if invoice.taken(amount.amount) != amount.amount:
            problem = (
                f"{amount} of the customer's credit are to pay {invoice.reference}, of which"
                f" {invoice.amount} are open in the ERP: settle it there by hand, and skip this"
            )
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=invoice.reference)
        text = f"Credit applied to {invoice.reference}"
        lines, day, rest = [invoice.paid(amount.amount, text)], posting_date, amount.amount
        credit = self._credit_lines(invoice)
        for memo, since in self._memos(credit):
            if part := -memo.taken(-rest):
                lines.append(memo.paid(-part, text))
                day, rest = max(day, since), rest - part
        on_account = [] if invoice.is_foreign else [*filter(_is_on_account, credit)]
        if part := min(rest, max(-moves.balance(on_account), Decimal(0))):
            lines.append(invoice.on_account(-part, -part, text))
            day, rest = max(day, *(line["move"]["date"] for line in on_account)), rest - part
        if rest:
            missing = Money.of(rest, amount.currency)
            raise NotYetPosted(
                f"has {missing} less of the customer's credit than the {amount} that pay this in"
                " billing: post the credit notes that gave it, or settle it by hand and skip this",
                vendor=VENDOR,
                record=invoice.reference,
            )
        lines.extend(self._exchange(lines, invoice))
        origin = f"{INVOICE},{invoice.id}"
        posted = self._post(key, lines, company=invoice.company, day=day, origin=origin)
        return _of_invoice(moves.entry(posted, self._name))

    def _credit_lines(self, invoice: Position) -> list[dict[str, Any]]:
        """Of its customer: what credits the receivable, and what else is on it for no invoice."""
        domain = [
            ["move.company", "=", invoice.company],
            ["party", "=", invoice.party],
            ["account", "=", invoice.account],
            ["move.state", "=", "posted"],
            ["reconciliation", "=", None],
            ["invoice_payment", "=", None],
            ["OR", ["credit", ">", 0], ["move.journal.type", "!=", REVENUE]],
        ]
        return self._rest.search("account.move.line", domain, CREDIT_FIELDS)

    def _memos(self, credit: list[dict[str, Any]]) -> Iterator[tuple[Position, date]]:
        """The documents that give credit, with their days, oldest first.

        One that is still to be applied, to its invoice or to what it reverses, has none to give.
        """
        days = {
            int(line["move"]["origin"].partition(",")[2]): line["move"]["date"]
            for line in credit
            if (line["move"]["origin"] or "").startswith(f"{INVOICE},")
            and line["move"]["journal"]["type"] == REVENUE
        }
        fields = [*moves.POSITION_FIELDS, "lines.note"]
        rows = self._rest.search(INVOICE, [["id", "in", sorted(days)]], fields) if days else []
        for row in sorted(rows, key=lambda row: (days[row["id"]], row["id"])):
            if not invoices.undone_lines(row):
                yield Position.of(row), days[row["id"]]


def _of_invoice(applied: PostedEntry) -> PostedEntry:
    return applied.model_copy(update={"id": applied.id.removesuffix(CREDIT)})


def _is_on_account(line: dict[str, Any]) -> bool:
    return line["move"]["journal"]["type"] != REVENUE and line["second_currency"] is None

"""Between canonical payments and entries and Tryton's moves: no request is made here.

A move is in its company's currency, the book value. A line on the receivable of a document in
another currency has the document's amount beside it, and as much book value as the document has in
the books: what was paid in fact is more or less, the gain or loss on exchange, a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from interlock.canonical import Money
from interlock.canonical.books import PostedEntry
from interlock.connectors.erp.tryton_rest import VENDOR
from interlock.errors import ContractViolation

POSITION_FIELDS = [
    "reference",
    "number",
    "state",
    "company.currency.code",
    "currency.code",
    "party",
    "account",
    "amount_to_pay",
    *(
        f"{lines}.{field}"
        for lines in ("lines_to_pay", "payment_lines")
        for field in ("debit", "credit", "reconciliation")
    ),
]
MOVE_FIELDS = [
    "number",
    "date",
    "state",
    "description",
    "origin",
    "journal",
    "company.party.code",
    "company.currency.code",
    *(
        f"lines.{field}"
        for field in (
            "account.type.receivable",
            "party",
            "debit",
            "credit",
            "amount_second_currency",
            "second_currency.code",
            "invoice_payment",
            "reconciliation",
        )
    ),
]


@dataclass(frozen=True)
class Position:
    """What is open of an invoice, as Tryton sees it: positive where the customer owes.

    `amount` is in the document's currency, `book` in the company's.
    """

    id: int
    reference: str
    company: int
    party: int
    account: int
    currency_id: int
    amount: Money
    book: Money

    @classmethod
    def of(cls, invoice: dict[str, Any]) -> Position:
        """From `POSITION_FIELDS`. Raises ContractViolation for an invoice that is not posted."""
        if invoice["state"] not in {"posted", "paid"}:
            raise ContractViolation(
                f"has the invoice as {invoice['state']}, so nothing can pay it: post it",
                vendor=VENDOR,
                record=invoice["reference"] or str(invoice["id"]),
            )
        lines = [*invoice["lines_to_pay"], *invoice["payment_lines"]]
        open_ = [line for line in lines if line["reconciliation"] is None]
        book = sum((line["debit"] - line["credit"] for line in open_), Decimal(0))
        return cls(
            id=invoice["id"],
            reference=invoice["reference"] or str(invoice["id"]),
            company=invoice["company"]["id"],
            party=invoice["party"],
            account=invoice["account"],
            currency_id=invoice["currency"]["id"],
            amount=Money.of(invoice["amount_to_pay"], invoice["currency"]["code"]),
            book=Money.of(book, invoice["company"]["currency"]["code"]),
        )

    @property
    def is_foreign(self) -> bool:
        """Whether the document is in another currency than the company's."""
        return self.amount.currency != self.book.currency

    def taken(self, credit: Decimal) -> Decimal:
        """How much of a credit (negative: of a debit) the document takes: never more than is open.

        In the document's currency; zero when the document is open on the same side.
        """
        if credit * self.amount.amount <= 0:
            return Decimal(0)
        return min(credit, self.amount.amount, key=abs)

    def value(self, amount: Decimal) -> Decimal:
        """The book value of an amount of this document; of all that is open, all of it."""
        if not self.is_foreign:
            return amount
        if amount == self.amount.amount:
            return self.book.amount
        share = self.book.amount * amount / self.amount.amount
        return Money.rounded(share, self.book.currency).amount

    def paid(self, amount: Decimal, text: str) -> dict[str, Any]:
        """The line that pays so much of the document: a credit, or a debit where negative."""
        return self.on_account(amount, self.value(amount), text) | {"invoice_payment": self.id}

    def on_account(self, amount: Decimal, value: Decimal, text: str) -> dict[str, Any]:
        """A line on the party's receivable that pays no document."""
        line = move_line(self.account, -value, text, party=self.party)
        if self.is_foreign:
            line |= {"second_currency": self.currency_id, "amount_second_currency": -amount}
        return line


def move_line(
    account: int, value: Decimal, text: str, *, party: int | None = None
) -> dict[str, Any]:
    """A line of a draft: a debit, or a credit where `value` is negative."""
    zero = Decimal(0)
    sides = {"debit": max(value, zero), "credit": max(-value, zero)}
    return {"account": account, "party": party, "description": text, **sides}


def balance(lines: Iterable[dict[str, Any]]) -> Decimal:
    """Debits less credits."""
    return sum((line["debit"] - line["credit"] for line in lines), Decimal(0))


def opposite(move: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """The lines that undo those of a move."""
    lines = []
    for line in move["lines"]:
        opposed = move_line(
            line["account"]["id"], line["credit"] - line["debit"], text, party=line["party"]
        )
        if line["second_currency"]:
            opposed["second_currency"] = line["second_currency"]["id"]
            opposed["amount_second_currency"] = -line["amount_second_currency"]
        lines.append(opposed)
    return lines


def amount_of(line: dict[str, Any], currency: str) -> Money:
    """A line's amount in its own currency: debits positive, `currency` is the company's."""
    if line["second_currency"]:
        return Money.of(line["amount_second_currency"], line["second_currency"]["code"])
    return Money.of(line["debit"] - line["credit"], currency)


def undone(move: dict[str, Any]) -> int | None:
    """The id of the move that this one undoes, None for an original."""
    model, _, record = (move["origin"] or "").partition(",")
    return int(record) if model == "account.move" else None


def live(moves: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the moves with one business key: the originals that no posted one undoes."""
    undone_ids = {undone(move) for move in moves if move["state"] == "posted"}
    return [move for move in moves if undone(move) is None and move["id"] not in undone_ids]


def entry(move: dict[str, Any], connection: str) -> PostedEntry:
    """`amount` is what the receivable comes to, else what is debited in all.

    Raises ContractViolation for a move that the integration did not enter.
    """
    own = move["company"]["currency"]["code"]
    receivable = [line for line in move["lines"] if line["account"]["type"]["receivable"]]
    free = [
        line
        for line in receivable
        if line["invoice_payment"] is None and line["reconciliation"] is None
    ]
    currency = amount_of(receivable[0], own).currency if receivable else own

    def total(lines: list[dict[str, Any]]) -> Money:
        amounts = (amount_of(line, own) for line in lines)
        return Money.of(abs(Money.total(amounts, currency).amount), currency)

    owed = total(receivable)
    debits = sum((line["debit"] for line in move["lines"]), Decimal(0))
    try:
        return PostedEntry(
            id=move["description"],
            references={connection: str(move["id"])},
            remote_id=str(move["id"]),
            subsidiary=move["company"]["party"]["code"],
            number=move["number"],
            posting_date=move["date"],
            amount=owed if owed.amount else Money.of(debits, own),
            unapplied=total(free),
        )
    except (ValidationError, ValueError):
        raise ContractViolation(
            "has a move that the integration did not enter", vendor=VENDOR, record=str(move["id"])
        ) from None

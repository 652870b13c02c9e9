"""What a customer owes in Tryton's books: what is open on its receivable, in every company.

A line on a receivable is a document's own, a payment of a document, or on account, which is any
other. What has not been paid of a document is what its payments leave, the part that was due first
being paid first; it is due on the line's maturity date, or without one on the day of its move.
Credit, which is what is open of credit memos and on account, pays what was due first, as a person
would who is asked about a customer's debts. It does so in its own company and currency alone.

Lines stay open until Finance reconciles them (see `tryton_entries`), so those that pay each other
are counted and come to nothing. https://docs.tryton.org/latest/modules-account/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from interlock.canonical import Money
from interlock.canonical.customer_view import Receivables
from interlock.connectors.erp import tryton_moves as moves
from interlock.connectors.erp.tryton_rest import TrytonRest

INVOICE = "account.invoice"
REVENUE = "revenue"
LINE_FIELDS = [
    "debit",
    "credit",
    "amount_second_currency",
    "second_currency.code",
    "maturity_date",
    "invoice_payment",
    "move.date",
    "move.origin",
    "move.journal.type",
    "move.company.currency.code",
]

Row = dict[str, Any]
Due = tuple[date, Decimal]


class TrytonReceivables:
    """The part of the port that tells what a customer owes."""

    _rest: TrytonRest

    def get_receivables(self, customer_remote_id: str, *, today: date) -> Receivables:
        """One search; a customer of which the books have nothing owes nothing."""
        domain = [
            ["party", "=", int(customer_remote_id)],
            ["account.type.receivable", "=", True],
            ["move.state", "=", "posted"],
            ["reconciliation", "=", None],
        ]
        return receivables(self._rest.search("account.move.line", domain, LINE_FIELDS), today)


def receivables(lines: Iterable[Row], today: date) -> Receivables:
    """What a customer owes by the open lines of its receivable, given as `LINE_FIELDS`."""
    documents: dict[tuple[int, str, str | None], list[Due]] = defaultdict(list)
    for line in lines:
        move = line["move"]
        money = moves.amount_of(line, move["company"]["currency"]["code"])
        document = (move["company"]["id"], money.currency, _document(line))
        documents[document].append((line["maturity_date"] or move["date"], money.amount))
    books: dict[tuple[int, str], list[Due]] = defaultdict(list)
    for (company, currency, _), parts in documents.items():
        books[company, currency].extend(_settled(parts))
    debts = [
        (currency, day, amount)
        for (_, currency), parts in books.items()
        for day, amount in _settled(parts)
        if amount > 0
    ]
    late = [(currency, day, amount) for currency, day, amount in debts if day < today]
    return Receivables(
        owed=_sums(debts),
        overdue=_sums(late),
        overdue_since=min((day for _, day, _ in late), default=None),
    )


def _document(line: Row) -> str | None:
    """The invoice or credit memo that a line belongs to; None for one on account.

    A payment comes of an invoice too; only a document itself is in a journal for revenue.
    """
    if line["invoice_payment"] is not None:
        return f"{INVOICE},{line['invoice_payment']}"
    return line["move"]["origin"] if line["move"]["journal"]["type"] == REVENUE else None


def _settled(parts: list[Due]) -> list[Due]:
    """The debts that credits leave, which pay the oldest first; else the credit that is left."""
    debts = sorted(part for part in parts if part[1] > 0)
    credit = sum((-amount for _, amount in parts if amount < 0), Decimal(0))
    left = []
    for day, amount in debts:
        paid = min(amount, credit)
        credit -= paid
        if amount > paid:
            left.append((day, amount - paid))
    return left or [(date.max, -credit)]


def _sums(debts: list[tuple[str, date, Decimal]]) -> tuple[Money, ...]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for currency, _, amount in debts:
        sums[currency] += amount
    return tuple(Money.of(amount, currency) for currency, amount in sorted(sums.items()))

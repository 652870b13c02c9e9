"""What Tryton's books have of all documents of some days, to be held against billing.

| canonical | Tryton |
| --- | --- |
| invoice, credit note | posted customer invoices with the canonical id as their reference |
| payment | moves with the id as description that credit a receivable |
| refund | those that debit one |
| dispute | those on the account for disputed payments: what is added to it, or taken off |
| payout | those on the account of the bank |

What has been reversed is left out with what reverses it, and so are the moves that apply credit
memos and customers' credit: they are of no document of billing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from typing import Any

from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind, FactsPage, LedgerRole
from interlock.connectors.erp import tryton_invoices as invoices
from interlock.connectors.erp import tryton_moves as moves
from interlock.connectors.erp.tryton_documents import APPLIED, CREDIT, INVOICE, TrytonDocuments
from interlock.connectors.erp.tryton_mapping import customer_id
from interlock.errors import ContractViolation

MOVE = "account.move"
INVOICE_FIELDS = [
    "reference",
    "description",
    "party.code",
    "currency.code",
    "accounting_date",
    "total_amount",
]
MOVE_FIELDS = [
    *(field for field in moves.MOVE_FIELDS if field != "lines.party"),
    "lines.party.code",
]
_ROLES = {FactKind.DISPUTE: LedgerRole.DISPUTED, FactKind.PAYOUT: LedgerRole.BANK}
_DOCUMENTS = (FactKind.INVOICE, FactKind.CREDIT_NOTE)

Row = dict[str, Any]


class TrytonListing(TrytonDocuments):
    """The part of the port that reconciliation reads: see this module."""

    def facts(
        self,
        kind: FactKind,
        *,
        system: str,
        first_day: date,
        last_day: date,
        after: str | None,
        limit: int,
    ) -> FactsPage:
        """By the ids of Tryton's own records, which grow."""
        model, key, on, fields = _where(kind)
        domain = [
            *self._selection(kind),
            [key, "like", f"{system}:%"],
            [on, ">=", first_day],
            [on, "<=", last_day],
            ["id", ">", int(after or 0)],
        ]
        rows = self._rest.search(model, domain, fields, limit=limit)
        return FactsPage(
            facts=tuple(self._told(kind, rows)),
            next=str(rows[-1]["id"]) if len(rows) == limit else None,
        )

    def find_facts(self, kind: FactKind, ids: tuple[str, ...]) -> tuple[Fact, ...]:
        """One search for all."""
        model, key, _, fields = _where(kind)
        domain = [*self._selection(kind), [key, "in", list(ids)]]
        return tuple(self._told(kind, self._rest.search(model, domain, fields)))

    def _selection(self, kind: FactKind) -> list:
        """Which records may be of a kind."""
        if kind in _DOCUMENTS:
            return [["type", "=", "out"], ["state", "in", sorted(invoices.POSTED)]]
        posted = ["state", "=", "posted"]
        if kind in _ROLES:
            return [posted, ["lines.account", "in", self._accounts(kind)]]
        return [posted, ["lines.account.type.receivable", "=", True]]

    def _accounts(self, kind: FactKind) -> list[int]:
        """Of each company; one that billing has nothing to do with may lack it."""
        found = []
        for company in self._books.companies().values():
            with suppress(ContractViolation):
                found.append(self._books.account(_ROLES[kind], company["id"]))
        return found

    def _told(self, kind: FactKind, rows: list[Row]) -> Iterator[Fact]:
        if kind in _DOCUMENTS:
            return self._documents_as_facts(kind, rows)
        return self._moves_as_facts(kind, rows)

    def _documents_as_facts(self, kind: FactKind, rows: list[Row]) -> Iterator[Fact]:
        reversals = [invoices.reversal_of(row) for row in rows]
        domain = [*self._selection(kind), ["reference", "in", reversals]]
        undone = {row["reference"] for row in self._rest.search(INVOICE, domain, ["reference"])}
        for row in rows:
            is_memo = invoices.is_memo(row)
            is_reversal = (row["description"] or "").startswith(invoices.REVERSAL)
            if is_reversal or invoices.reversal_of(row) in undone:
                continue
            if is_memo == (kind == FactKind.CREDIT_NOTE):
                amount = Money.of(row["total_amount"], row["currency"]["code"])
                yield Fact(
                    kind=kind,
                    id=row["reference"],
                    customer_id=customer_id(row["party"], self._name),
                    amount=-amount if is_memo else amount,
                    day=row["accounting_date"],
                )

    def _moves_as_facts(self, kind: FactKind, rows: list[Row]) -> Iterator[Fact]:
        keys = sorted({row["description"] for row in rows})
        domain = [["state", "=", "posted"], ["description", "in", keys]]
        same = self._rest.search(MOVE, domain, ["description", "origin", "state"])
        live = {row["id"] for row in moves.live(same)}
        accounts = set(self._accounts(kind)) if kind in _ROLES else None
        for row in rows:
            if row["id"] not in live or row["description"].endswith((APPLIED, CREDIT)):
                continue
            lines = [line for line in row["lines"] if _is_of(line, accounts)]
            if (amount := _amount(kind, row, lines)) is not None:
                yield Fact(
                    kind=kind,
                    id=row["description"],
                    customer_id=None if accounts else customer_id(lines[0]["party"], self._name),
                    amount=amount,
                    day=row["date"],
                )


def _where(kind: FactKind) -> tuple[str, str, str, list[str]]:
    """The model, the fields of its id and its day, and all that are read."""
    if kind in _DOCUMENTS:
        return INVOICE, "reference", "accounting_date", INVOICE_FIELDS
    return MOVE, "description", "date", MOVE_FIELDS


def _is_of(line: Row, accounts: set[int] | None) -> bool:
    """Whether a line is on one of the accounts, or on a receivable where none are given."""
    if accounts is None:
        return bool(line["account"]["type"]["receivable"])
    return line["account"]["id"] in accounts


def _amount(kind: FactKind, move: Row, lines: Iterable[Row]) -> Money | None:
    """What a move comes to on these lines; None for one that is of another kind."""
    own = move["company"]["currency"]["code"]
    amounts = [moves.amount_of(line, own) for line in lines]
    total = Money.total(amounts, amounts[0].currency)
    if kind in _ROLES:
        return total
    is_payment = total.amount < 0
    return (
        total.times(-1 if is_payment else 1) if is_payment == (kind == FactKind.PAYMENT) else None
    )

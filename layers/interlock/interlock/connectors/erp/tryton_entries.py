"""Payments and journal entries in Tryton: moves, and which invoice they pay.

| canonical | Tryton |
| --- | --- |
| payment, entry | account.move in the journal of type cash |
| external id | the move's description: Tryton lets nobody change it once the move is posted |
| text | the description of each line |
| reversal | a move with the same description, whose origin is the move that it undoes |
| paid invoice | the payment lines of the invoice, which lower what is to pay of it |

**No reconciliation.** Seen on a running 8.2: over REST lines cannot be reconciled (the field is
read-only, wizards are not offered). So an invoice that is paid whole has nothing to pay left, and
stays "posted" until Finance reconciles its account, for all parties at once
(https://docs.tryton.org/latest/modules-account/). What is reconciled can no longer be unapplied
here: Finance unreconciles it first, and the refusal says so.

**Nothing twice.** A move is first made as a draft, already with the payment lines, so that posting
it is the one step that counts: see `tryton_drafts`. The drafts of crashed attempts are deleted by
the next attempt, and with them their payment lines.

**Currencies.** A payment is entered at what it is worth in the company's currency: what it was
settled in, or else what it paid of an invoice in that currency. The gain or loss on exchange is in
the same move, so a reversal takes it back too. An entry is in the company's currency.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from interlock.canonical import Money
from interlock.canonical.billing import Payment
from interlock.canonical.books import Cleared, Entry, LedgerRole, PostedEntry
from interlock.connectors.erp import tryton_moves as moves
from interlock.connectors.erp.tryton_books import TrytonBooks
from interlock.connectors.erp.tryton_drafts import keep_one, other_attempt
from interlock.connectors.erp.tryton_moves import Position
from interlock.connectors.erp.tryton_rest import VENDOR, TrytonRest
from interlock.errors import (
    BusinessRuleViolation,
    RecordConflict,
    RecordNotFound,
    VendorRejected,
)

MOVE = "account.move"
MOST_IDS = 100


class TrytonEntries:
    """The part of the port that enters moves."""

    _name: str
    _rest: TrytonRest
    _books: TrytonBooks

    def get_entry(self, remote_id: str) -> PostedEntry:
        """A move in any state."""
        return moves.entry(self._move(remote_id), self._name)

    def find_entry(self, entry_id: str) -> PostedEntry | None:
        """The posted move with this description that none undoes."""
        posted = [move for move in self._live(entry_id) if move["state"] == "posted"]
        if len(posted) > 1:
            numbers = ", ".join(move["number"] for move in posted)
            raise RecordConflict(
                f"has several entries for one record: {numbers}; keep one and cancel the others",
                vendor=VENDOR,
                record=entry_id,
            )
        return moves.entry(posted[0], self._name) if posted else None

    def find_payment(self, payment_id: str) -> PostedEntry | None:
        """A payment is a move as any other."""
        return self.find_entry(payment_id)

    def apply_payment(
        self, payment: Payment, *, posting_date: date, invoice_remote_id: str
    ) -> PostedEntry:
        """Debit the clearing account, or the bank for a payment outside the billing system.

        A payment that is in the books already is left as it is. Raises BusinessRuleViolation when
        neither the invoice nor the settlement is in the company's currency.
        """
        if found := self._entered(payment.id):
            return found
        invoice = self._position(invoice_remote_id)
        settled = payment.settled or payment.amount
        value = _value(payment, settled, invoice)
        text = f"Payment of {payment.amount}"
        role = LedgerRole.BANK if payment.settled is None else LedgerRole.CLEARING
        received = moves.move_line(self._books.account(role, invoice.company), value, text)
        if settled.currency != invoice.book.currency:
            received["second_currency"] = self._books.currency(settled.currency)
            received["amount_second_currency"] = settled.amount
        lines = [received]
        paid = invoice.taken(payment.amount.amount)
        if paid:
            lines.append(invoice.paid(paid, text))
        if credit := payment.amount.amount - paid:
            worth = Money.rounded(value * credit / payment.amount.amount, invoice.book.currency)
            worth = worth.amount if invoice.is_foreign else credit
            lines.append(invoice.on_account(credit, worth, text))
        posted = self._post(
            payment.id,
            [*lines, *self._exchange(lines, invoice)],
            company=invoice.company,
            day=posting_date,
            origin=f"account.invoice,{invoice.id}",
        )
        return moves.entry(posted, self._name)

    def unapply_payment(self, remote_id: str, *, posting_date: date) -> PostedEntry:
        """A payment is reversed as any other move; the result is the move that undoes it."""
        return self.reverse_entry(remote_id, posting_date=posting_date)

    def post_entry(
        self, entry: Entry, *, customer_remote_id: str | None, settles_remote_id: str | None
    ) -> PostedEntry:
        """An entry that is in the books already is left as it is.

        Raises BusinessRuleViolation for another currency than the company's.
        """
        if found := self._entered(entry.id):
            return found
        company = self._books.company(entry.subsidiary, record=entry.id)
        _check_currency(entry, company)
        settles = self._position(settles_remote_id) if settles_remote_id else None
        lines = []
        for line in entry.lines:
            amount = line.amount.amount
            if line.role != LedgerRole.RECEIVABLE:
                account = self._books.account(line.role, company["id"])
                lines.append(moves.move_line(account, amount, entry.description))
                continue
            paid = Decimal(0)
            if settles and not settles.is_foreign:
                paid = settles.taken(-amount)
            if paid:
                lines.append(settles.paid(paid, entry.description))
            if rest := amount + paid:
                lines.append(self._on_account(rest, entry, company["id"], customer_remote_id))
        posted = self._post(entry.id, lines, company=company["id"], day=entry.posting_date)
        return moves.entry(posted, self._name)

    def reverse_entry(self, remote_id: str, *, posting_date: date) -> PostedEntry:
        """Take its payment lines off the invoices and post the move that undoes it: the result."""
        move = self._move(remote_id)
        key, company = move["description"], move["company"]["id"]
        origin = f"{MOVE},{move['id']}"
        counters = self._rivals(key, origin)
        undoing = next((each for each in counters if each["state"] == "posted"), None)
        if undoing is None:
            self._books.open_period(company, posting_date, record=key)
            for line in move["lines"]:
                if line["invoice_payment"] is not None:
                    self._release(line, key)
            self._discard(counters, key)
            undoing = self._post(
                key,
                moves.opposite(move, f"Reversal of {move['number']}"),
                company=company,
                day=posting_date,
                origin=origin,
            )
        return moves.entry(undoing, self._name)

    def cleared_amounts(self, record_ids: tuple[str, ...]) -> dict[str, Cleared]:
        """One search for every hundred ids."""
        cleared = {}
        for start in range(0, len(record_ids), MOST_IDS):
            ids = list(record_ids[start : start + MOST_IDS])
            domain = [["description", "in", ids], ["state", "=", "posted"]]
            found = self._rest.search(MOVE, domain, moves.MOVE_FIELDS)
            for move in moves.live(found):
                company = move["company"]
                account = self._books.account(LedgerRole.CLEARING, company["id"])
                own = company["currency"]["code"]
                amounts = [
                    moves.amount_of(line, own)
                    for line in move["lines"]
                    if line["account"]["id"] == account
                ]
                if amounts:
                    cleared[move["description"]] = Cleared(
                        subsidiary=company["party"]["code"],
                        amount=Money.total(amounts, amounts[0].currency),
                    )
        return cleared

    # -- what documents use too ------------------------------------------------------------

    def _position(self, invoice_remote_id: str) -> Position:
        fields = moves.POSITION_FIELDS
        return Position.of(self._rest.read("account.invoice", invoice_remote_id, fields))

    def _live(self, key: str) -> list[dict[str, Any]]:
        """The moves with this key, posted or not, that none undoes."""
        domain = [["description", "=", key]]
        return moves.live(self._rest.search(MOVE, domain, moves.MOVE_FIELDS))

    def _entered(self, key: str) -> PostedEntry | None:
        """As `find_entry`; where there is none, nothing of a crashed attempt is left either.

        What the draft of one pays of an invoice would not be open to the next.
        """
        found = self.find_entry(key)
        if found is None:
            self._discard(self._live(key), key)
        return found

    def _discard(self, drafts: list[dict[str, Any]], key: str) -> None:
        """Delete what crashed attempts left. Raises OutcomeUnknown when one is posted meanwhile."""
        for draft in drafts:
            if not self._delete_draft(MOVE, draft):
                raise other_attempt(key)

    def _post(
        self,
        key: str,
        lines: list[dict[str, Any]],
        *,
        company: int,
        day: date,
        origin: str | None = None,
    ) -> dict[str, Any]:
        """Enter a move, be sure that it is the only one, and post it.

        What crashed attempts left was withdrawn before its lines were made. Tryton on SQLite does
        not refuse one that is not balanced (seen on 8.2.1): this does.
        """
        if difference := moves.balance(lines):
            problem = f"{key}: debits and credits differ by {difference:f}, so nothing was posted"
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=key)
        period = self._books.open_period(company, day, record=key)
        values = {
            "company": company,
            "journal": self._books.journal("cash"),
            "period": period["id"],
            "date": day,
            "description": key,
            "origin": origin,
            "lines": [["create", lines]],
        }
        try:
            draft = self._rest.create(MOVE, values, moves.MOVE_FIELDS, record=key, company=company)
        except VendorRejected:
            if any(map(self._taken_meanwhile, lines)):
                raise other_attempt(key) from None
            raise
        keep_one(draft, self._rivals(key, origin), partial(self._delete_draft, MOVE), key=key)
        try:
            return self._rest.press(MOVE, draft["id"], "post", moves.MOVE_FIELDS, company=company)
        except RecordNotFound:
            raise other_attempt(key) from None
        except VendorRejected:
            self._delete_draft(MOVE, draft)
            self._books.open_period(company, day, record=key)
            raise

    def _exchange(self, lines: list[dict[str, Any]], paid: Position) -> Iterator[dict[str, Any]]:
        """The gain or loss that balances the payment of a document in a foreign currency."""
        difference = moves.balance(lines)
        if difference and paid.is_foreign:
            account = self._books.exchange_account(paid.company, gain=difference > 0)
            text = "Gain on exchange" if difference > 0 else "Loss on exchange"
            yield moves.move_line(account, -difference, text)

    def _delete_draft(self, model: str, record: dict[str, Any]) -> bool:
        """False when it was posted meanwhile."""
        try:
            self._rest.delete(model, record["id"])
        except RecordNotFound:
            return True
        except VendorRejected:
            return False
        return True

    # -- private ---------------------------------------------------------------------------

    def _move(self, remote_id: str | int) -> dict[str, Any]:
        return self._rest.read(MOVE, remote_id, moves.MOVE_FIELDS)

    def _rivals(self, key: str, origin: str | None) -> list[dict[str, Any]]:
        """The live moves with this key, or for the undoing of a move those that undo it."""
        if (origin or "").startswith(f"{MOVE},"):
            domain = [["description", "=", key], ["origin", "=", origin]]
            return self._rest.search(MOVE, domain, moves.MOVE_FIELDS)
        return self._live(key)

    def _taken_meanwhile(self, line: dict[str, Any]) -> bool:
        """Whether another payment has left less of the invoice than a line was to pay of it."""
        if "invoice_payment" not in line:
            return False
        paid = -line.get("amount_second_currency", line["debit"] - line["credit"])
        return self._position(line["invoice_payment"]).taken(paid) != paid

    def _release(self, line: dict[str, Any], key: str) -> None:
        """Take a payment line off its invoice."""
        try:
            self._rest.write("account.move.line", line["id"], {"invoice_payment": None}, ["id"])
        except VendorRejected:
            problem = (
                f"{key} is reconciled with its invoice in the ERP: unreconcile its lines there,"
                " and retry"
            )
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=key) from None

    def _on_account(
        self, amount: Decimal, entry: Entry, company: int, customer_remote_id: str | None
    ) -> dict[str, Any]:
        if customer_remote_id is None:
            problem = f"{entry.description} is a customer's, but nobody says whose: link it"
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=entry.id)
        account = self._books.receivable(customer_remote_id, company)
        return moves.move_line(account, amount, entry.description, party=int(customer_remote_id))


def _value(payment: Payment, settled: Money, invoice: Position) -> Decimal:
    """What a payment is worth in the company's currency. Raises BusinessRuleViolation."""
    own = invoice.book.currency
    for money in (settled, payment.amount):
        if money.currency == own:
            return money.amount
    problem = (
        f"the payment of {payment.amount} was settled as {settled}, but the ERP's books are in"
        f" {own}: enter it there by hand, at the rate that Finance chooses, and link it"
    )
    raise BusinessRuleViolation([problem], vendor=VENDOR, record=payment.id)


def _check_currency(entry: Entry, company: dict[str, Any]) -> None:
    own = company["currency"]["code"]
    if foreign := {line.amount.currency for line in entry.lines} - {own}:
        problem = (
            f"{entry.description} is in {', '.join(sorted(foreign))}, but the books of"
            f" {entry.subsidiary} are in {own}: enter it in the ERP by hand, at the rate that"
            " Finance chooses, and link it"
        )
        raise BusinessRuleViolation([problem], vendor=VENDOR, record=entry.id)

"""What the ERP's books are told and answer: postings, entries, and facts to reconcile them by."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from interlock.canonical.base import Canonical, Record, RecordId, Text
from interlock.canonical.billing import DocumentLine
from interlock.canonical.money import Currency, Money


class LedgerRole(StrEnum):
    """What an account of the ERP is for; the ERP's adapter knows which account that is."""

    RECEIVABLE = "receivable"
    CLEARING = "clearing"  # the billing system's balance, before fees
    BANK = "bank"
    FEES = "fees"
    DISPUTED = "disputed"  # taken back by a customer's bank, and not decided yet
    DISPUTE_LOSSES = "dispute losses"


class EntryLine(Canonical):
    """One line of a journal entry: a debit is positive, a credit negative."""

    role: LedgerRole
    amount: Money


class Entry(Record):
    """A journal entry for a refund, a dispute or a payout; `id` is the document's.

    `settles` is the document whose receivable a line on the receivable settles, if it does.
    """

    subsidiary: Text
    posting_date: date
    description: Text
    lines: tuple[EntryLine, ...]
    customer_id: RecordId | None = None
    settles: RecordId | None = None

    def on_any_day(self) -> Entry:
        """What is posted, whatever day it is posted on."""
        return self.model_copy(update={"posting_date": date.min})


class Posting(Record):
    """An invoice or a credit note as it is to be entered in the ERP. `id` is the document's.

    `rounding` is the residue that goes to the rounding account. `credits` is the invoice that a
    credit note credits, None for an invoice.
    """

    number: Text
    customer_id: RecordId
    subsidiary: Text
    currency: Currency
    issued_on: date
    posting_date: date
    due_on: date
    lines: tuple[DocumentLine, ...]
    rounding: Money
    net: Money
    tax: Money
    total: Money
    credits: RecordId | None = None

    @property
    def status(self) -> str:
        """Of the document that it becomes."""
        return "posted"

    @property
    def remaining(self) -> Money:
        """What is to be paid of that document at first."""
        return self.total

    def on_any_day(self) -> Posting:
        """What is posted, whatever day it is posted on."""
        return self.model_copy(update={"posting_date": self.issued_on})


class CustomerCredit(Record):
    """How much of a customer's own credit pays an invoice; `id` is the invoice's."""

    amount: Money


class PostedDocument(Record):
    """An invoice or credit memo in a subsidiary's books, with the ERP's own figures.

    `remaining` is what is still to be paid, or still to be used of a credit memo.
    """

    remote_id: str
    subsidiary: Text
    number: str | None
    status: str
    posting_date: date
    net: Money
    tax: Money
    total: Money
    remaining: Money


class ServiceSchedule(Record):
    """The revenue of a document, spread over its service periods: by month of recognition.

    `months` maps the first day of each month to what is recognised in it.
    """

    remote_id: str
    months: dict[date, Money]


class PostedEntry(Record):
    """A payment or journal entry in a subsidiary's books. `unapplied` is what no document took."""

    remote_id: str
    subsidiary: Text
    number: str | None
    posting_date: date
    amount: Money
    unapplied: Money


class Cleared(Canonical):
    """What a posted payment or entry put on the clearing account of a subsidiary, signed."""

    subsidiary: Text
    amount: Money


class FactKind(StrEnum):
    """What the billing system and the books are held against each other about."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"


class Fact(Canonical):
    """What one system says of one document that counts: final, and neither voided nor reversed.

    `id` is the document's canonical id; a dispute that was decided is a second fact, whose id ends
    with "/closed". `amount` is the total of an invoice or a credit note, what a customer paid or
    got back, what became disputed (negative: no longer is), what reached our bank. `day` is the
    document's own in the billing system, and that of its posting in the ERP. `customer_id` is None
    for what the books do not keep by customer: disputes and payouts.
    """

    kind: FactKind
    id: Annotated[str, Field(min_length=1, max_length=140, pattern=r"^[\x21-\x7e]+$")]
    customer_id: RecordId | None
    amount: Money
    day: date


class FactsPage(Canonical):
    """Some facts; `next` is where to go on, None after the last."""

    facts: tuple[Fact, ...]
    next: str | None

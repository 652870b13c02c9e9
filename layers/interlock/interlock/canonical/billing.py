"""The canonical documents of the billing system: what is charged, owed, paid and paid out."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from interlock.canonical.base import Canonical, Record, RecordId, Text, Timestamp
from interlock.canonical.money import Currency, Money
from interlock.canonical.records import Percent, Sku


class ServicePeriod(Canonical):
    """The days that something is charged for, both included, as calendar days in UTC."""

    first_day: date
    last_day: date


class TaxAmount(Canonical):
    """A tax on a line: `percent` of `taxable` came to `amount` in the billing system."""

    name: Text
    percent: Percent
    taxable: Money
    amount: Money


class DocumentLine(Canonical):
    """One line of an invoice or a credit note. `amount` is net of tax and of discounts.

    A line that gives back unused time has a negative amount on an invoice. On a credit note what is
    credited is positive. `sku` is None for a line of no product.
    """

    number: int
    sku: Sku | None
    description: str
    quantity: Annotated[Decimal, Field(ge=0)]
    amount: Money
    service_period: ServicePeriod | None = None
    is_proration: bool = False
    taxes: tuple[TaxAmount, ...] = ()


class BillingDocument(Record):
    """What an invoice and a credit note have in common; it never changes once it is final.

    `number` is the customer's. `customer_id` is the account's, `subsidiary` whose books it belongs
    to; either is None on a document that people made without saying so.
    """

    number: Text
    customer_id: RecordId | None
    subsidiary: str | None
    currency: Currency
    issued_on: date
    lines: tuple[DocumentLine, ...]
    net: Money
    tax: Money
    total: Money

    @property
    def residue(self) -> Money:
        """What the total has more than its lines and their taxes: zero, or a rounding."""
        taxes = [tax.amount for line in self.lines for tax in line.taxes]
        parts = Money.total([*(line.amount for line in self.lines), *taxes], self.currency)
        return self.total - parts


class InvoiceStatus(StrEnum):
    """Where an invoice stands in the billing system."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


# What was given up collecting is still owed.
OWED = (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)


class Collection(Canonical):
    """How the collection of an invoice stands now, unlike the document itself.

    `attempts` is how often payment was tried in vain or not, `next_attempt_at` when it is tried
    again, None when it is not.
    """

    status: InvoiceStatus
    paid: Money
    remaining: Money
    attempts: int = 0
    next_attempt_at: Timestamp | None = None


class Invoice(BillingDocument):
    """An invoice. `balance_applied` is how much of the customer's own credit pays it.

    It is negative where the invoice becomes credit itself. `debt_carried` is how much of it is put
    off as a debt on the customer's balance, negative where it collects what was put off before.
    """

    kind: Literal["invoice"] = "invoice"
    order_id: RecordId | None = None
    due_on: date | None = None
    balance_applied: Money
    debt_carried: Money
    collection: Collection

    def final(self) -> Invoice:
        """The invoice as it was when it became final, whatever became of it since."""
        collection = Collection(
            status=InvoiceStatus.OPEN, paid=Money.of(0, self.currency), remaining=self.total
        )
        return self.model_copy(update={"collection": collection})


class CreditNote(BillingDocument):
    """A credit note on an invoice, and where its total went: the four amounts add up to it.

    `reduces_due` lowers what is still to be paid of the invoice, `to_balance` becomes the
    customer's credit for later invoices, `refunded` goes back to where it was paid from (by
    `refund_ids`), `out_of_band` was given back outside the billing system.
    """

    kind: Literal["credit_note"] = "credit_note"
    invoice_id: RecordId
    reason: str | None = None
    is_void: bool = False
    reduces_due: Money
    to_balance: Money
    refunded: Money
    out_of_band: Money
    refund_ids: tuple[RecordId, ...] = ()

    def final(self) -> CreditNote:
        """The credit note as it was when it was issued, whatever became of it since."""
        return self.model_copy(update={"is_void": False, "refund_ids": ()})


class Payment(Record):
    """What was paid of one invoice. `id` is that of the charge, or of the payment without one.

    `settled` is what reaches the billing system's balance, before fees and in the currency that it
    is settled in; None for a payment outside the billing system. `is_confirmed` is False for one
    that was cancelled, or is not made yet.
    """

    kind: Literal["payment"] = "payment"
    invoice_id: RecordId
    customer_id: RecordId | None
    amount: Money
    paid_at: Timestamp
    is_confirmed: bool
    settled: Money | None

    @property
    def currency(self) -> Currency:
        """Of the amount."""
        return self.amount.currency


class Refund(Record):
    """Money given back of a payment. `settled` is what leaves the balance, as a positive amount.

    `credit_note_id` is the credit note that it belongs to, None for a refund without one.
    """

    kind: Literal["refund"] = "refund"
    payment_id: RecordId
    invoice_id: RecordId | None
    customer_id: RecordId | None
    credit_note_id: RecordId | None
    amount: Money
    refunded_at: Timestamp
    is_confirmed: bool
    settled: Money

    @property
    def currency(self) -> Currency:
        """Of the amount."""
        return self.amount.currency


class DisputeOutcome(StrEnum):
    """How a dispute stands."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Dispute(Record):
    """A payment that the customer's bank takes back until it is decided.

    `withdrawn` left the balance when it was opened, before fees, `reinstated` came back when it was
    won; both positive, zero as long as it did not happen.
    """

    kind: Literal["dispute"] = "dispute"
    payment_id: RecordId
    invoice_id: RecordId | None
    customer_id: RecordId | None
    outcome: DisputeOutcome
    opened_at: Timestamp
    closed_at: Timestamp | None
    withdrawn: Money
    reinstated: Money

    @property
    def currency(self) -> Currency:
        """Of the amount."""
        return self.withdrawn.currency


class BalanceKind(StrEnum):
    """What moved the balance that payouts are made from."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute reversal"
    FEE = "fee"
    OTHER = "other"


class BalanceLine(Canonical):
    """One movement of the balance. `gross` less `fee` is what it adds to a payout, signed.

    `record_id` is the payment, refund or dispute that it stands for; None for a fee.
    """

    id: RecordId
    kind: BalanceKind
    record_id: RecordId | None
    gross: Money
    fee: Money


class Payout(Record):
    """Money sent to our bank. `is_settled` once its lines are complete, and it was not refused."""

    kind: Literal["payout"] = "payout"
    amount: Money
    arrives_on: date
    is_settled: bool

    @property
    def currency(self) -> Currency:
        """Of the amount."""
        return self.amount.currency


class UsageRecord(Record):
    """What a customer used of a metered product, told by the product itself."""

    customer_id: RecordId
    meter: Text
    quantity: Decimal
    occurred_at: Timestamp


class BillingPeriod(Canonical):
    """A time that is charged at once, until before `end`."""

    start: Timestamp
    end: Timestamp

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


class UsageWindow(Canonical):
    """Which usage of a meter a customer's subscription still charges, as it was at `read_at`.

    `current` is the running period, and `closing` the one before as long as its invoice takes
    usage, None after that. Usage before `since` is not charged by this subscription, and under a
    time before `oldest` the billing system takes none. `adds_up` says whether what comes later in a
    period is added to what was there.
    """

    subscription: RecordId
    current: BillingPeriod
    closing: BillingPeriod | None
    since: Timestamp
    oldest: Timestamp
    read_at: Timestamp
    adds_up: bool


class PlacedUsage(Canonical):
    """Usage, and under which time it is submitted: so in which period it is charged.

    `is_adjustment` says that it belongs to an earlier period, whose invoice is final. It was so
    decided at `placed_at`.
    """

    usage: UsageRecord
    placed_at: Timestamp
    charged_at: Timestamp
    period: BillingPeriod
    is_adjustment: bool

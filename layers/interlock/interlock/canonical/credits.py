"""From a support case to a credit: what is asked for, what is due, what is issued and told."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from interlock.canonical.base import Canonical, Record, RecordId, Text, Timestamp
from interlock.canonical.billing import ServicePeriod
from interlock.canonical.money import Currency, Money
from interlock.canonical.records import Percent, Sku


class Severity(StrEnum):
    """How bad an incident was, as support says."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class Case(Record):
    """A support case as the support system holds it now, with the credit that it asks for.

    `account_id` is the customer's, None when support knows no account of it. `skus` are the
    affected products; all that the customer has, when it names none. The incident lasted until
    before `ended_at`. `requested_by` is the e-mail address of the agent who asked for the credit,
    in small letters; None, like `requested_at`, when the case asks for none. `problems` says what
    agents entered and nobody can read, a sentence each.
    """

    number: Text
    subject: Text
    status: Text
    account_id: RecordId | None
    severity: Severity | None
    started_at: Timestamp | None
    ended_at: Timestamp | None
    skus: tuple[Sku, ...] = ()
    requested_by: Text | None
    requested_at: Timestamp | None
    problems: tuple[Text, ...] = ()

    def claim(self) -> str:
        """A fingerprint of what a credit depends on: not of its status, nor of who asked when."""
        told = {"status", "subject", "references", "requested_by", "requested_at"}
        return self.fingerprint(exclude=told)


class Incident(Canonical):
    """A time in which products did not work, as a case says; `ended_at` is not part of it."""

    case_id: RecordId
    severity: Severity
    started_at: Timestamp
    ended_at: Timestamp
    skus: tuple[Sku, ...] = ()

    def affects(self, sku: str) -> bool:
        """Whether this product did not work; none did when it names none."""
        return not self.skus or sku in self.skus


class ChargedLine(Canonical):
    """What an invoice charges for a product in a time, net of tax and discounts.

    `remote_id` is the line's in the billing system. `creditable` is what earlier credit notes
    have left of the amount.
    """

    remote_id: str
    sku: Sku
    description: str
    amount: Money
    creditable: Money
    service_period: ServicePeriod


class ChargedInvoice(Canonical):
    """A final invoice, open or paid, by what may be credited of it.

    `due` is still to be paid of it, tax included; zero when it is paid. `refundable` is what was
    paid by means that it can be refunded to, and was not refunded yet, tax included.
    """

    id: RecordId
    number: Text
    subsidiary: Text
    currency: Currency
    due: Money
    refundable: Money
    lines: tuple[ChargedLine, ...]


class BillingContext(Canonical):
    """What a customer was charged for some days, and whether it is still one.

    `is_active` says that it has a live subscription. Invoices come with the lines alone whose
    service period has one of the days, latest first.
    """

    account_id: RecordId
    is_active: bool
    invoices: tuple[ChargedInvoice, ...]


class ProductCredit(Canonical):
    """What is due for a product and a calendar month in UTC, before the cap.

    `fee` is what the month was charged with, `down_seconds` how long the product was down less
    what does not count, `availability` what that leaves of the month, in percent, and `percent` how
    much of the fee is given back for it.
    """

    sku: Sku
    fee: Money
    down_seconds: int
    excluded_seconds: int
    availability: Percent
    percent: Percent
    amount: Money


class MonthCredit(Canonical):
    """What a calendar month comes to: the products together, capped, less what was granted before.

    `month` is its first day. `revision` is that of the allowance which was read for it.
    """

    month: date
    products: tuple[ProductCredit, ...]
    due: Money
    cap: Money
    granted_before: Money
    amount: Money
    revision: int


class ComputedCredit(Canonical):
    """A credit, net of tax, with its working: sentences that a person can check, in order."""

    account_id: RecordId
    amount: Money
    incident: Incident
    months: tuple[MonthCredit, ...]
    working: tuple[str, ...]


class Instrument(StrEnum):
    """How a credit reaches the customer, as far as nothing is to be paid of the invoice."""

    BALANCE = "customer balance"
    REFUND = "refund"


class CreditLine(Canonical):
    """How much of an invoice's line is credited, net of tax; `remote_id` is the line's."""

    remote_id: str
    sku: Sku
    amount: Money


class Credit(Record):
    """A credit on one invoice, as it is to be issued. `id` is ours.

    It lowers what is to be paid of the invoice first; `instrument` is for what is beyond that.
    `memo` is what the customer reads.
    """

    case_id: RecordId
    account_id: RecordId
    invoice_id: RecordId
    instrument: Instrument
    lines: tuple[CreditLine, ...]
    net: Money
    memo: Text


class IssuedCredit(Record):
    """A credit as the billing system issued it: a credit note, with its tax and where it went.

    `credit_note_id` is canonical, and what the books know it by.
    """

    remote_id: str
    credit_note_id: RecordId
    number: Text
    net: Money
    tax: Money
    total: Money
    reduces_due: Money
    to_balance: Money
    refunded: Money


class CreditStatus(StrEnum):
    """What became of a request for a credit."""

    GRANTED = "granted"
    NOT_ENTITLED = "not entitled"
    NOTHING_DUE = "nothing due"
    REJECTED = "rejected"
    CHANGED = "changed after approval"
    CANCELLED = "cancelled"


class CreditOutcome(Canonical):
    """What support is told of a request. `amount` is net of tax, None unless it was granted.

    `documents` are the credit notes' numbers, `reasons` sentences for the agent.
    """

    case_id: RecordId
    transaction: RecordId
    status: CreditStatus
    amount: Money | None = None
    documents: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def remote_id(self) -> str:
        """The record that carries it."""
        return self.case_id


class CreditNotice(Canonical):
    """What sales is told on the customer's account: its latest credit, net of tax."""

    account_id: RecordId
    case_number: Text
    amount: Money
    documents: tuple[str, ...]
    granted_on: date

    @property
    def remote_id(self) -> str:
        """The record that carries it."""
        return self.account_id

    def on_any_day(self) -> CreditNotice:
        """What is told, whatever day it is told on: a replay tells it on another one."""
        return self.model_copy(update={"granted_on": date.min})

"""What a billing system must be able to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

from interlock.canonical import Account, Canonical, Customer, Subscription
from interlock.canonical.base import Record
from interlock.canonical.billing import (
    BalanceLine,
    CreditNote,
    Dispute,
    Invoice,
    Payment,
    Payout,
    PlacedUsage,
    Refund,
    UsageWindow,
)
from interlock.canonical.books import Fact, FactKind, FactsPage
from interlock.canonical.contracts import BilledContract, Contract
from interlock.canonical.credits import BillingContext, Credit, IssuedCredit
from interlock.canonical.customer_view import RecurringRevenue

if TYPE_CHECKING:
    from interlock.events import Event


class Catalogue(Canonical):
    """Which of the asked products the billing system can charge for."""

    billable_skus: tuple[str, ...]


class BalanceLines(Canonical):
    """Some lines of a payout; `next` is the id to go on after, None after the last."""

    lines: tuple[BalanceLine, ...]
    next: str | None


class SubmittedUsage(Record):
    """Usage as the billing system took it; `remote_id` is its id there.

    `placed` says where it counts, None for usage that people say is there.
    """

    remote_id: str
    placed: PlacedUsage | None = None


class BillingPort(Protocol):
    """A billing system behind one connection.

    `remote_id` is always the billing system's own id; a document's `id` is canonical, and is what
    the `get_` of a document takes. `idempotency_key` is deterministic per
    attempt at the same content and passed on to the vendor. Every method may raise
    VendorUnavailable, VendorThrottled, CredentialsRejected and VendorRejected; a write may raise
    OutcomeUnknown. A `find_` returns None when the record is provably absent (a cancelled or
    deleted one counts as absent) and raises RecordConflict when several carry the business key.
    """

    def get_catalogue(self, skus: tuple[str, ...]) -> Catalogue:
        """Which of these products exist and are active."""

    def get_customer(self, remote_id: str) -> Customer:
        """Raises RecordNotFound."""

    def find_customer(self, account: Account) -> Customer | None:
        """The customer that carries the account's id."""

    def create_customer(self, account: Account, *, idempotency_key: str) -> Customer:
        """Enter a customer that carries the account's id."""

    def delete_customer(self, remote_id: str) -> None:
        """Remove a customer without live subscriptions; a removed one is no error.

        Raises BusinessRuleViolation when it has live subscriptions.
        """

    def get_subscription(self, remote_id: str) -> Subscription:
        """Raises RecordNotFound."""

    def find_subscription(self, order_id: str, *, customer_remote_id: str) -> Subscription | None:
        """The subscription that carries the order's id and is not cancelled.

        Also when it is another customer's: that of an attempt before the customer was corrected.
        """

    def create_subscription(
        self, subscription: Subscription, *, customer_remote_id: str, idempotency_key: str
    ) -> Subscription:
        """Start it on its start date (which may be in the future), at the prices of its lines."""

    def cancel_subscription(self, remote_id: str) -> Subscription:
        """Cancel at once, without proration or a final invoice; a cancelled one stays as it is."""

    def get_invoice(self, invoice_id: str) -> Invoice:
        """With all its lines. Raises RecordNotFound."""

    def overdue_invoices(self, customer_remote_id: str, *, at: datetime) -> tuple[Invoice, ...]:
        """The invoices that the customer owes and are past due, or whose payment failed.

        Oldest first; what was given up collecting is still owed.
        """

    def get_payment(self, payment_id: str) -> Payment:
        """By the id of the payment or of its charge.

        Raises RecordNotFound, BusinessRuleViolation for a charge that pays several invoices, and
        VendorUnavailable as long as it is not known what a confirmed payment adds to the balance.
        """

    def get_credit_note(self, credit_note_id: str) -> CreditNote:
        """With all its lines. Raises RecordNotFound."""

    def get_refund(self, refund_id: str) -> Refund:
        """Raises RecordNotFound."""

    def get_dispute(self, dispute_id: str) -> Dispute:
        """`closed_at` is None too when it was closed so long ago that it is no longer known.

        Raises RecordNotFound.
        """

    def get_payout(self, payout_id: str) -> Payout:
        """Raises RecordNotFound."""

    def payout_lines(self, payout_id: str, *, after: str | None, limit: int) -> BalanceLines:
        """A page of what a payout consists of; the payout itself is not among its lines."""

    def get_usage_windows(self, meter: str, *, customer_remote_id: str) -> tuple[UsageWindow, ...]:
        """What each running subscription of the customer charges of a meter; none without one.

        Raises BusinessRuleViolation for an unknown meter.
        """

    def submit_usage(
        self,
        placed: PlacedUsage,
        *,
        first: PlacedUsage,
        customer_remote_id: str,
        idempotency_key: str,
    ) -> SubmittedUsage:
        """Submit usage to its meter, once per id, wherever it is placed.

        `first` is where the first attempt placed it. Should that one have succeeded after all, this
        one changes nothing, and the answer says `first`. Raises BusinessRuleViolation for what the
        billing system does not take, and RecordConflict when it cannot tell whether an attempt of
        long ago succeeded.
        """

    def events_since(self, moment: datetime) -> Iterator[Event]:
        """The canonical events of what has happened since, oldest first, as they would be told.

        Also of invoices whose due day has ended since and which are owed now, told of or not.
        """

    def facts(
        self, kind: FactKind, *, first_day: date, last_day: date, after: str | None, limit: int
    ) -> FactsPage:
        """A page of what counts, of days that are both included, in any order.

        A document may be listed under another day than its own, or not at all when it became final
        long after it was made: `find_facts` is what counts.
        """

    def find_facts(self, kind: FactKind, ids: tuple[str, ...]) -> tuple[Fact, ...]:
        """What counts of these documents, of any day; one that does not is left out."""

    def get_billing_context(
        self, account_id: str, *, customer_remote_id: str, first_day: date, last_day: date
    ) -> BillingContext:
        """What the customer was charged for these days, both included, and can be credited."""

    def get_credit(self, remote_id: str) -> IssuedCredit:
        """A credit note. Raises RecordNotFound."""

    def find_credit(self, credit_id: str, *, invoice_id: str) -> IssuedCredit | None:
        """The credit note on this invoice that carries the credit's id and was not taken back."""

    def issue_credit(self, credit: Credit, *, idempotency_key: str) -> IssuedCredit:
        """Issue a credit note over so much of the invoice's lines, with the taxes of these.

        Raises BusinessRuleViolation for more than is left of a line, or can be refunded.
        """

    def void_credit(self, remote_id: str) -> IssuedCredit:
        """Take a credit note back; one that was taken back is left as it is.

        It is voided where the billing system allows that, and otherwise countered on the customer's
        balance. Raises BusinessRuleViolation for money that was refunded, or credit that is used.
        """

    def get_billed_contract(self, remote_id: str) -> BilledContract:
        """A subscription as it was created or amended last. Raises RecordNotFound."""

    def amend_subscription(
        self, contract: Contract, *, remote_id: str, idempotency_key: str
    ) -> BilledContract:
        """Let the subscription charge what the contract says, from today on.

        What is past stays as it was charged. It ends with the contract unless that is active. A
        product that is added, or taken away, within a year is charged by the time that is left of
        it; the renewal's lines are charged from the term's first day. One that was told a later
        revision of the contract is left as it is. Raises BusinessRuleViolation for what the billing
        system cannot charge, and for a subscription that has been cancelled.
        """

    def get_recurring_revenue(self, customer_remote_id: str) -> RecurringRevenue:
        """What is charged for a year of the customer's live subscriptions, and its credit."""

    def get_final_invoice(self, remote_id: str) -> Invoice | None:
        """The last invoice of a subscription that has ended; None when it never had one.

        Raises NotYetPosted as long as it has not ended, or something of it is not invoiced yet.
        """

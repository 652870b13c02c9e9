"""What an ERP must be able to do."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Protocol

from interlock.canonical import Account, Canonical, Currency, Customer, Money, Order, Project
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Payment
from interlock.canonical.books import (
    Cleared,
    Entry,
    Fact,
    FactKind,
    FactsPage,
    PostedDocument,
    PostedEntry,
    Posting,
    ServiceSchedule,
)
from interlock.canonical.customer_view import Receivables
from interlock.canonical.records import Days, Percent, Sku


class OrderContextQuery(Canonical):
    """What the ERP is asked about before an order is entered.

    `posting_date` is the day whose accounting period must be open.
    """

    subsidiary: str
    currency: Currency
    skus: tuple[str, ...]
    payment_terms: str
    posting_date: date
    account_id: RecordId
    country: str | None


class OrderContext(Canonical):
    """The ERP's facts that decide whether an order may be entered.

    `sellable_skus` are the asked products that exist and may be sold. `taxed_skus` are those with
    at least one customer tax in this subsidiary (its tax nexus). `subsidiary_currency` is None
    when there is no such subsidiary. `payment_days` is how many days after an invoice its last
    instalment is due by the asked payment terms, None when there are no such terms. `credit_hold`
    says why the customer is on hold, None when it is not or is not yet a customer.
    """

    subsidiary_currency: Currency | None
    subsidiaries: tuple[str, ...]
    sellable_skus: tuple[str, ...]
    taxed_skus: tuple[str, ...]
    payment_days: Days | None
    period_open: bool
    credit_hold: str | None = None


class CustomerCriteria(Canonical):
    """By what a customer may be recognised; each is tried on its own, in this order."""

    account_id: RecordId
    tax_id: str | None
    domain: str | None

    @classmethod
    def of(cls, account: Account) -> CustomerCriteria:
        """By what an account may be recognised."""
        return cls(account_id=account.id, tax_id=account.tax_id, domain=account.domain)


class CustomerCandidate(Canonical):
    """A customer that fits one criterion: `by` is "external_id", "tax_id" or "domain"."""

    remote_id: str
    name: str
    by: str


class PeriodState(StrEnum):
    """Whether an accounting period takes postings; MISSING where the ERP has none for the day."""

    OPEN = "open"
    CLOSED = "closed"
    LOCKED = "locked"
    MISSING = "missing"


class PostingContextQuery(Canonical):
    """What the ERP is asked about before a document is posted.

    `posting_date` is the day whose accounting period is asked about, in the subsidiary's books.
    """

    subsidiary: str | None
    currency: Currency
    skus: tuple[Sku, ...]
    tax_percents: tuple[Percent, ...]
    posting_date: date


class PostingContext(Canonical):
    """The ERP's facts that decide whether and on which day a document may be posted.

    `subsidiary` is the asked one, `kept_currencies` are those in which it keeps books, none when
    there is no such subsidiary. `known_skus` are the asked products that have a revenue account
    there, `known_tax_percents` the asked rates for which it has exactly one tax. `next_open_day` is
    the first day of the first open period after the asked day, None when there is none.
    """

    subsidiary: str | None
    subsidiaries: tuple[str, ...]
    kept_currencies: tuple[Currency, ...]
    known_skus: tuple[Sku, ...]
    known_tax_percents: tuple[Percent, ...]
    period: PeriodState
    next_open_day: date | None


class ErpPort(Protocol):
    """An ERP behind one connection.

    `remote_id` is always the ERP's internal id, as text. Every method may raise VendorUnavailable,
    VendorThrottled, CredentialsRejected and VendorRejected; a write may raise OutcomeUnknown. A
    `find_` returns None when the record is provably absent (a cancelled or deactivated one counts
    as absent); it raises RecordConflict when several carry the same business key.
    """

    def get_order_context(
        self, query: OrderContextQuery, *, customer_remote_id: str | None
    ) -> OrderContext:
        """The facts for `rules.order_validation`, of the customer too if there is one.

        Raises BusinessRuleViolation for payment terms that are no number of days.
        """

    def find_customer_candidates(self, criteria: CustomerCriteria) -> tuple[CustomerCandidate, ...]:
        """Active customers that fit by external id, else by tax id, else by domain.

        Only the candidates of the first criterion that finds any are returned.
        """

    def get_customer(self, remote_id: str) -> Customer:
        """Raises RecordNotFound."""

    def find_customer(self, account_id: str) -> Customer | None:
        """The customer that carries this external id."""

    def create_customer(self, account: Account, *, parent_remote_id: str | None) -> Customer:
        """Enter a customer with its address, tax id, domain, external id and parent."""

    def deactivate_customer(self, remote_id: str) -> Customer:
        """Deactivate a customer without transactions; an inactive one is left as it is.

        Raises BusinessRuleViolation when it has transactions.
        """

    def get_order(self, remote_id: str) -> Order:
        """Raises RecordNotFound."""

    def find_order(self, order_id: str) -> Order | None:
        """The order that carries this external id and is not cancelled."""

    def create_order(self, order: Order, *, customer_remote_id: str) -> Order:
        """Enter and confirm the order with its lines and taxes; returns it with its number."""

    def find_order_or_draft(self, order_id: str) -> Order | None:
        """As `find_order`; without an order, a draft that an attempt left behind."""

    def cancel_order(self, remote_id: str) -> Order:
        """Cancel the order, and drafts of it; a cancelled one is left as it is.

        Raises BusinessRuleViolation when it is already invoiced: Finance must decide.
        """

    def get_project(self, remote_id: str) -> Project:
        """Raises RecordNotFound."""

    def find_project(self, order_id: str) -> Project | None:
        """The open project for this order's services."""

    def create_project(self, order: Order, *, customer_remote_id: str) -> Project:
        """Open a project with one piece of work per services line of the order."""

    def close_project(self, remote_id: str) -> Project:
        """Close the project; a closed one is left as it is."""

    def get_posting_context(self, query: PostingContextQuery) -> PostingContext:
        """The facts for `rules.posting`."""

    def get_document(self, remote_id: str) -> PostedDocument:
        """An invoice or credit memo. Raises RecordNotFound."""

    def find_invoice(self, invoice_id: str) -> PostedDocument | None:
        """The posted invoice that carries this external id.

        One that credit notes have credited whole counts, one that was reversed does not.
        """

    def post_invoice(self, posting: Posting, *, customer_remote_id: str) -> PostedDocument:
        """Enter and post an invoice with its taxes as given, to the minor unit.

        Raises BusinessRuleViolation when the ERP comes to another total: nothing is posted then.
        """

    def schedule_service_periods(self, remote_id: str) -> ServiceSchedule:
        """Spread the revenue of a posted document over its lines' service periods.

        What is spread already stays as it is.
        """

    def find_credit_memo(
        self, credit_note_id: str, *, unapplied: bool = False
    ) -> PostedDocument | None:
        """The posted credit memo that carries this external id and is not reversed.

        One that an attempt has posted and not applied to its invoice yet counts if `unapplied`: it
        is not done, and in the books all the same.
        """

    def post_credit_memo(
        self, posting: Posting, *, customer_remote_id: str, invoice_remote_id: str
    ) -> PostedDocument:
        """Enter and post a credit memo.

        It pays the invoice it credits as far as that is still to be paid; the rest stays the
        customer's credit.
        """

    def find_customer_credit(self, invoice_id: str) -> PostedEntry | None:
        """The entry that lets the customer's own credit pay this invoice and is not reversed.

        It has the invoice's id.
        """

    def apply_customer_credit(
        self, amount: Money, *, posting_date: date, invoice_remote_id: str
    ) -> PostedEntry:
        """Let the customer's own credit pay so much of an invoice.

        It is taken from what is open of credit memos, the oldest first, and then from what is on
        account. Raises NotYetPosted as long as the books have less of it, and BusinessRuleViolation
        when less is still to be paid of the invoice.
        """

    def reverse_document(self, remote_id: str, *, posting_date: date) -> PostedDocument:
        """Post the document that undoes a posted one, and settle the two; never delete it.

        What was spread of its revenue is undone alike, and so is the customer's credit that pays
        it. Done before, it is left as it is. Raises
        BusinessRuleViolation when it has payments: these are unapplied first.
        """

    def get_entry(self, remote_id: str) -> PostedEntry:
        """A payment or journal entry. Raises RecordNotFound."""

    def find_payment(self, payment_id: str) -> PostedEntry | None:
        """The payment that carries this external id and is not reversed."""

    def apply_payment(
        self, payment: Payment, *, posting_date: date, invoice_remote_id: str
    ) -> PostedEntry:
        """Enter a payment and let it pay the invoice.

        More than is still to be paid stays the customer's credit. A payment that was settled in
        another currency than the invoice's leaves a gain or a loss on exchange.
        """

    def unapply_payment(self, remote_id: str, *, posting_date: date) -> PostedEntry:
        """Reverse a payment, so that the invoice is to be paid again; done before, it stays."""

    def find_entry(self, entry_id: str) -> PostedEntry | None:
        """The journal entry that carries this external id and is not reversed."""

    def post_entry(
        self, entry: Entry, *, customer_remote_id: str | None, settles_remote_id: str | None
    ) -> PostedEntry:
        """Post a journal entry. A line on the receivable is the customer's, and settles a document
        where one is given, as far as the two amounts allow."""

    def reverse_entry(self, remote_id: str, *, posting_date: date) -> PostedEntry:
        """Post the entry that undoes it; done before, it is left as it is."""

    def cleared_amounts(self, record_ids: tuple[str, ...]) -> dict[str, Cleared]:
        """What payments and entries with these external ids put on the clearing account, signed.

        One that is not in the books, or was reversed, is left out.
        """

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
        """A page of what is posted, of posting dates that are both included, in any order.

        Of documents that were born in a system; what was reversed is left out. A customer that this
        ERP knows by no account's id has its canonical id of this ERP.
        """

    def find_facts(self, kind: FactKind, ids: tuple[str, ...]) -> tuple[Fact, ...]:
        """What is posted of these documents on any day; one that is posted twice is there twice."""

    def get_receivables(self, customer_remote_id: str, *, today: date) -> Receivables:
        """What the customer owes in the books, and what of it was due before today."""

"""What an ERP must be able to do."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from interlock.canonical import Account, Canonical, Currency, Customer, Order, Project
from interlock.canonical.base import RecordId
from interlock.canonical.records import Days


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

"""The canonical records that lead to order moves between the systems."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from interlock.canonical.base import Canonical, Record, RecordId, Text, Timestamp
from interlock.canonical.money import EXACTLY, Currency, Money, UnitPrice


def _spelled_once(number: Decimal) -> Decimal:
    """60, 60.0 and 6E+1 are one number and have one fingerprint."""
    return Decimal(f"{number.normalize():f}")


Sku = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Quantity = Annotated[
    Decimal, Field(gt=0, max_digits=18, decimal_places=6), AfterValidator(_spelled_once)
]
Percent = Annotated[Decimal, AfterValidator(_spelled_once)]
Days = Annotated[int, Field(ge=0)]


class Address(Canonical):
    """A postal address; `country` is ISO 3166-1 alpha-2, `region` as the country writes it."""

    street: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]


class Account(Record):
    """A company we sell to. `domain` is its bare host name, `tax_id` its registration."""

    name: Text
    parent_id: RecordId | None = None
    domain: str | None = None
    tax_id: str | None = None
    email: str | None = None
    billing_address: Address | None = None


class LineKind(StrEnum):
    """How a line is delivered and charged."""

    RECURRING = "recurring"  # billed by the billing system for the subscription's term
    SERVICE = "service"  # professional services: an ERP project, invoiced from the ERP


class Line(Canonical):
    """One product sold. `amount` is net of tax, for the whole quantity and one billing year.

    A ramp has further lines of the product: each replaces the one before after `from_month` months
    of the term.
    """

    number: int
    sku: Sku
    description: str
    kind: LineKind
    quantity: Quantity
    unit_price: UnitPrice
    amount: Money
    from_month: Annotated[int, Field(ge=0)] = 0

    @property
    def adds_up(self) -> bool:
        """Whether the unit price times the quantity is the amount."""
        return self.unit_price.times(self.quantity) == self.amount

    def price_in(self, decimals: int, quantum: Decimal) -> Decimal | None:
        """The unit price for a system of so many decimals, such that it comes to `amount`.

        Systems round halves in different ways (up, or to even), so a price counts only where it
        leaves no half of a `quantum` to round, the smallest amount the system knows. That is the
        agreed price nearly always, else what one unit costs of `amount`; None when neither has
        few enough decimals.
        """
        step = Decimal(1).scaleb(-decimals)
        amount = self.amount.amount
        with localcontext(EXACTLY):
            for price in (self.unit_price.amount, amount / self.quantity):
                shortened = price.quantize(step)
                if abs(shortened * self.quantity - amount) < quantum / 2:
                    return shortened
        return None


class Split(Canonical):
    """A seller's share of an opportunity: commission only, it never multiplies the order."""

    owner: str
    percent: Percent


class RenewalTerms(Canonical):
    """What was signed about the renewal of a contract.

    Either party ends the contract `notice_days` before its end at the latest; else one that
    `auto_renews` goes on for `renewal_months`. Prices rise by `uplift` percent, or by the published
    index that `index` names; by `uplift_cap` percent at most, where one was agreed.
    """

    auto_renews: bool
    notice_days: Days
    renewal_months: Annotated[int, Field(ge=1, le=120)] = 12
    uplift: Percent | None = None
    index: Text | None = None
    uplift_cap: Percent | None = None


class DealKind(StrEnum):
    """What a deal does: sell anew, or renew or amend a contract."""

    NEW = "new"
    RENEWAL = "renewal"
    AMENDMENT = "amendment"


class Opportunity(Record):
    """A snapshot of a deal as the CRM holds it now, with its lines and the account's ancestors.

    `accounts` starts with the opportunity's own account; each further one is the parent of the one
    before. The CRM adapter stops at an account it has already listed (which it lists again, so
    that a cycle can be seen) or at the depth it was asked for. `start_date` is when the service
    begins, a calendar day in the customer's time zone.

    A deal of another `kind` than a new one is about the contract `contract_id`; with
    `consolidates_into` that one's products go to this other contract instead of being renewed.
    `discount` is what sales ask for on a renewal's price, in percent. `renewal` is what is agreed
    about the renewal, None where the deal says nothing of it.
    """

    name: Text
    is_won: bool
    is_lost: bool = False
    kind: DealKind = DealKind.NEW
    contract_id: RecordId | None = None
    consolidates_into: RecordId | None = None
    discount: Annotated[Percent, Field(ge=0, le=100)] | None = None
    renewal: RenewalTerms | None = None
    currency: Currency
    amount: Money
    close_date: date
    start_date: date
    term_months: Annotated[int, Field(ge=1, le=120)]
    payment_terms: str | None
    subsidiary: str | None
    lines: tuple[Line, ...]
    splits: tuple[Split, ...] = ()
    accounts: Annotated[tuple[Account, ...], Field(min_length=1)]
    owner: str | None = None
    modified_at: Timestamp

    @property
    def account(self) -> Account:
        """The account that the deal is with."""
        return self.accounts[0]

    def agreed(self) -> str:
        """A fingerprint of what was agreed: not of who edited it when, nor of our write-back."""
        return self.fingerprint(exclude={"modified_at", "references", "owner", "name"})


class Order(Record):
    """A sales order. `id` is the opportunity's: one order per deal.

    `remote_id`, `number`, `status`, `tax` and `total` are the ERP's own, absent until it has the
    order; `total` includes tax. `payment_days` is how long the customer has to pay an invoice: the
    ERP's meaning of `payment_terms`.
    """

    bill_to: RecordId
    subsidiary: Text
    currency: Currency
    payment_terms: Text
    payment_days: Days
    start_date: date
    term_months: int
    lines: tuple[Line, ...]
    net: Money
    remote_id: str | None = None
    number: str | None = None
    status: str | None = None
    tax: Money | None = None
    total: Money | None = None

    def lines_of(self, kind: LineKind) -> tuple[Line, ...]:
        """The lines of one kind."""
        return tuple(line for line in self.lines if line.kind == kind)


class Customer(Record):
    """A customer as the ERP or the billing system holds it; `remote_id` is its id there."""

    remote_id: str
    number: str | None = None
    name: Text
    active: bool = True
    tax_id: str | None = None
    domain: str | None = None


class Project(Record):
    """The ERP's project for the services lines of an order; `number` is the ERP's own."""

    remote_id: str
    number: str | None = None
    status: str | None = None


class Subscription(Record):
    """A subscription in the billing system, billed yearly in advance from `start_date`.

    `id` is the order's, `subsidiary` the one whose books its invoices belong to. `remote_id` and
    `status` are the billing system's own. An invoice is due `payment_days` after it is made.
    """

    customer_id: RecordId
    subsidiary: Text
    currency: Currency
    payment_days: Days
    start_date: date
    term_months: int
    lines: tuple[Line, ...]
    remote_id: str | None = None
    status: str | None = None

    @classmethod
    def of(cls, order: Order) -> Subscription:
        """The subscription for an order's recurring lines, at the start: a ramp's come later."""
        return cls(
            id=order.id,
            customer_id=order.bill_to,
            subsidiary=order.subsidiary,
            currency=order.currency,
            payment_days=order.payment_days,
            start_date=order.start_date,
            term_months=order.term_months,
            lines=tuple(
                line for line in order.lines_of(LineKind.RECURRING) if line.from_month == 0
            ),
        )


class Task(Record):
    """An implementation task: a ticket in the support system. `id` is ours, stable per order.

    `customer_id` is the account's: it tells customers of the same name apart.
    """

    subject: Text
    body: str
    customer_id: RecordId
    customer_name: Text
    remote_id: str | None = None
    status: str | None = None


class WonDeal(Canonical):
    """A deal that is won, and since when, as the CRM says: no more than a sweep needs to know."""

    id: RecordId
    won_at: Timestamp


class OrderStatus(StrEnum):
    """What the CRM is told about an order."""

    ACCEPTED = "accepted"
    CANCELLED = "cancelled"


class WriteBack(Canonical):
    """What we write to the opportunity: the order's identity in the other systems.

    All is None on an opportunity that we have not written to.
    """

    opportunity_id: RecordId
    status: OrderStatus | None
    order_number: str | None
    subscription_id: str | None
    correlation_id: str | None

    @property
    def remote_id(self) -> str:
        """The record that carries it."""
        return self.opportunity_id

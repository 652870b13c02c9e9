"""Contracts: what a customer has signed, how it changes, and what its renewal costs."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from interlock.canonical.base import Canonical, Record, RecordId, Text, Timestamp
from interlock.canonical.money import Currency, Money, UnitPrice
from interlock.canonical.records import Days, Order, Percent, Quantity, RenewalTerms, Sku


class ContractLine(Canonical):
    """A product that is served and charged from `starts_on` until before `ends_on`.

    `amount` is net of tax, for the whole quantity and a year. A product whose quantity or price
    changes, as a ramp does, has a line for each time.
    """

    sku: Sku
    description: str
    quantity: Quantity
    unit_price: UnitPrice
    amount: Money
    starts_on: date
    ends_on: date

    def is_in_force(self, day: date) -> bool:
        """Whether it is served on a day."""
        return self.starts_on <= day < self.ends_on


class BilledPhase(Canonical):
    """What is charged from a day until before another; the lines' own days say the same."""

    starts_on: date
    ends_on: date
    lines: tuple[ContractLine, ...]


class Movement(Canonical):
    """What a change does to the yearly recurring revenue, net of tax, as of a day.

    What was new, came to or went from a customer that stays, and went with one that leaves; each as
    it is added, so `contraction` and `churn` are not positive, unless a change is taken back.
    `transferred` goes from one contract to another: over all contracts it adds up to nothing.
    """

    on: date
    new: Money
    expansion: Money
    contraction: Money
    churn: Money
    transferred: Money

    @property
    def total(self) -> Money:
        """By how much it changes."""
        parts = (self.new, self.expansion, self.contraction, self.churn, self.transferred)
        return Money.total(parts, self.new.currency)


class ContractStatus(StrEnum):
    """How a contract stands; one that is ENDING is served until its end, and not renewed."""

    ACTIVE = "active"
    ENDING = "ending"
    ENDED = "ended"


class Contract(Record):
    """What a customer has signed. `id` is the order's that it began with, and stays.

    It lasts until before `ends_on`; a renewal moves that, and adds the lines of the next term.
    `customer_name` and `customer_email` are for notices. `deals` are those that it was made,
    renewed and amended by, which none does twice. `handover` is what its end comes to where another
    contract goes on with its products, None where none does. `renewal_run` counts the runs of this
    term's renewal, from 1: one that is taken back is followed by another. `revision` counts its
    changes, of which each that is taken back is another one.
    """

    account_id: RecordId
    customer_name: Text
    customer_email: str | None = None
    bill_to: RecordId
    subsidiary: Text
    currency: Currency
    payment_terms: Text
    payment_days: Days
    starts_on: date
    ends_on: date
    renewal: RenewalTerms
    lines: tuple[ContractLine, ...]
    status: ContractStatus = ContractStatus.ACTIVE
    deals: tuple[RecordId, ...] = ()
    handover: Movement | None = None
    renewal_run: Annotated[int, Field(ge=1)] = 1
    revision: Annotated[int, Field(ge=1)] = 1

    def lines_on(self, day: date) -> tuple[ContractLine, ...]:
        """What is served on a day."""
        return tuple(line for line in self.lines if line.is_in_force(day))

    def yearly_on(self, day: date) -> Money:
        """The yearly recurring revenue of a day, net of tax."""
        return Money.total((line.amount for line in self.lines_on(day)), self.currency)

    @property
    def phases(self) -> tuple[BilledPhase, ...]:
        """Its lines by the times in which they are served together, in order."""
        days = sorted({day for line in self.lines for day in (line.starts_on, line.ends_on)})
        return tuple(
            BilledPhase(starts_on=first, ends_on=after, lines=lines)
            for first, after in pairwise(days)
            if (lines := self.lines_on(first))
        )

    @property
    def renewal_id(self) -> str:
        """What names the renewal of this term."""
        return f"{self.id}@{self.ends_on}"


class ChangeKind(StrEnum):
    """How a contract changes."""

    SIGNED = "signed"
    RENEWED = "renewed"
    AMENDED = "amended"
    ENDING = "ending"  # it will not be renewed
    CONSOLIDATED = "consolidated"  # it will not be renewed, and another one serves its products
    ENDED = "ended"
    REVERTED = "reverted"  # what a change did is taken back


class ContractChange(Canonical):
    """A change as it was decided: the contract before and after, and what it comes to.

    `before` is None for a new contract. `deal_id` is the CRM's opportunity, None for a change that
    no deal tells of; `order` is what the ERP is told, None where nothing is sold by it.
    `movement` is as of `effective_on`; `steps` are the further ones that ramps come to later.
    """

    kind: ChangeKind
    before: Contract | None
    after: Contract
    effective_on: date
    deal_id: RecordId | None = None
    order: Order | None = None
    movement: Movement
    steps: tuple[Movement, ...] = ()


class RenewalQuote(Canonical):
    """What the next term of a contract costs a year, net of tax, with its working.

    `by_terms` is what the signed terms come to, for the quantities that are quoted; `total` is what
    is asked for, `discount` how much less that is, in percent, rounded up. Of a ramp, all three are
    of the time in which it is less by most. `asked_by` is the e-mail address of who asked for less.
    The working is sentences that a person can check, in order.
    """

    contract_id: RecordId
    revision: int
    starts_on: date
    ends_on: date
    lines: tuple[ContractLine, ...]
    by_terms: Money
    total: Money
    discount: Percent
    asked_by: str | None = None
    working: tuple[str, ...]

    def offer(self) -> str:
        """A fingerprint of what is offered: not of how it was computed, nor of who asked.

        So what was approved is the same once it is sold, as the CRM orders and describes its lines.
        """
        lines = sorted(line.fingerprint(exclude={"description"}) for line in self.lines)
        offered = self.fingerprint(exclude={"working", "asked_by", "revision", "lines"})
        return sha256(",".join([offered, *lines]).encode()).hexdigest()


class RenewalAction(StrEnum):
    """What is to be done about a renewal next."""

    QUOTE = "quote"  # tell the CRM the price
    NOTICE = "notice"  # tell the customer that the contract will go on by itself
    WAIT = "wait"
    RENEW = "renew"
    CONSOLIDATE = "consolidate"  # let another contract of the customer serve the products
    END = "end"  # let the contract end with its term
    OFFBOARD = "offboard"  # it has ended


class Notice(Record):
    """A notice to a customer that its contract goes on by itself, unless it says otherwise.

    `id` is the renewal's. `remote_id` is the message's in the support system, `sent_at` when it was
    sent: both None until then.
    """

    account_id: RecordId
    customer_name: Text
    customer_email: Text
    subject: Text
    body: Text
    remote_id: str | None = None
    sent_at: Timestamp | None = None


class RenewalDecision(Canonical):
    """What to do next, and why, in sentences.

    `seconds` is how long to wait at most, until it is time for something else. `change` is how the
    contract changes, and `notice` what the customer is told, where that is the action.
    """

    action: RenewalAction
    reasons: tuple[str, ...]
    seconds: Annotated[int, Field(ge=60)] = 60
    change: ContractChange | None = None
    notice: Notice | None = None


class RenewalDeal(Record):
    """A renewal as sales see it: an open deal in the CRM, made before anybody has asked for it.

    `id` is the renewal's. `remote_id` is the CRM's, `deal_id` the same as a canonical id; both
    are None until it is there.
    """

    contract_id: RecordId
    account_id: RecordId
    name: Text
    currency: Currency
    subsidiary: Text
    payment_terms: Text
    starts_on: date
    term_months: Annotated[int, Field(ge=1, le=120)]
    remote_id: str | None = None
    deal_id: RecordId | None = None

    @classmethod
    def of(cls, contract: Contract) -> RenewalDeal:
        """The deal for a contract's next term."""
        return cls(
            id=contract.renewal_id,
            contract_id=contract.id,
            account_id=contract.account_id,
            name=f"{contract.customer_name} renewal {contract.ends_on}",
            currency=contract.currency,
            subsidiary=contract.subsidiary,
            payment_terms=contract.payment_terms,
            starts_on=contract.ends_on,
            term_months=contract.renewal.renewal_months,
        )


class TakenDeal(Canonical):
    """A deal that sales made for a renewal, from now on the renewal's."""

    renewal_id: RecordId
    deal_id: RecordId | None


class Quoted(Canonical):
    """The fingerprint of what we offer on a deal; None where it says nothing of ours."""

    deal_id: RecordId
    offer: Text | None

    @property
    def remote_id(self) -> str:
        """The record that carries it."""
        return self.deal_id


class QuotedDeal(Canonical):
    """A price on an open deal: its lines are replaced. `summary` tells sales about the customer."""

    deal_id: RecordId
    quote: RenewalQuote
    summary: str

    @property
    def told(self) -> Quoted:
        """What the deal offers once it carries this."""
        return Quoted(deal_id=self.deal_id, offer=self.quote.offer())


class BilledContract(Record):
    """A contract as the billing system charges it: phases that follow one another.

    `id` is the contract's, `revision` the contract's that it was told last. It `ends` with its last
    phase, or goes on at its prices. `remote_id` and `status` are the billing system's own.
    """

    revision: int
    ends: bool
    phases: tuple[BilledPhase, ...]
    remote_id: str
    status: str

"""What came of a customer's cases, read back from every system, and whether it is as it must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from interlock.audit import Audit, Chain
from interlock.canonical import Money
from interlock.canonical.books import PostedDocument
from interlock.canonical.credits import CreditNotice, CreditOutcome, CreditStatus

from local.cli.systems import Systems
from local.cli.target import Target
from local.credits.company import Company, Customer
from local.credits.stories import Story
from local.sandboxes.stripe.account import StripeObject

RUNNING = "RUNNING"


@dataclass(frozen=True)
class Outcome:
    """Of one customer: its cases by number, in the order in which they were filed."""

    company: Company
    target: Target
    customer: Customer
    cases: tuple[int, ...]

    @cached_property
    def told(self) -> dict[int, CreditOutcome | None]:
        """What Zendesk says of each case."""
        support = self._systems.support
        return {number: support.read_credit_outcome(f"zendesk:{number}") for number in self.cases}

    @cached_property
    def credit_notes(self) -> list[StripeObject]:
        """What Stripe has issued, oldest first."""
        invoices = {invoice["id"] for invoice in self.company.invoices(self.customer)}
        issued = self.company.environment.stripe.account.credit_notes.values()
        return [note for note in issued if note["invoice"] in invoices]

    @cached_property
    def credit_memos(self) -> list[PostedDocument | None]:
        """What Tryton has posted for each, None where it has none."""
        erp = self._systems.erp
        return [erp.find_credit_memo(f"stripe:{note['id']}") for note in self.credit_notes]

    @cached_property
    def notice(self) -> CreditNotice | None:
        """What Salesforce says on the account."""
        return self._systems.crm.read_credit_notice(self.customer.account)

    @cached_property
    def chains(self) -> list[Chain]:
        """The audit of each credit of the cases."""
        audit = Audit(self.target.id("AuditTable"), _client=self.target.dynamodb)
        return [chain for number in self.cases for chain in audit.of_subject(f"zendesk:{number}")]

    def problems(self, story: Story) -> Iterator[str]:
        """Where it is not what the story must come to."""
        statuses = tuple(told.status if told else None for told in self.told.values())
        if statuses != story.outcomes:
            yield f"the cases say {_listed(statuses)} instead of {_listed(story.outcomes)}"
        expected = self.expected(story)
        credited = self._sum("subtotal")
        if credited != expected:
            yield f"Stripe credited {credited} instead of {expected}"
        booked = Money.total(
            (memo.total for memo in self.credit_memos if memo), self.customer.currency
        )
        if None in self.credit_memos or booked != self._sum("total"):
            yield f"Tryton has {booked} instead of {self._sum('total')}"
        granted = CreditStatus.GRANTED in story.outcomes or story.percent > 0
        if granted != (self.notice is not None):
            yield f"Salesforce says {self.notice}"
        for chain in self.chains:
            yield from chain.problems()
        for chain in self.chains:
            if chain.rows[-1].action != "concluded":
                yield f"the audit of {chain.transaction} has no end"

    def expected(self, story: Story) -> Money:
        """What must be credited, net of tax: computed here, and not by the rules."""
        fee = Money.rounded(self.company.monthly_fee(self.customer), self.customer.currency)
        return fee.times(story.percent / Decimal(100))

    def _sum(self, name: str) -> Money:
        units = sum(note[name] for note in self.credit_notes if note["status"] == "issued")
        return Money.from_minor_units(units, self.customer.currency)

    @cached_property
    def _systems(self) -> Systems:
        return Systems.of(self.target)


def _listed(statuses: tuple[CreditStatus | None, ...]) -> str:
    return ", ".join(str(status) for status in statuses) or "nothing"

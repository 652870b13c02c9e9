"""Driving renewal operations from outside: deals are won, days pass, sales and customers decide."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from interlock.approvals import Approval
from interlock.canonical.contracts import Contract
from interlock.canonical.services import Service
from interlock.events import Event, renewal_due
from interlock.rules.months import later

from local.cli.api import Api
from local.cli.target import Target
from local.cloud.names import REGION
from local.environment import STACK
from local.sandboxes import salesforce_seed as sales
from local.sandboxes.salesforce_seed import USD_DEAL, LineSample, RenewalSample
from tests.workflows.billing import DAY, Billing
from tests.workflows.runs import Machine, Run, Workflow
from tests.workflows.systems import Systems

MINUTE = 60
SALES_LEAD = "sales-lead@interlock.example"
FINANCE = "finance@interlock.example"
PLATFORM = LineSample("PLATFORM-ANNUAL", Decimal(1), Decimal("24000.00"))
SEATS = LineSample("SEAT-ANNUAL", Decimal(25), Decimal("480.00"))
AUTO = RenewalSample(auto_renews=True, notice_days=60, uplift=Decimal(3))
ASKED = RenewalSample(auto_renews=False, notice_days=60, uplift=Decimal(3))
# By what the price of the next term is higher, as both say.
RISE = Decimal("1.03")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Signed:
    """A contract as it was signed: the deal that it began with, and when it ends first."""

    deal: str
    ends_on: date

    @property
    def contract(self) -> str:
        """Its id."""
        return f"salesforce:{self.deal}"


class Renewals(Machine):
    """Renewal operations: they start as in production, by a milestone's schedule, or by a deal."""

    resource = "Renewal"

    def __init__(self, workflow: Workflow, billing: Billing, systems: Systems) -> None:
        super().__init__(workflow.environment)
        self.workflow = workflow
        self.billing = billing
        self.systems = systems
        self.organization = self.environment.organization
        self.desk = self.environment.desk
        self.target = Target.local(STACK, REGION, self.cloud.url)

    @property
    def today(self) -> date:
        """The day in virtual time."""
        return self.cloud.clock.utc().date()

    # Contracts

    def sign(
        self, days: int = 100, *, months: int = 12, posted: bool = False, **how: Any
    ) -> Signed:
        """A customer has signed a contract that ends in so many days, and was invoiced for it.

        Or a day or three sooner, where a month is too short for that. Unless it is `posted`, the
        books do not know the invoice. `how` is as of `signing`.
        """
        starts_on = later(self.today + timedelta(days), -months)
        return self.sign_from(starts_on, months=months, posted=posted, **how)

    def sign_from(
        self, starts_on: date, *, months: int = 12, posted: bool = False, **how: Any
    ) -> Signed:
        """A customer has signed a contract that begins on a day."""
        with nullcontext() if posted else self.billing.held_back():
            run = self._signing_from(starts_on, months, **how)
            assert run.wait_for_end()["status"] == "accepted"
        return Signed(run.deal, later(starts_on, months))

    def signing(self, days: int = 100, *, months: int = 12, **how: Any) -> Run:
        """The run of lead to order of a contract that ends in so many days."""
        with self.billing.held_back():
            return self._signing_from(later(self.today + timedelta(days), -months), months, **how)

    def _signing_from(
        self,
        starts_on: date,
        months: int,
        *,
        lines: tuple[LineSample, ...] = (PLATFORM, SEATS),
        renewal: RenewalSample | None = ASKED,
        account_of: Signed | None = None,
    ) -> Run:
        """Won by a customer of its own, or by that of another contract."""
        sample = replace(
            USD_DEAL, lines=lines, renewal=renewal, starts_on=starts_on, term_months=months
        )
        deal = sales.create_deal(self.organization, sample, suffix=f"R{next(_numbers)}")
        if account_of:
            account = self.systems.crm.account(account_of.deal)
            self.organization.update("Opportunity", deal, {"AccountId": account})
        return self.workflow.win(deal)

    def contract(self, signed: Signed) -> Contract:
        """As it is recorded now."""
        found = self.call("GetContractFunction", self._command(contract_id=signed.contract))
        return Contract.model_validate(found["contract"])

    def service(self, signed: Signed) -> Service:
        """What its customer is entitled to now."""
        account = f"salesforce:{self.systems.crm.account(signed.deal)}"
        found = self.call("AssessServiceFunction", self._command(account_id=account))
        return Service.model_validate(found)

    # Runs

    def due(self, signed: Signed, days: int = 120) -> Run:
        """A milestone is told of once more: the run of the term's renewal."""
        return self.told(self.due_event(signed, days))

    def due_event(self, signed: Signed, days: int = 120) -> Event:
        """What a milestone's schedule tells."""
        ends_on = self.contract(signed).ends_on
        return renewal_due(signed.contract, ends_on, days=days, at=self.cloud.clock.utc())

    def told(self, event: Event) -> Run:
        """An event arrives on the integration bus: the run of its transaction."""
        self.billing.announce(event)
        return Run(self, event.correlation_id)

    def begun(self, signed: Signed) -> Run:
        """The run of a renewal that is due: it waits for what sales and the customer say."""
        run = self.started(signed)
        self.wait(run)
        return run

    def started(self, signed: Signed) -> Run:
        """The run of a renewal that is due: what was reached before is told a minute later."""
        self.cloud.clock.advance(2 * MINUTE)
        return self.run_of(signed)

    def run_of(self, signed: Signed) -> Run:
        """The run of the renewal of the first term."""
        return Run(self, f"renewal-{signed.deal}-{signed.ends_on}")

    def amendment(self, deal: str, revision: int = 1) -> Run:
        """The run of a deal that amends a contract, which was at a revision then."""
        return Run(self, f"amendment-{deal}-{revision}")

    def wait(self, run: Run) -> None:
        """Until the run waits for something to happen; time does not jump on."""
        run.wait_until(lambda: run.status and run.states[-1] == "AwaitOutcome", jump=False)

    def pass_days(self, days: float) -> None:
        """So much later, whatever has become due is done."""
        self.cloud.clock.advance(days * DAY)
        self.environment.stripe.advance()
        self.settle()

    # Deals

    def deal(self, signed: Signed) -> str:
        """The deal of its renewal that is open, or the last one that was."""
        rows = self.organization.matching("Opportunity", "Interlock_Contract__c", signed.contract)
        return [row["Id"] for row in rows if row["Contract_Change__c"] == "Renewal"][-1]

    def renewed_by_sales(self, signed: Signed) -> str:
        """A deal for the next term that sales made themselves, at the price by the terms."""
        lines = [replace(line, unit_price=line.unit_price * RISE) for line in (PLATFORM, SEATS)]
        return sales.create_renewal(self.organization, signed.deal, tuple(lines))

    def quoted(self, deal: str) -> dict[str, tuple[Decimal, Decimal]]:
        """What sales see on a deal: quantity and unit price by product."""
        rows = self.systems.crm.lines(deal)
        return {row["ProductCode"]: (row["Quantity"], row["UnitPrice"]) for row in rows}

    def win(self, deal: str) -> None:
        """The customer agrees."""
        sales.close_won(self.organization, deal)

    def lose(self, deal: str) -> None:
        """The customer leaves."""
        sales.close_lost(self.organization, deal)

    def upsell(self, signed: Signed, *lines: LineSample, starts_on: date | None = None) -> str:
        """More is sold within the term: the deal."""
        deal = sales.create_amendment(
            self.organization, signed.deal, lines, starts_on=starts_on or self.today
        )
        self.win(deal)
        return deal

    # Approvals

    def asked(self, run: Run) -> Approval:
        """Until the run waits for a person, who is asked for this."""
        run.wait_until(lambda: self._pending(run), jump=False)
        [approval] = self._pending(run)
        return approval

    def decide(self, approval: Approval, person: str, action: str = "approve") -> None:
        """A person decides over the API. Raises Failure when it does not let."""
        decision = {"action": action, "reason": "as agreed", "subject_hash": approval.subject_hash}
        Api(self.target, person).post(f"/approvals/{approval.id}/decision", decision)

    def _pending(self, run: Run) -> list[Approval]:
        rows = self.rows("ApprovalsTable")
        found = [Approval.model_validate_json(row["content"]["S"]) for row in rows]
        return [
            each
            for each in found
            if (each.transaction, each.status) == (run.transaction, "pending")
        ]

    # What came of it

    def orders(self, id: str) -> list[str]:
        """The states of the ERP's orders of a deal."""
        return [order["state"] for order in self.systems.erp.orders(id)]

    def charged_on(self, signed: Signed, day: date) -> set[tuple[str, int, int]]:
        """What the subscription charges on a day: product, quantity, and the price of one."""
        noon = datetime.combine(day, time(12, 1), UTC).timestamp()
        [phase] = [
            each
            for each in self._schedule(signed)["phases"]
            if each["start_date"] <= noon < each["end_date"]
        ]
        prices = self.billing.stripe.account.prices
        return {
            (prices[i["price"]]["product"], i["quantity"], prices[i["price"]]["unit_amount"])
            for i in phase["items"]
        }

    def ends_in_billing(self, signed: Signed) -> bool:
        """Whether the subscription is cancelled at the end of what it charges by now."""
        return self._schedule(signed)["end_behavior"] == "cancel"

    def _schedule(self, signed: Signed) -> dict[str, Any]:
        [schedule] = self.systems.billing.schedules(signed.deal)
        return schedule

    def pay(self, signed: Signed) -> None:
        """The customer pays what it was invoiced."""
        subscription = self._schedule(signed)["subscription"]
        for invoice in list(self.billing.stripe.account.invoices.values()):
            if invoice["status"] == "open" and subscription in str(invoice["parent"]):
                self.billing.pay(invoice)
        self.settle()

    def planned(self, signed: Signed) -> list[int]:
        """The milestones that are scheduled, by their days before the end."""
        prefix = sha256(signed.contract.encode()).hexdigest()[:48]
        group = self.cloud.resources["MilestoneSchedules"]
        client = self.cloud.client("scheduler")
        pages = client.get_paginator("list_schedules").paginate(GroupName=group, NamePrefix=prefix)
        names = [row["Name"] for page in pages for row in page["Schedules"]]
        return sorted((int(name.rpartition("-")[2]) for name in names), reverse=True)

    def mails(self, signed: Signed) -> list[dict[str, Any]]:
        """What support's system has e-mailed to the customer, oldest first."""
        payer = self.contract(signed).bill_to.removeprefix("salesforce:")
        address = self.organization.get("Account", payer)["Billing_Email__c"]
        return self.desk.emails(address)

    def shown(self, signed: Signed) -> str | None:
        """Whether the customer is served, as sales see it."""
        account = self.systems.crm.account(signed.deal)
        return self.organization.get("Account", account)["Interlock_Service__c"]

    def _command(self, **fields: Any) -> dict[str, Any]:
        return {"correlation_id": "a-test", **fields}

"""What people do about one contract: sales at Salesforce, customers at Stripe, approvers over the
API, and what happens to the systems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from interlock.approvals import Approval
from interlock.canonical.customer_view import CustomerView

from local.cli.api import Api
from local.cli.errors import Failure
from local.cli.history import records_at
from local.cli.target import Target
from local.environment import LocalEnvironment
from local.renewals.portfolio import Signed
from local.renewals.stories import Act, What
from local.sandboxes import salesforce_seed as sales
from local.sandboxes.salesforce_seed import LineSample
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import invoice_api
from local.sandboxes.stripe.account import StripeObject

SEAT, VISA = "SEAT-ANNUAL", "pm_card_visa"
# More than any contract of the portfolio says.
RISE = Decimal("1.05")
REASONS = {"approve": "a customer of many years", "reject": "more than the policy has room for"}


class People:
    """They know each contract by its number; `deals` are the opportunities that these began with.

    `target` gives the stack as it is reached now: in virtual time credentials do not last.
    """

    def __init__(self, environment: LocalEnvironment, target: Callable[[], Target]) -> None:
        self._environment = environment
        self._organization = environment.organization
        self._target = target
        self.deals: dict[int, str] = {}
        self._owing: set[str] = set()
        self._late: set[str] = set()

    def contract(self, number: int) -> str:
        """The contract's id."""
        return f"salesforce:{self.deals[number]}"

    def sign(self, signed: Signed) -> None:
        """The deal is entered and won; one of a merged customer on that one's account."""
        deal = sales.create_deal(self._organization, signed.deal, suffix=f"{signed.number + 1:02d}")
        if signed.customer != signed.number:
            shared = self._organization.get("Opportunity", self.deals[signed.customer])
            account = {"AccountId": shared["AccountId"]}
            self._organization.update("Opportunity", deal, account)
        self.deals[signed.number] = deal
        if not signed.story.pays:
            account = self._organization.get("Opportunity", deal)["AccountId"]
            self._owing.add(f"salesforce:{account}")
            self._late |= self._owing
        sales.close_won(self._organization, deal)

    def act(self, signed: Signed, act: Act, day: date) -> str:
        """What a story says; returns what to tell of it. Raises Failure where it cannot be."""
        match act.what:
            case What.WIN:
                sales.close_won(self._organization, self._renewal(signed))
            case What.LOSE:
                sales.close_lost(self._organization, self._renewal(signed))
            case What.SET_SEATS:
                self._set_seats(self._renewal(signed), act.amount)
            case What.ASK_DISCOUNT:
                sales.ask_discount(self._organization, self._renewal(signed), act.amount)
            case What.APPROVE:
                self._decide(signed, "approve")
            case What.REJECT:
                self._decide(signed, "reject")
            case What.UPSELL:
                self._upsell(signed, act.amount, day)
            case What.RENEW_EARLY:
                self._renew_early(signed)
            case What.CONSOLIDATE:
                into = {"Consolidates_Into__c": self.contract(signed.joins)}
                self._organization.update("Opportunity", self._renewal(signed), into, sales.SELLER)
            case What.PAY:
                account = self._organization.get("Opportunity", self.deals[signed.number])
                self._owing.discard(f"salesforce:{account['AccountId']}")
                self.pay()
            case What.LOSE_SCHEDULES:
                self._lose_schedules(signed)
            case What.BREAK_SUPPORT:
                self._environment.zendesk.fail(FaultKind.UNAVAILABLE, times=None)
            case What.MEND_SUPPORT:
                self._environment.zendesk.heal()
                return f"{act.what}, {self._seen(signed)}"
        return str(act.what)

    def pay(self) -> None:
        """Every customer pays what it was invoiced, but for those who let us wait."""
        stripe = self._environment.stripe
        for invoice in list(stripe.account.invoices.values()):
            if (
                invoice["status"] == "open"
                and self._account(invoice["customer"]) not in self._owing
            ):
                stripe.do(invoice_api.pay, invoice["id"], payment_method=VISA)

    def is_of_late_payer(self, at_stripe: StripeObject) -> bool:
        """Whether something at Stripe is of a customer who lets us wait, or did."""
        invoice = self._environment.stripe.account.invoices.get(at_stripe.get("invoice"), {})
        customer = at_stripe.get("customer") or invoice.get("customer")
        return self._account(customer) in self._late

    def _account(self, customer: str | None) -> str | None:
        customers = self._environment.stripe.account.customers
        return customers[customer]["metadata"].get("interlock_account_id") if customer else None

    def sweep(self) -> None:
        """What is done every day: what no schedule told of is told."""
        cloud = self._environment.cloud
        name = cloud.function("SweepContractsFunction").name
        cloud.client("lambda").invoke(FunctionName=name, Payload="{}")

    def _renewal(self, signed: Signed) -> str:
        """The open or lost deal that renews a contract."""
        contract = self.contract(signed.number)
        deals = self._organization.matching("Opportunity", "Interlock_Contract__c", contract)
        found = [
            deal["Id"]
            for deal in deals
            if deal["Contract_Change__c"] == "Renewal" and not deal["IsWon"]
        ]
        if len(found) != 1:
            raise Failure(f"{len(found)} deals renew contract {signed.number + 1}, {contract}")
        return found[0]

    def _set_seats(self, deal: str, factor: Decimal) -> None:
        """The quoted prices, for another number of seats."""
        lines = []
        for row in self._organization.matching("OpportunityLineItem", "OpportunityId", deal):
            line = LineSample(row["ProductCode"], row["Quantity"], row["UnitPrice"])
            if line.product == SEAT:
                seats = (line.quantity * factor).quantize(Decimal(1), ROUND_HALF_UP)
                line = replace(line, quantity=seats)
            lines.append(line)
        sales.set_lines(self._organization, deal, tuple(lines))

    def _upsell(self, signed: Signed, seats: Decimal, day: date) -> None:
        line = LineSample(SEAT, seats, signed.seats.unit_price)
        deal = sales.create_amendment(
            self._organization, self.deals[signed.number], (line,), starts_on=day
        )
        sales.close_won(self._organization, deal)

    def _renew_early(self, signed: Signed) -> None:
        """The same once more, and not for less than by the terms."""
        platform, *_, seats = signed.deal.lines
        lines = (
            replace(line, unit_price=line.unit_price * RISE, from_month=0)
            for line in (platform, seats)
        )
        deal = sales.create_renewal(
            self._organization,
            self.deals[signed.number],
            tuple(lines),
            term_months=signed.deal.renewal.months,
        )
        sales.close_won(self._organization, deal)

    def _decide(self, signed: Signed, action: str) -> None:
        """Whoever is asked decides over the API."""
        target = self._target()
        rows = Api(target, ANYBODY).get("/approvals", {"status": "pending"})["approvals"]
        waiting = [Approval.model_validate(row) for row in rows]
        ours = [each for each in waiting if each.subject == self.contract(signed.number)]
        if len(ours) != 1:
            raise Failure(f"{len(ours)} approvals wait for contract {signed.number + 1}")
        [approval] = ours
        decision: dict[str, Any] = {"action": action, "reason": REASONS[action]}
        decision["subject_hash"] = approval.subject_hash
        api = Api(target, approval.people[0])
        api.post(f"/approvals/{approval.id}/decision", decision)

    def _seen(self, signed: Signed) -> str:
        """What its run knows of the customer's cases while support's system is down."""
        machine = self._environment.cloud.resources["Renewal"]
        name = f"renewal-{self.deals[signed.number]}-{signed.ends_on}"
        run = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        states = self._environment.cloud.client("stepfunctions")
        records = records_at(states, run, None)
        seen = CustomerView.model_validate(records["view"]).support
        if not seen.stale:
            raise Failure(f"nobody sees that support could not be read: {seen}")
        return f"its part was that of {seen.read_at:%m-%d}, and stale" if seen.read_at else "stale"

    def _lose_schedules(self, signed: Signed) -> None:
        """Somebody has deleted the schedules of a contract."""
        scheduler = self._environment.cloud.client("scheduler")
        group = self._environment.cloud.resources["MilestoneSchedules"]
        pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group)
        names = [row["Name"] for page in pages for row in page["Schedules"]]
        ours = [
            name
            for name in names
            if self.deals[signed.number]
            in scheduler.get_schedule(GroupName=group, Name=name)["Target"]["Input"]
        ]
        if not ours:
            raise Failure(f"no schedule is there for contract {signed.number + 1}")
        for name in ours:
            scheduler.delete_schedule(GroupName=group, Name=name)


ANYBODY = "revops@interlock.example"

"""Driving service changes from outside: contracts change, people suspend customers and resume."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from interlock.canonical import Money
from interlock.canonical.contracts import Contract, ContractLine
from interlock.canonical.money import UnitPrice
from interlock.canonical.records import RenewalTerms
from interlock.canonical.services import Service
from interlock.contracts import Contracts
from interlock.events import Event

from local.cli import systems
from local.cli.api import OPERATOR_ROLE, Api
from local.cli.audit import audits_of
from local.cli.target import Target
from local.cloud.names import REGION
from local.environment import STACK
from tests.workflows.billing import Billing
from tests.workflows.runs import Machine, Run

OPERATOR = "operator@interlock.example"
SEATS = "SEAT-ANNUAL"
YEAR = timedelta(days=365)
_numbers = itertools.count(1)


class Services(Machine):
    """Service changes: they start as in production, by an event, or by a person over the API."""

    resource = "ServiceChange"

    def __init__(self, billing: Billing) -> None:
        super().__init__(billing.environment)
        self.billing = billing
        self.target = Target.local(STACK, REGION, self.cloud.url)
        self.systems = systems.Systems.of(self.target)
        self.contracts = Contracts(self.target.id("ContractsTable"), self.target.dynamodb)

    @property
    def today(self) -> date:
        """The day in virtual time."""
        return self.cloud.clock.utc().date()

    # Customers

    def customer(self, *, seats: int = 10, known_to_support: bool = True) -> str:
        """A customer with a contract over seats, of which nobody was told yet: its account."""
        name = f"Entitled Customer {next(_numbers)}"
        number = self.environment.organization.insert("Account", {"Name": name})
        account = f"salesforce:{number}"
        if known_to_support:
            agent = self.environment.desk.agent("support-agent@interlock.example")
            self.environment.desk.file(account, "How does it work?", by=agent)
        self.contracts.record(self._contract(account, seats), "signed")
        return account

    def amend(self, account: str, **values: Any) -> None:
        """The customer's contract is another one now."""
        [contract] = self.contracts.of_account(account)
        changed = {"revision": contract.revision + 1} | values
        transaction = f"amended-{changed['revision']}"
        assert self.contracts.change(contract.model_copy(update=changed), transaction)

    def lines(self, seats: int) -> tuple[ContractLine, ...]:
        """So many seats, from a year ago to a year from now."""
        line = ContractLine(
            sku=SEATS,
            description="Seats, annual subscription",
            quantity=Decimal(seats),
            unit_price=UnitPrice(amount=Decimal(480), currency="USD"),
            amount=Money.of(480 * seats, "USD"),
            starts_on=self.today - YEAR,
            ends_on=self.today + YEAR,
        )
        return (line,)

    # Runs

    def change(self, account: str) -> Run:
        """The run that a change of a contract asks for."""
        event = self.event(account)
        self.billing.announce(event)
        return Run(self, event.correlation_id)

    def event(self, account: str) -> Event:
        """As a renewal's run tells it."""
        transaction = f"changed-{account.partition(':')[2]}-{next(_numbers)}"
        return Event(
            id=transaction,
            type="service.change_requested",
            source="interlock",
            subject=account,
            occurred_at=self.cloud.clock.utc(),
            correlation_id=transaction,
        )

    def order(self, account: str, action: str, person: str = OPERATOR) -> Run:
        """A person suspends the account, or resumes its service. Raises Failure."""
        body = {"action": action, "reason": "as agreed"}
        answer = self.api(person).post(f"/accounts/{account}/service", body)
        assert answer["account_id"] == account
        return Run(self, answer["transaction"])

    def api(self, person: str | None, role: str = OPERATOR_ROLE) -> Api:
        """The API, as a person calls it by a role."""
        return Api(self.target, person, role)

    # What came of it

    def shown(self, account: str) -> tuple[Service | None, Service | None]:
        """What support and sales see."""
        support, crm = self.systems.support, self.systems.crm
        return support.read_service(account), crm.read_service(account)

    def states(self, account: str) -> tuple[str | None, str | None]:
        """Of that, whether the customer is served."""
        support, crm = self.shown(account)
        return support and support.state, crm and crm.state

    def audited(self, account: str) -> list[tuple[str, str]]:
        """Who did what, by an audit that is whole, and told outside of its table as it is."""
        found = list(audits_of(self.target, account))
        assert all(each.anchors and each.problems == [] for each in found)
        return [(row.actor, row.action) for each in found for row in each.chain.rows]

    def _contract(self, account: str, seats: int) -> Contract:
        return Contract(
            id=f"salesforce:signed-{next(_numbers)}",
            account_id=account,
            customer_name="Entitled Customer",
            bill_to=account,
            subsidiary="TESSALINE-US",
            currency="USD",
            payment_terms="NET30",
            payment_days=30,
            starts_on=self.today - YEAR,
            ends_on=self.today + YEAR,
            renewal=RenewalTerms(auto_renews=True, notice_days=60),
            lines=self.lines(seats),
        )

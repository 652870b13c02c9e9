"""What a deal made in the systems, read back from them, and whether it is what was agreed.

Nothing here trusts the run: each record is looked for by its business key in the system that must
have it. An adapter refuses a key that several records carry, so what is found is there once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from interlock.canonical import LineKind, Money, OrderStatus
from interlock.canonical.records import Account, Customer, Line, Order, Subscription, Task
from interlock.connectors.erp.port import CustomerCriteria
from interlock.errors import InterlockError
from interlock.events import Event

from local.cli.systems import Systems
from local.sandboxes.salesforce_seed import PRODUCTS, DealSample, LineSample
from local.tryton.database import BOOKS

HIERARCHY_DEPTH = 10
CRM = "salesforce"

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """A record as its system has it: the step that made it, and that system's own number.

    `amounts` are the system's own, by what they are: net of tax, tax, total.
    """

    step: str
    system: str
    record: str
    number: str
    amounts: dict[str, Money] = field(default_factory=dict)


@dataclass
class ReadBack:
    """The records of one deal, and every problem with them; none means that all is well."""

    systems: Systems
    deal: DealSample
    run: str
    found: list[Found] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The canonical id of the deal, and so of its order and its subscription."""
        return f"{CRM}:{self.deal.record_id}"

    def read(self) -> None:
        """Look for everything, and compare it with the deal."""
        opportunity = self._found(
            "the opportunity in Salesforce",
            lambda: self.systems.crm.get_opportunity(self.id, hierarchy_depth=HIERARCHY_DEPTH),
        )
        if opportunity is None:
            return
        self._add("RefetchOpportunity", "Salesforce", "opportunity", self.deal.record_id)
        customers = self._erp_customers(opportunity.accounts)
        order = self._order(customers)
        self._project(order)
        subscription = self._subscription(opportunity.account)
        if subscription:
            self._same("subscription: start", opportunity.start_date, subscription.start_date)
        self._tasks()
        self._write_back(order, subscription)

    def check_timeline(self, events: tuple[Event, ...]) -> None:
        """The business milestones of the transaction."""
        number = next((each.number for each in self.found if each.step == "CreateErpOrder"), None)
        told = [event.type for event in events]
        self._same(
            "timeline", ["opportunity.closed_won", "contract.signed", "order.accepted"], told
        )
        orders = [event.data["order"] for event in events if event.type == "order.accepted"]
        self._same("timeline: the accepted order", [number], orders)
        for order in orders:
            self._add("PublishOrderAccepted", "Interlock", "order.accepted", order)

    def _erp_customers(self, accounts: tuple[Account, ...]) -> list[Customer]:
        """The customer and each of its parents, once: the parents first, as they are made."""
        names = [account.name for account in self.deal.accounts]
        self._same("accounts of the deal", names, [account.name for account in accounts])
        customers = []
        for account in reversed(accounts):
            what = f"customer {account.name} in Tryton"
            candidates = self._found(what, lambda account=account: self._candidates(account))
            if candidates is None:
                continue
            self._same(f"{what}: how many", 1, len(candidates))
            customer = self.systems.erp.get_customer(candidates[0].remote_id)
            self._same(f"{what}: name", account.name, customer.name)
            kind = "customer" if account.id == accounts[0].id else "parent"
            self._add(
                "UpsertErpCustomer", "Tryton", f"{kind} {customer.name}",
                f"party {customer.remote_id}",
            )  # fmt: skip
            customers.append(customer)
        return customers

    def _candidates(self, account: Account) -> Any:
        criteria = CustomerCriteria(account_id=account.id, tax_id=None, domain=None)
        return self.systems.erp.find_customer_candidates(criteria) or None

    def _order(self, customers: list[Customer]) -> Order | None:
        order = self._found("the order in Tryton", lambda: self.systems.erp.find_order(self.id))
        if order is None:
            return None
        self._same("order: billed to a customer of the deal", True,
                   order.bill_to in {customer.id for customer in customers})  # fmt: skip
        self._same("order: lines", self._agreed(self.deal.lines), _lines(order.lines))
        net = _net(self.deal)
        tax = Money.rounded(net.amount * tax_rate(self.deal.subsidiary), net.currency)
        self._same("order: net", net, order.net)
        self._same("order: tax", tax, order.tax)
        self._same("order: total", net + tax, order.total)
        self._add(
            "CreateErpOrder", "Tryton", f"order, {len(order.lines)} lines, {order.status}",
            order.number, {"net": order.net, "tax": order.tax, "total": order.total},
        )  # fmt: skip
        return order

    def _project(self, order: Order | None) -> None:
        services = [line for line in self.deal.lines if _kind(line) == LineKind.SERVICE]
        if not services:
            return
        project = self._found("project in Tryton", lambda: self.systems.erp.find_project(self.id))
        if project:
            record = f"project, {project.status}"
            number = project.number or f"project {project.remote_id}"
            self._add("CreateErpProject", "Tryton", record, number)

    def _subscription(self, payer: Account) -> Subscription | None:
        """Stripe's customer and its subscription for the recurring lines."""
        recurring = tuple(line for line in self.deal.lines if _kind(line) == LineKind.RECURRING)
        customer = self._found(
            "the customer in Stripe", lambda: self.systems.billing.find_customer(payer)
        )
        if customer is None:
            return None
        self._add(
            "UpsertBillingCustomer", "Stripe", f"customer {customer.name}", customer.remote_id
        )
        subscription = self._found(
            "the subscription in Stripe",
            lambda: self.systems.billing.find_subscription(
                self.id, customer_remote_id=customer.remote_id
            ),
        )
        if subscription is None:
            return None
        self._same("subscription: lines", self._agreed(recurring), _lines(subscription.lines))
        self._same("subscription: months", self.deal.term_months, subscription.term_months)
        amounts = (line.amount for line in subscription.lines)
        self._add(
            "ProvisionSubscription", "Stripe",
            f"subscription from {subscription.start_date}, {subscription.term_months} months",
            subscription.remote_id,
            {"a year": Money.total(amounts, subscription.currency)},
        )  # fmt: skip
        return subscription

    def _tasks(self) -> None:
        """A kick-off, and one ticket for each services line."""
        wanted = [f"{self.id}/kickoff"] + [
            f"{self.id}/line-{number}"
            for number, line in enumerate(self.deal.lines, start=1)
            if _kind(line) == LineKind.SERVICE
        ]
        for task_id in wanted:
            task: Task | None = self._found(
                f"ticket {task_id} in Zendesk",
                lambda task_id=task_id: self.systems.support.find_task(task_id),
            )
            if task:
                step = "CreateImplementationTasks"
                self._add(step, "Zendesk", task.subject, f"ticket {task.remote_id}")

    def _write_back(self, order: Order | None, subscription: Subscription | None) -> None:
        written = self._found(
            "the write-back in Salesforce", lambda: self.systems.crm.read_write_back(self.id)
        )
        if written is None:
            return
        self._same("write-back: status", OrderStatus.ACCEPTED, written.status)
        self._same("write-back: order", order and order.number, written.order_number)
        billed = subscription and subscription.remote_id
        self._same("write-back: subscription", billed, written.subscription_id)
        self._same("write-back: run", self.run, written.correlation_id)
        record = f"order {written.order_number}, {written.status} on the opportunity"
        self._add("WriteBackToCrm", "Salesforce", record, self.deal.record_id)

    def _agreed(self, lines: tuple[LineSample, ...]) -> list[tuple]:
        """What was agreed about lines, in a form that can be compared."""
        currency = self.deal.currency
        return sorted(
            (
                line.product,
                line.quantity.normalize(),
                Money.of(line.unit_price, currency).amount,
                Money.of(line.unit_price * line.quantity, currency).amount,
            )
            for line in lines
        )

    def _found(self, what: str, look: Callable[[], T | None]) -> T | None:
        """What a system has; a problem if it has none, several, or cannot be asked."""
        try:
            record = look()
        except InterlockError as error:
            self.problems.append(f"{what}: {error}")
            return None
        if record is None:
            self.problems.append(f"{what} is missing")
        return record

    def _same(self, what: str, expected: Any, actual: Any) -> None:
        if expected != actual:
            self.problems.append(f"{what}: {_text(actual)} instead of {_text(expected)}")

    def _add(
        self,
        step: str,
        system: str,
        record: str,
        number: str | None,
        amounts: dict[str, Money] | None = None,
    ) -> None:
        self.found.append(Found(step, system, record, number or "", amounts or {}))


def tax_rate(subsidiary: str) -> Decimal:
    """The rate that the books of the local ERP have for a company's sales."""
    companies = tomllib.loads(BOOKS.read_text())["companies"]
    [company] = [each for each in companies if each["code"] == subsidiary]
    return Decimal(company["tax"]["rate"])


def _net(deal: DealSample) -> Money:
    return Money.of(sum(line.quantity * line.unit_price for line in deal.lines), deal.currency)


def _kind(line: LineSample) -> LineKind:
    _, _, charge_type = PRODUCTS[line.product]
    return LineKind(charge_type.lower())


def _lines(lines: tuple[Line, ...]) -> list[tuple]:
    return sorted(
        (line.sku, line.quantity.normalize(), line.unit_price.amount, line.amount.amount)
        for line in lines
    )


def _text(value: Any) -> str:
    return "nothing" if value is None else str(value)

"""What came of the contracts, read from every system, and whether it is as it must be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from interlock.canonical import Money
from interlock.canonical.contracts import Contract, ContractStatus, Movement
from interlock.canonical.services import Service
from interlock.events import Event
from interlock.timeline import Timeline

from local.cli.systems import Systems
from local.leftovers import open_exceptions, runs, set_aside
from local.renewals.company import AFTERNOON, Company
from local.renewals.portfolio import Signed
from local.renewals.revenue import Revenue, Years, of_contract, total
from local.renewals.stories import Ending
from local.sandboxes.stripe.account import Account

ORDER = "interlock_order_id"
MACHINES = ("LeadToOrder", "Renewal", "ServiceChange", "SubscriptionBilling")
# How often a price's interval comes in a year.
TIMES = {"year": 1, "month": 12}
LIVE = ("active", "past_due")
CHANGED = ("contract.renewed", "contract.amended")


@dataclass(frozen=True)
class Told:
    """One contract: as it was signed and is now, what was told of it, and what it comes to."""

    signed: Signed
    contract: Contract
    events: tuple[Event, ...]
    happened: tuple[tuple[datetime, str], ...]
    revenue: Revenue

    @property
    def orders(self) -> tuple[str, ...]:
        """What the ERP has an order of: what was sold first, and each change."""
        changes = (event for event in self.events if event.type in CHANGED)
        return (self.contract.id, *(_order(event) for event in changes))

    def problems(self) -> Iterator[str]:
        """Where it is not what its story comes to."""
        whose = f"contract {self.signed.number + 1} ({self.signed.story.title})"
        ending = _ending(self.signed, self.contract)
        if ending != self.signed.story.ending:
            yield f"{whose}: it {ending}, and must be {self.signed.story.ending}"
        yield from self.revenue.problems(whose)


class Outcome:
    """Of a company whose year is over."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self._target = company.target()
        self._years = Years(company.portfolio.since, company.portfolio.until)

    @cached_property
    def told(self) -> list[Told]:
        """Each contract, in the order of the portfolio."""
        return [
            self._tell(signed)
            for signed in self.company.portfolio.contracts
            if self.company.people.contract(signed.number) in self._contracts
        ]

    @cached_property
    def systems(self) -> Systems:
        """The adapters."""
        return Systems.of(self._target)

    @property
    def totals(self) -> dict[str, Revenue]:
        """All contracts together, by currency."""
        revenues = [each.revenue for each in self.told]
        currencies = dict.fromkeys(each.currency for each in revenues)
        return {currency: total(revenues, currency) for currency in currencies}

    def problems(self) -> Iterator[str]:
        """Everything that is missing or wrong."""
        environment = self.company.environment
        yield from self.company.failures
        for signed in self.company.portfolio.contracts:
            if self.company.people.contract(signed.number) not in self._contracts:
                yield f"contract {signed.number + 1} was never recorded"
        for each in self.told:
            yield from each.problems()
            yield from self._unsold(each)
        for currency, revenue in self.totals.items():
            yield from revenue.problems(f"all contracts in {currency}")
            if revenue.transferred.amount:
                yield f"between contracts in {currency} {revenue.transferred} got lost"
        yield from self._unserved()
        for machine in MACHINES:
            for run in runs(environment, machine):
                if run["status"] not in ("SUCCEEDED", "RUNNING"):
                    yield f"run {run['name']} of {machine}: {run['status']}"
        yield from open_exceptions(environment)
        yield from set_aside(environment)

    def _tell(self, signed: Signed) -> Told:
        contract = self._contracts[self.company.people.contract(signed.number)]
        events = self._timeline.of_subject(contract.id)
        nothing = Money.of(0, contract.currency)
        return Told(
            signed=signed,
            contract=contract,
            events=events,
            happened=tuple(sorted([*self._done(signed), *_happened(events)])),
            revenue=of_contract(
                self.company.opening.get(contract.id),
                contract,
                events,
                self._billed.get(contract.id, nothing),
                self._years,
            ),
        )

    def _done(self, signed: Signed) -> Iterator[tuple[datetime, str]]:
        for day, told in self.company.acts.get(signed.number, []):
            yield datetime.combine(day, AFTERNOON), told

    def _unsold(self, told: Told) -> Iterator[str]:
        """In the books each term that was sold is an order of its own."""
        for order in told.orders:
            if self.systems.erp.find_order(order) is None:
                yield f"contract {told.signed.number + 1}: Tryton has no order {order}"

    def _unserved(self) -> Iterator[str]:
        """Sales and support see what the contracts of an account entitle it to."""
        day = self._years.until
        accounts: dict[str, list[Contract]] = defaultdict(list)
        for contract in self._contracts.values():
            accounts[contract.account_id].append(contract)
        for account, contracts in accounts.items():
            expected: dict[str, Decimal] = defaultdict(Decimal)
            for line in (line for each in contracts for line in each.lines_on(day)):
                expected[line.sku] += line.quantity
            for system, service in self.services(account).items():
                seen = _quantities(service)
                if seen != expected:
                    name = contracts[0].customer_name
                    yield f"{name}: {system} shows {_listed(seen)} instead of {_listed(expected)}"

    def services(self, account: str) -> dict[str, Service | None]:
        """What sales and support see of an account."""
        return {
            "Salesforce": self.systems.crm.read_service(account),
            "Zendesk": self.systems.support.read_service(account),
        }

    @cached_property
    def _contracts(self) -> dict[str, Contract]:
        return self.company.contracts()

    @cached_property
    def _timeline(self) -> Timeline:
        return Timeline(self._target.id("TimelineTable"), _client=self._target.dynamodb)

    @cached_property
    def _billed(self) -> dict[str, Money]:
        return self.company.environment.stripe.by_hand(yearly)


def yearly(account: Account) -> dict[str, Money]:
    """What a Stripe account charges for a year of its live subscriptions, by contract."""
    found: dict[str, Money] = {}
    for subscription in account.subscriptions.values():
        contract = subscription["metadata"].get(ORDER)
        if contract and subscription["status"] in LIVE:
            currency = subscription["currency"].upper()
            items = (_yearly(item, currency) for item in subscription["items"]["data"])
            charged = Money.total(items, currency)
            found[contract] = found[contract] + charged if contract in found else charged
    return found


def _yearly(item: dict[str, Any], currency: str) -> Money:
    price = item["price"]
    one = Money.from_minor_units(1, currency).amount
    times = TIMES[price["recurring"]["interval"]] * item["quantity"]
    return Money.rounded(Decimal(price["unit_amount_decimal"]) * one * times, currency)


def _ending(signed: Signed, contract: Contract) -> Ending:
    if contract.status is ContractStatus.ENDED:
        return Ending.ENDED
    return Ending.RENEWED if contract.ends_on > signed.ends_on else Ending.GOES_ON


def _order(event: Event) -> str:
    """What names the order of a change: the deal, or the renewal that nobody made a deal of."""
    on: date = Movement.model_validate(event.data["movement"]).on
    return event.data["deal_id"] or f"{event.subject}@{on}"


def _happened(events: tuple[Event, ...]) -> Iterator[tuple[datetime, str]]:
    """What was told of a contract; of its milestones the first one."""
    due = [event for event in events if event.type == "renewal.due"]
    for event in (*due[:1], *(each for each in events if each.type in WORDS)):
        told = WORDS.get(event.type, "due")
        if event.type in CHANGED:
            told = told.format(event.data["contract"]["ends_on"])
        yield event.occurred_at.astimezone(UTC), told


WORDS = {
    "contract.renewed": "renewed until {}",
    "contract.amended": "amended",
    "contract.ending": "will end",
    "contract.ended": "ended",
    "contract.reverted": "changed back",
}


def _quantities(service: Service | None) -> dict[str, Decimal]:
    return {each.sku: each.quantity for each in service.entitlements} if service else {}


def _listed(quantities: dict[str, Decimal]) -> str:
    listed = ", ".join(f"{quantity} {sku}" for sku, quantity in sorted(quantities.items()))
    return listed or "nothing"

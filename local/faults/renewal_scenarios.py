"""How transactions of renewal operations begin: a contract is due, a deal is won or lost, or a
service changes.

The customer is one of its own, and has signed a contract by lead to order. The mark is the
contract's id without its system, or the account's: the transaction's name and the subject of its
event contain it, as everything does that its run is told.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache, partial

from interlock.events import SOURCE, Event, renewal_due, service_due
from interlock.rules.months import later

from local.environment import LocalEnvironment
from local.faults.transaction import Transaction
from local.sandboxes.salesforce_seed import (
    USD_DEAL,
    LineSample,
    RenewalSample,
    close_lost,
    close_won,
    create_amendment,
    create_deal,
    create_renewal,
)
from local.sandboxes.salesforce_values import Fields
from local.settling import settle

SEATS = LineSample("SEAT-ANNUAL", Decimal(20), Decimal("480.00"))
# More than by any terms, so that nobody is asked for a discount.
NEXT_PRICE = Decimal("520.00")
# Before the first milestone: nothing begins by itself while others are under test.
FAR = timedelta(days=300)
# So long before the end of those that go on by themselves may their customers be told, at FAR.
NOTICE = FAR - timedelta(days=28)
BY_DEAL = RenewalSample(auto_renews=False, notice_days=30)
BY_ITSELF = RenewalSample(auto_renews=True, notice_days=NOTICE.days)
# Time jumps there.
SOON = timedelta(days=5)
AT_ONCE = 8
"""Customers that are made side by side: sooner than one after the other."""

_numbers = itertools.count(1)


def won(environment: LocalEnvironment) -> Transaction:
    """A renewal that sales have made early is won; lead to order hands it over."""
    contract = _stock(environment)
    organization = environment.organization
    publish, organization.on_change = organization.on_change, None
    lines = (replace(SEATS, unit_price=NEXT_PRICE),)
    deal = create_renewal(organization, contract, lines)
    close_won(organization, deal)
    organization.on_change = publish
    return Transaction(
        contract,
        _records(environment, contract, deal),
        partial(environment.announce, _due(environment, contract)),
    )


def silent(environment: LocalEnvironment) -> Transaction:
    """A contract is due that goes on by itself: its deal is opened and quoted, the customer is told
    and says nothing."""
    [contract] = _signed(environment, 1, FAR, BY_ITSELF)
    return Transaction(
        contract,
        _records(environment, contract),
        partial(environment.announce, _due(environment, contract)),
        made=lambda: tuple(f"salesforce:{row['Id']}" for row in _deals(environment, contract)),
    )


def amended(environment: LocalEnvironment) -> Transaction:
    """More seats until the same end are won; lead to order hands that over."""
    contract = _stock(environment)
    organization, clock = environment.organization, environment.cloud.clock
    publish, organization.on_change = organization.on_change, None
    deal = create_amendment(organization, contract, (SEATS,), starts_on=clock.utc().date())
    close_won(organization, deal)
    organization.on_change = publish
    event = Event(
        id=f"amendment-{contract}",
        type="amendment.requested",
        source=SOURCE,
        subject=f"salesforce:{contract}",
        occurred_at=clock.utc(),
        correlation_id=f"amendment-{contract}",
        data={"deal_id": f"salesforce:{deal}"},
    )
    return Transaction(
        contract,
        _records(environment, contract, deal),
        partial(environment.announce, event),
    )


def lost(environment: LocalEnvironment) -> Transaction:
    """The deal of a renewal that is under way is lost: the contract ends in a few days."""
    [contract] = _signed(environment, 1, SOON)
    organization = environment.organization
    [deal] = _deals(environment, contract)
    return Transaction(
        contract,
        _records(environment, contract, deal["Id"]),
        partial(close_lost, organization, deal["Id"]),
    )


def service_change(environment: LocalEnvironment) -> Transaction:
    """What a customer is entitled to is to be told."""
    account = environment.organization.get("Opportunity", _stock(environment))["AccountId"]
    event = service_due(f"salesforce:{account}", environment.cloud.clock.utc().date())
    return Transaction(account, (event.subject,), partial(environment.announce, event))


def _deals(environment: LocalEnvironment, contract: str) -> list[Fields]:
    """Those that are about the contract."""
    of = f"salesforce:{contract}"
    return environment.organization.matching("Opportunity", "Interlock_Contract__c", of)


def _due(environment: LocalEnvironment, contract: str) -> Event:
    return renewal_due(
        f"salesforce:{contract}",
        _end(environment, contract),
        days=0,
        at=environment.cloud.clock.utc(),
    )


def _records(environment: LocalEnvironment, contract: str, *deals: str) -> tuple[str, ...]:
    """The contract, its renewal, its deals and the account."""
    account = environment.organization.get("Opportunity", contract)["AccountId"]
    renewal = f"{contract}@{_end(environment, contract)}"
    return tuple(f"salesforce:{each}" for each in (contract, renewal, *deals, account))


def _end(environment: LocalEnvironment, contract: str) -> date:
    return later(
        environment.organization.get("Opportunity", contract)["Contract_Start_Date__c"], 12
    )


def _stock(environment: LocalEnvironment) -> str:
    """A contract that nothing has happened to yet: the deal that it began with."""
    stock = _kept(environment)
    if not stock:
        stock += _signed(environment, AT_ONCE, FAR)
    return stock.pop()


@cache
def _kept(environment: LocalEnvironment) -> list[str]:
    return []


def _signed(
    environment: LocalEnvironment, number: int, ahead: timedelta, renewal: RenewalSample = BY_DEAL
) -> list[str]:
    """Deals over seats for a year that ends in so many days, as lead to order has made contracts
    of them."""
    organization = environment.organization
    starts_on = later(environment.cloud.clock.utc().date() + ahead, -12)
    sold = replace(
        USD_DEAL,
        accounts=USD_DEAL.accounts[:1],
        lines=(SEATS,),
        starts_on=starts_on,
        renewal=renewal,
    )
    deals = []
    for _ in range(number):
        with organization.transaction():
            deals.append(create_deal(organization, sold, suffix=f"Signed{next(_numbers)}"))
        close_won(organization, deals[-1])
    settle(environment.cloud)
    return deals

"""What people do in the systems midway."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from random import Random

from local.faults.census import Key
from local.faults.happenings.base import Happening, Midway
from local.faults.happenings.stage import Stage
from local.faults.scenarios import Transaction


@dataclass
class PeriodClosed(Midway):
    """Finance closes the month that the deal belongs to, and reopens it when asked."""

    kind = "posting period closed midway"
    functions = ("GetOpportunityFunction", "GetOrderContextFunction", "MatchCustomersFunction")
    month: int = 1
    closed: bool = False

    @classmethod
    def draw(cls, random: Random, places: list[str]) -> Happening:
        place = super().draw(random, places).place
        return cls(place=place, month=random.randint(1, 10))

    @property
    def day(self) -> date:
        """A day of a month of its own: no other transaction posts there."""
        return date(2026, self.month, 15)

    def begin(self, stage: Stage) -> None:
        stage.sellers.change(stage.deal, CloseDate=self.day.isoformat())
        super().begin(stage)

    def happen(self, stage: Stage) -> None:
        stage.finance.period(self.day, stage.sample.subsidiary, "close")
        self.closed = True

    def repair(self, stage: Stage) -> None:
        if self.closed:
            stage.finance.period(self.day, stage.sample.subsidiary, "reopen")
            self.closed = False


@dataclass
class ErpCustomerDeactivated(Midway):
    """Finance deactivates the customer in the ERP, and activates it again when asked."""

    kind = "ERP customer deactivated midway"
    functions = ("CreateOrderFunction", "CreateProjectFunction", "CreateSubscriptionFunction")

    def happen(self, stage: Stage) -> None:
        self._set_active(stage, False)

    def repair(self, stage: Stage) -> None:
        self._set_active(stage, True)

    @staticmethod
    def _set_active(stage: Stage, active: bool) -> None:
        customer = stage.finance.customer(f"salesforce:{stage.account}")
        if customer:
            stage.finance.set_active(customer, active)

    def gone(self, stage: Stage) -> frozenset[Key]:
        return frozenset({("tryton", "customer", f"salesforce:{stage.account}")})


@dataclass
class ErpCustomerMerged(Midway):
    """Finance merges the customer into another one of the ERP before there is an order.

    What we see of a merge in Tryton is that the customer is inactive for good.
    """

    kind = "ERP customer merged midway"
    functions = ("CreateOrderFunction",)

    def happen(self, stage: Stage) -> None:
        customer = stage.finance.customer(f"salesforce:{stage.account}")
        if customer:
            stage.finance.set_active(customer, False)

    def gone(self, stage: Stage) -> frozenset[Key]:
        return frozenset({("tryton", "customer", f"salesforce:{stage.account}")})


@dataclass
class BillingCustomerDeleted(Midway):
    """Someone deletes the customer in billing, and its subscriptions with it."""

    kind = "billing customer deleted midway"
    open = frozenset({("stripe", "term")})
    functions = ("CreateSubscriptionFunction", "CreateTaskFunction", "WriteBackOrderFunction")

    def happen(self, stage: Stage) -> None:
        stage.billing.delete_customer(f"salesforce:{stage.account}")

    def gone(self, stage: Stage) -> frozenset[Key]:
        deal, account = f"salesforce:{stage.deal}", f"salesforce:{stage.account}"
        return frozenset({("stripe", "customer", account), ("stripe", "subscription", deal)})


@dataclass
class AccountMerged(Midway):
    """A seller merges the deal's account into another one of the CRM."""

    kind = "CRM account merged midway"
    open = frozenset({("tryton", "customer"), ("stripe", "customer")})
    survivor: str = ""

    def begin(self, stage: Stage) -> None:
        self.survivor = stage.sellers.enter_account_like(stage.account)
        stage.main = Transaction(
            stage.deal, (*stage.main.records, f"salesforce:{self.survivor}"), stage.main.begin
        )
        super().begin(stage)

    def happen(self, stage: Stage) -> None:
        stage.sellers.merge_account(stage.account, self.survivor)


@dataclass
class DealDeleted(Midway):
    """A seller deletes the deal."""

    kind = "CRM deal deleted midway"

    def happen(self, stage: Stage) -> None:
        stage.sellers.delete_deal(stage.deal)

    def gone(self, stage: Stage) -> frozenset[Key]:
        return frozenset({("salesforce", "write_back", f"salesforce:{stage.deal}")})

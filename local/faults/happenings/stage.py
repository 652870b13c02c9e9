"""One transaction of a campaign, and the people who have to do with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local.faults.people import Billing, Finance, Sellers
from local.faults.scenarios import Transaction, lead_to_order
from local.sandboxes.salesforce_seed import DealSample

if TYPE_CHECKING:
    from local.faults.harness import Harness, Plan


class Stage:
    """One transaction, and the people who have to do with it."""

    def __init__(
        self, harness: Harness, sample: DealSample, plan: Plan, plan_of_others: Plan
    ) -> None:
        self.harness = harness
        self.sample = sample
        self.main = lead_to_order(harness.environment, sample)
        harness.plan(self.main, plan)
        self._plan_of_others = plan_of_others
        self.others: list[Transaction] = []
        self.finance = Finance(harness.systems.erp)
        self.sellers = Sellers(harness.environment)
        self.billing = Billing(harness.environment)

    @property
    def deal(self) -> str:
        """The opportunity's id."""
        return self.main.mark

    @property
    def account(self) -> str:
        """The id of the account that the deal began with."""
        return self.main.records[1].split(":")[1]

    def changes(self, act: Callable[[], None]) -> list[dict[str, Any]]:
        """Let someone act on the deal: the change events, which nobody has been told yet."""
        return self.harness.changes_of(self.deal, act)

    def win(self) -> dict[str, Any]:
        """Win the deal: the change event."""
        [event] = self.changes(self.main.begin)
        return event

    def beside(self, transaction: Transaction) -> Transaction:
        """Another transaction that has to do with this one."""
        self.harness.plan(transaction, self._plan_of_others)
        self.others.append(transaction)
        return transaction

    def publish(self, *events: dict[str, Any]) -> None:
        """Tell of changes."""
        for event in events:
            self.harness.environment.publish(event)


def header_of(event: dict[str, Any]) -> dict[str, Any]:
    """What a change event tells of its change."""
    return event["detail"]["payload"]["ChangeEventHeader"]

"""A quarter in a local environment, day by day in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from interlock.canonical.dunning import DunningFlag

from local.cli.systems import Systems
from local.cli.target import Target
from local.cloud.names import REGION
from local.environment import STACK, LocalEnvironment
from local.quarter.delivery import Disorder
from local.quarter.plan import Buyer, Quarter
from local.quarter.trade import Trade
from local.sandboxes.salesforce_seed import close_won, create_deal
from local.sandboxes.stripe.events import partner_event
from local.settling import come_to_rest, settle

# How young an event is when sweeps still leave it to its delivery, and one minute.
SWEPT_AFTER = 16 * 60.0


@dataclass(frozen=True)
class Flagged:
    """What sales and support see of a customer since a day; support's is None where it has none."""

    day: date
    customer: str
    crm: DunningFlag
    support: DunningFlag | None


class Company:
    """The demo company in an environment of virtual time; with `disorder`, events arrive in it.

    `flags` is what sales and support saw of overdue customers, in order of time.
    """

    def __init__(
        self,
        environment: LocalEnvironment,
        quarter: Quarter,
        disorder: Disorder | None = None,
    ) -> None:
        self._environment = environment
        self._cloud = environment.cloud
        self._quarter = quarter
        self._disorder = disorder
        self._trade = Trade(environment.stripe)
        self._orders: dict[int, str] = {}
        self._shown: dict[str, str | None] = {}
        self.flags: list[Flagged] = []
        environment.stripe.account.payouts_weekly = True
        if disorder:
            environment.stripe.account.on_event = disorder.keep

    def run(self, progress: Callable[[str], None]) -> None:
        """Win the deals, and live through the quarter. Raises TimeoutError where nothing ends."""
        progress(f"{len(self._quarter.buyers)} deals are won")
        for buyer in self._quarter.buyers:
            self._orders[buyer.number] = f"salesforce:{self._win(buyer)}"
        settle(self._cloud)
        for day in self._quarter.days:
            if day.weekday() == 0:
                progress(f"the week of {day}")
            self._live(day)

    def _win(self, buyer: Buyer) -> str:
        organization = self._environment.organization
        deal = create_deal(organization, buyer.deal, suffix=f"{buyer.number + 1:02d}")
        start = {"Contract_Start_Date__c": buyer.starts.isoformat()}
        organization.update("Opportunity", deal, start)
        close_won(organization, deal)
        return deal

    def _live(self, day: date) -> None:
        """What Stripe does by itself until then, what people do, and all that follows."""
        moment = self._quarter.moment(day)
        self._cloud.clock.advance((moment - self._cloud.clock.utc()).total_seconds())
        self._environment.stripe.advance()
        for happening in self._quarter.on(day):
            self._trade.happens(happening, self._orders[happening.customer], moment)
        if self._disorder:
            self._arrive(self._disorder)
        settle(self._cloud)
        self._look_at_flags(day)

    def _arrive(self, disorder: Disorder) -> None:
        """The events of the day come; what was lost, the daily sweep tells."""
        for event in disorder.arriving():
            self._environment.publish(partner_event(event))
        come_to_rest(self._cloud)
        self._cloud.clock.advance(SWEPT_AFTER)
        targets = self._cloud.client("events").list_targets_by_rule(
            Rule=self._cloud.resources["SweepBillingDailyRule"].rsplit("/", 1)[-1]
        )["Targets"]
        self._cloud.client("lambda").invoke(
            FunctionName=self._cloud.function("SweepBillingFunction").name,
            Payload=targets[0]["Input"],
        )

    def _look_at_flags(self, day: date) -> None:
        """Where sales see another flag than before: what they and support see."""
        for row in self._environment.organization.rows("Account"):
            shown = row["Interlock_Dunning__c"]
            if self._shown.get(row["Id"]) != shown:
                self._shown[row["Id"]] = shown
                account = f"salesforce:{row['Id']}"
                # Made anew each time: in virtual time tokens do not last.
                systems = Systems.of(Target.local(STACK, REGION, self._cloud.url))
                flags = systems.crm.read_dunning(account), systems.support.read_dunning(account)
                self.flags.append(Flagged(day, row["Name"], *flags))

"""A company whose contracts come to their end, in an environment of virtual time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time

from interlock.canonical.contracts import Contract
from interlock.contracts import Contracts

from local.cli.errors import Failure
from local.cli.target import Target
from local.cloud.names import REGION
from local.environment import STACK, LocalEnvironment
from local.renewals.people import People
from local.renewals.portfolio import Portfolio, Signed
from local.sandboxes.stripe.account import StripeObject
from local.sandboxes.stripe.events import partner_event
from local.settling import settle

# When people act: after the morning in which milestones are told, and after the day's invoices.
AFTERNOON = time(15, tzinfo=UTC)


class Company:
    """Signs the contracts of a portfolio, and lives through their year.

    `opening` are the contracts on the year's first day, `acts` what people did on which day, and
    `failures` where a story could not go on.
    """

    def __init__(self, environment: LocalEnvironment, portfolio: Portfolio) -> None:
        self.environment = environment
        self.portfolio = portfolio
        self.people = People(environment, self.target)
        self.opening: dict[str, Contract] = {}
        self.acts: dict[int, list[tuple[date, str]]] = {}
        self.failures: list[str] = []
        environment.stripe.account.on_event = self._relay

    def target(self) -> Target:
        """The stack as it is reached now: in virtual time credentials do not last."""
        return Target.local(STACK, REGION, self.environment.cloud.url)

    def run(self, progress: Callable[[str], None]) -> None:
        """Sign, and live through the year. Raises TimeoutError where nothing ends."""
        earlier = [each for each in self.portfolio.contracts if self._is_signed(each)]
        progress(f"{len(earlier)} contracts are signed")
        for signed in earlier:
            self.people.sign(signed)
        settle(self.environment.cloud)
        self.opening = self.contracts()
        month = ""
        for day in self.portfolio.days:
            if f"{day:%B %Y}" != month:
                month = f"{day:%B %Y}"
                progress(month)
            self._live_until(day)
            self.people.sweep()
            settle(self.environment.cloud)
            self._act(day)
            settle(self.environment.cloud)

    def contracts(self) -> dict[str, Contract]:
        """Our own record of each contract, as it is now, by its id."""
        target = self.target()
        store = Contracts(target.id("ContractsTable"), _client=target.dynamodb)
        found = [store.get(f"salesforce:{deal}") for deal in self.people.deals.values()]
        return {contract.id: contract for contract in found if contract}

    def _is_signed(self, signed: Signed) -> bool:
        return signed.signed_on <= self.portfolio.since

    def _live_until(self, day: date) -> None:
        """All that happens by itself, each thing at its time."""
        cloud, moment = self.environment.cloud, datetime.combine(day, AFTERNOON).timestamp()
        while (due := cloud.clock.next_deadline()) and due < moment:
            self._advance(due)
            settle(cloud)
        self._advance(moment)
        settle(cloud)

    def _advance(self, moment: float) -> None:
        clock = self.environment.cloud.clock
        clock.advance(moment - clock.now() + MARGIN)
        self.environment.stripe.advance()

    def _act(self, day: date) -> None:
        self.people.pay()
        for signed in self.portfolio.contracts:
            if signed.signed_on == day:
                self.people.sign(signed)
        for signed, act in self.portfolio.on(day):
            try:
                told = self.people.act(signed, act, day)
            except Failure as failure:
                told = f"{act.what}: {failure.message}"
                self.failures.append(f"contract {signed.number + 1}: {told}")
            self.acts.setdefault(signed.number, []).append((day, told))

    def _relay(self, event: StripeObject) -> None:
        """What is invoiced to whom the books may hold back is booked; the others are another story.

        Booking takes the ERP longest, and `interlock demo-billing` is about it.
        """
        if self.people.is_of_late_payer(event["data"]["object"]):
            self.environment.publish(partner_event(event))


# So that what is due is over.
MARGIN = 0.001

"""A company whose customers are served, in an environment of virtual time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from local.environment import LocalEnvironment
from local.sandboxes.salesforce_seed import DealSample, LineSample, close_won, create_deal
from local.sandboxes.stripe import invoice_api
from local.sandboxes.stripe.account import StripeObject
from local.settling import settle

SEAT = "SEAT-ANNUAL"
ORDER = "interlock_order_id"
VISA = "pm_card_visa"
# When the people of support look at what happened in the month.
DAY_OF_REQUESTS = 13
MORNING = time(9, tzinfo=UTC)


@dataclass(frozen=True)
class Customer:
    """A customer by its deal: so many seats, for a year that is paid in advance."""

    name: str
    account: str
    order: str
    currency: str
    yearly: Decimal


class Company:
    """Wins deals, and lives until the middle of the first month of service.

    `month` is the first day of that month.
    """

    def __init__(self, environment: LocalEnvironment) -> None:
        self.environment = environment
        self.month = _next_month(environment.cloud.clock.utc().date())

    def sell(self, deal: DealSample, seats: int, suffix: str) -> Customer:
        """Win a deal over so many seats."""
        seat = next(line for line in deal.lines if line.product == SEAT)
        lines = (LineSample(SEAT, Decimal(seats), seat.unit_price),)
        sold = replace(deal, accounts=deal.accounts[:1], lines=lines)
        organization = self.environment.organization
        opportunity = create_deal(organization, sold, suffix=suffix)
        close_won(organization, opportunity)
        account = organization.get("Opportunity", opportunity)["AccountId"]
        name = organization.get("Account", account)["Name"]
        return Customer(
            name=name,
            account=f"salesforce:{account}",
            order=f"salesforce:{opportunity}",
            currency=deal.currency,
            yearly=seat.unit_price * seats,
        )

    def live_until(self, day: int) -> None:
        """Until the morning of a day of the month, with all that happens by itself."""
        moment = datetime.combine(self.month.replace(day=day), MORNING)
        clock = self.environment.cloud.clock
        clock.advance((moment - clock.utc()).total_seconds())
        self.environment.stripe.advance()
        settle(self.environment.cloud)

    def wait(self, hours: float) -> None:
        """Let time go by."""
        self.environment.cloud.clock.advance(hours * 3600)
        settle(self.environment.cloud)

    def pay(self, customer: Customer) -> None:
        """The customer pays its invoice by card."""
        [invoice] = self.invoices(customer)
        self.environment.stripe.do(invoice_api.pay, invoice["id"], payment_method=VISA)

    def invoices(self, customer: Customer) -> list[StripeObject]:
        """What Stripe has charged the customer."""
        account = self.environment.stripe.account
        payer = self.subscription(customer)["customer"]
        return [each for each in account.invoices.values() if each["customer"] == payer]

    def subscription(self, customer: Customer) -> StripeObject:
        """The customer's subscription at Stripe."""
        found = self.environment.stripe.account.subscriptions.values()
        return next(each for each in found if each["metadata"].get(ORDER) == customer.order)

    @property
    def tuesday(self) -> datetime:
        """The beginning of a Tuesday: no maintenance is on that day, nor on the next two."""
        first = self.month + timedelta(days=1)
        tuesday = first + timedelta(days=(1 - first.weekday()) % 7)
        return datetime.combine(tuesday, time(tzinfo=UTC))

    def monthly_fee(self, customer: Customer) -> Decimal:
        """The month's share of the year that is charged, by days, not rounded."""
        days = (self.month.replace(year=self.month.year + 1) - self.month).days
        return customer.yearly * (_next_month(self.month) - self.month).days / days


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)

"""Who buys what in the quarter, and what happens on which day: all of it drawn from a seed.

The first customers have a story each, so that a small company has the cases that matter too; the
others are invoiced and pay.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum

from local.sandboxes.salesforce_seed import DEALS, DealSample, LineSample

WEEKS = 13
# After the day's renewals were made final, and before the next morning's payouts.
HOUR = time(15, tzinfo=UTC)

VISA = "pm_card_visa"
DECLINED = "pm_card_chargeCustomerFail"
DISPUTED = "pm_card_createDispute"


class What(StrEnum):
    """What people do."""

    PAY = "payment by link"
    UPGRADE = "upgrade"
    REPLACE_CARD = "new card"
    REFUND = "refund"
    CREDIT = "service credit"
    LOSE_DISPUTE = "lost dispute"


@dataclass(frozen=True)
class Happening:
    """`day` counts from the quarter's first, `customer` is the number of the one it happens to.

    `card` is what is paid with; an upgrade without one is invoiced.
    """

    day: int
    customer: int
    what: What
    card: str | None = None


@dataclass(frozen=True)
class Buyer:
    """A customer by its deal; its subscription begins on `starts`."""

    number: int
    deal: DealSample
    starts: date


@dataclass(frozen=True)
class Quarter:
    """Thirteen weeks from a Monday to a Sunday: a payout of a Monday is at the bank on Tuesday."""

    first_day: date
    buyers: tuple[Buyer, ...]
    happenings: tuple[Happening, ...]

    @property
    def days(self) -> list[date]:
        """Each of its days."""
        return [self.first_day + timedelta(days=n) for n in range(WEEKS * 7)]

    def on(self, day: date) -> list[Happening]:
        """What happens on a day."""
        number = (day - self.first_day).days
        return [each for each in self.happenings if each.day == number]

    @staticmethod
    def moment(day: date) -> datetime:
        """When it happens."""
        return datetime.combine(day, HOUR)


# Days after the first payment, what, and with which card.
Story = tuple[tuple[int, What, str | None], ...]

INVOICED_UPGRADE: Story = ((8, What.UPGRADE, None), (13, What.PAY, VISA))
CARD_UPGRADE: Story = ((10, What.UPGRADE, VISA),)
# Stripe tries again on the third and on the eighth day: the first time in vain.
FAILED_CARD: Story = ((4, What.UPGRADE, DECLINED), (9, What.REPLACE_CARD, VISA))
CREDITED: Story = ((5, What.CREDIT, None), *INVOICED_UPGRADE)
REFUNDED: Story = ((6, What.REFUND, None),)
LOST_DISPUTE: Story = ((20, What.LOSE_DISPUTE, None),)
STORIES: tuple[Story, ...] = (
    *(FAILED_CARD, LOST_DISPUTE, REFUNDED),
    *(CREDITED, CARD_UPGRADE, CARD_UPGRADE),
    *(INVOICED_UPGRADE, CREDITED, CREDITED),
)
# The last ones begin so late that one has not paid yet, and one's money is on its way to the bank.
OPEN, ON_ITS_WAY = 9, 10
LATE = 80


def draw(seed: int, customers: int, today: date) -> Quarter:
    """The quarter that begins on the first Monday of the month after `today`."""
    rng = random.Random(seed)
    first_day = _first_monday(today)
    buyers, happenings = [], []
    for number in range(customers):
        deal = DEALS[number % len(DEALS)]
        seats = rng.randint(5, 40)
        starts = LATE if number in (OPEN, ON_ITS_WAY) else rng.randint(0, 20)
        pays = starts + (8 if starts == LATE else rng.randint(2, 14))
        buyers.append(Buyer(number, _sold(deal, seats), first_day + timedelta(days=starts)))
        story = STORIES[number] if number < len(STORIES) else ()
        if number != OPEN:
            card = DISPUTED if story is LOST_DISPUTE else VISA
            happenings.append(Happening(pays, number, What.PAY, card))
        happenings += [Happening(pays + days, number, what, card) for days, what, card in story]
    return Quarter(first_day, tuple(buyers), tuple(sorted(happenings, key=lambda each: each.day)))


def _first_monday(today: date) -> date:
    """Of next month."""
    first = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=-first.weekday() % 7)


def _sold(deal: DealSample, seats: int) -> DealSample:
    """The platform and so many seats, to one company: services are invoiced from the ERP."""
    platform, seat = deal.lines[:2]
    lines = (platform, LineSample(seat.product, Decimal(seats), seat.unit_price))
    return replace(deal, accounts=deal.accounts[:1], lines=lines)

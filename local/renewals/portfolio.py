"""Who has signed what, and what happens to it in the year: all of it drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from interlock.rules.milestones import MILESTONES
from interlock.rules.months import later

from local.renewals.stories import (
    CONSOLIDATED,
    HOST,
    NEW,
    NOTICE_DAYS,
    STORIES,
    UNSEEN,
    USUAL,
    Act,
    Story,
)
from local.sandboxes.salesforce_seed import DEALS, DealSample, LineSample, RenewalSample

YEAR = 365
DAY = timedelta(days=1)
# Days of the year on which the first and the last contract ends.
FIRST_END, LAST_END = 130, 355
# Contracts end on the first or in the middle of a month, so that there is much to do at once.
DAYS_OF_ENDS = (1, 15)
RAMP_MONTHS = 6
# How much more the next term costs: in percent, or by a published index up to a cap.
RISES: tuple[dict[str, Any], ...] = (
    {"uplift": Decimal(3)},
    {"uplift": Decimal(5)},
    {"index": "CPI-EU", "cap": Decimal(2)},
)


@dataclass(frozen=True)
class Signed:
    """A contract by the deal that it comes from.

    `customer` is the number of the contract whose account it shares, mostly its own; `joins` that
    of the one that is to serve its products.
    """

    number: int
    deal: DealSample
    signed_on: date
    story: Story
    customer: int
    joins: int | None = None

    @property
    def starts_on(self) -> date:
        """The first day of its service."""
        return self.deal.starts_on

    @property
    def ends_on(self) -> date:
        """The day after its last one, as it was signed."""
        return later(self.starts_on, self.deal.term_months)

    @property
    def seats(self) -> LineSample:
        """What is served before its end."""
        return self.deal.lines[-1]

    @property
    def ramp_on(self) -> date | None:
        """When the number of its seats changes, as it was signed."""
        months = self.seats.from_month
        return later(self.starts_on, months) if months else None

    def day_of(self, act: Act) -> date:
        """When something happens to it."""
        return self.ends_on - timedelta(days=act.days)


@dataclass(frozen=True)
class Portfolio:
    """The contracts, and the year in which they come to their end: `since` is its first day."""

    since: date
    contracts: tuple[Signed, ...]

    @property
    def until(self) -> date:
        """The last day."""
        return self.since + timedelta(days=YEAR)

    def on(self, day: date) -> Iterator[tuple[Signed, Act]]:
        """What people do on a day."""
        for signed in self.contracts:
            for act in signed.story.acts:
                if signed.day_of(act) == day:
                    yield signed, act

    @property
    def days(self) -> list[date]:
        """The days on which something is planned, in order.

        The billing system invoices a term on its first day; the day after is for the customer.
        """
        days = {self.since + DAY, self.until}
        for signed in self.contracts:
            days |= {signed.day_of(act) for act in signed.story.acts}
            days |= {signed.signed_on, signed.starts_on, signed.starts_on + DAY}
            days |= {signed.ends_on, signed.ends_on + DAY}
            days |= {signed.ramp_on} - {None}
        return sorted(day for day in days if self.since < day <= self.until)


def draw(seed: int, contracts: int, since: date) -> Portfolio:
    """The year that begins on a day; the first contracts have a story each."""
    rng = random.Random(seed)
    ends = _ends(since)
    drawn: list[Signed] = []
    for number in range(contracts):
        story = STORIES[number] if number < len(STORIES) else _usual(rng)
        ends_on = rng.choice([end for end in ends if end >= since + timedelta(story.begins + 5)])
        if story is HOST:  # until after the one that joins it
            ends_on = ends[-1]
        if story is CONSOLIDATED:
            ends_on = ends[len(ends) // 2]
        drawn.append(_sign(rng, number, story, since, ends_on))
    return Portfolio(since, tuple(_alone(each, drawn, since) for each in drawn))


def _usual(rng: random.Random) -> Story:
    return rng.choices(list(USUAL), weights=list(USUAL.values()))[0]


def _ends(since: date) -> list[date]:
    days = (since + timedelta(days=n) for n in range(FIRST_END, LAST_END))
    return [day for day in days if day.day in DAYS_OF_ENDS]


def _sign(rng: random.Random, number: int, story: Story, since: date, ends_on: date) -> Signed:
    term, signed_on, starts_on = 12, since, later(ends_on, -12)
    if story is NEW:  # of two years: the books do not go back as far for a term that ends
        term, signed_on, starts_on = 24, ends_on, ends_on
    joins = number - 1 if story is CONSOLIDATED else None
    customer = number if joins is None else joins
    sample = DEALS[customer % len(DEALS)]
    ramps = number % 10 == 4 and later(starts_on, RAMP_MONTHS) > since
    deal = replace(
        sample,
        accounts=sample.accounts[:1],
        lines=_lines(rng, sample, ramps=ramps),
        term_months=term,
        starts_on=starts_on,
        renewal=RenewalSample(
            auto_renews=rng.random() < 0.5 if story.auto_renews is None else story.auto_renews,
            notice_days=NOTICE_DAYS,
            months=24 if number % 9 == 8 else 12,
            **rng.choice(RISES),
        ),
    )
    return Signed(number, deal, signed_on, story, customer, joins)


def _lines(rng: random.Random, sample: DealSample, *, ramps: bool) -> tuple[LineSample, ...]:
    """The platform and so many seats, with more of them later in a ramp."""
    platform, seat = sample.lines[:2]
    seats = replace(seat, quantity=Decimal(rng.randint(5, 60)))
    more = replace(seats, quantity=seats.quantity + 10, from_month=RAMP_MONTHS)
    return (platform, seats, more) if ramps else (platform, seats)


def _alone(signed: Signed, drawn: list[Signed], since: date) -> Signed:
    """What must not disturb others happens to a contract that ends when nothing else happens."""
    if signed.story is not UNSEEN:
        return signed
    others = Portfolio(since, tuple(each for each in drawn if each is not signed))
    busy = {*others.days, *(_milestones(others))}
    for n in range(FIRST_END, LAST_END):
        end = since + timedelta(days=n)
        if not busy & {end - timedelta(days=d) for d in (91, 90, 89)}:
            starts_on = later(end, -signed.deal.term_months)
            return replace(signed, deal=replace(signed.deal, starts_on=starts_on))
    return signed


def _milestones(portfolio: Portfolio) -> Iterator[date]:
    for signed in portfolio.contracts:
        for days in MILESTONES:
            yield signed.ends_on - timedelta(days=days)

"""What a running subscription charges at Stripe, and how that becomes what its contract says.

Nothing is asked here. An item is charged from its line's first day, whenever it came, until the end
of the billing year, unless it is taken away before: so what is to be changed can be told from the
items that are there now, and from what was taken away.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from interlock.connectors.billing import stripe_phases
from interlock.connectors.billing.stripe_documents import Object
from interlock.connectors.billing.stripe_objects import TAKEN_AWAY, day, timestamp
from interlock.connectors.billing.stripe_phases import (
    Amendment,
    Charge,
    charge_at_stripe,
    charge_of,
)


class Item(NamedTuple):
    """An item that a subscription has now; `is_reusable` says whether its price is."""

    id: str
    price: str
    is_reusable: bool
    charge: Charge


class Running:
    """A subscription that has begun: from Stripe's, with all its items."""

    def __init__(self, subscription: Object, rows: list[Object]) -> None:
        self.id: str = subscription["id"]
        self.anchor: int = subscription["billing_cycle_anchor"]
        self.ends: int | None = subscription["cancel_at"]
        self.marks: Object = subscription["metadata"]
        self.usage = stripe_phases.usage(rows)
        charged = stripe_phases.licensed(rows)
        since = day(subscription["start_date"])
        self.items = [
            Item(
                row["id"], row["price"]["id"], row["price"]["active"], charge_at_stripe(row, since)
            )
            for row in charged
        ]
        self.period_start: int = charged[0]["current_period_start"]
        self.period_end: int = charged[0]["current_period_end"]

    def lacks(self, charge: Charge, past: Mapping[Charge, int]) -> int:
        """Since when it does not charge this: from the first day on, or since it was taken away.

        That was within a phase, or when one that is `past` was over.
        """
        start = timestamp(charge.starts_on)
        if any(item.charge == charge for item in self.items):
            return start  # for another line that is equal
        gone = self.marks.get(mark(charge))
        return max(start, int(gone) if gone else past.get(charge, 0))

    def ids_of(self, charges: Iterable[Charge]) -> list[str]:
        """An item for each charge, no item twice."""
        ids: dict[Charge, list[str]] = defaultdict(list)
        for item in self.items:
            ids[item.charge].append(item.id)
        return [ids[charge].pop() for charge in charges]

    def is_cut(self, amendment: Amendment) -> bool:
        """Whether the year that is charged is cut by its end, or was so until now."""
        ends = amendment.ends if len(amendment.phases) == 1 else None
        return any(end and end < self.period_end for end in (ends, self.ends))


@dataclass
class Change:
    """What changes of a subscription's items as of a moment; lines are named by their position."""

    added: list[int] = field(default_factory=list)
    removed: list[Charge] = field(default_factory=list)
    # Items that are charged as before, by another line.
    kept: dict[str, int] = field(default_factory=dict)


def changes(
    amendment: Amendment, running: Running, past: Mapping[Charge, int]
) -> dict[int, Change]:
    """What is to be changed of a subscription's items, by the moment.

    A line that came late is charged from its first day on, be it over by now; or from when it
    was taken away, if it was charged before: `past` is what past phases did. What is no longer
    charged is given back from the day on which the contract has it end; or all of it, when the
    contract has never had it. Neither for years before this one. What was charged and is over
    stays.
    """
    left = list(running.items)
    come = []
    for position in amendment.positions(amendment.phases[0]):
        charge = amendment.charge(position)
        same = next((item for item in left if item.charge == charge), None)
        if same:
            left.remove(same)
        else:
            come.append((position, charge, running.lacks(charge, past)))
    found: dict[int, Change] = defaultdict(Change)
    for item in left:
        end = min(timestamp(_end_of(amendment, item.charge)), amendment.now)
        moment = max(end, running.period_start)
        goes_on = [
            (position, charge, since)
            for position, charge, since in come
            if charge[:-1] == item.charge[:-1] and max(since, running.period_start) == moment
        ]
        if goes_on:
            come.remove(goes_on[0])
            found[moment].kept[item.id] = goes_on[0][0]
        else:
            found[moment].removed.append(item.charge)
    for position, _, since in come:
        found[since].added.append(position)
    for position, line in enumerate(amendment.contract.lines):
        end = timestamp(line.ends_on)
        if running.period_start < end <= amendment.now:
            charge = amendment.charge(position)
            since = running.lacks(charge, past)
            if since < end and charge not in (item.charge for item in running.items):
                found[since].added.append(position)
                found[end].removed.append(charge)
    return found


def marks(amendment: Amendment, moment: int, change: Change) -> dict[str, str]:
    """What a subscription's metadata says of a change, empty where it says no more."""
    gone = {mark(charge): str(moment) for charge in change.removed}
    return gone | {mark(amendment.charge(position)): "" for position in change.added}


def charged(phases: Iterable[Object], now: int) -> dict[Charge, int]:
    """What phases that are past have charged, and until when: their items' prices are expanded."""
    until: dict[Charge, int] = {}
    for phase in phases:
        if phase["end_date"] <= now:
            for row in stripe_phases.licensed(phase["items"]):
                charge = charge_at_stripe(row, day(phase["start_date"]))
                until[charge] = max(until.get(charge, 0), phase["end_date"])
    return until


def reusable(planned: Iterable[Object], items: Iterable[Item]) -> dict[Charge, Iterator[str]]:
    """The prices, each once, that may be used again for the same charge: planned, or running."""
    found: dict[Charge, dict[str, None]] = defaultdict(dict)
    for item in items:
        if item.is_reusable:
            found[item.charge][item.price] = None
    for phase in planned:
        for row in stripe_phases.licensed(phase["items"]):
            if row["price"]["active"]:
                charge = charge_at_stripe(row, day(phase["start_date"]))
                found[charge][row["price"]["id"]] = None
    return defaultdict(lambda: iter(()), {charge: iter(ids) for charge, ids in found.items()})


def _end_of(amendment: Amendment, charge: Charge) -> date:
    """The day on which a charge that is no longer in force has ended."""
    for line in amendment.contract.lines:
        is_over = timestamp(line.ends_on) <= amendment.now
        if is_over and line.starts_on == charge.starts_on and charge_of(line) == charge:
            return line.ends_on
    return charge.starts_on


def mark(charge: Charge) -> str:
    """A key of the subscription's metadata: as of when it was taken away, in Stripe's time."""
    unit_amount = f"{charge.unit_amount.normalize():f}"
    text = f"{charge.sku}|{charge.quantity:f}|{unit_amount}|{charge.starts_on}"
    return f"{TAKEN_AWAY}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"

"""A contract as the phases of a Stripe schedule, and back. Nothing is asked here.

A day begins at noon, UTC, at Stripe: so what Stripe prorates by the second, between two days, comes
to whole days. Every item carries its line's days, since an item that came within a year has been
charged from its first day on, whenever it was entered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from interlock.canonical import Line, LineKind
from interlock.canonical.contracts import BilledPhase, Contract, ContractLine, ContractStatus
from interlock.connectors.billing import stripe_objects
from interlock.connectors.billing.stripe_documents import Object
from interlock.connectors.billing.stripe_objects import (
    LINE_DESCRIPTION,
    LINE_ENDS_ON,
    LINE_STARTS_ON,
    METADATA_VALUE_LENGTH,
    REVISION,
    day,
    is_metered,
    timestamp,
)

# Of current and future ones:
# https://docs.stripe.com/billing/subscriptions/subscription-schedules#restrictions
MAXIMUM_PHASES = 10
AT_ONCE = "always_invoice"
MONTHS = 12
_ANEW = {"billing_cycle_anchor": "phase_start", "proration_behavior": "create_prorations"}


class Charge(NamedTuple):
    """What makes a line, or an item, the same charge."""

    sku: str
    quantity: Decimal
    unit_amount: Decimal
    starts_on: date


def agreed(line: ContractLine, number: int) -> Line:
    """A contract's line as an order has it."""
    return Line(
        number=number,
        sku=line.sku,
        description=line.description,
        kind=LineKind.RECURRING,
        quantity=line.quantity,
        unit_price=line.unit_price,
        amount=line.amount,
    )


def charge_of(line: ContractLine) -> Charge:
    """Of a line that Stripe can charge."""
    unit_amount = Decimal(stripe_objects.unit_amount(agreed(line, 0)))
    return Charge(line.sku, line.quantity, unit_amount, line.starts_on)


def charge_at_stripe(row: Object, default: date) -> Charge:
    """Of an item whose price is expanded; one that has no day is charged since `default`."""
    price, starts_on = row["price"], (row["metadata"] or {}).get(LINE_STARTS_ON)
    return Charge(
        price["product"],
        Decimal(row["quantity"]),
        Decimal(price["unit_amount_decimal"]),
        date.fromisoformat(starts_on) if starts_on else default,
    )


def metadata(line: ContractLine) -> dict[str, str]:
    """What an item says of its line."""
    return {
        LINE_DESCRIPTION: line.description[:METADATA_VALUE_LENGTH],
        LINE_STARTS_ON: line.starts_on.isoformat(),
        LINE_ENDS_ON: line.ends_on.isoformat(),
    }


def revision(schedule: Object) -> int:
    """The contract's revision that a schedule was told last, 0 for none."""
    return int(schedule["metadata"].get(REVISION, 0))


class Amendment:
    """A contract from now on; `now` is Stripe's time. Lines are named by their position in it."""

    def __init__(self, contract: Contract, now: int) -> None:
        self.contract = contract
        self.now = now
        self.phases = [phase for phase in contract.phases if timestamp(phase.ends_on) > now]

    @cached_property
    def charged(self) -> list[int]:
        """The lines that are charged from now on."""
        return sorted({number for phase in self.phases for number in self.positions(phase)})

    @property
    def told(self) -> Object:
        """What its schedule and phases say of it."""
        contract = self.contract
        return stripe_objects.told(contract.id, contract.bill_to, contract.subsidiary)

    @property
    def ends(self) -> int | None:
        """When it ends; None while it goes on."""
        if self.contract.status is ContractStatus.ACTIVE:
            return None
        return timestamp(self.contract.ends_on)

    def positions(self, phase: BilledPhase) -> list[int]:
        """The lines of a phase."""
        lines = enumerate(self.contract.lines)
        return [number for number, line in lines if line.is_in_force(phase.starts_on)]

    def charge(self, position: int) -> Charge:
        """What a line is charged as."""
        return charge_of(self.contract.lines[position])

    def item(self, position: int, price: str) -> Object:
        """A line as an item."""
        line = self.contract.lines[position]
        return {"metadata": metadata(line), "price": price, "quantity": int(line.quantity)}

    def problems(self, *, is_running: bool) -> list[str]:
        """What keeps Stripe from charging it, and what to do about it; empty when nothing does."""
        contract = self.contract
        if not self.phases or (is_running and timestamp(self.phases[0].starts_on) > self.now):
            return [
                f"nothing of contract {contract.id} is charged now (it ends on {contract.ends_on}),"
                " and its subscription goes on: cancel it at Stripe, and credit what it charged"
                " for the time since"
            ]
        found = []
        if len(self.phases) > MAXIMUM_PHASES:
            found.append(
                f"Stripe plans {MAXIMUM_PHASES} phases, not {len(self.phases)}: let lines of the"
                " contract begin and end on the same days"
            )
        for phase, after in pairwise(self.phases):
            if phase.ends_on != after.starts_on:
                found.append(
                    f"nothing is charged from {phase.ends_on} until {after.starts_on}, and a"
                    " subscription has no gap: make it two contracts"
                )
        for phase in self.phases:
            lines = tuple(agreed(line, n) for n, line in enumerate(phase.lines, start=1))
            found += stripe_objects.problems(lines, contract.currency)
        return list(dict.fromkeys(found))

    def parameters(
        self,
        schedule: Object,
        *,
        anchor: int | None,
        prices: Mapping[int, str],
        usage: list[Object],
    ) -> list[Object]:
        """The current and future phases of a schedule.

        `anchor` is where the billing cycle begins, None before it does; `prices` are the lines' and
        `usage` the items of usage, which go on as they are.
        """
        terms = self._term_starts(schedule)
        phases: list[Object] = []
        for phase in self.phases:
            start = timestamp(phase.starts_on)
            if not phases:
                rhythm = _begun(schedule) or {"start_date": start, **_ANEW}
            elif start in terms:
                months = stripe_objects.months_between(day(anchor), day(start))
                # After a part of a year, the rest of it is given back.
                behavior = AT_ONCE if months % MONTHS else "none"
                rhythm = _ANEW | {"proration_behavior": behavior}
            else:
                rhythm = {"billing_cycle_anchor": "automatic", "proration_behavior": AT_ONCE}
            if anchor is None or (phases and start in terms):
                anchor = start
            items = [self.item(position, prices[position]) for position in self.positions(phase)]
            rest = {
                "end_date": timestamp(phase.ends_on),
                "items": items + usage,
                "metadata": self.told,
            }
            phases.append({**rhythm, **rest})
        return phases

    def _term_starts(self, schedule: Object) -> set[int]:
        """When terms begin that are to come: a new one begins where the last has ended so far."""
        planned = schedule["phases"]
        return {planned[-1]["end_date"]} | {
            phase["start_date"]
            for phase in planned
            if phase["billing_cycle_anchor"] == "phase_start" and phase["start_date"] > self.now
        }


def _begun(schedule: Object) -> Object | None:
    """What stays of the phase that a schedule is in, None before it starts."""
    if schedule["current_phase"] is None:
        return None
    phase = planned(schedule)[0]
    return {name: phase[name] for name in ("start_date", *_ANEW)}


def usage(items: Iterable[Object]) -> list[Object]:
    """The items that charge usage, as they are given to another phase."""
    return [{"price": row["price"]["id"]} for row in items if is_metered(row["price"])]


def licensed(items: Iterable[Object]) -> list[Object]:
    """The items that charge a quantity."""
    return [row for row in items if not is_metered(row["price"])]


def planned(schedule: Object) -> list[Object]:
    """The current and future phases of a schedule; none of one that plans no more."""
    if schedule["status"] == "not_started":
        return schedule["phases"]
    if schedule["current_phase"] is None:
        return []
    start = schedule["current_phase"]["start_date"]
    return [phase for phase in schedule["phases"] if phase["start_date"] >= start]


def billed(schedule: Object) -> Iterator[BilledPhase]:
    """What a schedule plans, whose items' prices are expanded."""
    for phase in planned(schedule):
        first, after = day(phase["start_date"]), day(phase["end_date"])
        yield BilledPhase(
            starts_on=first,
            ends_on=after,
            lines=tuple(_billed_line(row, first, after) for row in licensed(phase["items"])),
        )


def _billed_line(row: Object, first: date, after: date) -> ContractLine:
    told, price = row["metadata"] or {}, stripe_objects.unit_price(row["price"])
    return ContractLine(
        sku=row["price"]["product"],
        description=told.get(LINE_DESCRIPTION, ""),
        quantity=row["quantity"],
        unit_price=price,
        amount=price.times(row["quantity"]),
        starts_on=told.get(LINE_STARTS_ON, first),
        ends_on=told.get(LINE_ENDS_ON, after),
    )

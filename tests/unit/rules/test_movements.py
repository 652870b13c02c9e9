"""Recurring revenue: whatever happens to contracts, the movements add up to what there is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Line, Money, Opportunity
from interlock.canonical.contracts import (
    ChangeKind,
    Contract,
    ContractChange,
    ContractStatus,
    Movement,
)
from interlock.canonical.records import DealKind
from interlock.rules import movements
from interlock.rules.contract_change import amended, ended, ending, renewed, reverted, signed
from interlock.rules.renewal_price import price

from tests.unit import samples
from tests.unit.renewal_samples import contract, deal, policy, terms, usd
from tests.unit.samples import line

FIRST = date(2024, 2, 29)
DAY = timedelta(days=1)
CURRENCY = "USD"


class Company:
    """All contracts, and every movement that was told of."""

    def __init__(self) -> None:
        self.contracts: dict[str, Contract] = {}
        self.movements: list[Movement] = []
        self.last: ContractChange | None = None
        self.deals = 0

    def apply(self, change: ContractChange) -> None:
        """What a run does: the contract is the one after, and its movements are published."""
        assert change.before is None or change.before == self.contracts[change.before.id]
        self.contracts[change.after.id] = change.after
        self.movements += [change.movement, *change.steps]
        self.last = change

    def deal(self, lines: tuple[Line, ...], **values: object) -> Opportunity:
        """A won deal of its own."""
        self.deals += 1
        given = {"id": f"salesforce:{self.deals}", "is_won": True, "currency": CURRENCY}
        return deal(*lines, **(given | values))

    def counted(self, day: date) -> Money:
        """What all contracts count on a day."""
        return total(movements.revenue(each, day) for each in self.contracts.values())

    def moved(self, day: date) -> Money:
        """All movements up to a day."""
        return total(each.total for each in self.movements if each.on <= day)


def total(amounts: Iterable[Money]) -> Money:
    """Their sum."""
    return Money.total(amounts, CURRENCY)


@st.composite
def sold(draw: st.DrawFn, months: int) -> tuple[Line, ...]:
    """Up to four lines of three products, some of them ramps."""
    return tuple(
        line(
            number,
            draw(st.sampled_from("ABC")),
            quantity=str(draw(st.integers(1, 9))),
            price=f"{draw(st.decimals(0, 1000, places=2)):f}",
            from_month=draw(st.sampled_from([0, 0, 0, months // 2])),
        )
        for number in range(1, draw(st.integers(1, 4)) + 1)
    )


@st.composite
def companies(draw: st.DrawFn) -> Company:
    """After a random history of up to three contracts."""
    company = Company()
    for number in range(draw(st.integers(1, 3))):
        months = draw(st.sampled_from([6, 12, 18, 36]))
        starts_on = FIRST + draw(st.integers(0, 400)) * DAY
        lines = draw(sold(months))
        opportunity = samples.opportunity(
            id=f"salesforce:contract{number}",
            lines=lines,
            renewal=terms(
                uplift=draw(st.decimals(0, 10, places=2)), renewal_months=draw(st.integers(1, 24))
            ),
        )
        order = samples.order(
            id=opportunity.id, lines=lines, start_date=starts_on, term_months=months
        )
        company.apply(signed(opportunity, order, policy()))
    for _ in range(draw(st.integers(0, 8))):
        happens(draw, company)
    return company


def happens(draw: st.DrawFn, company: Company) -> None:
    """One change of a contract that is still there."""
    live = [each for each in company.contracts.values() if each.status != ContractStatus.ENDED]
    if not live:
        return
    current = draw(st.sampled_from(live))
    what = draw(st.sampled_from(["renew", "sell", "amend", "end", "consolidate", "revert"]))
    if what == "revert":
        take_back(company)
    elif current.status == ContractStatus.ENDING and (current.handover or what == "end"):
        company.apply(ended(current))
    elif what == "end":
        company.apply(ending(current))
    elif what == "renew":
        company.apply(renewed(current, price(current, policy(), deal()), deal()))
    elif what == "sell":
        months = draw(st.integers(2, 24))
        renewal = company.deal(draw(sold(months)), start_date=current.ends_on, term_months=months)
        company.apply(renewed(current, price(current, policy(), renewal), renewal))
    elif what == "amend":
        days = (current.ends_on - current.starts_on).days
        starts_on = current.starts_on + draw(st.integers(0, days - 1)) * DAY
        lines = tuple(each.model_copy(update={"from_month": 0}) for each in draw(sold(2)))
        company.apply(
            amended(
                current,
                company.deal(
                    lines,
                    kind=DealKind.AMENDMENT,
                    contract_id=current.id,
                    start_date=starts_on,
                ),
            )
        )
    else:
        consolidate(draw, company, current, live)


def take_back(company: Company) -> None:
    """The last change, unless it is a contract's first, took another one back, or is of two."""
    change = company.last
    if (
        change
        and change.before
        and change.kind != ChangeKind.REVERTED
        and not change.after.handover
    ):
        company.apply(reverted(change, change.after))


def consolidate(draw: st.DrawFn, company: Company, current: Contract, live: list[Contract]) -> None:
    """The contract ends, and another one that lasts longer goes on with it."""
    longer = [
        each
        for each in live
        if each.starts_on <= current.ends_on < each.ends_on and not each.handover
    ]
    if not longer or current.status == ContractStatus.ENDING:
        return
    into = draw(st.sampled_from(longer))
    lines = tuple(each.model_copy(update={"from_month": 0}) for each in draw(sold(2)))
    renewal = company.deal(
        lines,
        contract_id=current.id,
        consolidates_into=into.id,
        start_date=current.ends_on,
        term_months=12,
    )
    going_over = price(current, policy(), renewal).lines
    company.apply(ending(current, renewal, handed_over=going_over))
    company.apply(amended(into, renewal, effective_on=current.ends_on))
    company.apply(ended(company.contracts[current.id]))


@given(company=companies(), data=st.data())
def test_opening_and_movements_are_closing(company: Company, data: st.DataObject) -> None:
    opening, closing = sorted(FIRST + data.draw(st.integers(-10, 4000)) * DAY for _ in range(2))

    between = total(each.total for each in company.movements if opening < each.on <= closing)
    assert company.moved(opening) == company.counted(opening)
    assert company.counted(opening) + between == company.counted(closing)


@given(company=companies())
def test_what_goes_over_comes_from_somewhere(company: Company) -> None:
    assert total(each.transferred for each in company.movements) == usd("0")


@given(company=companies(), days=st.integers(0, 2000))
def test_a_contract_counts_what_is_served(company: Company, days: int) -> None:
    day = FIRST + days * DAY
    for each in company.contracts.values():
        if day < each.ends_on:
            assert movements.revenue(each, day) == each.yearly_on(day)


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        (ContractStatus.ACTIVE, "14500"),
        (ContractStatus.ENDING, "14500"),
        (ContractStatus.ENDED, "0"),
    ],
)
def test_what_is_not_decided_upon_counts_on(status: ContractStatus, counted: str) -> None:
    assert movements.revenue(contract(status=status), date(2027, 12, 5)) == usd(counted)


def test_a_movement_and_what_takes_it_back_are_nothing_part_by_part() -> None:
    change = ended(contract())
    back = reverted(change, change.after)

    assert change.movement.churn + back.movement.churn == usd("0")
    assert back.movement.expansion == usd("0")
    assert change.movement.total + back.movement.total == Money.of(Decimal(0), CURRENCY)

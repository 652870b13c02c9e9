"""Yearly recurring revenue: what moved adds up, and what does not is seen to the cent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from interlock.canonical import Money, UnitPrice
from interlock.canonical.contracts import Contract, ContractLine, Movement
from interlock.canonical.records import RenewalTerms
from interlock.events import Event
from pydantic import TypeAdapter

from local.renewals.revenue import Revenue, Years, of_contract, total

SINCE, UNTIL = date(2026, 12, 1), date(2027, 12, 1)
END = date(2027, 5, 1)
YEAR = Years(SINCE, UNTIL)


def usd(amount: str) -> Money:
    return Money.of(amount, "USD")


def line(quantity: int, starts_on: date, ends_on: date, currency: str = "USD") -> ContractLine:
    price = UnitPrice.of(100, currency)
    return ContractLine(
        sku="SEAT-ANNUAL",
        description="Seat",
        quantity=Decimal(quantity),
        unit_price=price,
        amount=price.times(quantity),
        starts_on=starts_on,
        ends_on=ends_on,
    )


def contract(*lines: ContractLine, currency: str = "USD") -> Contract:
    return Contract(
        id="salesforce:006A",
        account_id="salesforce:001A",
        customer_name="Larkspur Robotics Inc.",
        bill_to="salesforce:001A",
        subsidiary="TESSALINE-US",
        currency=currency,
        payment_terms="NET30",
        payment_days=30,
        starts_on=min(each.starts_on for each in lines),
        ends_on=max(each.ends_on for each in lines),
        renewal=RenewalTerms(auto_renews=False, notice_days=30),
        lines=lines,
    )


def movement(on: date, **moved: str) -> Movement:
    names = ("new", "expansion", "contraction", "churn", "transferred")
    return Movement(on=on, **{name: usd(moved.get(name, "0")) for name in names})


def told(on: date, *steps: Movement, **moved: str) -> Event:
    change = {"movement": movement(on, **moved), "steps": steps}
    return Event(
        id=f"changed on {on}",
        type="contract.amended",
        source="interlock",
        subject="salesforce:006A",
        occurred_at=datetime(2026, 12, 24, tzinfo=UTC),
        correlation_id="renewal-006A",
        data=TypeAdapter(dict).dump_python(change, mode="json"),
    )


BEFORE = line(10, date(2026, 5, 1), END)
SIGNED = contract(BEFORE)
RENEWED = contract(BEFORE, line(12, END, date(2028, 5, 1)))


def problems(revenue: Revenue) -> list[str]:
    return list(revenue.problems("it"))


def test_a_renewal_with_more_adds_up():
    revenue = of_contract(SIGNED, RENEWED, [told(END, expansion="200")], usd("1200"), YEAR)

    assert (revenue.opening, revenue.expansion, revenue.closing) == (
        usd("1000"),
        usd("200"),
        usd("1200"),
    )
    assert problems(revenue) == []


def test_a_movement_that_is_missing_is_seen():
    revenue = of_contract(SIGNED, RENEWED, [], usd("1200"), YEAR)

    assert problems(revenue) == [
        "it: opening and movements are 1,000.00 USD, closing is 1,200.00 USD"
    ]


def test_a_cent_too_much_at_the_billing_system_is_seen():
    moved = [told(END, expansion="200")]
    revenue = of_contract(SIGNED, RENEWED, moved, usd("1200.01"), YEAR)

    assert problems(revenue) == ["it: 1,200.01 USD are billed, the contract says 1,200.00 USD"]


def test_what_leaves_comes_to_nothing():
    revenue = of_contract(SIGNED, SIGNED, [told(END, churn="-1000")], usd("0"), YEAR)

    assert revenue.closing == usd("0")
    assert problems(revenue) == []


def test_what_was_signed_in_the_year_is_new_business():
    signed = contract(line(5, date(2027, 3, 1), date(2028, 3, 1)))

    revenue = of_contract(None, signed, [told(date(2027, 3, 1), new="500")], usd("500"), YEAR)

    assert (revenue.opening, revenue.new) == (usd("0"), usd("500"))
    assert problems(revenue) == []


def test_movements_of_other_years_do_not_count():
    earlier, later = told(SINCE, new="1000"), told(date(2028, 5, 1), churn="-1000")

    revenue = of_contract(RENEWED, RENEWED, [earlier, later], usd("1200"), YEAR)

    assert (revenue.new, revenue.churn) == (usd("0"), usd("0"))


def test_a_step_that_was_told_before_is_a_ramp():
    step = date(2027, 2, 1)
    ramped = contract(line(10, date(2026, 5, 1), step), line(15, step, END))
    after = contract(*ramped.lines, line(15, END, date(2028, 5, 1)))

    signed = told(date(2026, 5, 1), movement(step, expansion="500"), new="1000")
    revenue = of_contract(ramped, after, [signed, told(END)], usd("1500"), YEAR)

    assert (revenue.opening, revenue.ramps) == (usd("1000"), usd("500"))
    assert problems(revenue) == []


def test_a_total_is_of_one_currency():
    yen = contract(line(7, date(2026, 5, 1), END, "JPY"), currency="JPY")
    revenues = [
        of_contract(SIGNED, RENEWED, [told(END, expansion="200")], usd("1200"), YEAR),
        of_contract(SIGNED, SIGNED, [told(END, churn="-1000")], usd("0"), YEAR),
        of_contract(yen, yen, [], Money.of(0, "JPY"), YEAR),
    ]

    dollars = total(revenues, "USD")

    assert (dollars.opening, dollars.expansion, dollars.churn, dollars.closing) == (
        usd("2000"),
        usd("200"),
        usd("-1000"),
        usd("1200"),
    )
    assert problems(dollars) == []
    assert total(revenues, "JPY").opening == Money.of(700, "JPY")

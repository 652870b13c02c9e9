"""What an addition costs until the contract's end, by days."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.rules.co_terming import co_termed, working
from interlock.rules.months import later

from tests.unit.renewal_samples import contract, contract_line, usd

MARCH = date(2027, 3, 1)


def test_the_rest_of_a_year_is_charged_by_its_days() -> None:
    added = contract_line(quantity="5", starts_on=MARCH)

    [charge] = co_termed(contract(), added)

    # 275 of 365 days of 2,400.00 are 1,808.219...
    assert charge == (MARCH, date(2027, 12, 1), 275, 365, usd("1808.22"))
    assert working(contract(), (added,)) == (
        "SEAT: 5 at 480.00 USD are 2,400.00 USD a year; 2027-03-01 to 2027-12-01: 275 of 365 days"
        " are 1,808.22 USD",
    )


def test_a_year_with_a_leap_day_has_366_days_and_whole_years_cost_the_whole() -> None:
    start, end = date(2027, 3, 1), date(2029, 9, 1)
    long = contract(contract_line(starts_on=start, ends_on=end))
    added = contract_line(quantity="1", price="366.00", starts_on=date(2027, 3, 31), ends_on=end)

    charges = co_termed(long, added)

    assert [(each.days, each.of, each.amount) for each in charges] == [
        (336, 366, usd("336.00")),  # until 1 March 2028, 29 February among them
        (365, 365, usd("366.00")),
        (184, 365, usd("184.50")),
    ]


def test_a_contract_of_29_february_has_its_years_too() -> None:
    leap = contract(contract_line(starts_on=date(2024, 2, 29), ends_on=date(2026, 2, 28)))
    added = contract_line(starts_on=date(2025, 2, 28), ends_on=date(2026, 2, 28))

    assert [(each.days, each.of) for each in co_termed(leap, added)] == [(365, 365)]


def test_halves_are_rounded_away_from_zero_to_the_currencys_unit() -> None:
    yen = contract_line(quantity="1", price="365", currency="JPY", starts_on=MARCH)
    half = contract_line(quantity="1", price="73", currency="JPY", starts_on=date(2027, 5, 31))

    [charge] = co_termed(contract(), yen)
    assert charge.amount == Money.of(275, "JPY")
    [charge] = co_termed(contract(), half)  # 184 days: 36.8
    assert charge.amount == Money.of(37, "JPY")


@given(
    first=st.integers(0, 1460),
    days=st.integers(1, 1460),
    years=st.integers(1, 5),
    price=st.decimals(0, 10**6, places=2),
)
def test_the_days_of_all_charges_are_the_days_of_the_line(
    first: int, days: int, years: int, price: object
) -> None:
    start = date(2024, 2, 29)
    end = later(start, 12 * years)
    starts_on = min(start + timedelta(days=first), end - timedelta(days=1))
    ends_on = min(starts_on + timedelta(days=days), end)
    of = contract(contract_line(starts_on=start, ends_on=end))
    added = contract_line(quantity="1", price=str(price), starts_on=starts_on, ends_on=ends_on)

    charges = co_termed(of, added)

    assert sum(each.days for each in charges) == (ends_on - starts_on).days
    assert (charges[0].starts_on, charges[-1].ends_on) == (starts_on, ends_on)
    for each in charges:
        exact = Fraction(added.amount.amount) * each.days / each.of
        assert abs(Fraction(each.amount.amount) - exact) <= Fraction(1, 200)
        assert each.of in {365, 366}
        assert each.days <= each.of

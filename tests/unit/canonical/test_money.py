"""Money: exact, one spelling per amount, only what its currency can express."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import EXPONENTS, PRICE_DECIMALS, Canonical, Money, UnitPrice
from pydantic import ValidationError

CURRENCIES = sorted(EXPONENTS)


class Priced(Canonical):
    """Anything with an amount."""

    price: Money


def monies() -> st.SearchStrategy[Money]:
    """Any amount of any currency, up to a million million minor units."""
    return st.builds(
        Money.from_minor_units, st.integers(-(10**12), 10**12), st.sampled_from(CURRENCIES)
    )


@pytest.mark.parametrize(
    ("amount", "currency", "units", "text"),
    [
        ("12.50", "USD", 1250, "12.50 USD"),
        ("1250", "JPY", 1250, "1,250 JPY"),
        ("1.25", "KWD", 1250, "1.250 KWD"),
        ("0.0001", "CLF", 1, "0.0001 CLF"),
        ("-1234567.8", "EUR", -123456780, "-1,234,567.80 EUR"),
    ],
)
def test_an_amount_in_minor_units_and_as_text(
    amount: str, currency: str, units: int, text: str
) -> None:
    money = Money.of(amount, currency)

    assert money.minor_units == units
    assert Money.from_minor_units(units, currency) == money
    assert str(money) == text


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("12.505", "USD"), ("0.5", "JPY"), ("1.0005", "KWD"), ("0.00001", "CLF")],
)
def test_no_fraction_of_a_minor_unit(amount: str, currency: str) -> None:
    with pytest.raises(ValidationError, match="more decimals than"):
        Money.of(amount, currency)


@pytest.mark.parametrize("amount", [12.5, 12.0, float("nan"), True, None, "twelve", "NaN", "1E+40"])
def test_what_is_no_amount(amount: object) -> None:
    with pytest.raises(ValidationError):
        Money(amount=amount, currency="USD")


@pytest.mark.parametrize("amount", ["Infinity", "-Infinity", "sNaN", "1E+19", "-1E+400"])
def test_an_amount_is_finite_and_within_reason(amount: str) -> None:
    with pytest.raises(ValidationError):
        Money.of(amount, "JPY")


def test_a_number_with_a_fraction_is_refused_in_json_too() -> None:
    with pytest.raises(ValidationError, match="never a float"):
        Money.model_validate_json('{"amount": 12.5, "currency": "USD"}')


@pytest.mark.parametrize("currency", ["usd", "XXX", "HRK", "", "US"])
def test_an_unknown_currency(currency: str) -> None:
    with pytest.raises(ValidationError, match="ISO 4217"):
        Money.of("1", currency)


def test_iso_4217_has_currencies_of_each_kind() -> None:
    decimals = {code: EXPONENTS[code] for code in ("JPY", "KRW", "USD", "EUR", "BHD", "UYW")}

    assert decimals == {"JPY": 0, "KRW": 0, "USD": 2, "EUR": 2, "BHD": 3, "UYW": 4}
    assert len(EXPONENTS) == sum(len(code) == 3 and code.isupper() for code in EXPONENTS)


@pytest.mark.parametrize(
    ("one", "other"), [("12.5", "12.50"), ("100", "1E+2"), ("0", "-0.00"), ("7", "07.0")]
)
def test_equal_amounts_are_the_same_in_every_way(one: str, other: str) -> None:
    first, second = Money.of(one, "USD"), Money.of(other, "USD")

    assert first == second
    assert hash(first) == hash(second)
    assert first.model_dump_json() == second.model_dump_json()
    assert Priced(price=first).fingerprint() == Priced(price=second).fingerprint()


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "USD", "0.01"),
        ("-0.005", "USD", "-0.01"),
        ("0.0049", "USD", "0"),
        ("2.5", "JPY", "3"),
        ("1.2345", "KWD", "1.235"),
    ],
)
def test_halves_round_away_from_zero(amount: str, currency: str, rounded: str) -> None:
    assert Money.rounded(Decimal(amount), currency) == Money.of(rounded, currency)


def test_times_rounds_once() -> None:
    third = Money.of("10.00", "EUR").times(Decimal(1) / 3)

    assert third == Money.of("3.33", "EUR")
    assert third.times(3) == Money.of("9.99", "EUR")


def test_amounts_of_two_currencies_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="cannot add EUR to USD"):
        Money.of(1, "USD") + Money.of(1, "EUR")
    with pytest.raises(ValueError, match="cannot add EUR to USD"):
        Money.total([Money.of(1, "EUR")], "USD")


def test_the_total_of_nothing_is_zero() -> None:
    assert Money.total([], "JPY") == Money.of(0, "JPY")


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(ValidationError) as refused:
        Priced.model_validate({"price": {"amount": "98765.4321", "currency": "USD"}})
    with pytest.raises(ValidationError) as unknown:
        Priced.model_validate({"price": {"amount": "1", "currency": "s3cret"}})

    assert "98765" not in refused.value.errors()[0]["msg"]
    assert "s3cret" not in unknown.value.errors()[0]["msg"]


@given(monies())
def test_json_keeps_an_amount_exactly(money: Money) -> None:
    text = Priced(price=money).model_dump_json()

    assert Priced.model_validate_json(text).price == money
    assert isinstance(json.loads(text)["price"]["amount"], str)
    assert Money.from_minor_units(money.minor_units, money.currency) == money


@given(st.lists(st.integers(-(10**9), 10**9)), st.sampled_from(CURRENCIES))
def test_a_total_is_exact_in_any_order(units: list[int], currency: str) -> None:
    amounts = [Money.from_minor_units(unit, currency) for unit in units]

    assert Money.total(amounts, currency).minor_units == sum(units)
    assert Money.total(reversed(amounts), currency) == Money.total(amounts, currency)


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=6), st.sampled_from(CURRENCIES))
def test_rounding_moves_at_most_half_a_unit(amount: Decimal, currency: str) -> None:
    money = Money.rounded(amount, currency)

    assert abs(money.amount - amount) <= money.quantum / 2


@pytest.mark.parametrize(
    ("one", "other", "spelled"),
    [("99.90", "99.9", "99.90"), ("84.9915", "84.99150", "84.9915"), ("1E-7", "0.0000001", None)],
)
def test_equal_prices_are_the_same_in_every_way(one: str, other: str, spelled: str | None) -> None:
    first, second = UnitPrice.of(one, "USD"), UnitPrice.of(other, "USD")

    assert first == second
    assert first.model_dump_json() == second.model_dump_json()
    assert first.model_dump(mode="json")["amount"] == (spelled or "0.0000001")


@pytest.mark.parametrize("price", ["0.0000000000001", "1E+12", "NaN", "Infinity", 0.5])
def test_what_is_no_price(price: object) -> None:
    with pytest.raises(ValidationError):
        UnitPrice(amount=price, currency="USD")


@given(st.decimals(0, 10**9, places=PRICE_DECIMALS), st.integers(1, 10**12))
def test_a_price_is_rounded_once_for_its_quantity(price: Decimal, millionths: int) -> None:
    quantity = Decimal(millionths).scaleb(-6)

    amount = UnitPrice.of(price, "USD").times(quantity)

    exact = Fraction(price) * Fraction(quantity)
    assert abs(Fraction(amount.amount) - exact) <= Fraction(1, 200)


@given(st.one_of(st.text(), st.decimals(), st.integers(), st.floats(), st.none()))
def test_anything_else_is_a_validation_error(amount: object) -> None:
    try:
        money = Money(amount=amount, currency="USD")
    except ValidationError:
        return
    assert money.amount.is_finite()

"""Unit prices: exact beyond the currency's decimals, one spelling each, money only as a product."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import EXPONENTS, Canonical, Money, UnitPrice
from pydantic import ValidationError

CURRENCIES = sorted(EXPONENTS)
PRICES = st.builds(
    lambda units, decimals: Decimal(units).scaleb(-decimals),
    st.integers(-(10**12) + 1, 10**12 - 1),
    st.integers(0, 12),
)


class Priced(Canonical):
    """Anything with a unit price."""

    price: UnitPrice


@pytest.mark.parametrize(
    ("amount", "currency", "spelling", "text"),
    [
        ("84.9915", "USD", "84.9915", "84.9915 USD"),
        ("84.9915", "JPY", "84.9915", "84.9915 JPY"),
        ("480", "USD", "480.00", "480.00 USD"),
        ("480.0000", "USD", "480.00", "480.00 USD"),
        ("4.8E+2", "JPY", "480", "480 JPY"),
        ("1234.5", "KWD", "1234.500", "1,234.500 KWD"),
        ("0.000000000001", "USD", "0.000000000001", "0.000000000001 USD"),
        ("-0.000", "USD", "0.00", "0.00 USD"),
        ("999999999999.999999999999", "USD", "999999999999.999999999999", None),
    ],
)
def test_one_spelling_without_an_exponent(
    amount: str, currency: str, spelling: str, text: str | None
) -> None:
    price = UnitPrice.of(amount, currency)

    assert json.loads(price.model_dump_json())["amount"] == spelling
    assert price.model_dump(mode="json")["amount"] == spelling
    assert text is None or str(price) == text


@given(PRICES, st.sampled_from(CURRENCIES))
def test_equal_prices_have_equal_fingerprints_and_survive_json(
    amount: Decimal, currency: str
) -> None:
    price = Priced(price=UnitPrice.of(amount, currency))
    longest = Priced(price=UnitPrice.of(f"{amount:.12f}", currency))
    shortest = Priced(price=UnitPrice.of(str(amount.normalize()), currency))

    assert price.price.amount == amount
    assert price.fingerprint() == longest.fingerprint() == shortest.fingerprint()
    assert Priced.model_validate_json(price.model_dump_json()) == price


@given(
    PRICES,
    st.decimals(Decimal("0.000001"), 10**6, places=6),
    st.sampled_from(CURRENCIES),
)
def test_a_quantity_is_priced_exactly_and_rounded_once(
    amount: Decimal, quantity: Decimal, currency: str
) -> None:
    exact = int(amount.scaleb(12)) * int(quantity.scaleb(6))
    decimals = 18 - EXPONENTS[currency]
    whole, rest = divmod(abs(exact), 10**decimals)
    units = whole + (2 * rest >= 10**decimals)

    priced = UnitPrice.of(amount, currency).times(quantity)

    assert priced == Money.from_minor_units(units if exact >= 0 else -units, currency)


@pytest.mark.parametrize(
    "amount",
    [0.5, 84.9915, "1E+12", "-1E+12", "0.0000000000001", "NaN", "Infinity", "sNaN", None, "ten"],
)
def test_what_is_no_unit_price(amount: object) -> None:
    with pytest.raises(ValidationError):
        UnitPrice(amount=amount, currency="USD")


def test_money_is_no_unit_price_and_a_unit_price_no_money() -> None:
    with pytest.raises(ValidationError):
        Priced(price=Money.of(1, "USD"))
    assert UnitPrice.of(1, "USD") != Money.of(1, "USD")


def test_halves_go_away_from_zero() -> None:
    half = UnitPrice.of("94.905", "USD")

    assert half.times(1).amount == Decimal("94.905").quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert UnitPrice.of("-94.905", "USD").times(1).amount == Decimal("-94.91")

"""Between canonical records and Stripe's objects."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import EXPONENTS, Address, Line, LineKind, Money, UnitPrice
from interlock.connectors.billing import stripe_objects
from interlock.connectors.billing.stripe_objects import minor_units, money
from interlock.errors import BusinessRuleViolation

from local.sandboxes.stripe.parameters import decode

# Of how many units at Stripe an amount is a multiple.
STEPS = {"ISK": 100} | {code: 10 for code, decimals in EXPONENTS.items() if decimals == 3}


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("10", "USD", 1000),
        ("0.01", "EUR", 1),
        ("500", "JPY", 500),
        ("5.120", "KWD", 5120),
        ("5", "ISK", 500),  # counted in hundredths, though it has none
        ("3", "MGA", 3),  # counted in units, though ISO 4217 gives it two decimals
        ("10.45", "HUF", 1045),  # in units for payouts alone
    ],
)
def test_minor_units_as_stripe_counts(amount: str, currency: str, units: int) -> None:
    assert minor_units(Money.of(amount, currency)) == units


@given(
    st.integers(-(10**12), 10**12),
    st.sampled_from(sorted(set(EXPONENTS) - {"UGX"})),
)
def test_amounts_at_stripe_are_read_exactly(units: int, currency: str) -> None:
    told = units * STEPS.get(currency, 1)

    assert minor_units(money(told, currency.lower())) == told


@pytest.mark.parametrize(
    ("amount", "currency"), [("5.124", "KWD"), ("0.001", "TND"), ("0.20", "MGA"), ("5", "UGX")]
)
def test_what_stripe_cannot_express(amount: str, currency: str) -> None:
    with pytest.raises(BusinessRuleViolation):
        minor_units(Money.of(amount, currency))


def sold(quantity: int, price: str, currency: str, amount: str | None = None) -> Line:
    """A recurring line; its amount adds up unless another is given."""
    agreed = UnitPrice.of(price, currency)
    return Line(
        number=1,
        sku="SEAT",
        description="Seat",
        kind=LineKind.RECURRING,
        quantity=quantity,
        unit_price=agreed,
        amount=Money.of(amount, currency) if amount else agreed.times(quantity),
    )


@pytest.mark.parametrize(
    ("quantity", "price", "currency", "units"),
    [
        (25, "480", "USD", "48000"),
        (25, "84.9915", "USD", "8499.15"),
        (3, "0.000000000001", "USD", "0.0000000001"),
        (3, "84.9915", "JPY", "84.9915"),
        (1, "94.905", "USD", "9491"),  # half a cent, which might be rounded either way
        (3, "94.905", "USD", "9490.6666666667"),
        (2, "84.5", "MGA", "84.5"),
        (3, "84.9915", "ISK", "8500"),
        (5, "74.12", "KWD", "74120"),
    ],
)
def test_a_price_that_comes_to_the_amount(
    quantity: int, price: str, currency: str, units: str
) -> None:
    assert stripe_objects.unit_amount(sold(quantity, price, currency)) == units


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (sold(2, "84.5", "ISK"), "cannot come to 169 ISK for 2 at 84.5 ISK"),
        (sold(2, "74.125", "KWD"), "cannot come to 148.250 KWD"),
        (sold(2, "9", "USD", amount="17"), "cannot come to 17.00 USD"),
        (sold(1, "0.20", "MGA"), "as small as in 0.20 MGA"),
        (sold(1, "5.124", "KWD"), "as small as in 5.124 KWD"),
        (sold(1, "5", "UGX"), "not certain"),
    ],
)
def test_a_line_that_cannot_be_charged_as_agreed(line: Line, problem: str) -> None:
    with pytest.raises(BusinessRuleViolation, match=problem):
        stripe_objects.unit_amount(line)


@given(
    st.decimals(0, 10**9, places=12), st.sampled_from(["USD", "JPY", "ISK", "MGA", "KWD", "CLF"])
)
def test_prices_at_stripe_are_read_exactly(price: Decimal, currency: str) -> None:
    units = price.scaleb(stripe_objects.STRIPE_EXPONENTS[currency])
    row = {"currency": currency.lower(), "unit_amount_decimal": f"{units:f}"}

    assert stripe_objects.unit_price(row) == UnitPrice.of(price, currency)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_day_is_the_same_day_nearly_everywhere(day: date) -> None:
    seconds = stripe_objects.timestamp(day)

    assert stripe_objects.day(seconds) == day
    for hours in (-12, -8, 0, 1, 9, 11):
        zone = timezone(timedelta(hours=hours))
        assert datetime.fromtimestamp(seconds, zone).date() == day


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        (date(2026, 11, 2), date(2027, 11, 2), 12),
        (date(2027, 1, 31), date(2027, 2, 28), 1),
        (date(2028, 2, 29), date(2029, 2, 28), 12),
        (date(2026, 12, 1), date(2029, 12, 1), 36),
    ],
)
def test_months_of_a_phase(start: date, end: date, months: int) -> None:
    assert stripe_objects.months_between(start, end) == months


def test_item_that_was_added_at_stripe() -> None:
    licensed = {"recurring": {"usage_type": "licensed"}}
    price = {"product": "SUPPORT", "currency": "eur", "unit_amount_decimal": "1250", **licensed}
    usage = {"price": {"recurring": {"usage_type": "metered"}}, "metadata": {}}
    phase = {"items": [{"price": price, "quantity": 2, "metadata": {}}, usage]}

    assert stripe_objects.lines(phase) == (
        Line(
            number=1,
            sku="SUPPORT",
            description="",
            kind=LineKind.RECURRING,
            quantity=2,
            unit_price=UnitPrice.of("12.50", "EUR"),
            amount=Money.of("25", "EUR"),
        ),
    )


def test_long_description_is_cut_to_what_metadata_may_hold() -> None:
    line = Line(
        number=1,
        sku="SEAT",
        description="x" * 900,
        kind=LineKind.RECURRING,
        quantity=1,
        unit_price=UnitPrice.of(1, "USD"),
        amount=Money.of(1, "USD"),
    )

    assert stripe_objects.item(line)["metadata"]["interlock_description"] == "x" * 500


def test_address_has_only_what_is_known() -> None:
    assert stripe_objects.address(None) is None
    assert stripe_objects.address(Address(city="Ōsaka", country="JP")) == {
        "city": "Ōsaka",
        "country": "JP",
    }


names = st.text("abcdefghij_", min_size=1, max_size=6)
trees = st.recursive(
    st.text("aZ0é日=&[]%+ ", max_size=8),
    lambda children: (
        st.lists(children, min_size=1, max_size=12)
        | st.dictionaries(names, children, min_size=1, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(names, trees, max_size=4))
def test_nested_parameters_survive_the_form(parameters: dict) -> None:
    assert decode(urlencode(stripe_objects.form(parameters))) == parameters


def test_form_of_values_that_are_no_text() -> None:
    at = datetime(2026, 11, 2, 12, tzinfo=UTC)
    parameters = {"prorate": False, "now": True, "start": int(at.timestamp()), "email": None}

    assert stripe_objects.form(parameters) == {
        "prorate": "false",
        "now": "true",
        "start": "1793620800",
    }

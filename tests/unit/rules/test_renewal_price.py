"""What a renewal costs: worked by hand, and whatever the contract."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import EXPONENTS, LineKind, Money, UnitPrice
from interlock.canonical.contracts import Contract
from interlock.canonical.records import RenewalTerms
from interlock.errors import BusinessRuleViolation
from interlock.rules.renewal_price import price

from tests.unit.renewal_samples import (
    ENDS,
    RENEWAL_DEAL,
    STARTS,
    contract,
    contract_line,
    deal,
    lost,
    policy,
    quote,
    terms,
    usd,
    won,
)
from tests.unit.samples import line


def prices(of: Contract, **values: Any) -> list[str]:
    """The unit prices of its renewal."""
    return [str(each.unit_price) for each in quote(of, **values).lines]


# ---- By the terms


def test_a_renewal_as_its_working_says() -> None:
    offer = quote()

    assert [str(each.unit_price) for each in offer.lines] == ["494.40 USD", "2,575.00 USD"]
    assert [each.amount for each in offer.lines] == [usd("12360.00"), usd("2575.00")]
    assert {(each.starts_on, each.ends_on) for each in offer.lines} == {(ENDS, date(2028, 12, 1))}
    assert (offer.total, offer.by_terms, offer.discount) == (usd("14935"), usd("14935"), 0)
    assert (offer.starts_on, offer.ends_on, offer.asked_by) == (ENDS, date(2028, 12, 1), None)
    assert offer.working == (
        "prices rise by the agreed uplift, 3 %",
        "SEAT: 25 at 480.00 USD, raised by 3 %: 494.40 USD",
        "PLATFORM: 1 at 2,500.00 USD, raised by 3 %: 2,575.00 USD",
        "a year, net of tax: 14,935.00 USD; by the terms 14,935.00 USD: less by 0 %",
        "from 2027-12-01 until before 2028-12-01: 12 months",
    )


@pytest.mark.parametrize(
    ("renewal", "price", "why"),
    [
        (terms(uplift=None), "480.00 USD", "the agreed uplift, 0 %"),
        (terms(index="CPI-EU"), "490.08 USD", "CPI-EU of 2027, 2.1 %"),
        (terms(index="CPI-EU", uplift_cap=Decimal(2)), "489.60 USD", "2.1 %, but by 2 % at most"),
        (terms(uplift_cap=Decimal(5)), "494.40 USD", "the agreed uplift, 3 %"),
        (terms(uplift_cap=Decimal(0)), "480.00 USD", "3 %, but by 0 % at most"),
    ],
)
def test_prices_rise_as_was_agreed(renewal: RenewalTerms, price: str, why: str) -> None:
    offer = quote(contract(renewal=renewal))

    assert str(offer.lines[0].unit_price) == price
    assert offer.working[0].endswith(why)


def test_the_index_is_that_of_the_year_in_which_the_term_begins() -> None:
    years = {"2026": "1", "2027": "2", "2028": "50"}
    renewed = contract(renewal=terms(index="CPI-EU"))

    offer = price(renewed, policy(indices={"CPI-EU": years}), deal())

    assert offer.starts_on.year == 2027
    assert str(offer.lines[0].unit_price) == "489.60 USD"


@pytest.mark.parametrize("by", [deal(), won()])
def test_an_index_that_is_not_published_is_asked_for(by: Any) -> None:
    with pytest.raises(BusinessRuleViolation, match=r"RPI of 2027 is not published.*terms deploy"):
        quote(contract(renewal=terms(index="RPI")), by)


def test_who_leaves_waits_for_no_index() -> None:
    assert quote(contract(renewal=terms(index="RPI")), lost()).total == usd("14500.00")


@pytest.mark.parametrize(
    ("before", "currency", "after"),
    [
        ("0.50", "USD", "0.52 USD"),  # 0.515: halves away from zero
        ("150", "JPY", "155 JPY"),  # 154.5
        ("0.050", "KWD", "0.052 KWD"),  # 0.0515
        ("0.0015", "USD", "0.0015 USD"),  # a price of a thousandth of a cent stays one
        ("84.9915", "USD", "87.5412 USD"),
    ],
)
def test_a_price_is_rounded_to_its_decimals(before: str, currency: str, after: str) -> None:
    assert prices(contract(contract_line(price=before, currency=currency))) == [after]


def test_rounding_does_not_exceed_the_cap() -> None:
    capped = contract(contract_line(price="0.50"), renewal=terms(uplift_cap=Decimal(3)))

    assert prices(capped) == ["0.51 USD"]


def test_the_lines_of_the_last_day_go_on_and_equal_ones_are_one() -> None:
    ramp = date(2027, 6, 1)
    offer = quote(
        contract(
            contract_line(quantity="10", ends_on=ramp),
            contract_line(quantity="20", starts_on=ramp),
            contract_line(quantity="5", starts_on=date(2027, 3, 1)),
            contract_line(quantity="2", price="400.00"),
        )
    )

    assert [(each.quantity, str(each.unit_price)) for each in offer.lines] == [
        (25, "494.40 USD"),
        (2, "412.00 USD"),
    ]
    assert offer.lines[0].amount == usd("12360.00")


def test_a_contract_of_which_nothing_is_left_is_not_renewed() -> None:
    empty = contract(contract_line(ends_on=date(2027, 6, 1)), ends_on=ENDS)

    with pytest.raises(BusinessRuleViolation, match="nothing is served on its last day"):
        quote(empty)


# ---- The term


@pytest.mark.parametrize(
    ("starts", "ends", "until"),
    [
        ("2024-02-29", "2025-02-28", "2026-02-28"),
        ("2024-02-29", "2027-02-28", "2028-02-29"),
        ("2026-10-31", "2027-04-30", "2028-04-30"),
        ("2026-12-01", "2028-06-01", "2029-06-01"),
    ],
)
def test_the_next_term_is_counted_from_the_first_day(starts: str, ends: str, until: str) -> None:
    first, last = date.fromisoformat(starts), date.fromisoformat(ends)
    offer = quote(contract(contract_line(starts_on=first, ends_on=last)))

    assert (offer.starts_on, offer.ends_on) == (last, date.fromisoformat(until))


def test_a_term_that_was_sold_is_as_long_as_was_sold() -> None:
    assert quote(by=won(term_months=36)).ends_on == date(2030, 12, 1)
    assert quote(by=deal(term_months=36)).ends_on == date(2028, 12, 1)
    assert quote(contract(renewal=terms(renewal_months=24))).ends_on == date(2029, 12, 1)


# ---- What sales ask for


def test_a_discount_is_taken_from_the_price_by_the_terms() -> None:
    offer = quote(by=deal(discount=Decimal(10)))

    assert [str(each.unit_price) for each in offer.lines] == ["444.96 USD", "2,317.50 USD"]
    assert (offer.total, offer.by_terms) == (usd("13441.50"), usd("14935.00"))
    assert (offer.discount, offer.asked_by) == (10, "seller@tessaline.example")
    assert "SEAT: 494.40 USD less 10 %, as sales ask: 444.96 USD" in offer.working


def test_a_discount_that_was_rejected_is_not_given_and_another_one_is() -> None:
    by = deal(discount=Decimal("10.0"))

    assert quote(by=by, rejected=Decimal(10)).total == usd("14935.00")
    assert "the discount of 10 % was rejected" in quote(by=by, rejected=Decimal(10)).working
    assert quote(by=by, rejected=Decimal(11)).total == usd("13441.50")


def test_a_lost_deal_needs_no_discount() -> None:
    assert quote(by=lost(discount=Decimal(10))).discount == 0


def test_the_discount_is_what_it_comes_to_after_rounding() -> None:
    """A fifth off 3 JPY are 2 JPY: a third."""
    small = contract(contract_line(price="3", quantity="1", currency="JPY"))
    by = deal(currency="JPY", discount=Decimal(20))

    assert quote(small, by).discount == Decimal("33.3334")


def test_an_open_deal_in_another_currency_is_corrected_and_a_lost_one_is_not() -> None:
    with pytest.raises(BusinessRuleViolation, match="deal is in EUR, the contract in USD"):
        quote(by=deal(currency="EUR"))
    assert quote(by=lost(currency="EUR")).total == usd("14500.00")


# ---- What was sold


def test_what_was_sold_is_the_price() -> None:
    offer = quote(by=won(line(quantity="30", price="450.00"), line(2, "STORAGE", quantity="2")))

    assert [(each.sku, each.quantity) for each in offer.lines] == [("SEAT", 30), ("STORAGE", 2)]
    # 30 seats would be 14,832.00; what is new, 960.00, is no discount; the platform went.
    assert (offer.total, offer.by_terms) == (usd("14460.00"), usd("15792.00"))
    assert offer.discount == Decimal("8.4347")  # 8.43465...
    assert offer.asked_by == "seller@tessaline.example"
    assert "SEAT: 30 cost 14,832.00 USD a year by the terms" in offer.working
    assert "STORAGE: not in the contract so far, so as it was sold: 960.00 USD" in offer.working


def test_more_than_by_the_terms_is_no_discount() -> None:
    offer = quote(by=won(line(price="500.00", quantity="1")))

    assert (offer.discount, offer.asked_by) == (0, None)
    assert offer.total == usd("500.00")


def test_a_product_at_several_prices_costs_their_average() -> None:
    mixed = contract(
        contract_line(quantity="10", price="100.00"),
        contract_line(quantity="5", price="90.00"),
        renewal=terms(uplift=None),
    )

    assert quote(mixed, won(line(quantity="15", price="96.67"))).discount == 0
    assert quote(mixed, won(line(quantity="30", price="96.60"))).by_terms == usd("2900.00")
    assert quote(mixed, won(line(quantity="15", price="96.66"))).discount == Decimal("0.0069")


def test_a_cent_less_is_a_discount() -> None:
    big = contract(contract_line(quantity="1", price="900000000.00"))

    offer = quote(big, won(line(quantity="1", price="926999999.99")))

    assert offer.discount == Decimal("0.0001")
    assert offer.by_terms - offer.total == usd("0.01")


def test_a_ramp_is_compared_where_it_is_less_by_most() -> None:
    offer = quote(
        by=won(
            line(quantity="10", price="494.40"),
            line(2, quantity="20", price="400.00", from_month=12),
            line(3, quantity="30", price="494.40", from_month=24),
            term_months=36,
        )
    )

    assert [(each.starts_on, each.ends_on) for each in offer.lines] == [
        (date(2027, 12, 1), date(2028, 12, 1)),
        (date(2028, 12, 1), date(2029, 12, 1)),
        (date(2029, 12, 1), date(2030, 12, 1)),
    ]
    assert (offer.total, offer.by_terms) == (usd("8000.00"), usd("9888.00"))


@pytest.mark.parametrize(
    ("by", "says"),
    [
        (won(start_date=STARTS), "starts on 2026-12-01, and renews a term that ends on 2027-12-01"),
        (won(subsidiary="TESSALINE-DE"), "the subsidiary of the deal .TESSALINE-DE."),
        (won(payment_terms="NET60"), "the payment terms of the deal .NET60."),
        (won(line(kind=LineKind.SERVICE)), "no recurring products.*line 1 .SEAT. is a service"),
        (won(line(amount=usd("1"))), "25 at 480.00 USD are 12,000.00 USD, not 1.00 USD"),
        (won(line(), line(2, "REBATE", price="-5")), "line 2 .REBATE. costs -125.00 USD: give"),
        (won(line(from_month=12)), "begins 12 months after 2027-12-01, and the term ends on 2028"),
        (won(line(currency="EUR")), "the deal is in EUR, the contract .* in USD"),
    ],
)
def test_what_the_contract_cannot_take_over_is_named(by: Any, says: str) -> None:
    with pytest.raises(BusinessRuleViolation, match=says) as refused:
        quote(by=by)
    assert refused.value.record == RENEWAL_DEAL


def test_a_won_deal_may_leave_out_what_stays() -> None:
    assert quote(by=won(payment_terms=None, subsidiary=None)).total == usd("14935.00")


def test_an_offer_is_the_same_however_it_was_computed() -> None:
    offer = quote(by=deal(discount=Decimal(10)))

    assert offer.offer() == quote(contract(revision=2), deal(discount=Decimal(10))).offer()
    assert offer.offer() == quote(by=deal(discount=Decimal(10), owner=None)).offer()
    assert offer.offer() != quote().offer()


def test_what_was_approved_is_the_same_once_it_is_sold() -> None:
    asked = quote(by=deal(discount=Decimal(10)))
    platform = line(1, "PLATFORM", quantity="1", price="2317.50", description="The platform")

    sold = quote(by=won(platform, line(2, price="444.96")))

    assert sold.offer() == asked.offer()
    assert quote(by=won(platform, line(2, price="444.95"))).offer() != asked.offer()
    assert quote(by=won(platform)).offer() != asked.offer()


# ---- Whatever the contract

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])
PERCENTS = st.decimals(0, 100, places=4)


@st.composite
def unit_prices(draw: st.DrawFn, currency: str) -> str:
    """In the currency's decimals, or in more."""
    decimals = EXPONENTS[currency] + draw(st.sampled_from([0, 0, 0, 3]))
    return f"{draw(st.decimals(0, 10**6, places=decimals)):f}"


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Of up to three products, with up to two prices each."""
    currency = draw(CURRENCIES)
    lines = [
        contract_line(
            sku,
            str(draw(st.integers(1, 1000))),
            draw(unit_prices(currency)),
            currency=currency,
        )
        for sku in draw(st.lists(st.sampled_from("ABC"), min_size=1, max_size=4))
    ]
    renewal = terms(uplift=draw(PERCENTS), uplift_cap=draw(st.none() | PERCENTS))
    return contract(*lines, renewal=renewal)


@given(renewed=contracts())
def test_no_price_is_above_the_cap_or_below_what_it_was(renewed: Contract) -> None:
    uplift, cap = renewed.renewal.uplift, renewed.renewal.uplift_cap
    before = {each.sku: [] for each in renewed.lines}
    for each in renewed.lines:
        before[each.sku].append(each.unit_price.amount)

    for each in quote(renewed, deal(currency=renewed.currency)).lines:
        paid = before[each.sku]
        assert min(paid) <= each.unit_price.amount
        if cap is not None:
            assert each.unit_price.amount <= max(paid) * (1 + cap / 100)
        half = Decimal(1).scaleb(-EXPONENTS[renewed.currency]) / 2
        assert each.unit_price.amount <= max(paid) * (1 + uplift / 100) + half


@given(renewed=contracts())
def test_quantities_stay_and_amounts_are_prices_times_quantities(renewed: Contract) -> None:
    offer = quote(renewed, deal(currency=renewed.currency))

    for sku in "ABC":
        kept = sum(each.quantity for each in renewed.lines if each.sku == sku)
        assert sum(each.quantity for each in offer.lines if each.sku == sku) == kept
    assert all(each.amount == each.unit_price.times(each.quantity) for each in offer.lines)
    assert offer.total == Money.total((each.amount for each in offer.lines), renewed.currency)
    keys = [(each.sku, each.unit_price.amount) for each in offer.lines]
    assert len(keys) == len(set(keys))


@given(renewed=contracts(), discount=PERCENTS)
def test_an_open_deal_hides_no_discount(renewed: Contract, discount: Decimal) -> None:
    offer = quote(renewed, deal(currency=renewed.currency, discount=discount))

    assert (offer.discount > 0) == (offer.total.amount < offer.by_terms.amount)
    least = offer.by_terms.amount * (1 - offer.discount / 100)
    assert least <= offer.total.amount or offer.total.amount >= offer.by_terms.amount


@given(renewed=contracts(), data=st.data())
def test_a_won_deal_hides_no_discount(renewed: Contract, data: st.DataObject) -> None:
    currency = renewed.currency
    lines = [
        line(
            number,
            data.draw(st.sampled_from("ABCD")),
            quantity=str(data.draw(st.integers(1, 1000))),
            price=data.draw(unit_prices(currency)),
            currency=currency,
        )
        for number in range(1, data.draw(st.integers(1, 4)) + 1)
    ]

    offer = quote(renewed, won(*lines))

    assert (offer.discount > 0) == (offer.total.amount < offer.by_terms.amount)
    assert offer.total == Money.total((each.amount for each in lines), currency)
    assert 0 <= offer.discount <= 100
    exact = 100 - 100 * offer.total.amount / offer.by_terms.amount if offer.discount else 0
    assert exact <= offer.discount + Decimal("1e-20")
    assert offer.discount - exact < Decimal("0.0001")


@given(renewed=contracts())
def test_selling_what_it_costs_by_the_terms_is_no_discount(renewed: Contract) -> None:
    open_offer = quote(renewed, deal(currency=renewed.currency))
    sold = [
        line(number, each.sku, currency=renewed.currency).model_copy(
            update={
                "quantity": each.quantity,
                "unit_price": UnitPrice.of(each.unit_price.amount, renewed.currency),
                "amount": each.amount,
            }
        )
        for number, each in enumerate(open_offer.lines, 1)
    ]

    offer = quote(renewed, won(*sold))

    # Of several prices of a product, each amount is rounded; their average's is so once.
    quantum = open_offer.total.quantum
    assert (offer.by_terms - offer.total).amount <= quantum * len(sold)
    if len({each.sku for each in sold}) == len(sold):
        assert offer.discount == 0

"""May this deal become an order: each problem by itself, and all of them at once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import LineKind, Money, Opportunity, Order, Split, UnitPrice
from interlock.connectors.billing.port import Catalogue
from interlock.connectors.erp.port import OrderContext
from interlock.errors import BusinessRuleViolation
from interlock.rules.order_validation import validate

from tests.unit import samples

CATALOGUE = Catalogue(billable_skus=("PLATFORM", "SEAT"))


def context(**values: Any) -> OrderContext:
    """An ERP that is ready for the sample deal."""
    skus = ("ONBOARDING", "PLATFORM", "SEAT")
    given = {
        "subsidiary_currency": "USD",
        "subsidiaries": ("TESSALINE-US", "TESSALINE-DE"),
        "sellable_skus": skus,
        "taxed_skus": skus,
        "payment_days": 30,
        "period_open": True,
    }
    return OrderContext(**(given | values))


def problems(
    deal: Opportunity,
    facts: OrderContext | None = None,
    catalogue: Catalogue = CATALOGUE,
    *,
    bill_to: str = samples.ACCOUNT,
) -> list[str]:
    """What is wrong with a deal."""
    with pytest.raises(BusinessRuleViolation) as violation:
        validate(deal, facts or context(), catalogue, bill_to=bill_to)
    assert violation.value.record == deal.id
    return violation.value.problems


def test_a_sound_deal_becomes_its_order() -> None:
    deal = samples.opportunity()

    order = validate(deal, context(), CATALOGUE, bill_to=deal.account.id)

    assert order == samples.order()
    assert Order.model_validate_json(order.model_dump_json()) == order


def line_without_sum() -> Any:
    """25 at 480.00 are 12,000.00, not a cent more."""
    return samples.line(amount=Money.of("12000.01", "USD"))


def deal_of(*lines: Any, **values: Any) -> Opportunity:
    """A deal over these lines whose amount is their sum."""
    amount = Money.total((line.amount for line in lines), "USD")
    return samples.opportunity(**({"lines": lines, "amount": amount} | values))


@pytest.mark.parametrize(
    ("deal", "facts", "catalogue", "problem"),
    [
        (samples.opportunity(lines=()), {}, None, "the opportunity has no products"),
        (
            deal_of(line_without_sum()),
            {},
            None,
            "line 1 (SEAT): 25 at 480.00 USD are 12,000.00 USD, not 12,000.01 USD",
        ),
        (
            samples.opportunity(amount=Money.of("16500.01", "USD")),
            {},
            None,
            "the lines add up to 16,500.00 USD, the opportunity says 16,500.01 USD",
        ),
        (
            samples.opportunity(lines=(samples.line(currency="EUR"),)),
            {},
            None,
            "amounts are in EUR, the opportunity is in USD",
        ),
        (
            samples.opportunity(amount=Money.of("16500.00", "GBP")),
            {},
            None,
            "amounts are in GBP, the opportunity is in USD",
        ),
        (
            samples.opportunity(splits=(Split(owner="ana", percent=Decimal("99.99")),)),
            {},
            None,
            "the revenue splits add up to 99.99 %",
        ),
        (
            samples.opportunity(),
            {"sellable_skus": ("ONBOARDING", "SEAT")},
            None,
            "line 2: product PLATFORM is not mapped",
        ),
        (
            samples.opportunity(),
            {"taxed_skus": ("ONBOARDING", "SEAT")},
            None,
            "line 2: product PLATFORM has no customer tax in subsidiary TESSALINE-US",
        ),
        (
            samples.opportunity(),
            {},
            Catalogue(billable_skus=("SEAT",)),
            "line 2: product PLATFORM is not in the billing catalogue",
        ),
        (
            samples.opportunity(subsidiary=None),
            {},
            None,
            "the selling subsidiary (none) is not in the ERP: choose one of TESSALINE-US,",
        ),
        (
            samples.opportunity(subsidiary="TESSALINE-FR"),
            {"subsidiary_currency": None},
            None,
            "the selling subsidiary (TESSALINE-FR) is not in the ERP",
        ),
        (
            samples.opportunity(),
            {"subsidiary_currency": "EUR"},
            None,
            "subsidiary TESSALINE-US keeps its books in EUR, the opportunity is in USD",
        ),
        (
            samples.opportunity(payment_terms=None),
            {},
            None,
            "the payment terms (none) are not in the ERP",
        ),
        (
            samples.opportunity(payment_terms="NET31"),
            {"payment_days": None},
            None,
            "the payment terms (NET31) are not in the ERP",
        ),
        (
            samples.opportunity(),
            {"period_open": False},
            None,
            "no accounting period is open on 2026-11-20",
        ),
        (
            samples.opportunity(),
            {"credit_hold": "overdue since May"},
            None,
            "the customer is on credit hold (overdue since May)",
        ),
        (
            samples.opportunity(accounts=(samples.account(email=None),)),
            {},
            None,
            "Calder Robotics has no billing e-mail",
        ),
    ],
)
def test_each_problem_is_named_alone(
    deal: Opportunity, facts: dict[str, Any], catalogue: Catalogue | None, problem: str
) -> None:
    [named] = problems(deal, context(**facts), catalogue or CATALOGUE)

    assert named.startswith(problem)


def test_every_problem_is_named_at_once() -> None:
    deal = samples.opportunity(
        amount=Money.of("1.00", "USD"),
        splits=(Split(owner="ana", percent=Decimal(50)),),
        payment_terms=None,
        accounts=(samples.account(email=None),),
    )
    facts = context(
        sellable_skus=("SEAT",),
        taxed_skus=(),
        subsidiary_currency="EUR",
        period_open=False,
        credit_hold="overdue",
    )

    named = problems(deal, facts, Catalogue(billable_skus=()))

    assert len(named) == 12
    assert len(set(named)) == 12


def test_a_service_needs_no_billing_and_no_e_mail() -> None:
    deal = deal_of(
        samples.line(sku="ONBOARDING", kind=LineKind.SERVICE),
        accounts=(samples.account(email=None),),
    )

    order = validate(deal, context(), Catalogue(billable_skus=()), bill_to=deal.account.id)

    assert order.lines_of(LineKind.RECURRING) == ()


def test_a_split_deal_is_one_order() -> None:
    thirds = [Decimal("33.33"), Decimal("33.33"), Decimal("33.34")]
    deal = samples.opportunity(
        splits=tuple(Split(owner=str(share), percent=share) for share in thirds)
    )

    assert validate(deal, context(), CATALOGUE, bill_to=deal.account.id).net == deal.amount


def test_who_gets_the_bill_belongs_to_the_deal() -> None:
    """A team may have edited the accounts of one record and not of the other."""
    [named] = problems(samples.opportunity(), bill_to=samples.PARENT)

    assert named == f"{samples.PARENT} is to get the bill, but is no account of this deal"


@st.composite
def deals(draw: st.DrawFn) -> Opportunity:
    """Deals whose amounts are now and then a minor unit off."""
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))

    def off(amount: Money) -> Money:
        units = draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
        return Money.from_minor_units(amount.minor_units + units, currency)

    lines = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        price = UnitPrice.of(draw(st.decimals(0, 10**6, places=4)), currency)
        quantity = Decimal(draw(st.integers(1, 10**6))).scaleb(-draw(st.integers(0, 2)))
        amount = off(price.times(quantity))
        lines.append(
            samples.line(number, "SEAT", unit_price=price, quantity=quantity, amount=amount)
        )
    total = off(Money.total((line.amount for line in lines), currency))
    return samples.opportunity(currency=currency, lines=tuple(lines), amount=total)


@given(deals())
def test_an_order_that_validates_adds_up(deal: Opportunity) -> None:
    facts = context(subsidiary_currency=deal.currency)
    sound = all(line.adds_up for line in deal.lines) and deal.amount.minor_units == sum(
        line.amount.minor_units for line in deal.lines
    )
    try:
        order = validate(deal, facts, CATALOGUE, bill_to=deal.account.id)
    except BusinessRuleViolation:
        assert not sound
        return
    assert sound
    assert order.net.minor_units == sum(line.amount.minor_units for line in order.lines)

"""A line of a validated order comes to the same amount in the CRM, the ERP and billing.

The adapters' own mappings run; what the vendors make of a price is computed here by their rules:
Salesforce multiplies without rounding, Tryton rounds halves to even in prices of its own decimals,
Stripe rounds a half in a way that its documentation leaves open.
"""

from __future__ import annotations

from decimal import ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from interlock.canonical import Line, LineKind, Opportunity, Order
from interlock.connections import Connection
from interlock.connectors.billing import stripe_objects
from interlock.connectors.billing.port import Catalogue
from interlock.connectors.crm import salesforce_records
from interlock.connectors.erp import tryton_mapping
from interlock.connectors.erp.port import OrderContext
from interlock.rules import order_validation

CONNECTION = Connection(
    name="salesforce",
    vendor="salesforce",
    base_url="https://crm.example",
    secret_id="unused",  # noqa: S106 - a name, and no secret
)
ADDRESS = dict.fromkeys(("street", "city", "state", "stateCode", "postalCode", "country"))
ACCOUNT = {
    "Id": "001000000000001AAA",
    "Name": "Calder Robotics",
    "ParentId": None,
    "Website": None,
    "BillingAddress": ADDRESS | {"countryCode": "US"},
    "Tax_Id__c": None,
    "Billing_Email__c": "billing@calder.example",
}
PRODUCT = {"id": 1, "sale_uom": 1, "template": {"account_category": {"customer_taxes_used": [1]}}}
PARTY = {"id": 1, "code": "c", "active": True, "addresses": [1]}

Sold = tuple[int, Decimal, Decimal]
LINES = st.tuples(
    st.integers(1, 5000),
    st.decimals(0, 10**6, places=2),
    st.decimals(0, 100, places=2) | st.just(Decimal(0)),
)


def deal(lines: list[Sold], currency: str) -> Opportunity:
    """The opportunity that Salesforce has for quantities at prices less a discount in percent."""
    rows = []
    for quantity, price, discount in lines:
        total = quantity * price * (1 - discount / 100)
        rows.append(
            {
                "Quantity": Decimal(quantity),
                "UnitPrice": price,
                "Discount": discount or None,
                "TotalPrice": total.quantize(Decimal("1E-8")),
                "Description": "Seat",
                "Ramp_From_Month__c": None,
                "Product2": {"ProductCode": "SEAT", "Charge_Type__c": "Recurring"},
            }
        )
    row = {
        "Id": "006000000000001AAA",
        "Name": "Deal",
        "IsWon": True,
        "IsClosed": True,
        "Amount": sum(line["TotalPrice"] for line in rows),
        "CloseDate": "2026-11-20",
        "Contract_Start_Date__c": "2026-12-01",
        "Contract_Term_Months__c": 12,
        "Payment_Terms__c": "NET30",
        "Selling_Entity__c": "WEST",
        "Owner": None,
        "LastModifiedDate": "2026-11-20T10:00:00.000+0000",
    }
    row = dict.fromkeys(salesforce_records.OPPORTUNITY_FIELDS) | row
    records: dict[str, Any] = {"lines": rows, "splits": [], "accounts": [ACCOUNT]}
    return salesforce_records.opportunity(row, currency=currency, connection=CONNECTION, **records)


def validated(opportunity: Opportunity) -> Order:
    """The order that the rules make of it."""
    context = OrderContext(
        subsidiary_currency=opportunity.currency,
        subsidiaries=("WEST",),
        sellable_skus=("SEAT",),
        taxed_skus=("SEAT",),
        payment_days=30,
        period_open=True,
    )
    catalogue = Catalogue(billable_skus=("SEAT",))
    bill_to = opportunity.account.id
    return order_validation.validate(opportunity, context, catalogue, bill_to=bill_to)


def in_tryton(order: Order, decimals: int) -> list[Decimal]:
    """The amounts that Tryton computes of what it is sent."""
    facts = {"party": PARTY, "products": {"SEAT": PRODUCT}, "price_decimals": decimals}
    assert list(tryton_mapping.sale_problems(order, **facts)) == []
    values = tryton_mapping.sale_values(order, company=1, currency=1, payment_term=1, **facts)
    ((_, lines),) = values["lines"]
    for line in lines:
        assert -line["unit_price"].as_tuple().exponent <= decimals
    quantum = order.net.quantum
    products = [Decimal(str(line["quantity"])) * line["unit_price"] for line in lines]
    return [product.quantize(quantum, ROUND_HALF_EVEN) for product in products]


def at_stripe(line: Line, rounding: str) -> int:
    """The line's amount on Stripe's invoice, in minor units."""
    item = stripe_objects.item(line)
    units = Decimal(item["price_data"]["unit_amount_decimal"])
    assert -units.as_tuple().exponent <= 12
    return int((units * item["quantity"]).quantize(Decimal(1), rounding))


@pytest.mark.parametrize("currency", ["USD", "JPY", "ISK"])
@given(lines=st.lists(LINES, min_size=1, max_size=5))
@example(lines=[(1, Decimal("99.99"), Decimal(15))])
@example(lines=[(1, Decimal("99.90"), Decimal(5))])  # 94.905: half a cent
@example(lines=[(1, Decimal("0.05"), Decimal(50))])  # 0.025: half a cent, to even
@example(lines=[(1, Decimal("0.67"), Decimal(50))] * 3)  # 1.005, but three times 0.34
def test_every_system_comes_to_the_amount_of_a_line(currency: str, lines: list[Sold]) -> None:
    if currency == "ISK":  # for which Stripe takes whole prices only
        lines = [(1, price, discount) for _, price, discount in lines]

    order = validated(deal(lines, currency))

    amounts = [line.amount.amount for line in order.lines]
    assert sum(amounts) == order.net.amount
    assert in_tryton(order, 8) == amounts
    for rounding in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_HALF_DOWN):
        charged = [at_stripe(line, rounding) for line in order.lines]
        assert charged == [stripe_objects.minor_units(line.amount) for line in order.lines]


@given(lines=st.lists(LINES, min_size=1, max_size=5))
def test_an_order_that_fewer_decimals_cannot_express_is_refused_and_others_are_right(
    lines: list[Sold],
) -> None:
    order = validated(deal(lines, "USD"))
    facts = {"party": PARTY, "products": {"SEAT": PRODUCT}, "price_decimals": 2}

    if not list(tryton_mapping.sale_problems(order, **facts)):
        assert in_tryton(order, 2) == [line.amount.amount for line in order.lines]


def test_services_are_lines_too() -> None:
    """Fractions of a day at a price after a discount, which only the ERP invoices."""
    order = validated(deal([(5, Decimal("1599.99"), Decimal("12.5"))], "USD"))
    (line,) = order.lines
    half_days = line.model_copy(
        update={
            "kind": LineKind.SERVICE,
            "quantity": Decimal("2.5"),
            "amount": line.unit_price.times(Decimal("2.5")),
        }
    )

    services = order.model_copy(update={"lines": (half_days,)})

    assert in_tryton(services, 4) == [Decimal("3499.98")]

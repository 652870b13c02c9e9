"""Canonical records to Tryton's and back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from interlock.canonical import Account, Address, Line, LineKind, Money, Order, UnitPrice
from interlock.connectors.erp import tryton_mapping as mapping
from interlock.errors import ContractViolation

PARTY = {"id": 5, "code": "salesforce:001A", "active": True, "addresses": [8]}
PRODUCT = {"id": 3, "sale_uom": 1, "template": {"account_category": {"customer_taxes_used": [9]}}}


def line(number: int, kind: LineKind) -> Line:
    price = UnitPrice.of("19.90", "USD")
    return Line(
        number=number,
        sku="SEAT",
        description="Seat",
        kind=kind,
        quantity=Decimal("2.5"),
        unit_price=price,
        amount=price.times(Decimal("2.5")),
    )


ORDER = Order(
    id="crm:6",
    bill_to="crm:1",
    subsidiary="WEST",
    currency="USD",
    payment_terms="NET30",
    payment_days=30,
    start_date=date(2027, 2, 28),
    term_months=18,
    lines=(line(1, LineKind.RECURRING), line(2, LineKind.SERVICE)),
    net=Money.of("99.50", "USD"),
)


def instalment(*deltas: dict, **delta: int) -> dict:
    """An instalment of payment terms, due after one step or several."""
    empty = {"days": 0, "weeks": 0, "months": 0, "day": None, "weekday": None, "month": None}
    return {"relativedeltas": [empty | each for each in (*deltas, delta)]}


def sale_of(order: Order) -> dict:
    """The order as Tryton gives it back after it was entered."""
    values = mapping.sale_values(
        order,
        company=1,
        party=PARTY,
        currency=2,
        payment_term=4,
        products={"SEAT": PRODUCT},
        price_decimals=4,
    )
    ((_, lines),) = values["lines"]
    return {
        **values,
        "id": 77,
        "number": "SO-00077",
        "state": "confirmed",
        "company": {"id": 1, "party": {"code": "WEST"}},
        "party": {"id": 5, "code": "crm:1"},
        "currency": {"id": 2, "code": "USD"},
        "payment_term": {"id": 4, "name": "NET30", "lines": [instalment(days=30)]},
        "untaxed_amount": Decimal("99.50"),
        "tax_amount": Decimal("8.21"),
        "total_amount": Decimal("107.71"),
        "lines": [
            {**entry, "product": {"code": "SEAT"}, "amount": Decimal("49.75")} for entry in lines
        ],
    }


def test_an_order_round_trips():
    entered = mapping.order(sale_of(ORDER), "tryton")
    added = {"references", "remote_id", "number", "status", "tax", "total"}
    assert entered.model_dump(exclude=added) == ORDER.model_dump(exclude=added)
    assert entered.tax == Money.of("8.21", "USD")
    assert entered.remote_id == "77"


def test_money_is_never_a_float_and_taxes_go_with_each_line():
    ((_, lines),) = sale_values_lines()
    for entry in lines:
        assert entry["unit_price"] == Decimal("19.90")
        assert entry["taxes"] == [["add", [9]]]


def sale_values_lines() -> list:
    values = mapping.sale_values(
        ORDER,
        company=1,
        party=PARTY,
        currency=2,
        payment_term=4,
        products={"SEAT": PRODUCT},
        price_decimals=4,
    )
    return values["lines"]


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Typed by hand"},
        {"description": None},
        {"reference": None},
        {"payment_term": None},
        {"untaxed_amount": Decimal("99.505")},
    ],
)
def test_an_order_made_by_hand_is_said_to_be_one(change: dict):
    with pytest.raises(ContractViolation, match="77"):
        mapping.order(sale_of(ORDER) | change, "tryton")


@pytest.mark.parametrize(
    ("country", "kind"),
    [("US", "us_ein"), ("DE", "eu_vat"), ("JP", "jp_vat"), ("GB", "gb_vat"), ("BR", None)],
)
def test_a_tax_id_has_the_type_of_its_country(country: str, kind: str | None):
    account = Account(id="crm:1", name="A", tax_id="123", billing_address=Address(country=country))
    values = mapping.party_values(account, country_id=1, parent=None)
    assert values["identifiers"] == [["create", [{"type": kind, "code": "123"}]]]


@pytest.mark.parametrize(
    ("instalments", "days"),
    [
        ([instalment()], 0),
        ([instalment(days=45)], 45),
        ([instalment(weeks=2, days=1)], 15),
        ([instalment({"days": 10}, {"weeks": 1})], 17),
        ([instalment(months=1)], 31),
        ([instalment(days=60), instalment(days=30)], 60),
        ([instalment(days=30), instalment(months=1, day=31)], None),
        ([instalment(weekday=2)], None),
        ([instalment(month=12)], None),
    ],
)
def test_payment_terms_are_days_until_the_last_instalment(
    instalments: list[dict], days: int | None
):
    assert mapping.payment_days({"lines": instalments}) == days


@pytest.mark.parametrize(
    ("quantity", "price", "decimals", "entered"),
    [
        ("25", "84.9915", 4, "84.9915"),
        ("1", "94.905", 4, "94.91"),  # Tryton rounds 94.905 to 94.90
        ("250", "84.991234", 4, None),  # 21,247.81 is no 250 times 84.9912
        ("250", "84.991234", 8, "84.991234"),
        ("3", "94.905", 4, "94.9067"),
    ],
)
def test_a_price_comes_to_the_amount_or_is_refused(
    quantity: str, price: str, decimals: int, entered: str | None
):
    agreed = UnitPrice.of(price, "USD")
    sold = line(1, LineKind.RECURRING).model_copy(
        update={
            "quantity": Decimal(quantity),
            "unit_price": agreed,
            "amount": agreed.times(Decimal(quantity)),
        }
    )
    order = ORDER.model_copy(update={"lines": (sold,)})
    facts = {"party": PARTY, "products": {"SEAT": PRODUCT}}
    facts["price_decimals"] = decimals

    problems = list(mapping.sale_problems(order, **facts))

    if entered is None:
        assert "250 cannot come to 21,247.81 USD" in problems[0]
        assert "raise price_decimal" in problems[0]
    else:
        assert problems == []
        values = mapping.sale_values(order, company=1, currency=2, payment_term=4, **facts)
        assert values["lines"][0][1][0]["unit_price"] == Decimal(entered)


@pytest.mark.parametrize(
    ("change", "what"),
    [({"active": False}, "is inactive in the ERP: activate it"), ({"addresses": []}, "no address")],
)
def test_a_customer_that_cannot_order_is_refused(change: dict, what: str):
    products = {"SEAT": PRODUCT}
    [problem] = mapping.sale_problems(
        ORDER, party=PARTY | change, products=products, price_decimals=4
    )

    assert what in problem


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.acme.example/about", "acme.example"),
        ("acme.example", "acme.example"),
        ("HTTP://ACME.example:8080", "acme.example"),
    ],
)
def test_a_website_is_one_domain_however_it_is_written(website: str, domain: str):
    contacts = [{"type": "website", "value": website}, {"type": "email", "value": "a@b.example"}]
    assert mapping.domains({"contact_mechanisms": contacts}) == {domain}


@pytest.mark.parametrize(
    ("limit", "used", "held"),
    [
        (None, "100", False),
        ("0", "0", True),
        ("100", "99.99", False),
        ("100", "100", True),
    ],
)
def test_a_used_up_credit_limit_is_a_hold(limit: str | None, used: str, held: bool):
    party = {
        "name": "A",
        "credit_limit_amount": None if limit is None else Decimal(limit),
        "credit_amount": Decimal(used),
        "currency": {"code": "USD"},
    }
    assert bool(mapping.credit_hold(party)) is held


@pytest.mark.parametrize(("limit", "held"), [("99.50", False), ("99.49", True)])
def test_an_order_may_use_the_whole_credit_limit(limit: str, held: bool):
    party = {
        "name": "A",
        "credit_limit_amount": Decimal(limit),
        "credit_amount": Decimal(0),
        "currency": {"code": "USD"},
    }
    assert bool(mapping.credit_hold(party, ORDER)) is held


def test_a_status_for_projects_must_be_there():
    tasks_only = [{"id": 1, "types": ["task"], "default": True, "progress": None}]
    for closed in (True, False):
        with pytest.raises(ContractViolation, match="no status for projects"):
            mapping.project_status(tasks_only, closed=closed)

"""A contract as it is signed, and as it changes, for the billing tests."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from interlock.canonical import Line, LineKind, Subscription, UnitPrice
from interlock.canonical.contracts import Contract, ContractLine
from interlock.canonical.records import RenewalTerms

from tests.contracts.billing.samples import ACCOUNT

ORDER_ID = "salesforce:0065e00000Deal1"
# Yesterday, in the tests' time; the year that begins then has 365 days.
START, END = date(2026, 11, 1), date(2027, 11, 1)
AFTER = date(2028, 11, 1)


def line(
    sku: str = "SEAT-ANNUAL",
    quantity: int = 25,
    price: str = "240",
    starts_on: date = START,
    ends_on: date = END,
    currency: str = "USD",
) -> ContractLine:
    """A product for some days, whose amount adds up."""
    agreed = UnitPrice.of(price, currency)
    return ContractLine(
        sku=sku,
        description=f"{sku} for a year",
        quantity=Decimal(quantity),
        unit_price=agreed,
        amount=agreed.times(quantity),
        starts_on=starts_on,
        ends_on=ends_on,
    )


PLATFORM, SEATS = line("PLATFORM-ANNUAL", 1, "12000"), line()
# The next year, dearer.
RENEWED = (
    line("PLATFORM-ANNUAL", 1, "12600", END, AFTER),
    line("SEAT-ANNUAL", 30, "252", END, AFTER),
)


def contract(*lines: ContractLine, **changes: Any) -> Contract:
    """With these lines; else the platform and twenty-five seats for a year."""
    lines = lines or (PLATFORM, SEATS)
    values = {
        "id": ORDER_ID,
        "account_id": ACCOUNT.id,
        "customer_name": ACCOUNT.name,
        "bill_to": ACCOUNT.id,
        "subsidiary": "TESSALINE-DE",
        "currency": lines[0].amount.currency,
        "payment_terms": "NET30",
        "payment_days": 30,
        "starts_on": min(each.starts_on for each in lines),
        "ends_on": max(each.ends_on for each in lines),
        "renewal": RenewalTerms(auto_renews=True, notice_days=30),
        "lines": lines,
    }
    return Contract(**{**values, **changes})


def sold(signed: Contract, term_months: int = 12) -> Subscription:
    """What the order of a contract began, with the lines of its first day."""
    return Subscription(
        id=signed.id,
        customer_id=signed.bill_to,
        subsidiary=signed.subsidiary,
        currency=signed.currency,
        payment_days=signed.payment_days,
        start_date=signed.starts_on,
        term_months=term_months,
        lines=tuple(
            Line(
                number=number,
                sku=each.sku,
                description=each.description,
                kind=LineKind.RECURRING,
                quantity=each.quantity,
                unit_price=each.unit_price,
                amount=each.amount,
            )
            for number, each in enumerate(signed.lines_on(signed.starts_on), start=1)
        ),
    )

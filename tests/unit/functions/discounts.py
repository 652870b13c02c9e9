"""A renewal for less than by its terms, as the tests need it: 600.00 of 12,000.00 EUR a year."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from interlock.canonical.contracts import Contract, ContractLine, RenewalQuote
from interlock.canonical.money import UnitPrice
from interlock.canonical.records import RenewalTerms
from interlock.rules.approval_policy import ApprovalPolicy, ApprovalTier
from interlock.rules.renewal_policy import RenewalPolicy

from local.samples.credit_stores import ACCOUNT, TERMS, eur

CONTRACT = "salesforce:006Hs00000LarkRIAS"
CUSTOMER = "Larkspur Analytics"
SELLER, SALES_LEAD, CFO = (f"{name}@interlock.example" for name in ("seller", "sales-lead", "cfo"))
STARTS, ENDS = date(2027, 1, 1), date(2028, 1, 1)
RENEWAL = RenewalTerms(auto_renews=True, notice_days=60)
DISCOUNTED = TERMS.model_copy(
    update={
        "renewal": RenewalPolicy(
            defaults=RENEWAL,
            discounts=ApprovalPolicy(
                automatic_up_to={"EUR": Decimal(500)},
                tiers=(
                    ApprovalTier(role="sales lead", up_to={"EUR": Decimal(5000)}),
                    ApprovalTier(role="cfo"),
                ),
                approvers={"sales lead": (SALES_LEAD, SELLER), "cfo": (CFO,)},
                hours=48,
            ),
            notice_opens_days=30,
            notice_closes_days=15,
            held_above={},
            held_after_days=30,
        )
    }
)


def line(amount: int | str = 12000, *, starts_on: date = STARTS) -> ContractLine:
    """Ten seats for a year."""
    return ContractLine(
        sku="SEAT-ANNUAL",
        description="Seats, annual subscription",
        quantity=Decimal(10),
        unit_price=UnitPrice(amount=Decimal(amount) / 10, currency="EUR"),
        amount=eur(amount),
        starts_on=starts_on,
        ends_on=starts_on.replace(year=starts_on.year + 1),
    )


def contract(**values: Any) -> Contract:
    """One that ends with the year."""
    given = {
        "id": CONTRACT,
        "account_id": ACCOUNT,
        "customer_name": CUSTOMER,
        "bill_to": ACCOUNT,
        "subsidiary": "TESSALINE-DE",
        "currency": "EUR",
        "payment_terms": "Net 30",
        "payment_days": 30,
        "starts_on": date(2026, 1, 1),
        "ends_on": STARTS,
        "renewal": RENEWAL,
        "lines": (line(starts_on=date(2026, 1, 1)),),
    }
    return Contract(**(given | values))


def quote(less: int = 600, **values: Any) -> RenewalQuote:
    """The next year, for so much less than 12,000.00 EUR, as the seller asked for."""
    given = {
        "contract_id": CONTRACT,
        "revision": 1,
        "starts_on": STARTS,
        "ends_on": ENDS,
        "lines": (line(12000 - less),),
        "by_terms": eur(12000),
        "total": eur(12000 - less),
        "discount": Decimal(less) / 120,
        "asked_by": SELLER,
        "working": (f"By the terms it is 12,000.00 EUR a year; {less} less is asked for.",),
    }
    return RenewalQuote(**(given | values))

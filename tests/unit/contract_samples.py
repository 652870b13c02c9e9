"""A contract for the unit tests of what keeps and tells of contracts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from interlock.canonical import Money
from interlock.canonical.contracts import (
    ChangeKind,
    Contract,
    ContractChange,
    ContractLine,
    Movement,
)
from interlock.canonical.records import RenewalTerms

CONTRACT = "salesforce:006Hs00000LarkOIAS"
ACCOUNT = "salesforce:001Hs00000LarkRIAS"
STARTS, ENDS = date(2026, 12, 1), date(2027, 12, 1)


def eur(amount: Any) -> Money:
    """So many euros."""
    return Money.of(Decimal(amount), "EUR")


def line(**values: Any) -> ContractLine:
    """Sixty seats for the whole term."""
    given: dict[str, Any] = {
        "sku": "SEAT",
        "description": "Seats",
        "quantity": Decimal(60),
        "unit_price": {"amount": "200", "currency": "EUR"},
        "amount": eur(12_000),
        "starts_on": STARTS,
        "ends_on": ENDS,
    }
    return ContractLine.model_validate(given | values)


def contract(**values: Any) -> Contract:
    """A contract of a year that renews itself."""
    given: dict[str, Any] = {
        "id": CONTRACT,
        "account_id": ACCOUNT,
        "customer_name": "Larkspur Analytics",
        "bill_to": ACCOUNT,
        "subsidiary": "Interlock Europe",
        "currency": "EUR",
        "payment_terms": "Net 30",
        "payment_days": 30,
        "starts_on": STARTS,
        "ends_on": ENDS,
        "renewal": RenewalTerms(auto_renews=True, notice_days=30),
        "lines": (line(),),
    }
    return Contract.model_validate(given | values)


def after(before: Contract, **values: Any) -> Contract:
    """The next revision of a contract."""
    return before.model_copy(update={"revision": before.revision + 1} | values)


def change(before: Contract, **values: Any) -> ContractChange:
    """A change of a contract that moves nothing."""
    still = {name: eur(0) for name in ("new", "expansion", "contraction", "churn", "transferred")}
    return ContractChange(
        kind=ChangeKind.AMENDED,
        before=before,
        after=after(before, **values),
        effective_on=STARTS,
        movement=Movement(on=STARTS, **still),
    )

"""A contract that comes to its end, and the price of its next term: what the tests share."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from interlock.canonical import Money, UnitPrice
from interlock.canonical.contracts import ContractLine, QuotedDeal, RenewalDeal, RenewalQuote
from interlock.connectors.crm.port import CrmPort

from local.sandboxes.salesforce_seed import (
    SELLER,
    USD_DEAL,
    LineSample,
)
from local.sandboxes.salesforce_store import Organization

CONTRACT = f"salesforce:{USD_DEAL.record_id}"
ACCOUNT = USD_DEAL.accounts[0].record_id
ENDS_ON = date(2027, 12, 1)
RENEWAL = RenewalDeal(
    id=f"{CONTRACT}@{ENDS_ON}",
    contract_id=CONTRACT,
    account_id=f"salesforce:{ACCOUNT}",
    name=f"Larkspur Robotics Inc. renewal {ENDS_ON}",
    currency="USD",
    subsidiary="TESSALINE-US",
    payment_terms="NET30",
    starts_on=ENDS_ON,
    term_months=12,
)
SEATS = LineSample("SEAT-ANNUAL", Decimal(30), Decimal("480.00"))


def change(organization: Organization, deal_id: str, fields: dict[str, Any]) -> None:
    """Somebody enters this in the user interface."""
    organization.update("Opportunity", deal_id, fields, SELLER)


def opened(crm: CrmPort) -> str:
    """The id there of the renewal's deal, which we open."""
    remote_id = crm.open_renewal(RENEWAL).remote_id
    assert remote_id
    return remote_id


def line(
    sku: str, quantity: int, price: str, *, starts_on: date = ENDS_ON, **values: Any
) -> ContractLine:
    """A product that is served until the end of the next term but one."""
    unit_price = UnitPrice.of(price, "USD")
    given = {
        "sku": sku,
        "description": sku.title(),
        "quantity": Decimal(quantity),
        "unit_price": unit_price,
        "amount": unit_price.times(Decimal(quantity)),
        "starts_on": starts_on,
        "ends_on": date(2029, 12, 1),
    }
    return ContractLine(**(given | values))


def quoted(deal_id: str, *lines: ContractLine) -> QuotedDeal:
    """The price of these lines, for a deal."""
    total = Money.total((each.amount for each in lines), "USD")
    quote = RenewalQuote(
        contract_id=CONTRACT,
        revision=1,
        starts_on=ENDS_ON,
        ends_on=date(2029, 12, 1),
        lines=lines,
        by_terms=total,
        total=total,
        discount=Decimal(0),
        working=("SEAT-ANNUAL: 480.00 USD raised by 3 percent.", "Nothing is due."),
    )
    return QuotedDeal(deal_id=deal_id, quote=quote, summary="Larkspur pays in time.")


QUOTED = (line("PLATFORM-ANNUAL", 1, "24720.00"), line("SEAT-ANNUAL", 25, "494.40"))

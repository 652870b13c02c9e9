"""A contract and its renewal as the tests need them; each takes what a test cares about.

Calder Robotics has 25 seats and the platform for 14,500 USD a year, until before 1 December 2027.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from interlock.canonical import Line, Money, Opportunity, UnitPrice
from interlock.canonical.contracts import Contract, ContractLine, Notice, RenewalQuote
from interlock.canonical.customer_view import (
    CustomerView,
    OpenCases,
    Reading,
    Receivables,
    RecurringRevenue,
    Relationship,
)
from interlock.canonical.records import DealKind, RenewalTerms
from interlock.rules import renewal_notice
from interlock.rules.renewal_policy import RenewalPolicy
from interlock.rules.renewal_price import price

from tests.unit import samples
from tests.unit.samples import ACCOUNT, DEAL, account, line

RENEWAL_DEAL = "salesforce:006000000000009AAA"
AMENDMENT_DEAL = "salesforce:006000000000007AAA"
OTHER = "salesforce:006000000000005AAA"
STARTS, ENDS = date(2026, 12, 1), date(2027, 12, 1)
READ_AT = datetime(2027, 8, 3, 5, 0, tzinfo=UTC)


def usd(amount: str) -> Money:
    """Dollars."""
    return Money.of(amount, "USD")


def policy(**values: Any) -> RenewalPolicy:
    """Discounts of up to 500 USD a year need nobody; notices are sent 30 to 15 days before."""
    given = {
        "defaults": terms().model_dump(mode="json"),
        "indices": {"CPI-EU": {"2027": "2.1", "2028": "7.5"}},
        "discounts": {
            "automatic_up_to": {"USD": "500"},
            "tiers": [{"role": "sales_lead", "up_to": {"USD": "5000"}}, {"role": "cfo"}],
            "approvers": {
                "sales_lead": ["sales-lead@interlock.example"],
                "cfo": ["cfo@interlock.example"],
            },
            "hours": 48,
        },
        "notice_opens_days": 30,
        "notice_closes_days": 15,
        "held_above": {"USD": "1000"},
        "held_after_days": 30,
    }
    return RenewalPolicy.model_validate(given | values)


def terms(**values: Any) -> RenewalTerms:
    """It renews itself for a year, 3 % dearer, unless somebody says no 60 days before."""
    given = {"auto_renews": True, "notice_days": 60, "uplift": Decimal(3)}
    return RenewalTerms(**(given | values))


def contract_line(
    sku: str = "SEAT",
    quantity: str = "25",
    price: str = "480.00",
    *,
    currency: str = "USD",
    starts_on: date = STARTS,
    ends_on: date = ENDS,
) -> ContractLine:
    """A line whose amount is its quantity at its price."""
    unit_price = UnitPrice.of(price, currency)
    return ContractLine(
        sku=sku,
        description=sku.title(),
        quantity=Decimal(quantity),
        unit_price=unit_price,
        amount=unit_price.times(Decimal(quantity)),
        starts_on=starts_on,
        ends_on=ends_on,
    )


def contract(*lines: ContractLine, **values: Any) -> Contract:
    """The contract of `samples.order`, or with these lines and their days."""
    lines = lines or (contract_line(), contract_line("PLATFORM", "1", "2500.00"))
    given = {
        "id": DEAL,
        "account_id": ACCOUNT,
        "customer_name": "Calder Robotics",
        "customer_email": "billing@calder.example",
        "bill_to": ACCOUNT,
        "subsidiary": "TESSALINE-US",
        "currency": lines[0].amount.currency,
        "payment_terms": "NET30",
        "payment_days": 30,
        "starts_on": min(line.starts_on for line in lines),
        "ends_on": max(line.ends_on for line in lines),
        "renewal": terms(),
        "lines": lines,
        "deals": (DEAL,),
    }
    return Contract(**(given | values))


def deal(*lines: Line, **values: Any) -> Opportunity:
    """The open deal of the contract's renewal."""
    currency = lines[0].amount.currency if lines else "USD"
    currency = values.pop("currency", currency)
    given = {
        "id": RENEWAL_DEAL,
        "name": "Calder Robotics 2027",
        "is_won": False,
        "kind": DealKind.RENEWAL,
        "contract_id": DEAL,
        "currency": currency,
        "start_date": ENDS,
        "lines": lines,
        "amount": Money.total((each.amount for each in lines), currency),
        "accounts": (account(),),
        "modified_at": READ_AT,
    }
    return samples.opportunity(**(given | values))


def won(*lines: Line, **values: Any) -> Opportunity:
    """It was won, over these lines or just what it costs by the terms."""
    lines = lines or (line(price="494.40"), line(2, "PLATFORM", quantity="1", price="2575.00"))
    return deal(*lines, is_won=True, **values)


def lost(**values: Any) -> Opportunity:
    """It was lost."""
    return deal(is_lost=True, **values)


def amendment(*lines: Line, **values: Any) -> Opportunity:
    """Five more seats from 1 March 2027 on."""
    given = {
        "id": AMENDMENT_DEAL,
        "kind": DealKind.AMENDMENT,
        "start_date": date(2027, 3, 1),
        "is_won": True,
    }
    return deal(*(lines or (line(quantity="5"),)), **(given | values))


def quote(of: Contract | None = None, by: Opportunity | None = None, **values: Any) -> RenewalQuote:
    """What the renewal costs."""
    of = of or contract()
    return price(of, policy(), by or deal(currency=of.currency), **values)


def notice(sent: str | None = "2027-09-10", of: Contract | None = None) -> Notice:
    """What the customer was told, and on which day."""
    sent_at = datetime.fromisoformat(f"{sent}T08:00+00:00") if sent else None
    written = renewal_notice.write(of or contract(), quote(of), deal())
    return written.model_copy(update={"sent_at": sent_at, "remote_id": "31"})


def receivables(overdue: str = "0", since: date | None = None) -> Receivables:
    """What the customer owes."""
    amounts = (usd(overdue),) if since else ()
    return Receivables(owed=amounts, overdue=amounts, overdue_since=since)


def view(**readings: Reading[Any]) -> CustomerView:
    """A customer that owes nothing, with one critical case."""
    given = {
        "crm": Relationship(owner="seller@tessaline.example", open_deals=()),
        "billing": RecurringRevenue(
            subscriptions=1, yearly=(usd("14500.00"),), credit_balance=(usd("20.00"),)
        ),
        "erp": receivables(),
        "support": OpenCases(open=2, severe=("4711",)),
    }
    read = {name: Reading(content=each, read_at=READ_AT) for name, each in given.items()}
    return CustomerView(account_id=ACCOUNT, **(read | readings))


def days_before_end(days: int) -> datetime:
    """Noon of a day before the contract's end; after it, where negative."""
    return datetime(2027, 12, 1, 12, tzinfo=UTC) - timedelta(days=days)

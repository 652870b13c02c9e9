"""From a case to a credit as the tests need it; each takes what a test cares about.

The customer pays 36,500 USD a year for the platform and 7,300 USD for seats: 100 and 20 a day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from interlock.canonical import Money
from interlock.canonical.billing import ServicePeriod
from interlock.canonical.credits import (
    BillingContext,
    Case,
    ChargedInvoice,
    ChargedLine,
    Incident,
    Severity,
)
from interlock.rules.allowance import Allowance, Grant
from interlock.rules.contract_terms import AppliedTerms, ContractTerms, ServiceTerms, ServiceTier

from tests.unit.samples import ACCOUNT

CASE = "zendesk:12"
TRANSACTION = "T-12"
PLATFORM, SEAT = "PLATFORM-ANNUAL", "SEAT-ANNUAL"
AGENT, LEAD, OFFICER, CHIEF = (
    f"{name}@interlock.example" for name in ("agent", "support-lead", "finance", "cfo")
)


def at(text: str) -> datetime:
    """A time in UTC: 2026-11-03 10:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def usd(amount: str) -> Money:
    """An amount in dollars."""
    return Money.of(amount, "USD")


def case(start: str = "2026-11-03 10:00", end: str = "2026-11-03 13:10", **values: Any) -> Case:
    """The platform was down for 3 h 10 min; the credit is asked for on the next day."""
    given = {
        "id": CASE,
        "number": "12",
        "subject": "The platform is down",
        "status": "solved",
        "account_id": ACCOUNT,
        "severity": Severity.CRITICAL,
        "started_at": at(start),
        "ended_at": at(end),
        "skus": (PLATFORM,),
        "requested_by": AGENT,
        "requested_at": at("2026-11-04 09:00"),
    }
    return Case(**(given | values))


def incident(start: str, end: str, number: int = 15, **values: Any) -> Incident:
    """Another case's."""
    given = {
        "case_id": f"zendesk:{number}",
        "severity": Severity.CRITICAL,
        "started_at": at(start),
        "ended_at": at(end),
        "skus": (PLATFORM,),
    }
    return Incident(**(given | values))


def charged(sku: str = PLATFORM, amount: str = "36500.00", **values: Any) -> ChargedLine:
    """A year since 1 November, of which nothing was credited."""
    money = values.pop("money", None) or usd(amount)
    given = {
        "remote_id": f"il_{sku}",
        "sku": sku,
        "description": sku.title(),
        "amount": money,
        "creditable": money,
        "service_period": ServicePeriod(first_day=date(2026, 11, 1), last_day=date(2027, 10, 31)),
    }
    return ChargedLine(**(given | values))


def invoice(*lines: ChargedLine, number: int = 1, **values: Any) -> ChargedInvoice:
    """A paid invoice over the platform and seats, or these lines."""
    lines = lines or (charged(), charged(SEAT, "7300.00"))
    currency = lines[0].amount.currency
    given = {
        "id": f"stripe:in_{number}",
        "number": f"ACME-000{number}",
        "subsidiary": "TESSALINE-US",
        "currency": currency,
        "due": Money.of(0, currency),
        "refundable": Money.of("1000000", currency),
        "lines": lines,
    }
    return ChargedInvoice(**(given | values))


def context(*invoices: ChargedInvoice, **values: Any) -> BillingContext:
    """Of an active customer with one invoice, or these."""
    given = {
        "account_id": ACCOUNT,
        "is_active": True,
        "invoices": invoices or (invoice(),),
    }
    return BillingContext(**(given | values))


def tiers(*bounds: tuple[str, int]) -> tuple[ServiceTier, ...]:
    """`tiers(("99.9", 10))`: below 99.9 %, 10 % are given back."""
    return tuple(ServiceTier(below=Decimal(b), percent=Decimal(p)) for b, p in bounds)


def service(**values: Any) -> ServiceTerms:
    """The usual agreement: up to half of a month's fees."""
    given = {
        "severities": (Severity.CRITICAL, Severity.MAJOR),
        "tiers": tiers(("99.9", 10), ("99.0", 25), ("95.0", 50)),
        "cap_percent": 50,
        "claim_days": 30,
    }
    return ServiceTerms(**(given | values))


def document(**values: Any) -> dict[str, Any]:
    """The whole of the terms, as JSON has it."""
    given = {
        "version": "2026-11-01",
        "agreements": {"standard": service().model_dump(mode="json")},
        "default": "standard",
        "approval": {
            "automatic_up_to": {"USD": "100", "JPY": "15000"},
            "tiers": [
                {"role": "support_lead", "up_to": {"USD": "1000", "JPY": "150000"}},
                {"role": "finance", "up_to": {"USD": "10000", "JPY": "1500000"}},
                {"role": "cfo"},
            ],
            "approvers": {"support_lead": [LEAD], "finance": [OFFICER], "cfo": [CHIEF]},
            "hours": 24,
        },
    }
    return given | values


def terms(**values: Any) -> AppliedTerms:
    """Those of the customer, with what its agreement says otherwise."""
    agreement = service(**values).model_dump(mode="json")
    return ContractTerms.model_validate(document(agreements={"standard": agreement})).of(ACCOUNT)


def allowance(month: date, *grants: Grant, currency: str = "USD") -> Allowance:
    """What was granted for a month before."""
    return Allowance(
        account_id=ACCOUNT, currency=currency, month=month, revision=len(grants), grants=grants
    )


def grant(of: Incident, amount: str, transaction: str = "T-15") -> Grant:
    """What another case was granted."""
    return Grant(transaction=transaction, amount=usd(amount), incident=of)

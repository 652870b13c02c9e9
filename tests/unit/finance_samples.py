"""Documents of billing as the tests need them; each takes what a test cares about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from interlock.canonical import Money
from interlock.canonical.billing import (
    BillingPeriod,
    Collection,
    CreditNote,
    Dispute,
    DisputeOutcome,
    DocumentLine,
    Invoice,
    InvoiceStatus,
    Payment,
    Payout,
    PlacedUsage,
    Refund,
    ServicePeriod,
    TaxAmount,
    UsageRecord,
    UsageWindow,
)
from interlock.connectors.erp.port import PeriodState, PostingContext

from tests.unit.samples import ACCOUNT

INVOICE = "stripe:in_1"
PAYMENT = "stripe:ch_1"
CREDIT_NOTE = "stripe:cn_1"
ISSUED = date(2026, 11, 3)
MOMENT = datetime(2026, 11, 5, 9, 30, tzinfo=UTC)
MONTH = BillingPeriod(
    start=datetime(2026, 11, 1, tzinfo=UTC), end=datetime(2026, 12, 1, tzinfo=UTC)
)


def usd(amount: str) -> Money:
    """An amount in dollars."""
    return Money.of(amount, "USD")


def line(amount: str = "36000.00", tax: str = "2970.00", **values: Any) -> DocumentLine:
    """A year of the platform, taxed at 8.25 %."""
    taxes = (
        TaxAmount(
            name="US-SALES-8.25", percent=Decimal("8.25"), taxable=usd(amount), amount=usd(tax)
        ),
    )
    given = {
        "number": 1,
        "sku": "PLATFORM-ANNUAL",
        "description": "Platform, annual subscription",
        "quantity": 1,
        "amount": usd(amount),
        "service_period": ServicePeriod(first_day=ISSUED, last_day=date(2027, 11, 2)),
        "taxes": taxes,
    }
    return DocumentLine(**(given | values))


def invoice(**values: Any) -> Invoice:
    """One that can be posted as it is."""
    given = {
        "id": INVOICE,
        "number": "ACME-0001",
        "customer_id": ACCOUNT,
        "subsidiary": "TESSALINE-US",
        "currency": "USD",
        "issued_on": ISSUED,
        "due_on": date(2026, 12, 3),
        "lines": (line(),),
        "net": usd("36000.00"),
        "tax": usd("2970.00"),
        "total": usd("38970.00"),
        "balance_applied": usd("0"),
        "debt_carried": usd("0"),
        "collection": Collection(
            status=InvoiceStatus.OPEN, paid=usd("0"), remaining=usd("38970.00")
        ),
    }
    return Invoice(**(given | values))


def credit_note(**values: Any) -> CreditNote:
    """A tenth of the invoice, which lowers what is due."""
    given = {
        "id": CREDIT_NOTE,
        "number": "ACME-0001-CN-01",
        "customer_id": ACCOUNT,
        "subsidiary": "TESSALINE-US",
        "currency": "USD",
        "issued_on": ISSUED,
        "lines": (line("3600.00", "297.00"),),
        "net": usd("3600.00"),
        "tax": usd("297.00"),
        "total": usd("3897.00"),
        "invoice_id": INVOICE,
        "reduces_due": usd("3897.00"),
        "to_balance": usd("0"),
        "refunded": usd("0"),
        "out_of_band": usd("0"),
    }
    return CreditNote(**(given | values))


def payment(**values: Any) -> Payment:
    """The whole invoice, by card."""
    given = {
        "id": PAYMENT,
        "invoice_id": INVOICE,
        "customer_id": ACCOUNT,
        "amount": usd("38970.00"),
        "paid_at": MOMENT,
        "is_confirmed": True,
        "settled": usd("38970.00"),
    }
    return Payment(**(given | values))


def refund(**values: Any) -> Refund:
    """Of a part of the payment."""
    given = {
        "id": "stripe:re_1",
        "payment_id": PAYMENT,
        "invoice_id": INVOICE,
        "customer_id": ACCOUNT,
        "credit_note_id": CREDIT_NOTE,
        "amount": usd("3897.00"),
        "refunded_at": MOMENT,
        "is_confirmed": True,
        "settled": usd("3897.00"),
    }
    return Refund(**(given | values))


def dispute(**values: Any) -> Dispute:
    """Of the whole payment, not decided yet."""
    given = {
        "id": "stripe:du_1",
        "payment_id": PAYMENT,
        "invoice_id": INVOICE,
        "customer_id": ACCOUNT,
        "outcome": DisputeOutcome.OPEN,
        "opened_at": MOMENT,
        "closed_at": None,
        "withdrawn": usd("38970.00"),
        "reinstated": usd("0"),
    }
    return Dispute(**(given | values))


def payout(**values: Any) -> Payout:
    """Of one payment, less a fee."""
    given = {
        "id": "stripe:po_1",
        "amount": usd("37839.57"),
        "arrives_on": date(2026, 11, 9),
        "is_settled": True,
    }
    return Payout(**(given | values))


def context(**values: Any) -> PostingContext:
    """Of an ERP that takes the invoice as it is."""
    given = {
        "subsidiary": "TESSALINE-US",
        "subsidiaries": ("TESSALINE-DE", "TESSALINE-US"),
        "kept_currencies": ("USD",),
        "known_skus": ("PLATFORM-ANNUAL",),
        "known_tax_percents": (Decimal("8.25"),),
        "period": PeriodState.OPEN,
        "next_open_day": date(2026, 12, 1),
    }
    return PostingContext(**(given | values))


def usage(**values: Any) -> UsageRecord:
    """What the account used two days after the month began."""
    given = {
        "id": "product:tick-1",
        "customer_id": ACCOUNT,
        "meter": "api-requests",
        "quantity": "12.50",
        "occurred_at": MONTH.start + timedelta(days=2),
    }
    return UsageRecord(**(given | values))


def window(**values: Any) -> UsageWindow:
    """Of a subscription that has run for a year, read on the fifth; October is final."""
    given = {
        "subscription": "sub_1",
        "current": MONTH,
        "closing": None,
        "since": MONTH.start - timedelta(days=365),
        "oldest": MOMENT - timedelta(days=34),
        "read_at": MOMENT,
        "adds_up": True,
    }
    return UsageWindow(**(given | values))


def placed(**values: Any) -> PlacedUsage:
    """In its own month."""
    given = {
        "usage": usage(),
        "placed_at": MOMENT,
        "charged_at": usage().occurred_at,
        "period": MONTH,
        "is_adjustment": False,
    }
    return PlacedUsage(**(given | values))

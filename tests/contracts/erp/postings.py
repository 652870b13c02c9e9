"""Invoices, credit notes, payments and entries as the ERP gets them, and what they change."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from interlock.canonical import Money
from interlock.canonical.billing import DocumentLine, Payment, ServicePeriod, TaxAmount
from interlock.canonical.books import Entry, EntryLine, LedgerRole, Posting

US = "TESSALINE-US"
DAY = date(2026, 3, 10)


@dataclass(frozen=True)
class Books:
    """A subsidiary, its currency, and the rate of its sales tax."""

    code: str
    currency: str
    percent: str
    unit: str


BOOKS = [
    Books(US, "USD", "8.25", "0.01"),
    Books("TESSALINE-DE", "EUR", "19", "0.01"),
    Books("TESSALINE-JP", "JPY", "10", "1"),
]


def new_id() -> str:
    return f"stripe:in_{uuid.uuid4().hex[:18]}"


def line(number: int, amount: str, currency: str = "USD", tax: str = "", percent="8.25", **changes):
    """A line of 1 SEAT-ANNUAL with this amount, and tax if there is any."""
    taxes = ()
    if tax:
        taxable, of_tax = Money.of(amount, currency), Money.of(tax, currency)
        taxes = (TaxAmount(name="Tax", percent=percent, taxable=taxable, amount=of_tax),)
    values = {
        "number": number,
        "sku": "SEAT-ANNUAL",
        "description": f"Seat {number}",
        "quantity": Decimal(1),
        "amount": Money.of(amount, currency),
        "taxes": taxes,
    }
    return DocumentLine(**values | changes)


def posting(*lines: DocumentLine, **changes) -> Posting:
    """A posting of lines, whose totals are theirs."""
    lines = lines or (line(1, "100.00", tax="8.25"),)
    currency = lines[0].amount.currency
    net = sum(each.amount.amount for each in lines)
    tax = sum(tax.amount.amount for each in lines for tax in each.taxes)
    identity = new_id()
    values = {
        "id": identity,
        "number": f"AC-{identity[-6:]}",
        "customer_id": "crm:account",
        "subsidiary": US,
        "currency": currency,
        "issued_on": DAY,
        "posting_date": DAY,
        "due_on": date(2026, 4, 9),
        "lines": lines,
        "rounding": Money.of(0, currency),
        "net": Money.of(net, currency),
        "tax": Money.of(tax, currency),
        "total": Money.of(net + tax, currency),
    }
    return Posting(**values | changes)


def payment(amount: str, currency: str = "USD", **changes) -> Payment:
    """A payment that was settled as it is."""
    values = {
        "id": f"stripe:ch_{uuid.uuid4().hex[:18]}",
        "invoice_id": "stripe:in_1",
        "customer_id": "crm:account",
        "amount": Money.of(amount, currency),
        "paid_at": datetime(2026, 3, 12, tzinfo=UTC),
        "is_confirmed": True,
        "settled": Money.of(amount, currency),
    }
    return Payment(**values | changes)


def entry(*lines: tuple[LedgerRole, str], currency: str = "USD", **changes) -> Entry:
    """An entry with these debits and, negative, credits."""
    values = {
        "id": f"stripe:re_{uuid.uuid4().hex[:18]}",
        "subsidiary": US,
        "posting_date": date(2026, 3, 14),
        "description": "Refund",
        "lines": tuple(
            EntryLine(role=role, amount=Money.of(amount, currency)) for role, amount in lines
        ),
    }
    return Entry(**values | changes)


def year_from(first_day: date) -> ServicePeriod:
    """A year of service."""
    last_day = date(first_day.year + 1, first_day.month, first_day.day)
    return ServicePeriod(first_day=first_day, last_day=date.fromordinal(last_day.toordinal() - 1))


class Ledger:
    """What changed on the accounts of a subsidiary since this was made."""

    def __init__(self, erp, subsidiary: str = US) -> None:
        self._erp = erp
        self._subsidiary = subsidiary
        self._before = erp.balances(subsidiary)

    def changes(self) -> dict[str, str]:
        """By role; in full, and in sum zero."""
        now = self._erp.balances(self._subsidiary)
        changed = {role: now[role] - self._before.get(role, Decimal(0)) for role in now}
        assert sum(changed.values()) == 0
        return {role: f"{amount.normalize():f}" for role, amount in changed.items() if amount}

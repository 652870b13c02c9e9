"""The same customer as all systems see it: each part with the time it was read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Generic, TypeVar

from interlock.canonical.base import Canonical, RecordId, Timestamp
from interlock.canonical.money import Money
from interlock.canonical.records import Sku

USAGE_DAYS = 30


class Relationship(Canonical):
    """What sales know: who owns the account, and which deals are open, by name."""

    owner: str | None
    open_deals: tuple[str, ...]


class RecentUsage(Canonical):
    """What was used of a product in the last `USAGE_DAYS` days, in the units that are charged."""

    sku: Sku
    quantity: Decimal


class RecurringRevenue(Canonical):
    """What billing charges: a year of the live subscriptions, a sum for each currency, net of tax.

    `credit_balance` is what the customer may still use up, also a sum for each currency. `usage`
    comes on top of the yearly revenue, by product.
    """

    subscriptions: int
    yearly: tuple[Money, ...]
    credit_balance: tuple[Money, ...]
    usage: tuple[RecentUsage, ...] = ()


class Receivables(Canonical):
    """What the books say the customer owes, tax included, a sum for each currency.

    `overdue_since` is the oldest day on which something overdue was due, None when nothing is.
    """

    owed: tuple[Money, ...]
    overdue: tuple[Money, ...]
    overdue_since: date | None


class OpenCases(Canonical):
    """The cases that support has not solved; `severe` are the numbers of the critical ones."""

    open: int
    severe: tuple[str, ...]


Part = TypeVar("Part", bound=Canonical)


class Reading(Canonical, Generic[Part]):
    """What a system said, and when; `stale` when it could not be read now.

    Nothing, when it could never be read.
    """

    content: Part | None = None
    read_at: Timestamp | None = None
    stale: bool = False


class CustomerView(Canonical):
    """A customer at one time. Systems are read side by side, so their times differ a little."""

    account_id: RecordId
    crm: Reading[Relationship]
    billing: Reading[RecurringRevenue]
    erp: Reading[Receivables]
    support: Reading[OpenCases]

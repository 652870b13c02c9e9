"""What of a month's cap is used: by which transactions, for which incidents."""

from __future__ import annotations

from datetime import date

from interlock.canonical.base import Canonical, RecordId
from interlock.canonical.credits import Incident
from interlock.canonical.money import Currency, Money


class Grant(Canonical):
    """What a transaction has reserved or used of a month, net of tax, and for which incident."""

    transaction: RecordId
    amount: Money
    incident: Incident


class Allowance(Canonical):
    """What a customer was granted for a calendar month in UTC, in one currency.

    `month` is its first day; `revision` counts the changes, and is 0 before the first.
    """

    account_id: RecordId
    currency: Currency
    month: date
    revision: int = 0
    grants: tuple[Grant, ...] = ()

    @property
    def granted(self) -> Money:
        """By all transactions together."""
        return Money.total((grant.amount for grant in self.grants), self.currency)

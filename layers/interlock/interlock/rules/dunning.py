"""What sales and support are told about a customer's overdue invoices, and when a hold begins.

An invoice with a due day is overdue once that day is over, in UTC: until then the customer may take
the time, whatever was tried before. One without is charged when it is issued, so it is overdue
since that day once an attempt was made and it is not paid. What finance has given up collecting is
still owed.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from interlock.canonical import Canonical, Money, Timestamp
from interlock.canonical.billing import OWED, Invoice
from interlock.canonical.dunning import DunningFlag, DunningStatus


class DunningPolicy(Canonical):
    """How long a customer may be past due before it is on hold.

    `version` is raised with every change, so that a decision says which policy it follows.
    """

    version: Annotated[int, Field(gt=0)]
    hold_after_days: Annotated[int, Field(gt=0)]

    @classmethod
    def load(cls, path: Path) -> DunningPolicy:
        """Raises ValueError when a value is missing, wrong or unknown."""
        return cls.model_validate(tomllib.loads(path.read_text()))


class DunningDecision(Canonical):
    """The flag to show. `hold_at` is when the hold begins if nothing is paid.

    It is None where there is none to wait for: nothing is overdue, or the hold has begun.
    `policy_version` is that of the policy which was followed.
    """

    flag: DunningFlag
    hold_at: Timestamp | None
    policy_version: int


def decide(
    account_id: str, invoices: tuple[Invoice, ...], *, at: datetime, policy: DunningPolicy
) -> DunningDecision:
    """What an account is told at a time, from all its invoices as they stand then.

    The flag is since the oldest overdue invoice, and its amount is what is overdue in the currency
    of that one: sums of several currencies would need a rate that nobody agreed on. Of several that
    are as old, the first by id decides.
    """
    at = at.astimezone(UTC)
    overdue = sorted(
        (invoice for invoice in invoices if _is_overdue(invoice, at.date())),
        key=lambda invoice: (_since(invoice), invoice.id),
    )
    if not overdue:
        flag = DunningFlag(account_id=account_id, status=DunningStatus.NONE)
        return DunningDecision(flag=flag, hold_at=None, policy_version=policy.version)
    since, currency = _since(overdue[0]), overdue[0].currency
    remaining = [each.collection.remaining for each in overdue if each.currency == currency]
    hold_at = datetime.combine(since + timedelta(days=policy.hold_after_days), time.min, UTC)
    is_held = at >= hold_at
    flag = DunningFlag(
        account_id=account_id,
        status=DunningStatus.ON_HOLD if is_held else DunningStatus.PAST_DUE,
        overdue=Money.total(remaining, currency),
        since=since,
    )
    return DunningDecision(
        flag=flag, hold_at=None if is_held else hold_at, policy_version=policy.version
    )


def _is_overdue(invoice: Invoice, today: date) -> bool:
    collection = invoice.collection
    if collection.status not in OWED or collection.remaining.amount <= 0:
        return False
    return today > invoice.due_on if invoice.due_on else collection.attempts > 0


def _since(invoice: Invoice) -> date:
    """The day on which it was due, or charged in vain."""
    return invoice.due_on or invoice.issued_on

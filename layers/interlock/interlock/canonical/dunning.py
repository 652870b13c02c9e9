"""What sales and support are told about a customer that owes money."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from interlock.canonical.base import Canonical, Command, RecordId
from interlock.canonical.money import Money


class DunningStatus(StrEnum):
    """What sales and support are told about a customer's overdue invoices."""

    NONE = "none"
    PAST_DUE = "past due"
    ON_HOLD = "on hold"


class DunningFlag(Canonical):
    """The flag on an account in CRM and support; `overdue` and `since` are None without one."""

    account_id: RecordId
    status: DunningStatus
    overdue: Money | None = None
    since: date | None = None

    @property
    def remote_id(self) -> str:
        """The record that carries it."""
        return self.account_id

    def as_texts(self) -> tuple[str | None, ...]:
        """Status, amount, currency and day as other systems keep them: exact, and None for none."""
        return (
            None if self.status is DunningStatus.NONE else self.status,
            self.overdue and f"{self.overdue.amount:f}",
            self.overdue and self.overdue.currency,
            self.since and self.since.isoformat(),
        )

    @classmethod
    def from_texts(cls, account_id: str, texts: Iterable[str | None]) -> DunningFlag:
        """The flag that `as_texts` gave. Raises pydantic.ValidationError for anything else."""
        status, amount, currency, since = (text or None for text in texts)
        flag = {
            "account_id": account_id,
            "status": status or DunningStatus.NONE,
            "overdue": amount and {"amount": amount, "currency": currency},
            "since": since,
        }
        return cls.model_validate(flag)


class FlagDunning(Command):
    """Show a flag in CRM or support; the `round` counts those that a transaction shows there."""

    flag: DunningFlag
    round: Annotated[int, Field(ge=0)]

    @property
    def record(self) -> str:
        """What makes this flag one effect: another round may show another, or the same again."""
        return f"{self.flag.account_id}/{self.correlation_id}/{self.round}"

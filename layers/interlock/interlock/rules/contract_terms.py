"""The signed terms of service, by which credits and renewals are computed and approved.

They are versioned rules in one JSON document, validated when it is loaded and changed without a
deployment: what is wrong in it is named, and what to write instead. Amounts of money are net of
tax, in major units of their currency, as text or whole numbers; times are in UTC.
"""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from interlock.canonical.base import Canonical, RecordId, Text, Timestamp
from interlock.canonical.credits import Instrument, Severity
from interlock.canonical.records import Percent
from interlock.rules.approval_policy import ApprovalPolicy, refuse
from interlock.rules.renewal_policy import RenewalPolicy

# An availability is rounded down to as many, and stays below the same tiers.
AVAILABILITY_DECIMALS = 4


def _share(percent: Decimal) -> Decimal:
    if not 0 <= percent <= 100 or percent != round(percent, AVAILABILITY_DECIMALS):
        raise ValueError(f"{percent} %: give 0 to 100, of {AVAILABILITY_DECIMALS} decimals at most")
    return percent


Share = Annotated[Percent, AfterValidator(_share)]


class ServiceTier(Canonical):
    """Of a month whose availability was below so many percent, so many of its fee are credited."""

    below: Share
    percent: Share


class MaintenanceWindow(Canonical):
    """A time of a weekday, in UTC, in which downtime does not count; `end` is not part of it.

    One that ends at 00:00 lasts until the day is over.
    """

    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    start: time
    end: time

    @model_validator(mode="after")
    def _in_order(self) -> MaintenanceWindow:
        if self.start.tzinfo or self.end.tzinfo:
            raise ValueError(f"{self.weekday}: give times in UTC, without an offset")
        if self.end <= self.start and self.end != time.min:
            raise ValueError(
                f"{self.weekday}, {self.start} to {self.end}: let it end after it starts, and"
                " split what goes over midnight into two days, the first until 00:00"
            )
        return self


class ExcludedTime(Canonical):
    """A time in which downtime does not count, as it was agreed or announced."""

    start: Timestamp
    end: Timestamp
    reason: Text

    @model_validator(mode="after")
    def _in_order(self) -> ExcludedTime:
        if self.end <= self.start:
            raise ValueError(f"{self.reason}: let it end after it starts")
        return self


class ServiceTerms(Canonical):
    """What an agreement promises, and what it gives back when that is not kept.

    `cap_percent` is the most that is given back of a month's fees. A credit is asked for within
    `claim_days` after the incident. `instrument` is for customers that are still served.
    """

    severities: tuple[Severity, ...]
    tiers: tuple[ServiceTier, ...]
    maintenance: tuple[MaintenanceWindow, ...] = ()
    excluded: tuple[ExcludedTime, ...] = ()
    cap_percent: Share
    claim_days: Annotated[int, Field(ge=1)]
    instrument: Instrument = Instrument.BALANCE

    @model_validator(mode="after")
    def _graded(self) -> ServiceTerms:
        refuse(
            f"tiers: below {lower.below} % follows below {upper.below} %, and {lower.percent} %"
            f" follows {upper.percent} %: list them from the highest availability to the lowest,"
            " and give back more for less"
            for upper, lower in pairwise(self.tiers)
            if lower.below >= upper.below or lower.percent <= upper.percent
        )
        return self


class AppliedTerms(Canonical):
    """The terms of one customer, as a run uses them from its beginning to its end.

    `document` is the fingerprint of the whole document, which has this `version`.
    """

    version: Text
    document: Text
    agreement: Text
    service: ServiceTerms
    approval: ApprovalPolicy
    renewal: RenewalPolicy | None = None


class ContractTerms(Canonical):
    """The whole document: agreements by name, and which account has which.

    An account that is not named has the `default` one.
    """

    version: Text
    agreements: dict[Text, ServiceTerms]
    default: Text
    accounts: dict[RecordId, Text] = {}
    approval: ApprovalPolicy
    renewal: RenewalPolicy | None = None

    @model_validator(mode="after")
    def _known(self) -> ContractTerms:
        named = {"default": self.default} | self.accounts
        known = ", ".join(sorted(self.agreements))
        refuse(
            f"{who}: there is no agreement {agreement}, but {known}: name one of them, or add it"
            for who, agreement in named.items()
            if agreement not in self.agreements
        )
        return self

    def of(self, account_id: str | None) -> AppliedTerms:
        """The terms of an account."""
        agreement = self.accounts.get(account_id or "", self.default)
        return AppliedTerms(
            version=self.version,
            document=self.fingerprint(),
            agreement=agreement,
            service=self.agreements[agreement],
            approval=self.approval,
            renewal=self.renewal,
        )

"""The signed terms of service, by which a credit is computed and approved: versioned rules.

They are one JSON document, validated when it is loaded and changed without a deployment: what is
wrong in it is named, and what to write instead. Amounts of money are net of tax, in major units of
their currency, as text or whole numbers; times are in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from interlock.canonical.base import Canonical, RecordId, Text, Timestamp
from interlock.canonical.credits import Instrument, Severity
from interlock.canonical.money import Currency, Money
from interlock.canonical.records import Percent

# An availability is rounded down to as many, and stays below the same tiers.
AVAILABILITY_DECIMALS = 4
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def _share(percent: Decimal) -> Decimal:
    if not 0 <= percent <= 100 or percent != round(percent, AVAILABILITY_DECIMALS):
        raise ValueError(f"{percent} %: give 0 to 100, of {AVAILABILITY_DECIMALS} decimals at most")
    return percent


def _no_float(amounts: Any) -> Any:
    if isinstance(amounts, dict) and any(isinstance(each, float) for each in amounts.values()):
        raise ValueError('give amounts with a fraction as text, as "100.50"')
    return amounts


def _expressible(amounts: dict[str, Decimal]) -> dict[str, Decimal]:
    """Each spelled once, as `Money` is."""
    for currency, amount in amounts.items():
        if amount < 0 or amount != Money.rounded(amount, currency).amount:
            raise ValueError(f"{amount} {currency}: give an amount that {currency} can express")
    return {code: Money.of(amount, code).amount for code, amount in amounts.items()}


Share = Annotated[Percent, AfterValidator(_share)]
Amounts = Annotated[
    dict[Currency, Decimal], BeforeValidator(_no_float), AfterValidator(_expressible)
]


def _refuse(problems: Iterator[str]) -> None:
    """Every problem at once, so that a person fixes them in one go."""
    if found := list(problems):
        raise ValueError("; ".join(found))


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
        _refuse(
            f"tiers: below {lower.below} % follows below {upper.below} %, and {lower.percent} %"
            f" follows {upper.percent} %: list them from the highest availability to the lowest,"
            " and give back more for less"
            for upper, lower in pairwise(self.tiers)
            if lower.below >= upper.below or lower.percent <= upper.percent
        )
        return self


class ApprovalTier(Canonical):
    """Who approves credits up to an amount; of any amount, when none is given."""

    role: Text
    up_to: Amounts | None = None


class ApprovalPolicy(Canonical):
    """Who may approve what. `approvers` are the people of a role, by e-mail address.

    What is not more than `automatic_up_to` needs nobody. A tier has `hours` to decide; then the
    next one is asked, and the last one again.
    """

    automatic_up_to: Amounts
    tiers: tuple[ApprovalTier, ...]
    approvers: dict[Text, tuple[Text, ...]]
    hours: Annotated[int, Field(ge=1, le=720)]

    @model_validator(mode="after")
    def _complete(self) -> ApprovalPolicy:
        _refuse(self._problems())
        return self

    def _problems(self) -> Iterator[str]:
        roles = [tier.role for tier in self.tiers]
        if not self.tiers or self.tiers[-1].up_to is not None:
            yield "tiers: end with one that has no up_to, for every amount"
        for tier in self.tiers[:-1]:
            if not tier.up_to:
                yield f"{tier.role}: say up to which amounts, or make it the last tier"
        for role in sorted({role for role in roles if roles.count(role) > 1}):
            yield f"{role}: give it one tier"
        for role in roles:
            if not self.approvers.get(role):
                yield f"{role}: name its approvers"
        yield from self._rising()
        for role, people in self.approvers.items():
            for person in people:
                if person != person.lower() or not ADDRESS.fullmatch(person):
                    yield f"{role}: {person}: give an e-mail address in small letters"
            for person in sorted({each for each in people if people.count(each) > 1}):
                yield f"{role}: {person}: name everyone once"

    def _rising(self) -> Iterator[str]:
        amounts = [tier.up_to for tier in self.tiers if tier.up_to]
        for lower, upper in pairwise(amounts):
            if set(lower) != set(upper):
                yield f"tiers: name the same currencies in each, not {_named(lower, upper)} in some"
        for lower, upper in pairwise([self.automatic_up_to, *amounts]):
            for currency in sorted(set(lower) & set(upper)):
                if lower[currency] >= upper[currency]:
                    yield (
                        f"{upper[currency]} {currency} follows {lower[currency]} {currency}: let"
                        " amounts rise from automatic_up_to to the last tier"
                    )


class AppliedTerms(Canonical):
    """The terms of one customer, as a run uses them from its beginning to its end.

    `document` is the fingerprint of the whole document, which has this `version`.
    """

    version: Text
    document: Text
    agreement: Text
    service: ServiceTerms
    approval: ApprovalPolicy


class ContractTerms(Canonical):
    """The whole document: agreements by name, and which account has which.

    An account that is not named has the `default` one.
    """

    version: Text
    agreements: dict[Text, ServiceTerms]
    default: Text
    accounts: dict[RecordId, Text] = {}
    approval: ApprovalPolicy

    @model_validator(mode="after")
    def _known(self) -> ContractTerms:
        named = {"default": self.default} | self.accounts
        known = ", ".join(sorted(self.agreements))
        _refuse(
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
        )


def _named(lower: dict[str, Decimal], upper: dict[str, Decimal]) -> str:
    return ", ".join(sorted(set(lower) ^ set(upper)))

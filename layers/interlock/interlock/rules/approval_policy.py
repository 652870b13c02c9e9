"""Who may approve which amounts of money: a part of the contract terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from interlock.canonical.base import Canonical, Text
from interlock.canonical.money import Currency, Money

ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


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


Amounts = Annotated[
    dict[Currency, Decimal], BeforeValidator(_no_float), AfterValidator(_expressible)
]


def refuse(problems: Iterator[str]) -> None:
    """Every problem at once, so that a person fixes them in one go."""
    if found := list(problems):
        raise ValueError("; ".join(found))


class ApprovalTier(Canonical):
    """Who approves what comes to an amountat most; any amount, when none is given."""

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
        refuse(self._problems())
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


def _named(lower: dict[str, Decimal], upper: dict[str, Decimal]) -> str:
    return ", ".join(sorted(set(lower) ^ set(upper)))

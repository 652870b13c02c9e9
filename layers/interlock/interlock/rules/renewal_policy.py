"""How contracts are renewed: a part of the contract terms, which documents may still be without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from interlock.canonical.base import Canonical, Text
from interlock.canonical.records import Days, Percent, RenewalTerms
from interlock.errors import ContractViolation
from interlock.rules.approval_policy import Amounts, ApprovalPolicy, refuse

Year = Annotated[int, Field(ge=2000, le=9999)]


class RenewalPolicy(Canonical):
    """What holds for every renewal.

    `defaults` are for contracts whose deal says nothing of its renewal. `indices` are the published
    changes of prices by name and year, in percent. `discounts` says who approves how much less than
    by the terms, as an amount for a year. A notice that a contract goes on by itself is sent from
    `notice_opens_days` until `notice_closes_days` before the last day on which the customer may
    still say no. A customer that is overdue by more than `held_above` of a currency, for more than
    `held_after_days`, is held back; in a currency that is not named, by whatever amount.
    """

    defaults: RenewalTerms
    indices: dict[Text, dict[Year, Percent]] = {}
    discounts: ApprovalPolicy
    notice_opens_days: Days
    notice_closes_days: Days
    held_above: Amounts
    held_after_days: Days

    @model_validator(mode="after")
    def _sound(self) -> RenewalPolicy:
        refuse(self._problems())
        return self

    def _problems(self) -> Iterator[str]:
        opens, closes = self.notice_opens_days, self.notice_closes_days
        if opens <= closes:
            yield (
                f"notices are sent from {opens} until {closes} days before the customer may say no"
                " for the last time: let notice_opens_days be more than notice_closes_days"
            )
        for name, years in self.indices.items():
            for year, percent in years.items():
                if not 0 <= percent <= 100:
                    yield (
                        f"{name}, {year}: {percent} %: give 0 to 100; prices do not fall by an"
                        " index, but by what is agreed on a deal"
                    )
        terms = self.defaults
        if terms.index and terms.index not in self.indices:
            yield f"defaults: there is no index {terms.index}: add it to the indices"
        for name, rise in (("uplift", terms.uplift), ("uplift_cap", terms.uplift_cap)):
            if rise is not None and not 0 <= rise <= 100:
                yield f"defaults, {name}: {rise} %: give 0 to 100"


def required(policy: RenewalPolicy | None) -> RenewalPolicy:
    """The section `renewal` of the terms. Raises ContractViolation where they are without it."""
    if policy is None:
        raise ContractViolation(
            "the contract terms say nothing of renewals: add the section renewal, and put them in"
            " force with `interlock terms deploy FILE`"
        )
    return policy

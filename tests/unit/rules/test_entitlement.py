"""May a case have a credit? What the agent reads when it may not."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from interlock.canonical.billing import ServicePeriod
from interlock.canonical.credits import BillingContext, Case, Severity
from interlock.rules.entitlement import entitlement

from tests.unit.credit_samples import PLATFORM, SEAT, at, case, charged, context, invoice, terms


def reasons(
    asked: Case | None = None, of: BillingContext | None = None, **agreed: Any
) -> tuple[str, ...]:
    """Why a case is not entitled."""
    result = entitlement(asked or case(), of or context(), terms(**agreed))
    assert result.entitled == (not result.reasons)
    return result.reasons


def test_a_case_that_is_entitled() -> None:
    assert reasons() == ()
    assert reasons(case(skus=())) == ()
    assert reasons(case(requested_at=case().ended_at)) == ()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"requested_by": None}, "The case asks for no credit: ask for one in its credit field."),
        ({"requested_at": None}, "The case asks for no credit: ask for one in its credit field."),
        ({"account_id": None}, "Support knows no account of the customer: enter the account's id"),
        ({"severity": None}, "The case does not say how severe the incident was"),
        (
            {"severity": Severity.MINOR},
            "agreement (standard) gives nothing back for minor incidents, only for critical, major",
        ),
        ({"started_at": None}, "The case does not say when the incident began: enter it, in UTC."),
        ({"ended_at": None}, "The case does not say when the incident ended: enter it, in UTC."),
        ({"started_at": None, "ended_at": None}, "when the incident began and ended:"),
        (
            {"ended_at": at("2026-11-03 09:00")},
            "ends (2026-11-03 09:00 UTC) before it begins (2026-11-03 10:00 UTC): correct",
        ),
        ({"ended_at": at("2026-11-03 10:00")}, "before it begins"),
        ({"ended_at": at("2026-11-04 09:01")}, "after the credit was asked for (2026-11-04 09:00"),
        ({"problems": ("The severity is 'awful'.",)}, "The severity is 'awful'."),
        ({"skus": (PLATFORM, "OTHER")}, f"was not charged OTHER for 2026-11-03, but {PLATFORM}, "),
    ],
)
def test_what_is_missing(values: dict[str, Any], says: str) -> None:
    [reason] = reasons(case(**values))

    assert says in reason


def test_every_reason_at_once() -> None:
    empty = case(account_id=None, severity=None, started_at=None, requested_by=None)

    assert len(entitlement(empty, None, terms()).reasons) == 4


@pytest.mark.parametrize(("end", "late"), [("2026-11-03 10:00", False), ("2026-11-03 10:01", True)])
def test_an_incident_of_more_than_31_days(end: str, late: bool) -> None:
    long = case("2026-10-03 10:00", end)
    year = ServicePeriod(first_day=date(2026, 1, 1), last_day=date(2026, 12, 31))

    found = reasons(long, context(invoice(charged(service_period=year))))

    assert bool(found) == late
    assert not late or "lasts more than 31 days" in found[0]


@pytest.mark.parametrize(
    ("asked", "entitled"), [("2026-12-03 23:59", True), ("2026-12-04 00:00", False)]
)
def test_it_is_asked_for_until_the_last_day_is_over(asked: str, entitled: bool) -> None:
    found = reasons(case(requested_at=at(asked)))

    assert (not found) == entitled
    assert (
        entitled
        or "until 2026-12-03, 30 days after the incident, and was on 2026-12-04" in (found[0])
    )


@pytest.mark.parametrize(
    ("first", "last", "is_charged"),
    [
        (date(2026, 11, 4), date(2026, 11, 5), True),
        (date(2026, 11, 1), date(2026, 11, 3), True),
        (date(2026, 11, 5), date(2026, 11, 30), False),
        (date(2026, 11, 1), date(2026, 11, 2), False),
    ],
)
def test_charged_on_any_day_of_the_incident(first: date, last: date, is_charged: bool) -> None:
    """It ends with the day: the next one is not part of it."""
    line = charged(service_period=ServicePeriod(first_day=first, last_day=last))
    asked = case("2026-11-03 10:00", "2026-11-05 00:00", requested_at=at("2026-11-06 09:00"))

    found = reasons(asked, context(invoice(line)))

    assert (not found) == is_charged
    assert is_charged or "was charged nothing for 2026-11-03 to 2026-11-04" in found[0]


def test_what_is_free_or_was_given_back_is_not_charged() -> None:
    free, given_back = charged(amount="0"), charged(SEAT, "-1.00")

    assert "was charged nothing" in reasons(of=context(invoice(free, given_back)))[0]


def test_a_customer_that_nobody_bills() -> None:
    [reason] = entitlement(case(), None, terms()).reasons

    assert "was charged nothing for 2026-11-03: correct the account or the times" in reason


def test_an_agreement_that_counts_no_severity() -> None:
    [reason] = reasons(severities=())

    assert "only for none" in reason

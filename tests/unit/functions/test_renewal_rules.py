"""The functions that price a renewal, decide what comes next, and plan an amendment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical import Canonical, Money
from interlock.canonical.contracts import RenewalAction, RenewalDecision, RenewalQuote
from interlock.errors import BusinessRuleViolation, ContractViolation

from tests.unit import credit_samples
from tests.unit.functions.calling import module
from tests.unit.renewal_samples import (
    AMENDMENT_DEAL,
    amendment,
    contract,
    days_before_end,
    deal,
    policy,
    quote,
    usd,
    view,
    won,
)

Call = Callable[..., Any]
Decided = Callable[..., RenewalDecision]
TERMS = credit_samples.terms().model_copy(update={"renewal": policy()})


@pytest.fixture
def call(context: Any, environment: Any) -> Call:
    """Calls a function with a command as the state machine gives it."""
    environment()

    def call(name: str, **command: Any) -> Any:
        content = {
            key: value.model_dump(mode="json") if isinstance(value, Canonical) else value
            for key, value in command.items()
        }
        given = {"correlation_id": "renewal-1-2027-12-01", "dry_run": "", "remediation": None}
        return module(f"workflow/{name}").handler(given | content, context)

    return call


@pytest.fixture
def decided(call: Call, monkeypatch: pytest.MonkeyPatch) -> Decided:
    """What is decided at noon, 100 days before the end."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            assert tz is UTC
            return days_before_end(100)

    monkeypatch.setattr(module("workflow/decide_renewal"), "datetime", Clock)

    def decided(**values: Any) -> RenewalDecision:
        given = {
            "contract": contract(),
            "terms": TERMS,
            "view": view(),
            "deal": deal(),
            "quote": quote(),
            "approval": None,
            "quoted": None,
            "notice": None,
        }
        return RenewalDecision.model_validate(call("decide_renewal", **(given | values)))

    return decided


def test_a_renewal_is_priced(call: Call) -> None:
    known = {"contract": contract(), "terms": TERMS, "deal": deal(discount=Decimal(10))}

    answer = RenewalQuote.model_validate(call("price_renewal", **known, rejected=None))
    assert answer == quote(by=deal(discount=Decimal(10)))
    refused = RenewalQuote.model_validate(call("price_renewal", **known, rejected="10.00"))
    assert (refused.total, refused.discount) == (usd("14935.00"), 0)


def test_terms_that_say_nothing_of_renewals_renew_nothing(call: Call, decided: Decided) -> None:
    silent = credit_samples.terms()

    with pytest.raises(ContractViolation, match="say nothing of renewals"):
        call("price_renewal", contract=contract(), terms=silent, deal=deal(), rejected=None)
    with pytest.raises(ContractViolation, match="say nothing of renewals"):
        decided(terms=silent)


def test_what_comes_next_is_decided_by_the_time(decided: Decided) -> None:
    answer = decided(quoted=quote().offer())

    assert answer.action == RenewalAction.WAIT
    assert answer.seconds == 10 * 24 * 3600 - 6 * 3600


def test_a_deal_that_was_won_renews(decided: Decided) -> None:
    answer = decided(deal=won())

    assert answer.action == RenewalAction.RENEW
    assert answer.change is not None
    assert answer.change.movement.expansion == usd("435.00")


def test_a_dry_run_goes_on_as_if_a_discount_were_approved(decided: Decided) -> None:
    by = deal(discount=Decimal(10))
    known = {"deal": by, "quote": quote(by=by)}

    assert decided(**known, dry_run="replay-1").action == RenewalAction.QUOTE
    with pytest.raises(BusinessRuleViolation, match="nobody was asked for"):
        decided(**known)
    approval = {"subject_hash": quote(by=by).offer(), "status": "approved"}
    assert decided(**known, approval=approval).action == RenewalAction.QUOTE


def test_an_amendment_is_planned_with_what_it_costs_by_days(call: Call) -> None:
    answer = RenewalDecision.model_validate(
        call("plan_amendment", contract=contract(), deal=amendment())
    )

    assert answer.action == RenewalAction.RENEW
    assert answer.reasons == (
        "SEAT: 5 at 480.00 USD are 2,400.00 USD a year; 2027-03-01 to 2027-12-01: 275 of 365 days"
        " are 1,808.22 USD",
    )
    assert answer.change is not None
    assert answer.change.deal_id == AMENDMENT_DEAL


def test_an_amendment_takes_effect_when_it_is_told_to(call: Call) -> None:
    answer = call(
        "plan_amendment", contract=contract(), deal=amendment(), effective_on="2027-11-30"
    )

    change = RenewalDecision.model_validate(answer).change
    assert change is not None
    assert change.effective_on.isoformat() == "2027-11-30"
    assert change.movement.expansion == Money.of(2400, "USD")
    assert answer["reasons"][0].endswith("1 of 365 days are 6.58 USD")

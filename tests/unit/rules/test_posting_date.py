"""On which day is a document posted?"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from interlock.canonical import Record
from interlock.connectors.erp.port import PeriodState
from interlock.errors import BusinessRuleViolation
from interlock.rules.posting_date import PostingPolicy

from local.paths import ROOT
from tests.unit import finance_samples as samples

DAY = date(2026, 10, 31)
FIRST_OF_DECEMBER = date(2026, 12, 1)
FILE = ROOT / "functions" / "workflow" / "prepare_posting" / "posting_policy.toml"


def policy(**changes: dict[str, str]) -> PostingPolicy:
    ask = {"closed": "ask", "locked": "ask"}
    kinds = dict.fromkeys(("invoice", "credit_note", "payment", "entry"), ask)
    return PostingPolicy.model_validate({"version": 1} | kinds | changes)


@pytest.mark.parametrize("document", [samples.invoice(), samples.payment(), samples.payout()])
def test_an_open_period_takes_a_document_on_its_own_day(document: Any) -> None:
    assert policy().posting_date(document, DAY, samples.context()) == DAY


@pytest.mark.parametrize("period", [PeriodState.CLOSED, PeriodState.LOCKED])
@pytest.mark.parametrize(
    ("treatment", "expected"), [("post", DAY), ("next open day", FIRST_OF_DECEMBER)]
)
def test_what_the_policy_says_about_a_period_that_is_not_open(
    period: PeriodState, treatment: str, expected: date
) -> None:
    rules = policy(payment={"closed": "ask", "locked": "ask", period: treatment})
    context = samples.context(period=period)

    assert rules.posting_date(samples.payment(), DAY, context) == expected


@pytest.mark.parametrize(
    ("period", "treatment", "next_open_day"),
    [
        (PeriodState.CLOSED, "ask", FIRST_OF_DECEMBER),
        (PeriodState.LOCKED, "next open day", None),
        (PeriodState.MISSING, "post", FIRST_OF_DECEMBER),
    ],
)
def test_finance_is_asked_and_told_what_it_can_do(
    period: PeriodState, treatment: str, next_open_day: date | None
) -> None:
    rules = policy(invoice={"closed": treatment, "locked": treatment})
    context = samples.context(period=period, next_open_day=next_open_day)

    with pytest.raises(BusinessRuleViolation) as violation:
        rules.posting_date(samples.invoice(), DAY, context)

    assert violation.value.problems == [
        f"ACME-0001 is of 2026-10-31, and the ERP's period of that day is {period}: open it and"
        " retry, or retry with posting_date set to a day that is open"
    ]


@pytest.mark.parametrize("document", [samples.refund(), samples.dispute(), samples.payout()])
def test_refunds_disputes_and_payouts_are_entries(document: Record) -> None:
    rules = policy(entry={"closed": "next open day", "locked": "ask"})
    context = samples.context(period=PeriodState.CLOSED)

    assert rules.posting_date(document, DAY, context) == FIRST_OF_DECEMBER


def test_the_file_asks_about_revenue_of_a_closed_period() -> None:
    rules = PostingPolicy.load(FILE)

    assert rules.invoice.closed == "ask"
    assert rules.payment.closed == "next open day"


@pytest.mark.parametrize(
    ("text", "named"), [("version = 1", "invoice"), ('version = 1\n[invoice]\nclosed="x"', "x")]
)
def test_a_file_with_a_mistake_is_not_loaded(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)

    with pytest.raises(ValueError, match=named):
        PostingPolicy.load(path)

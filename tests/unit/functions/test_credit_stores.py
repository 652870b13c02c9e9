"""The functions of the cap and of the audit, called as a state machine calls them."""

from __future__ import annotations

from typing import Any

import pytest
from interlock.allowances import Allowances
from interlock.approvals import Approval, Approvals
from interlock.audit import Audit
from interlock.rules.approval import route
from interlock.rules.question import about_credit

from local.samples.credit_stores import AGENT, CASE, NOVEMBER, RUN, TERMS, case, credit, eur
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import module, sample

SKIP = {"step": "ReleaseCap", "action": "skip", "by": "ana", "reason": "it stays used"}


@pytest.fixture
def tables(cloud: Cloud, environment: Any) -> None:
    """Empty stores."""
    forget()
    names = {"ALLOWANCES_TABLE": "AllowancesTable", "AUDIT_TABLE": "AuditTable"}
    names |= {"APPROVALS_TABLE": "ApprovalsTable"}
    environment(**{variable: cloud.table(name) for variable, name in names.items()})


def granted() -> Any:
    """What is used of November's cap."""
    credited = credit()
    [allowance] = Allowances.load().read(credited.account_id, "EUR", [NOVEMBER])
    return allowance.granted


@pytest.mark.usefixtures("tables")
def test_a_credit_is_reserved_and_given_back(context: Any) -> None:
    reserve, release = module("workflow/reserve_cap"), module("workflow/release_cap")

    assert reserve.handler(sample("workflow/reserve_cap"), context) == {"reserved": True}
    assert granted() == eur(250)
    other = sample("workflow/reserve_cap") | {"correlation_id": "another-run"}
    assert reserve.handler(other, context) == {"reserved": False}

    released = release.handler(sample("workflow/release_cap"), context)

    [month_of] = released["released"]
    assert (month_of["month"], month_of["amount"]["amount"]) == ("2026-11-01", "250.00")
    assert granted() == eur(0)


@pytest.mark.usefixtures("tables")
def test_who_was_asked_to_approve_it_is_asked_no_more(context: Any) -> None:
    """A run that was taken back while it waited for an approval."""
    store = Approvals.load()
    question = about_credit(RUN, case(), TERMS, credit())
    routed = route(question.amount, TERMS.approval)
    asked = Approval.of(question, routed, hours=8, escalations=0, now=store.now())
    store.ask(asked, "task-1")

    module("workflow/release_cap").handler(sample("workflow/release_cap"), context)

    assert (asked.status, store.get(asked.id).status) == ("pending", "withdrawn")


@pytest.mark.usefixtures("tables")
def test_a_release_that_a_team_skips_keeps_the_reservation(context: Any) -> None:
    module("workflow/reserve_cap").handler(sample("workflow/reserve_cap"), context)
    skipped = sample("workflow/release_cap") | {"remediation": SKIP}

    assert module("workflow/release_cap").handler(skipped, context) == {"released": []}

    assert granted() == eur(250)


@pytest.mark.usefixtures("tables")
def test_what_happened_is_appended_once(context: Any) -> None:
    record = module("workflow/record_audit")

    first = record.handler(sample("workflow/record_audit"), context)
    assert record.handler(sample("workflow/record_audit"), context) == first

    chain = Audit.load().of(RUN)
    [row] = chain.rows
    assert (row.actor, row.action, row.subject) == (AGENT, "requested", CASE)
    assert first == {"number": 1, "hash": row.hash}
    assert chain.problems() == []


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("workflow/reserve_cap", {"reserved": True}),
        ("workflow/release_cap", {"released": []}),
        ("workflow/record_audit", None),
    ],
)
def test_a_dry_run_has_no_tables_at_all(name: str, answer: Any, context: Any) -> None:
    """It writes nothing, and reads nothing either."""
    command = sample(name) | {"dry_run": "T1-dry-run-1"}

    assert module(name).handler(command, context) == answer

"""The functions that decide on a credit: what they are told, and what they say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from interlock import contract_terms
from interlock.approvals import Approval, Approvals
from interlock.canonical import Money
from interlock.canonical.credits import Case, ComputedCredit
from interlock.errors import BusinessRuleViolation, ContractViolation
from interlock.rules.allowance import Allowance, Grant
from interlock.rules.approval import Route
from interlock.rules.contract_terms import AppliedTerms, ContractTerms
from interlock.rules.question import about_credit

from tests.unit.conftest import Cloud, forget
from tests.unit.credit_samples import document
from tests.unit.functions.calling import module, sample
from tests.unit.samples import ACCOUNT

NOVEMBER = date(2026, 11, 1)


class Granted:
    """The allowances' store with what was granted to other cases."""

    def __init__(self, *grants: Grant) -> None:
        self.grants = grants
        self.asked: tuple[Any, ...] = ()

    def load(self) -> Granted:
        """The store of the environment."""
        return self

    def read(
        self, account_id: str, currency: str, months: tuple[date, ...]
    ) -> tuple[Allowance, ...]:
        """As it is now."""
        self.asked = account_id, currency, months
        return tuple(
            Allowance(
                account_id=account_id,
                currency=currency,
                month=month,
                revision=len(self.grants),
                grants=self.grants,
            )
            for month in months
        )


def run(name: str, context: Any, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Calls a function with its sample event, but for these values."""
    event = sample(f"workflow/{name}") | (values or {})
    return module(f"workflow/{name}").handler(event, context)


def compute(
    store: Granted,
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Computes the sample's credit after what was granted."""
    monkeypatch.setattr(module("workflow/compute_credit"), "Allowances", store)
    return run("compute_credit", context, values)


@pytest.mark.parametrize(
    ("account_id", "agreement"),
    [(ACCOUNT, "premium"), ("crm:other", "standard"), (None, "standard")],
)
def test_an_account_gets_its_terms(
    account_id: str | None, agreement: str, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreements = document()["agreements"]
    agreements |= {"premium": agreements["standard"]}
    deployed = ContractTerms.model_validate(
        document(agreements=agreements, accounts={ACCOUNT: "premium"})
    )
    monkeypatch.setattr(contract_terms, "in_force", lambda: deployed)

    answer = run("load_contract_terms", context, {"account_id": account_id})

    assert (answer["agreement"], answer["document"]) == (agreement, deployed.fingerprint())


def test_who_is_entitled(context: Any) -> None:
    assert run("validate_entitlement", context) == {"entitled": True, "reasons": []}


def test_who_is_not(context: Any) -> None:
    case = sample("workflow/validate_entitlement")["case"] | {"account_id": None}

    answer = run("validate_entitlement", context, {"case": case, "context": None})

    assert not answer["entitled"]
    assert "enter the account's id" in answer["reasons"][0]


def test_a_credit_as_its_sample_says(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Granted()

    answer = compute(store, context, monkeypatch)

    assert answer == sample("workflow/choose_instrument")["credit"]
    assert store.asked == ("salesforce:001Hs00000LarkRIAS", "USD", (NOVEMBER,))


def test_a_credit_after_others(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the run reserved itself does not count; the same incident of another run does."""
    told = sample("workflow/choose_instrument")
    case, credit = Case.model_validate(told["case"]), told["credit"]
    grants = [
        Grant(
            transaction=transaction,
            amount=Money.of("50.00", "USD"),
            incident=credit["incident"] | {"case_id": case.id},
        )
        for transaction in (told["correlation_id"], "another-run")
    ]

    answer = compute(Granted(*grants), context, monkeypatch)

    assert answer["amount"] == {"amount": "147.26", "currency": "USD"}
    assert answer["months"][0]["revision"] == 2


def test_a_customer_of_several_currencies_reads_no_allowance(
    context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = sample("workflow/compute_credit")["context"]
    [dollars] = told["invoices"]
    euros = dollars | {"id": "stripe:in_2", "currency": "EUR", "lines": []}
    store = Granted()

    with pytest.raises(BusinessRuleViolation, match="in EUR and USD"):
        compute(store, context, monkeypatch, {"context": told | {"invoices": [dollars, euros]}})

    assert store.asked == ()


@pytest.fixture
def approvals(cloud: Cloud, environment: Any) -> Approvals:
    """An empty store."""
    forget()
    environment(APPROVALS_TABLE=cloud.table("ApprovalsTable"))
    return Approvals.load()


def approved(status: str) -> Approval:
    """What the sample is about, with a status."""
    told = sample("workflow/verify_approval")
    question = about_credit(
        told["correlation_id"],
        Case.model_validate(told["case"]),
        AppliedTerms.model_validate(told["terms"]),
        ComputedCredit.model_validate(told["credit"]),
    )
    route = Route(automatic=False, rule="as it is", role="finance", people=())
    now = datetime(2026, 11, 26, tzinfo=UTC)
    asked = Approval.of(question, route, hours=24, escalations=0, now=now)
    return asked.model_copy(update={"status": status})


def test_an_approval_that_holds_and_one_that_does_not(context: Any, approvals: Approvals) -> None:
    now = sample("workflow/verify_approval")["case_now"] | {"severity": "major"}
    approvals.ask(approved("approved"), "a task token")

    assert run("verify_approval", context) == {"valid": True, "reasons": []}
    assert not run("verify_approval", context, {"case_now": now})["valid"]


@pytest.mark.parametrize("status", ["pending", "rejected", "withdrawn", None])
def test_what_the_store_does_not_know_as_approved(
    status: str | None, context: Any, approvals: Approvals
) -> None:
    """Whatever the run says: its records can be edited."""
    if status:
        approvals.ask(approved(status), "a task token")

    verified = run("verify_approval", context)

    assert not verified["valid"]
    assert "What was approved is not this credit." in verified["reasons"]


def test_a_credit_that_was_edited_after_its_approval(context: Any, approvals: Approvals) -> None:
    approvals.ask(approved("approved"), "a task token")
    credit = sample("workflow/verify_approval")["credit"]
    edited = credit | {"amount": {"amount": "9999.00", "currency": "USD"}}

    assert not run("verify_approval", context, {"credit": edited})["valid"]


def test_the_credits_to_issue(context: Any) -> None:
    told = sample("workflow/choose_instrument")

    [credit] = run("choose_instrument", context)["credits"]

    assert credit["id"] == f"zendesk:4711/{told['correlation_id']}/1"
    assert credit["net"] == told["credit"]["amount"]
    assert credit["invoice_id"] == told["context"]["invoices"][0]["id"]


@pytest.mark.parametrize(
    "name", ["validate_entitlement", "compute_credit", "verify_approval", "choose_instrument"]
)
def test_terms_that_are_none(name: str, context: Any) -> None:
    with pytest.raises(ContractViolation, match=r"terms\.agreement"):
        run(name, context, {"terms": {}})

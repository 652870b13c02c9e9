"""The functions that issue credits and take them back, read their memos, and tell sales."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from unittest.mock import Mock

import pytest
from interlock.canonical import Money
from interlock.canonical.books import PostedDocument
from interlock.canonical.credits import BillingContext, Credit, CreditNotice, IssuedCredit
from interlock.crossref import CrossReferences, reference
from interlock.effects import EffectKey, ledger
from interlock.errors import (
    BusinessRuleViolation,
    NotYetPosted,
    OutcomeUnknown,
    RecordConflict,
)

from tests.unit import samples
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import connect, module, sample

[PATTERN] = module("billing/issue_credit").IssueCredit(**sample("billing/issue_credit")).credits
CREDITS = tuple(
    PATTERN.model_copy(update={"id": f"zendesk:4711/{number}", "invoice_id": f"stripe:in_{number}"})
    for number in (1, 2)
)
NOTICE = CreditNotice.model_validate(sample("crm/notify_credit")["notice"])

Run = Callable[..., dict[str, Any]]


def usd(amount: str) -> Money:
    """Dollars."""
    return Money.of(amount, "USD")


class Billing:
    """Credit notes by their id there."""

    def __init__(self) -> None:
        self.notes: dict[str, IssuedCredit] = {}
        self.void: set[str] = set()
        self.loses_answer_of: str | None = None
        self.refuses: str | None = None

    def get_credit(self, remote_id: str) -> IssuedCredit:
        """One of them."""
        return self.notes[remote_id]

    def find_credit(self, credit_id: str, *, invoice_id: str) -> IssuedCredit | None:
        """The one that was not taken back."""
        ours = [note for note in self.notes.values() if note.id == credit_id]
        return next((note for note in ours if note.remote_id not in self.void), None)

    def issue_credit(self, credit: Credit, *, idempotency_key: str) -> IssuedCredit:
        """Another one, each time."""
        if credit.id == self.refuses:
            raise BusinessRuleViolation(["more than is left"])
        note = issued(credit, f"cn_{len(self.notes) + 1}")
        self.notes[note.remote_id] = note
        if credit.id == self.loses_answer_of:
            self.loses_answer_of = None
            raise OutcomeUnknown("no answer")
        return note

    def void_credit(self, remote_id: str) -> IssuedCredit:
        """A taken back one stays so."""
        self.void.add(remote_id)
        return self.notes[remote_id]


def issued(credit: Credit, remote_id: str) -> IssuedCredit:
    """A credit note for a credit, to the customer's balance."""
    return IssuedCredit(
        id=credit.id,
        remote_id=remote_id,
        credit_note_id=f"stripe:{remote_id}",
        number=remote_id.upper(),
        net=credit.net,
        tax=usd("0"),
        total=credit.net,
        reduces_due=usd("0"),
        to_balance=credit.net,
        refunded=usd("0"),
    )


@pytest.fixture
def billing() -> Billing:
    """A billing system without credit notes."""
    return Billing()


@pytest.fixture
def run(cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch, context: Any) -> Run:
    """Calls a function that is connected to a system."""
    forget()
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})

    def run(name: str, system: Any, told: dict[str, Any], **decision: Any) -> dict[str, Any]:
        connect(monkeypatch, name.split("/")[0], system)
        command = samples.command("T1", **decision).model_dump(mode="json") | told
        return module(name).handler(command, context)

    return run


def of(*credits: Credit) -> dict[str, Any]:
    """These credits, as a run has them."""
    return {"credits": [credit.model_dump(mode="json") for credit in credits]}


class TestIssue:
    def test_each_credit_is_an_effect_of_its_own(self, run: Run, billing: Billing) -> None:
        answer = run("billing/issue_credit", billing, of(*CREDITS))

        assert [each["remote_id"] for each in answer["credits"]] == ["cn_1", "cn_2"]
        assert [each["id"] for each in answer["credits"]] == [credit.id for credit in CREDITS]
        assert run("billing/issue_credit", billing, of(*CREDITS)) == answer
        assert len(billing.notes) == 2
        crossref = CrossReferences.load()
        assert crossref.get(reference("credit", CREDITS[1].id), "vendor") == "cn_2"

    def test_a_lost_answer_is_one_credit_note(self, run: Run, billing: Billing) -> None:
        billing.loses_answer_of = CREDITS[0].id
        with pytest.raises(OutcomeUnknown):
            run("billing/issue_credit", billing, of(*CREDITS))
        assert list(billing.notes) == ["cn_1"]

        answer = run("billing/issue_credit", billing, of(*CREDITS))

        assert [each["remote_id"] for each in answer["credits"]] == ["cn_1", "cn_2"]
        assert list(billing.notes) == ["cn_1", "cn_2"]

    def test_a_retry_goes_on_with_the_missing_one(self, run: Run, billing: Billing) -> None:
        billing.refuses = CREDITS[1].id
        with pytest.raises(BusinessRuleViolation):
            run("billing/issue_credit", billing, of(*CREDITS))
        billing.refuses = None

        answer = run("billing/issue_credit", billing, of(*CREDITS), action="retry")

        assert [each["remote_id"] for each in answer["credits"]] == ["cn_1", "cn_2"]

    def test_a_team_links_the_one_that_it_made(self, run: Run, billing: Billing) -> None:
        by_hand = issued(CREDITS[1].model_copy(update={"id": "stripe:cn_by_hand"}), "cn_by_hand")
        billing.notes["cn_by_hand"] = by_hand
        link = {"action": "link", "record": CREDITS[1].id, "remote_id": "cn_by_hand"}

        answer = run("billing/issue_credit", billing, of(*CREDITS), **link)

        assert [each["remote_id"] for each in answer["credits"]] == ["cn_2", "cn_by_hand"]
        voided = run("billing/void_credit", billing, of(*CREDITS))
        assert voided == {"credits": [{"remote_id": "cn_2"}, {"remote_id": None}]}
        assert billing.void == {"cn_2"}

    def test_another_amount_under_the_same_id_is_a_conflict(
        self, run: Run, billing: Billing
    ) -> None:
        run("billing/issue_credit", billing, of(CREDITS[0]))
        more = CREDITS[0].model_copy(update={"net": usd("201.00")})

        with pytest.raises(RecordConflict):
            run("billing/issue_credit", billing, of(more))
        assert len(billing.notes) == 1

    def test_a_dry_run_issues_nothing(self, run: Run, billing: Billing) -> None:
        answer = run("billing/issue_credit", billing, of(*CREDITS), dry_run="D1")

        assert [each["remote_id"] for each in answer["credits"]] == ["(new)", "(new)"]
        assert billing.notes == {}


class TestVoid:
    def test_what_was_issued_is_taken_back_once(self, run: Run, billing: Billing) -> None:
        run("billing/issue_credit", billing, of(*CREDITS))

        first = run("billing/void_credit", billing, of(*CREDITS))
        again = run("billing/void_credit", billing, of(*CREDITS))

        assert first == {"credits": [{"remote_id": "cn_1"}, {"remote_id": "cn_2"}]}
        assert again == {"credits": [{"remote_id": None}, {"remote_id": None}]}
        assert billing.void == {"cn_1", "cn_2"}
        assert CrossReferences.load().get(reference("credit", CREDITS[0].id), "vendor") is None

    def test_what_was_never_issued_is_nothing(self, run: Run, billing: Billing) -> None:
        run("billing/issue_credit", billing, of(CREDITS[0]))

        answer = run("billing/void_credit", billing, of(*CREDITS))

        assert answer == {"credits": [{"remote_id": "cn_1"}, {"remote_id": None}]}

    def test_one_whose_answer_was_lost_is_found(self, run: Run, billing: Billing) -> None:
        billing.loses_answer_of = CREDITS[0].id
        with pytest.raises(OutcomeUnknown):
            run("billing/issue_credit", billing, of(*CREDITS))

        run("billing/void_credit", billing, of(*CREDITS))

        assert billing.void == {"cn_1"}

    def test_what_a_team_skips_is_theirs(self, run: Run, billing: Billing) -> None:
        run("billing/issue_credit", billing, of(*CREDITS))

        run("billing/void_credit", billing, of(*CREDITS), action="skip")

        assert billing.void == set()
        key = EffectKey("vendor", "issue_credit", CREDITS[0].id)
        assert ledger()._read(key)["state"] == "LEFT"


class TestContext:
    ASKED = sample("billing/get_billing_context")

    def test_of_the_accounts_customer(self, run: Run) -> None:
        billing = Mock()
        billing.get_billing_context.return_value = BillingContext(
            account_id=self.ASKED["account_id"], is_active=True, invoices=()
        )
        CrossReferences.load().link(f"customer#{self.ASKED['account_id']}", "vendor", "cus_1")

        answer = run("billing/get_billing_context", billing, self.ASKED)

        assert answer["is_active"] is True
        billing.get_billing_context.assert_called_once_with(
            self.ASKED["account_id"],
            customer_remote_id="cus_1",
            first_day=date(2026, 11, 1),
            last_day=date(2026, 11, 30),
        )

    def test_an_account_that_billing_does_not_know_was_charged_nothing(self, run: Run) -> None:
        billing = Mock()

        answer = run("billing/get_billing_context", billing, self.ASKED)

        account = self.ASKED["account_id"]
        assert answer == {"account_id": account, "is_active": False, "invoices": []}
        assert billing.mock_calls == []


class TestCreditMemos:
    IDS = ("stripe:cn_1", "stripe:cn_2")

    @staticmethod
    def posted(remote_id: str) -> PostedDocument:
        """A credit memo in the books."""
        return PostedDocument(
            id=f"tryton:{remote_id}",
            remote_id=remote_id,
            subsidiary="TESSALINE-US",
            number=remote_id,
            status="posted",
            posting_date=date(2026, 12, 4),
            net=usd("-100"),
            tax=usd("0"),
            total=usd("-100"),
            remaining=usd("0"),
        )

    def test_all_are_waited_for(self, run: Run) -> None:
        erp = Mock(get_document=self.posted)
        asked = {"credit_note_ids": list(self.IDS)}
        crossref = CrossReferences.load()

        with pytest.raises(NotYetPosted):
            run("erp/get_credit_memos", erp, asked)
        crossref.link(reference("credit_note", self.IDS[0]), "vendor", "17")
        with pytest.raises(NotYetPosted, match="cn_2"):
            run("erp/get_credit_memos", erp, asked)
        crossref.link(reference("credit_note", self.IDS[1]), "vendor", "18")
        answer = run("erp/get_credit_memos", erp, asked)

        assert [each["remote_id"] for each in answer["documents"]] == ["17", "18"]


class Crm:
    """One account, and what it says of its latest credit."""

    def __init__(self, notice: CreditNotice | None = None) -> None:
        self.notice = notice
        self.written = 0
        self.loses_answer = False

    def read_credit_notice(self, account_id: str) -> CreditNotice | None:
        """As it is now."""
        assert account_id == NOTICE.account_id
        return self.notice

    def write_credit_notice(self, notice: CreditNotice) -> CreditNotice:
        """Applied, though the answer may be lost."""
        self.notice = notice
        self.written += 1
        if self.loses_answer:
            raise OutcomeUnknown("no answer")
        return notice


class TestNotify:
    TOLD: dict[str, Any] = {"notice": NOTICE.model_dump(mode="json")}

    def test_once_a_transaction(self, run: Run) -> None:
        crm = Crm(NOTICE.model_copy(update={"case_number": "4700"}))

        first, again = (run("crm/notify_credit", crm, self.TOLD) for _ in range(2))

        assert CreditNotice.model_validate(first) == crm.notice == NOTICE
        assert again == first
        assert crm.written == 1

    def test_a_replay_on_another_day_is_the_same(self, run: Run) -> None:
        crm = Crm()
        told = self.TOLD["notice"] | {"granted_on": "2027-02-01"}

        first = run("crm/notify_credit", crm, self.TOLD)

        assert run("crm/notify_credit", crm, {"notice": told}) == first
        assert crm.written == 1

    def test_what_is_there_already_is_not_written(self, run: Run) -> None:
        crm = Crm(NOTICE)

        run("crm/notify_credit", crm, self.TOLD)

        assert crm.written == 0

    def test_a_lost_answer_is_looked_up(self, run: Run) -> None:
        crm = Crm()
        crm.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            run("crm/notify_credit", crm, self.TOLD)

        run("crm/notify_credit", crm, self.TOLD)

        assert crm.written == 1

    def test_a_dry_run_writes_nothing(self, run: Run) -> None:
        crm = Crm()

        run("crm/notify_credit", crm, self.TOLD, dry_run="D1")

        assert crm.written == 0

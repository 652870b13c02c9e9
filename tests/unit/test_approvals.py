"""Approvals: asked, escalated, decided once, never back; on moto's DynamoDB."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from interlock import aws
from interlock.approvals import Approval, Approvals, Decision
from interlock.canonical.credits import ComputedCredit
from interlock.errors import BusinessRuleViolation, RecordNotFound
from interlock.rules.approval import Subject, route
from interlock.rules.question import Question, about_credit, approval_id

from local.samples.credit_stores import HEAD, LEAD, TERMS, case, credit, month
from tests.unit.conftest import Clock, Cloud

FIRST, SECOND = "task-1", "task-2"
HOUR = 3600.0


def question(asked: ComputedCredit | None = None, **values: Any) -> Question:
    """What a run asks."""
    given = {"transaction": "T1", "case": case(), "terms": TERMS, "credit": asked or credit()}
    return about_credit(**(given | values))


def approval(store: Approvals, asked: ComputedCredit | None = None, **values: Any) -> Approval:
    """The approval as the function makes it."""
    told = question(asked, **values)
    escalations = store.escalations(told.approval_id)
    routed = route(told.amount, TERMS.approval, escalations=escalations)
    return Approval.of(told, routed, hours=8, escalations=escalations, now=store.now())


def decision(store: Approvals, action: str = "approve", **values: Any) -> Decision:
    """What the lead decides."""
    given = {"by": LEAD, "action": action, "reason": "checked", "at": store.now(), "how": "api"}
    return Decision(**(given | values))


@pytest.fixture
def store(cloud: Cloud, clock: Clock) -> Approvals:
    """Nobody was asked yet."""
    return Approvals(cloud.table("ApprovalsTable"), clock, aws.dynamodb())


@pytest.fixture
def asked(store: Approvals) -> Approval:
    """One that waits for the support lead."""
    return store.ask(approval(store), FIRST)


# ---- Asking


def test_an_approval_says_who_is_asked_what_and_until_when(
    store: Approvals, asked: Approval
) -> None:
    assert store.read(asked.id) == (asked, FIRST)
    assert asked.subject_hash == Subject.of(case(), TERMS, credit()).fingerprint()
    assert (asked.status, asked.role, asked.escalations) == ("pending", "support lead", 0)
    assert asked.due_at - asked.requested_at == timedelta(hours=8)
    assert asked.working == credit().working


def test_the_same_subject_of_a_transaction_is_the_same_approval(asked: Approval) -> None:
    others = {
        question(transaction="T2").approval_id,
        question(credit(month(251))).approval_id,
        question(case=case(skus=("SEAT",))).approval_id,
        question(terms=TERMS.model_copy(update={"document": "g" * 64})).approval_id,
    }

    assert question().approval_id == asked.id == approval_id("T1", asked.subject_hash)
    assert question(case=case(status="pending")).approval_id == asked.id
    assert len(others | {asked.id}) == 5


def test_what_is_within_policy_is_decided_by_its_rule(store: Approvals) -> None:
    small = store.ask(approval(store, credit(month(100))), FIRST)

    assert small.status == "approved"
    assert small.decision is not None
    assert (small.decision.by, small.decision.how) == ("policy", "policy")
    assert small.decision.reason == small.rule
    assert "100.00 EUR is not more than 100.00 EUR" in small.rule


def test_asked_again_it_has_the_new_token(store: Approvals, asked: Approval, clock: Clock) -> None:
    clock.advance(HOUR)

    again = store.ask(approval(store), SECOND)

    assert store.read(asked.id) == (again, SECOND)
    assert (again.requested_at, again.escalations) == (asked.requested_at, 0)
    assert again.due_at == asked.due_at + timedelta(hours=1)


@pytest.mark.parametrize("early", [0, 10, 240])
def test_what_nobody_decided_in_time_goes_to_the_next(
    store: Approvals, asked: Approval, clock: Clock, early: float
) -> None:
    """A run's own time is over a little before: it began to wait before the approval was made."""
    clock.advance(8 * HOUR - early)

    again = store.ask(approval(store), SECOND)

    assert (again.escalations, again.role, again.people) == (1, "finance", (HEAD,))
    clock.advance(8 * HOUR)
    last = store.ask(approval(store), "task-3")
    assert (last.escalations, last.role) == (2, "finance")
    assert last.id == asked.id


def test_what_is_decided_stays_decided(store: Approvals, asked: Approval) -> None:
    decided, _ = store.decide(asked.id, decision(store), subject_hash=asked.subject_hash)

    assert store.ask(approval(store), SECOND) == decided
    assert store.read(asked.id) == (decided, FIRST)


def test_another_credit_of_the_transaction_withdraws_the_first(
    store: Approvals, asked: Approval
) -> None:
    other_run = store.ask(approval(store, transaction="T2"), FIRST)
    other = store.ask(approval(store, credit(month(300))), SECOND)

    store.withdraw("T1", but=other.id)
    store.withdraw("T1", but=other.id)

    assert store.get(asked.id).status == "withdrawn"
    assert {each.id for each in store.by_status("pending", 10)} == {other.id, other_run.id}
    with pytest.raises(BusinessRuleViolation, match="was withdrawn: another credit"):
        store.decide(asked.id, decision(store), subject_hash=asked.subject_hash)
    assert store.ask(approval(store), "task-3").status == "withdrawn"


def test_a_decision_while_it_is_asked_again_is_kept(
    store: Approvals, asked: Approval, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was faster counts; the run then hears the decision."""
    stale = store._row(asked.id)
    decided, _ = store.decide(asked.id, decision(store), subject_hash=asked.subject_hash)
    rows = iter([stale, store._row(asked.id)])
    monkeypatch.setattr(store, "_row", lambda _: next(rows))

    assert store.ask(asked, SECOND) == decided


# ---- Deciding


@pytest.mark.parametrize(("action", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_a_decision_is_kept_with_who_and_why(
    store: Approvals, asked: Approval, action: str, status: str
) -> None:
    made = decision(store, action, caller_arn="arn:aws:sts::1:assumed-role/r/lead")

    decided, token = store.decide(asked.id, made, subject_hash=asked.subject_hash)

    assert token == FIRST
    assert (decided.status, decided.decision) == (status, made)
    assert store.find("T1", asked.subject_hash) == decided
    assert json.loads(decided.answer()) == {
        "id": asked.id,
        "status": status,
        "subject_hash": asked.subject_hash,
        "by": LEAD,
        "reason": "checked",
        "at": made.model_dump(mode="json")["at"],
        "how": "api",
    }


def test_the_same_again_by_the_same_person_is_harmless(
    store: Approvals, asked: Approval, clock: Clock
) -> None:
    """Also when it is overdue by now: it was decided in time."""
    first = store.decide(asked.id, decision(store), subject_hash=asked.subject_hash)
    clock.advance(9 * HOUR)

    again = decision(store, reason="as I said")
    assert store.decide(asked.id, again, subject_hash=asked.subject_hash) == first


def test_who_decided_before_is_told(store: Approvals, asked: Approval) -> None:
    store.decide(asked.id, decision(store, reason="fine"), subject_hash=asked.subject_hash)

    for other in (decision(store, "reject"), decision(store, by=HEAD)):
        with pytest.raises(BusinessRuleViolation, match=f"was approved before by {LEAD}: fine"):
            store.decide(asked.id, other, subject_hash=asked.subject_hash)


def test_nobody_decides_what_he_has_not_seen(store: Approvals, asked: Approval) -> None:
    with pytest.raises(BusinessRuleViolation, match="not the credit that you have seen"):
        store.decide(asked.id, decision(store), subject_hash="another")
    assert store.get(asked.id).status == "pending"


def test_nobody_decides_when_the_time_is_over(
    store: Approvals, asked: Approval, clock: Clock
) -> None:
    clock.advance(8 * HOUR)

    with pytest.raises(BusinessRuleViolation, match="was due at"):
        store.decide(asked.id, decision(store), subject_hash=asked.subject_hash)


def test_a_decision_while_a_run_asks_again_is_looked_at_again(
    store: Approvals, asked: Approval, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its token would be answered in vain."""
    stale = store.read(asked.id)
    store.ask(approval(store), SECOND)
    monkeypatch.setattr(store, "read", lambda _: stale)

    with pytest.raises(BusinessRuleViolation, match="changed while it was decided"):
        store.decide(asked.id, decision(store), subject_hash=asked.subject_hash)


def test_of_many_decisions_at_once_one_counts(store: Approvals, asked: Approval) -> None:
    together = threading.Barrier(6)

    def decide(number: int) -> bool:
        together.wait()
        made = decision(store, by=f"{number}@interlock.example")
        try:
            store.decide(asked.id, made, subject_hash=asked.subject_hash)
        except BusinessRuleViolation:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(decide, range(6))) == 1


def test_the_first_due_comes_first(store: Approvals, asked: Approval, clock: Clock) -> None:
    clock.advance(HOUR)
    later = store.ask(approval(store, transaction="T2"), FIRST)

    assert [each.id for each in store.by_status("pending", 10)] == [asked.id, later.id]
    assert [each.id for each in store.by_status("pending", 1)] == [asked.id]
    assert store.by_status("approved", 10) == ()


def test_an_approval_that_is_not_there(store: Approvals) -> None:
    with pytest.raises(RecordNotFound, match="see `interlock approvals`"):
        store.get("AP-0")
    assert store.find("T1", "nothing") is None
    assert store.escalations("AP-0") == 0

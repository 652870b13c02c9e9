"""Deciding about a credit or a discount: what is done, in which order, so that no crash loses any.

A decision is (1) stored, (2) appended to the audit, (3) told on the integration bus, (4) answered
to the waiting run. Each is harmless when it is done again: the stored one is conditional, the audit
and the events know their own ids, a token that was answered is left alone. So whoever comes next
completes what a crash left:

- before 1 nothing has happened: the person, or the run, asks again.
- after 1, 2 or 3 the run still waits. The person's second attempt finds the decision stored, and
  goes on with 2. Without one the run's time is over at last: it asks again with a new token, finds
  the decision, and goes on with 2 and that token.
- the answer is last, because a run that has heard it never asks again: what is not done by then
  would be lost. Nobody's money moves on a decision that the audit does not have.

What is asked is stored with its token first, too: an audit row or an event without a question that
can be answered would promise too much. The run's next attempt completes them, by the same ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from interlock import aws, contract_terms, events
from interlock.approvals import Approval, Approvals, Decision
from interlock.audit import Audit, AuditHead, Entry
from interlock.callers import Forbidden
from interlock.canonical.base import Canonical
from interlock.errors import BusinessRuleViolation
from interlock.events import Event
from interlock.links import Link, Links
from interlock.rules.approval import problems_of, route
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.question import Question, policy_of


class OfferedLink(Canonical):
    """A link as it was made: its path below the API's address, and until when it can be used."""

    path: str
    until: datetime


def ask(question: Question, terms: AppliedTerms, token: str) -> Approval:
    """Ask the policy, which may decide at once, or people; the run waits with the token.

    When a time is over in which nobody decided, the next ones are asked; what is decided already
    is answered at once.
    """
    policy = policy_of(question.kind, terms)
    store = Approvals.load()
    escalations = store.escalations(question.approval_id)
    routed = route(question.amount, policy, escalations=escalations)
    asked = Approval.of(
        question, routed, hours=policy.hours, escalations=escalations, now=store.now()
    )
    approval = store.ask(asked, token)
    if approval.status == "pending":
        _announce(approval, store.now())
    else:
        settle(approval, token)
    return approval


def _announce(approval: Approval, at: datetime) -> None:
    facts = approval.model_dump(
        mode="json", include={"id", "amount", "subject_hash", "rule", "role", "people"}
    )
    _record(approval, "interlock", "approval requested", facts)
    kind = "approval.escalated" if approval.escalations else "approval.requested"
    told = facts | {"due_at": approval.due_at.isoformat()}
    suffix = f"requested-{approval.escalations}"
    events.publish(_news(approval, kind, suffix, at, told))


def decide(id: str, decision: Decision, *, subject_hash: str) -> Approval:
    """Decide, or complete what the same decision before has left.

    Raises Forbidden when the policy that is in force does not let this person decide, and what
    `Approvals.decide` raises.
    """
    store = Approvals.load()
    approval, token = store.read(id)
    if not decision.repeats(approval.decision):
        check(approval, decision.by)
        approval, token = store.decide(id, decision, subject_hash=subject_hash)
    settle(approval, token)
    return approval


def check(approval: Approval, person: str) -> None:
    """Raises Forbidden when this person may not decide about what is still open."""
    if approval.status != "pending" or approval.role is None:
        return
    problems = problems_of(
        person,
        of=approval.kind,
        requester=approval.requested_by,
        role=approval.role,
        policy=policy_of(approval.kind, contract_terms.in_force()),
    )
    if problems:
        raise Forbidden("; ".join(problems))


def settle(approval: Approval, token: str) -> None:
    """Complete a decision that is stored: audit, events, and the answer to the run.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
    """
    if decision := approval.decision:
        facts = {"approval": approval.id, "rule": approval.rule} | approval.model_dump(
            mode="json", include={"amount", "subject_hash", "decision"}
        )
        head = _record(approval, decision.by, approval.status, facts, id=f"{approval.id}-decided")
        events.publish(*_of_decision(approval, decision, head))
    states = aws.client("stepfunctions")
    with suppress(states.exceptions.TaskTimedOut, states.exceptions.TaskDoesNotExist):
        states.send_task_success(taskToken=token, output=approval.answer())


def offer_link(id: str, *, person: str, maker: str) -> OfferedLink:
    """A link with which a person can decide about an approval, until it is due.

    Whoever gets it can decide in the person's name: so nobody makes one for what was the own
    request, and the audit says who made it for whom. Raises Forbidden, RecordNotFound, and
    BusinessRuleViolation for what is decided already.
    """
    person = person.lower()
    approval = Approvals.load().get(id)
    if approval.status != "pending":
        raise BusinessRuleViolation(
            [f"is {approval.status}: there is nothing to decide"], record=id
        )
    if maker.casefold() == approval.requested_by.casefold():
        raise Forbidden(
            f"{maker} asked for the {approval.kind}: somebody else has to make links for it"
        )
    check(approval, person)
    until = int(approval.due_at.timestamp())
    _record(approval, maker, "link made", {"approval": id, "for": person, "until": until})
    link = Link(
        approval=id,
        person=person,
        subject=approval.subject_hash,
        until=until,
    )
    return OfferedLink(path=Links.load().address(link), until=approval.due_at)


def _record(
    approval: Approval, actor: str, action: str, facts: dict[str, Any], id: str | None = None
) -> AuditHead:
    entry = Entry(
        transaction=approval.transaction,
        subject=approval.subject,
        actor=actor,
        action=action,
        facts=facts,
        id=id,
    )
    return Audit.load().append(entry)


def _of_decision(approval: Approval, decision: Decision, head: AuditHead) -> Iterator[Event]:
    """Who decided what, with the audit's place of it; and that a credit is approved, if it is."""
    told = {"id": approval.id, "status": approval.status, "audit": head.model_dump()}
    told |= decision.model_dump(mode="json", include={"by", "reason", "how"})
    amount = approval.model_dump(mode="json", include={"amount", "account_id"})
    yield _news(approval, "approval.decided", "decided", decision.at, told | amount)
    if (approval.kind, approval.status) == ("credit", "approved"):
        yield _news(approval, "credit.approved", "approved", decision.at, amount)


def _news(approval: Approval, kind: str, suffix: str, at: datetime, data: dict[str, Any]) -> Event:
    return Event(
        id=f"{approval.id}-{suffix}",
        type=kind,
        source="interlock",
        subject=approval.subject,
        occurred_at=at,
        correlation_id=approval.transaction,
        data={"kind": approval.kind, "title": approval.title} | data,
    )

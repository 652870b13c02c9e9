"""Approvals: what a person is asked, who decided what, and the token that waits for it.

An approval's id is the transaction's and that of what is to be approved: the same credit of the
same case by the same terms is the same approval, and so is the same offer of a renewal, however
often a run asks for it. Its status goes

    (asked) ─▶ pending ─▶ approved | rejected      by a person, or at once by the policy
                  └─────▶ withdrawn                another credit was computed for the transaction,
                                                   or its run ends without one

and never back. While it is pending a run may ask again, with a new token: after a crash, or
because nobody decided in time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Literal

from boto3.dynamodb.conditions import Attr, Key

from interlock import aws
from interlock.canonical.base import Canonical, Text, Timestamp
from interlock.errors import BusinessRuleViolation, RecordNotFound
from interlock.rules.approval import Route
from interlock.rules.question import Question, approval_id
from interlock.settings import Settings

Status = Literal["pending", "approved", "rejected", "withdrawn"]
WITHDRAWN = (
    "was withdrawn: another credit was computed for the case since, or its run was taken back"
)
# A run stops waiting a little before the approval is due, by its own beginning: when it asks again
# by then, nobody decided in time.
EARLY = timedelta(minutes=5)


class ApprovalsSettings(Settings):
    """The approvals' table."""

    approvals_table: str


class Decision(Canonical):
    """Who decided what, and how we know: by the policy, a signed request, or a signed link.

    `by` is an e-mail address, or `policy`; `caller_arn` whom AWS authenticated, None for a link and
    for the policy.
    """

    by: Text
    caller_arn: Text | None = None
    action: Literal["approve", "reject"]
    reason: Text
    at: Timestamp
    how: Literal["policy", "api", "link"]

    def repeats(self, other: Decision | None) -> bool:
        """Whether the same person decided the same before."""
        return other is not None and (self.by, self.action) == (other.by, other.action)


class Approval(Question):
    """A question that somebody has to decide, or the policy has.

    `rule` says why `role` is asked, whose `people` they are; nobody is, when the policy decides.
    `escalations` counts how often nobody decided in time.
    """

    id: Text
    rule: Text
    role: Text | None
    people: tuple[Text, ...]
    status: Status = "pending"
    escalations: int = 0
    requested_at: Timestamp
    due_at: Timestamp
    decision: Decision | None = None

    @classmethod
    def of(
        cls, question: Question, route: Route, *, hours: int, escalations: int, now: datetime
    ) -> Approval:
        """A question as the routing has it: pending, or decided by the policy."""
        asked = cls(
            **dict(question),
            id=question.approval_id,
            rule=route.rule,
            role=route.role,
            people=route.people,
            escalations=escalations,
            requested_at=now,
            due_at=now + timedelta(hours=hours),
        )
        if not route.automatic:
            return asked
        by_policy = Decision(by="policy", action="approve", reason=route.rule, at=now, how="policy")
        return asked.decided(by_policy)

    def decided(self, decision: Decision) -> Approval:
        """The approval with its decision."""
        status = {"approve": "approved", "reject": "rejected"}[decision.action]
        return self.model_copy(update={"status": status, "decision": decision})

    def answer(self) -> str:
        """What the waiting run is told."""
        if self.decision is None:
            told = {"by": "interlock", "reason": WITHDRAWN}
        else:
            told = self.decision.model_dump(mode="json", include={"by", "reason", "at", "how"})
        facts = self.model_dump(include={"id", "status", "subject_hash"})
        return json.dumps(facts | told)


@dataclass
class Approvals:
    """The store in its DynamoDB table; `clock` returns seconds since the epoch."""

    table: str
    clock: Callable[[], float] = time.time
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> Approvals:
        """The store of this function's environment."""
        return cls(ApprovalsSettings.load().approvals_table)

    def now(self) -> datetime:
        """The present, aware UTC."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def escalations(self, id: str) -> int:
        """How often nobody had decided in time, should a run ask now."""
        row = self._row(id)
        if row is None:
            return 0
        known = _parse(row)
        overdue = known.status == "pending" and self.now() >= known.due_at - EARLY
        return known.escalations + overdue

    def ask(self, approval: Approval, token: str) -> Approval:
        """Ask, or ask again with a new token; returns the approval as it is now.

        One that was decided, or withdrawn, stays as it is.
        """
        row = self._row(approval.id)
        while row is None or row["status"] == "pending":
            if row is not None:
                first = _parse(row).requested_at
                approval = approval.model_copy(update={"requested_at": first})
            if self._put(approval, token, over=row["token"] if row else None):
                return approval
            row = self._row(approval.id)
        return _parse(row)

    def withdraw(self, transaction: str, *, but: str | None = None) -> None:
        """Nothing of a transaction may be approved any more, but the approval with this id.

        One that was asked for in this very moment may be missed: its own run waits no more.
        """
        for row in self._rows("pending"):
            pending = _parse(row)
            if pending.transaction == transaction and pending.id != but:
                withdrawn = pending.model_copy(update={"status": "withdrawn"})
                self._put(withdrawn, row["token"], over=row["token"])

    def get(self, id: str) -> Approval:
        """Raises RecordNotFound."""
        return self.read(id)[0]

    def read(self, id: str) -> tuple[Approval, str]:
        """The approval, and the token of the run that waits for it. Raises RecordNotFound."""
        row = self._row(id)
        if row is None:
            raise RecordNotFound("no such approval: see `interlock approvals`", record=id)
        return _parse(row), row["token"]

    def find(self, transaction: str, subject_hash: str) -> Approval | None:
        """The approval of a transaction that is bound to this; None when nobody was asked."""
        row = self._row(approval_id(transaction, subject_hash))
        return _parse(row) if row else None

    def by_status(self, status: Status, limit: int) -> tuple[Approval, ...]:
        """Those with a status, the first due first."""
        return tuple(_parse(row) for row in islice(self._rows(status), limit))

    def decide(self, id: str, decision: Decision, *, subject_hash: str) -> tuple[Approval, str]:
        """Record the decision; returns the approval and the token to answer.

        The same by the same person again is harmless, so a decision whose answer got lost can be
        repeated. Raises RecordNotFound, and BusinessRuleViolation for what is decided already, is
        overdue, or is not what the person has seen.
        """
        approval, token = self.read(id)
        if decision.repeats(approval.decision):
            return approval, token
        if problem := self._problem(approval, subject_hash):
            raise BusinessRuleViolation([problem], record=id)
        decided = approval.decided(decision)
        if not self._put(decided, token, over=token):
            raise BusinessRuleViolation(
                ["changed while it was decided: look at it again"], record=id
            )
        return decided, token

    def _problem(self, approval: Approval, subject_hash: str) -> str | None:
        if taken := approval.decision:
            return f"was {approval.status} before by {taken.by}: {taken.reason}"
        if approval.status == "withdrawn":
            return WITHDRAWN
        if approval.subject_hash != subject_hash:
            return f"is not the {approval.kind} that you have seen: look at it again"
        if self.now() >= approval.due_at:
            return f"was due at {approval.due_at:%Y-%m-%d %H:%M} UTC: the next ones are asked"
        return None

    def _put(self, approval: Approval, token: str, *, over: str | None) -> bool:
        """Write it, if it is still pending with the token `over`; None: if it is not there."""
        unchanged = Attr("id").not_exists()
        if over is not None:
            unchanged = Attr("status").eq("pending") & Attr("token").eq(over)
        try:
            self._client.put_item(
                TableName=self.table, Item=_item(approval, token), ConditionExpression=unchanged
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _rows(self, status: str) -> Any:
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName="by_status",
            KeyConditionExpression=Key("status").eq(status),
        )
        return (row for page in pages for row in page["Items"])

    def _row(self, id: str) -> dict[str, Any] | None:
        answer = self._client.get_item(TableName=self.table, Key={"id": id}, ConsistentRead=True)
        return answer.get("Item")


def _item(approval: Approval, token: str) -> dict[str, Any]:
    """What is queried by is a column; the whole is JSON, so that no number changes its type."""
    return {
        "id": approval.id,
        "status": approval.status,
        "due_at": approval.due_at.isoformat(),
        "token": token,
        "content": approval.model_dump_json(),
    }


def _parse(row: dict[str, Any]) -> Approval:
    return Approval.model_validate_json(row["content"])

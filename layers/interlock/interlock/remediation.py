"""Exceptions of the business: a failed step, the team that can fix it, and its decision (EXC).

A workflow that fails at a step raises an exception and waits with a task token; the token is kept
here, and answered once a team has decided. The exception's id is the run's and the step's, so a
step that fails again, or that is escalated, is the same exception.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal, Self

from boto3.dynamodb.conditions import Attr, Key
from pydantic import Field, model_validator

from interlock import aws
from interlock.canonical.base import Action, Canonical, RecordId, Text, Timestamp
from interlock.errors import BusinessRuleViolation, RecordNotFound
from interlock.events import Event
from interlock.settings import Settings


class ExceptionsSettings(Settings):
    """The exceptions' table."""

    exceptions_table: str


class Decision(Canonical):
    """What a team decided. `edit` is a JSON merge patch (RFC 7396) of the run's records.

    A link says which existing record (`remote_id`) stands for which of ours (`record`, the
    canonical id that the exception names): a step may write several.
    """

    action: Action
    by: Text
    reason: Text
    edit: dict[str, Any] | None = None
    remote_id: Text | None = None
    record: RecordId | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        told = (self.remote_id is not None, self.record is not None)
        if told != (self.action == "link",) * 2:
            raise ValueError("a link, and nothing else, names remote_id and record")
        if self.edit is not None and self.action != "retry":
            raise ValueError("an edit goes with retry: the step runs again on the edited records")
        return self


class Resolution(Canonical):
    """A decision and when it was taken."""

    decision: Decision
    at: Timestamp


class BusinessException(Canonical):
    """A failed step that waits for a team.

    `records` is what the run knows so far: its input and the outputs of the steps before.
    `actions` are what the team may decide. `escalations` counts how often it became overdue.
    """

    id: Text
    correlation_id: RecordId
    execution: Text
    workflow: Text
    step: Text
    error: Text
    message: str
    team: Text
    actions: tuple[Action, ...]
    status: Literal["open", "resolving", "resolved"] = "open"
    raised_at: Timestamp
    due_at: Timestamp
    occurrences: int = 1
    escalations: int = 0
    trace_id: str | None = None
    records: dict[str, Any]
    resolutions: tuple[Resolution, ...] = ()

    def answer(self) -> str:
        """What the waiting run is told: the last decision, and the records, edited or not."""
        decision = self.resolutions[-1].decision
        told = decision.model_dump(exclude={"edit"}) | {"step": self.step}
        records = merge_patch(self.records, decision.edit or {})
        edited = decision.edit is not None
        return json.dumps({"remediation": told, "records": records, "edited": edited})


class StepError(Canonical):
    """A step's failure as Step Functions tells it; Lambda's cause is JSON with the message."""

    name: Text = Field(alias="Error")
    cause: str = Field(alias="Cause", default="")

    @property
    def message(self) -> str:
        """The error's own text."""
        try:
            return str(json.loads(self.cause)["errorMessage"])
        except (ValueError, KeyError, TypeError):
            return self.cause


class RaiseException(Canonical):
    """What a state machine knows of a failed step, and the token that it waits with."""

    token: Text
    correlation_id: RecordId
    execution: Text
    workflow: Text
    step: Text
    error: StepError
    records: dict[str, Any]
    escalations: Annotated[int, Field(ge=0)]

    def exception(self, **routed: Any) -> BusinessException:
        """The exception, with what the routing decided."""
        return BusinessException(
            id=exception_id(self.execution, self.step),
            correlation_id=self.correlation_id,
            execution=self.execution,
            workflow=self.workflow,
            step=self.step,
            error=self.error.name,
            message=self.error.message,
            records=self.records,
            escalations=self.escalations,
            **routed,
        )


def news(exception: BusinessException, kind: str, at: datetime) -> Event:
    """The event that tells of an exception; it carries no records."""
    facts = exception.model_dump(
        mode="json", include={"id", "workflow", "step", "error", "message", "team", "due_at"}
    )
    if exception.resolutions:
        facts["decision"] = exception.resolutions[-1].decision.model_dump(exclude={"edit"})
    return Event(
        id=f"{exception.id}-{kind}-{at.timestamp():.6f}",
        type=kind,
        source="interlock",
        subject=exception.id,
        occurred_at=at,
        correlation_id=exception.correlation_id,
        data=facts,
    )


def exception_id(execution: str, step: str) -> str:
    """Short enough to type, the same for the same step of the same run."""
    return "EX-" + hashlib.sha256(f"{execution}#{step}".encode()).hexdigest()[:10]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: objects merge, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


@dataclass
class Exceptions:
    """The store in its DynamoDB table; `clock` returns seconds since the epoch."""

    table: str
    clock: Callable[[], float] = time.time
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> Exceptions:
        """The store of this function's environment."""
        return cls(ExceptionsSettings.load().exceptions_table)

    def now(self) -> datetime:
        """The present, aware UTC."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def raise_(self, exception: BusinessException, token: str) -> BusinessException:
        """Open it, or open it again with the counts and decisions it already has."""
        known = self._row(exception.id)
        if known:
            before = _parse(known)
            exception = exception.model_copy(
                update={
                    "raised_at": before.raised_at,
                    "occurrences": before.occurrences + (before.status != "open"),
                    "resolutions": before.resolutions,
                }
            )
        self._client.put_item(TableName=self.table, Item=_item(exception, token))
        return exception

    def get(self, id: str) -> BusinessException:
        """Raises RecordNotFound."""
        return self._read(id)[0]

    def by_status(
        self, status: str, limit: int, team: str | None = None
    ) -> tuple[BusinessException, ...]:
        """Those with a status, of one team if it is given, the first due first."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName="by_status",
            KeyConditionExpression=Key("status").eq(status),
        )
        rows = (row for page in pages for row in page["Items"] if team in (None, row["team"]))
        return tuple(_parse(row) for row in islice(rows, limit))

    def decide(self, id: str, resolution: Resolution) -> tuple[BusinessException, str]:
        """Record the decision; returns the exception and the token to answer.

        Deciding the same again is harmless, so a decision whose answer got lost can be repeated.
        Raises RecordNotFound, and BusinessRuleViolation for an action that the step does not
        allow, for a link of a record that the run does not have, or when someone decided otherwise.
        """
        exception, token = self._read(id)
        last = exception.resolutions[-1].decision if exception.resolutions else None
        if exception.status != "open" and last == resolution.decision:
            return exception, token
        if exception.status != "open":
            raise BusinessRuleViolation(
                [f"is already {exception.status}: {last.action} by {last.by}"], record=id
            )
        if resolution.decision.action not in exception.actions:
            allowed = ", ".join(exception.actions)
            raise BusinessRuleViolation(
                [f"{exception.step} can only be resolved by: {allowed}"], record=id
            )
        record = resolution.decision.record
        if record is not None and json.dumps(record) not in json.dumps(exception.records):
            raise BusinessRuleViolation(
                [f"the run has no record {record}: the exception names the one that failed"],
                record=id,
            )
        decided = exception.model_copy(
            update={"status": "resolving", "resolutions": (*exception.resolutions, resolution)}
        )
        self._replace(decided, token, "open")
        return decided, token

    def close(self, exception: BusinessException, token: str) -> BusinessException:
        """The run has heard the decision. One that was raised again meanwhile stays open."""
        resolved = exception.model_copy(update={"status": "resolved"})
        try:
            self._replace(resolved, token, "resolving")
        except BusinessRuleViolation:
            return self.get(exception.id)
        return resolved

    def _replace(self, exception: BusinessException, token: str, expected: str) -> None:
        try:
            self._client.put_item(
                TableName=self.table,
                Item=_item(exception, token),
                ConditionExpression=Attr("status").eq(expected) & Attr("token").eq(token),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise BusinessRuleViolation(
                ["changed while it was decided: look at it again"], record=exception.id
            ) from None

    def _read(self, id: str) -> tuple[BusinessException, str]:
        row = self._row(id)
        if row is None:
            raise RecordNotFound("no such exception: see `interlock exceptions`", record=id)
        return _parse(row), row["token"]

    def _row(self, id: str) -> dict[str, Any] | None:
        answer = self._client.get_item(TableName=self.table, Key={"id": id}, ConsistentRead=True)
        return answer.get("Item")


def _item(exception: BusinessException, token: str) -> dict[str, Any]:
    """What is queried by is a column; the whole is JSON, so that no number changes its type."""
    return {
        "id": exception.id,
        "status": exception.status,
        "due_at": exception.due_at.isoformat(),
        "correlation_id": exception.correlation_id,
        "team": exception.team,
        "token": token,
        "content": exception.model_dump_json(),
    }


def _parse(row: dict[str, Any]) -> BusinessException:
    return BusinessException.model_validate(json.loads(row["content"]))

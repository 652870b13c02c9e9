"""An execution's states, read from its history.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from interlock.remediation import StepError

RUNNING = "RUNNING"


@dataclass
class Visit:
    """One time that the execution was in a state of the definition's top level.

    `kind` is the state's type. `error` is what it failed with, whether caught or not. `items` is
    how many items a Map has, `done` how many of them succeeded. `waits` for a task token.
    """

    state: str
    kind: str
    entered: datetime
    exited: datetime | None = None
    error: StepError | None = None
    items: int | None = None
    done: int = 0
    waits: bool = False

    @property
    def status(self) -> str:
        """SUCCEEDED, FAILED (the execution went on, if it was caught), WAITING or RUNNING."""
        if self.error:
            return "FAILED"
        if self.exited:
            return "SUCCEEDED"
        return "WAITING" if self.waits else RUNNING

    def seconds(self, now: datetime) -> float:
        """How long it lasted, until now if it still does."""
        return ((self.exited or now) - self.entered).total_seconds()


@dataclass(frozen=True)
class StateRun:
    """Every visit to a state, as one."""

    visits: tuple[Visit, ...]

    @property
    def last(self) -> Visit:
        """The visit that counts."""
        return self.visits[-1]

    @property
    def error(self) -> StepError | None:
        """The latest failure, mended or not."""
        return next((visit.error for visit in reversed(self.visits) if visit.error), None)

    def seconds(self, now: datetime) -> float:
        """In all visits together."""
        return sum(visit.seconds(now) for visit in self.visits)


def read(states: Any, execution_arn: str) -> list[Visit]:
    """The visits of an execution, oldest first; `states` is a boto3 client."""
    pages = states.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, includeExecutionData=False
    )
    return visits(event for page in pages for event in page["events"])


def records_at(states: Any, execution_arn: str, step: str | None) -> dict[str, Any] | None:
    """The records that an execution had when it last entered a step; without one, in the end.

    None if it never had any there.

    They are a variable: each state that assigns it says so when it is left.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StateExitedEventDetails.html
    """
    records: str | None = None
    found: str | None = None
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    for event in (event for page in pages for event in page["events"]):
        details = _details(event)
        records = details.get("assignedVariables", {}).get("records", records)
        if event["type"].endswith("StateEntered") and details["name"] == step:
            found = records
    kept = found if step else records
    return json.loads(kept) if kept else None


def visits(events: Iterable[dict[str, Any]]) -> list[Visit]:
    """What is entered while a state is still open is inside of it: the items of a Map."""
    found: list[Visit] = []
    for event in events:
        kind, details = event["type"], _details(event)
        visit = found[-1] if found and found[-1].exited is None else None
        if visit is None:
            if kind.endswith("StateEntered"):
                state_type = kind.removesuffix("StateEntered")
                found.append(Visit(details["name"], state_type, event["timestamp"].astimezone(UTC)))
        elif kind.endswith("StateExited") and details["name"] == visit.state:
            visit.exited = event["timestamp"].astimezone(UTC)
        else:
            _note(visit, kind, details)
    return found


def by_state(all_visits: Iterable[Visit]) -> dict[str, StateRun]:
    """The states in the order in which each was entered first."""
    grouped: dict[str, tuple[Visit, ...]] = {}
    for visit in all_visits:
        grouped[visit.state] = (*grouped.get(visit.state, ()), visit)
    return {state: StateRun(of_state) for state, of_state in grouped.items()}


def _note(visit: Visit, kind: str, details: dict[str, Any]) -> None:
    """What happened while the execution was in a state."""
    if kind == "MapStateStarted" and visit.kind == "Map":
        visit.items = details["length"]
    elif kind == "MapIterationSucceeded":
        visit.done += 1
    elif kind == "TaskScheduled" and details["resource"].endswith(".waitForTaskToken"):
        visit.waits = True
    elif kind == f"{visit.kind}Succeeded" or kind == f"{visit.kind}StateSucceeded":
        visit.error = None  # of an attempt before this one
    elif "error" in details:
        visit.error = StepError(Error=details["error"], Cause=details.get("cause") or "")


def _details(event: dict[str, Any]) -> dict[str, Any]:
    """A history event has one key that ends so, whatever its type."""
    for name, value in event.items():
        if name.endswith("EventDetails"):
            return value
    return {}

"""What has become of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from interlock.executions import Execution, Executions

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:interlock-lead-to-order"
ENDED_AT = datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC)


class ExecutionDoesNotExist(Exception):
    """As Step Functions says it."""


class StepFunctions:
    """Answers what it was given, by the execution's name."""

    exceptions = SimpleNamespace(ExecutionDoesNotExist=ExecutionDoesNotExist)

    def __init__(self, **executions: dict[str, Any]) -> None:
        self._executions = executions
        self.listed = 0

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        """As the API has it."""
        machine, _, name = executionArn.rpartition(":")
        assert machine == MACHINE.replace(":stateMachine:", ":execution:")
        if name not in self._executions:
            raise ExecutionDoesNotExist
        return self._executions[name]

    def get_paginator(self, operation: str) -> Any:
        """Of the list, an execution a page."""
        assert operation == "list_executions"
        return SimpleNamespace(paginate=self._paginate)

    def _paginate(self, *, stateMachineArn: str, statusFilter: str) -> Iterator[dict[str, Any]]:
        assert stateMachineArn == MACHINE
        self.listed += 1
        for name, execution in self._executions.items():
            if execution["status"] == statusFilter:
                yield {"executions": [{"name": name}]}


@pytest.mark.parametrize(
    ("answer", "execution"),
    [
        ({"status": "RUNNING"}, Execution("RUNNING")),
        (
            {"status": "SUCCEEDED", "output": json.dumps({"status": "not won"})},
            Execution("SUCCEEDED", "not won", ENDED_AT),
        ),
        ({"status": "SUCCEEDED", "output": "[]"}, Execution("SUCCEEDED", None, ENDED_AT)),
        ({"status": "ABORTED", "error": "Op"}, Execution("ABORTED", None, ENDED_AT)),
    ],
)
def test_a_run(answer: dict[str, Any], execution: Execution) -> None:
    stopped = {} if answer["status"] == "RUNNING" else {"stopDate": ENDED_AT}

    assert Executions(MACHINE, StepFunctions(T1=answer | stopped)).of("T1") == execution


def test_no_such_run() -> None:
    assert Executions(MACHINE, StepFunctions()).of("T1") is None


def test_a_replay_that_is_at_work_is_the_transactions_run() -> None:
    """The transaction's own run has ended; its replay is named after both."""
    own = {"status": "FAILED", "stopDate": ENDED_AT}
    client = StepFunctions(**{"T1": own, "T1-replay-1": {"status": "RUNNING"}, "T12": own})
    executions = Executions(MACHINE, client)

    assert executions.of("T1") == Execution("RUNNING")
    assert executions.of("T12") == Execution("FAILED", None, ENDED_AT)
    assert executions.of("T") is None
    assert client.listed == 1

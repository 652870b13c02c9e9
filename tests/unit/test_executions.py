"""What has become of a run."""

from __future__ import annotations

import json
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
    """Answers what it was given, by the execution's ARN."""

    exceptions = SimpleNamespace(ExecutionDoesNotExist=ExecutionDoesNotExist)

    def __init__(self, **executions: dict[str, Any]) -> None:
        self._executions = executions

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        """As the API has it."""
        machine, _, name = executionArn.rpartition(":")
        assert machine == MACHINE.replace(":stateMachine:", ":execution:")
        if name not in self._executions:
            raise ExecutionDoesNotExist
        return self._executions[name]


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

    assert Executions(MACHINE, StepFunctions(T1=answer | stopped)).get("T1") == execution


def test_no_such_run() -> None:
    assert Executions(MACHINE, StepFunctions()).get("T1") is None

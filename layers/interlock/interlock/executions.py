"""What has become of a workflow's runs, asked of Step Functions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from interlock import aws
from interlock.settings import Settings


class ExecutionSettings(Settings):
    """The workflow: its state machine's ARN."""

    state_machine: str


@dataclass(frozen=True)
class Execution:
    """A run: its status as Step Functions calls it, how it says it ended, and when.

    `outcome` is the status in its output (`accepted`, `cancelled`, `not won`); it and `ended_at`
    are None while it runs, and `outcome` of a run that did not end by itself too.
    """

    status: str
    outcome: str | None = None
    ended_at: datetime | None = None


@dataclass
class Executions:
    """The runs of one state machine; which of them are at work is read once."""

    state_machine: str
    _client: Any = field(default_factory=lambda: aws.client("stepfunctions"))

    @classmethod
    def load(cls) -> Executions:
        """Those of the workflow in this function's environment."""
        return cls(ExecutionSettings.load().state_machine)

    def of(self, correlation_id: str) -> Execution | None:
        """A transaction's run: the one that is at work, which may be a replay, else its own.

        A run is named after its transaction, a replay too, with something more. None when there is
        none, or none any more: runs are kept for 90 days. One that has begun in this very moment
        may still be missing.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
        """
        names = (correlation_id, f"{correlation_id}-")
        if any(name == names[0] or name.startswith(names[1]) for name in self._at_work):
            return Execution("RUNNING")
        arn = self.state_machine.replace(":stateMachine:", ":execution:")
        try:
            found = self._client.describe_execution(executionArn=f"{arn}:{correlation_id}")
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        output = json.loads(found.get("output") or "null")
        return Execution(
            status=found["status"],
            outcome=output.get("status") if isinstance(output, dict) else None,
            ended_at=found.get("stopDate"),
        )

    @cached_property
    def _at_work(self) -> list[str]:
        """https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html"""
        pages = self._client.get_paginator("list_executions").paginate(
            stateMachineArn=self.state_machine, statusFilter="RUNNING"
        )
        return [execution["name"] for page in pages for execution in page["executions"]]

"""What has become of a workflow's runs, asked of Step Functions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
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
    """The runs of one state machine."""

    state_machine: str
    _client: Any = field(default_factory=lambda: aws.client("stepfunctions"))

    @classmethod
    def load(cls) -> Executions:
        """Those of the workflow in this function's environment."""
        return cls(ExecutionSettings.load().state_machine)

    def get(self, name: str) -> Execution | None:
        """One run, None when there is none, or none any more: they are kept for 90 days.

        One that has begun in this very moment may still be missing.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
        """
        arn = self.state_machine.replace(":stateMachine:", ":execution:")
        try:
            found = self._client.describe_execution(executionArn=f"{arn}:{name}")
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        output = json.loads(found.get("output") or "null")
        return Execution(
            status=found["status"],
            outcome=output.get("status") if isinstance(output, dict) else None,
            ended_at=found.get("stopDate"),
        )

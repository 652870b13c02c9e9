"""The executions of a transaction: the run that its event started, and its replays.

A run is named after its transaction, a replay `<transaction>-replay-<n>`. Step Functions keeps an
execution for 90 days after its end.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

import re
from itertools import count
from typing import Any

from local.cli.errors import Failure
from local.cli.target import Resource, Target

STATE_MACHINE = "AWS::StepFunctions::StateMachine"
LONGEST_NAME = 80
# PENDING_REDRIVE is what was restarted by hand in the console, and goes on in a moment.
OPEN = {"RUNNING", "PENDING_REDRIVE"}
_DRY_RUN = re.compile(r"-dry-run-\d+$")


def find(target: Target, name: str) -> tuple[Resource, dict[str, Any]]:
    """The execution of this name, and its state machine. Raises Failure when there is none."""
    for machine in target.of_type(STATE_MACHINE):
        if description := describe(target, machine.physical_id, name):
            return machine, description
    raise Failure(f"there is no run {name!r}: see `interlock runs`")


def describe(target: Target, machine_arn: str, name: str) -> dict[str, Any] | None:
    """What Step Functions knows of an execution; None when there is none."""
    states = target.client("stepfunctions")
    try:
        return states.describe_execution(executionArn=arn_of(machine_arn, name))
    except (states.exceptions.ExecutionDoesNotExist, states.exceptions.InvalidArn):
        return None


def attempts(target: Target, machine_arn: str, transaction: str) -> list[dict[str, Any]]:
    """The run of a transaction and its replays, in the order in which they were started."""
    run = describe(target, machine_arn, transaction)
    found = [run] if run else []
    for number in count(1):
        replay = describe(target, machine_arn, name_of("replay", transaction, number))
        if replay is None:
            return found
        found.append(replay)


def name_of(kind: str, transaction: str, number: int) -> str:
    """The name of the n-th `replay` or `dry-run` of a transaction."""
    suffix = f"-{kind}-{number}"
    return transaction[: LONGEST_NAME - len(suffix)] + suffix


def is_dry_run(name: str) -> bool:
    """Whether an execution of this name is a dry run."""
    return _DRY_RUN.search(name) is not None


def arn_of(machine_arn: str, name: str) -> str:
    """The ARN of a state machine's execution."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

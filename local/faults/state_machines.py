"""Makes calls that state machines make themselves fail as planned: publishing an event.

Step Functions tells of an entry that EventBridge did not take with EventBridge.FailedEntry:
https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from local.cloud import LocalCloud
from local.faults.planned import Invocation, the_mark_in

CALL = "AWS AWSEvents.PutEvents"
FAILED = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}


class _Answer:
    """What botocore looks at of an HTTP answer when nothing was sent."""

    status_code = 200


def watch(cloud: LocalCloud, directory: Path) -> None:
    """Watch every state machine of the cloud from now on."""
    states = cloud.client("stepfunctions")
    for machine in states.list_state_machines()["stateMachines"]:
        arn = machine["stateMachineArn"]
        role = states.describe_state_machine(stateMachineArn=arn)["roleArn"]
        _Watch(directory, machine["name"]).over(cloud.client_of_role("events", role))


class _Watch:
    """The calls of one state machine."""

    def __init__(self, directory: Path, machine: str) -> None:
        self._directory = directory
        self._machine = machine

    def over(self, client: Any) -> None:
        """Watch the client that its tasks call EventBridge with."""
        client.meta.events.register("before-call.events.PutEvents", self._before)
        client.meta.events.register("after-call.events.PutEvents", self._after)

    def _before(
        self, params: dict[str, Any], context: dict[str, Any], **rest: Any
    ) -> tuple[_Answer, dict[str, Any]] | None:
        body = params["body"]
        text = body.decode() if isinstance(body, bytes) else body
        mark = the_mark_in(text, self._directory)
        if mark is None:
            return None
        fault = Invocation(self._directory, mark, self._machine, "").fault_of(CALL)
        context["planned"] = fault and fault["kind"]
        return (_Answer(), dict(FAILED)) if context["planned"] == "crash_before" else None

    @staticmethod
    def _after(parsed: dict[str, Any], context: dict[str, Any], **rest: Any) -> None:
        """The event is there, and the state machine is told that it is not."""
        if context.get("planned"):
            parsed.update(FAILED)

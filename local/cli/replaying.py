"""Replays: what is replayed of a transaction, its dry run, and its start in earnest.

A replay is a new execution of the same state machine for the same event, so it belongs to the same
transaction. From a step on, it takes over the records that an earlier execution had there.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from interlock.events import Event
from interlock.plans import Plan
from interlock.remediation import StepError, exception_id
from pydantic import ValidationError

from local.cli import executions, history, transaction
from local.cli.definition import Definition
from local.cli.errors import Failure
from local.cli.functions import invoke
from local.cli.target import Target

POLL_SECONDS = 0.2
AT_ONCE = 10  # dry runs side by side: the systems that they ask have limits
_STATE_MACHINE = re.compile(r'"state_machine":\s*"(arn:[^"]+)"')


@dataclass(frozen=True)
class Replay:
    """What is replayed: an event, or an execution's event from a step with what it knew there.

    `machine` is the state machine's ARN, `of` the name of the execution that is replayed.
    """

    event: Event
    machine: str
    of: str
    step: str | None = None
    records: dict[str, Any] | None = None

    def input(self, by: str, *, dry_run: bool) -> str:
        """The execution's input: the event, and what the definition needs to know of the replay."""
        replay = {"of": self.of, "by": by, "dry_run": dry_run}
        if self.step:
            replay |= {"step": self.step, "records": self.records}
        return json.dumps(self.event.model_dump(mode="json") | {"replay": replay})


@dataclass(frozen=True)
class Rehearsal:
    """A replay's dry run: its execution, how that ended, and what would be written."""

    replay: Replay
    name: str
    status: str
    output: dict[str, Any]
    plans: tuple[Plan, ...]

    @property
    def problem(self) -> str | None:
        """Why the replay would not go through, as far as a dry run can tell."""
        if self.status != "SUCCEEDED":
            return f"the dry run itself ended as {self.status}: see `interlock runs {self.name}`"
        if "failed_step" not in self.output:
            return None
        error = StepError.model_validate(self.output["error"])
        return f"{self.output['failed_step']} would fail: {error.name}: {error.message}"


def starters(target: Target) -> dict[str, str]:
    """The ARN of the state machine that an event starts, by the event's type.

    It is in the rules of the integration bus that put a start on the start queue.
    """
    events, bus = target.client("events"), target.id("IntegrationBus")
    queue = target.client("sqs").get_queue_attributes(
        QueueUrl=target.id("StartQueue"), AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    found: dict[str, str] = {}
    names = events.list_rule_names_by_target(TargetArn=queue, EventBusName=bus)["RuleNames"]
    for name in names:
        rule = events.describe_rule(Name=name, EventBusName=bus)
        targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
        [template] = [
            each["InputTransformer"]["InputTemplate"] for each in targets if each["Arn"] == queue
        ]
        machine = _STATE_MACHINE.search(template)
        for kind in json.loads(rule["EventPattern"])["detail-type"]:
            found[kind] = machine[1]
    return found


def of_event(target: Target, transaction_id: str, event_id: str | None) -> Replay:
    """The event of a transaction that started its workflow, or the one with this id.

    Raises Failure that lists what there is.
    """
    events = transaction.timeline(target, transaction_id)
    if not events:
        raise Failure(f"there is no event of transaction {transaction_id!r}: see `interlock runs`")
    started_by = starters(target)
    listed = "; ".join(f"{event.type} {event.id}" for event in events)
    if event_id:
        events = tuple(event for event in events if event.id == event_id)
        if not events:
            raise Failure(f"{transaction_id} has no event {event_id!r}; it has: {listed}")
    starting = [event for event in events if event.type in started_by]
    if not starting:
        kinds = ", ".join(sorted(started_by))
        raise Failure(f"only {kinds} start a workflow; {transaction_id} has: {listed}")
    if len(starting) > 1:
        raise Failure(f"{transaction_id} was started by several events, name one of: {listed}")
    [event] = starting
    return Replay(event, started_by[event.type], of=event.correlation_id)


def of_run(target: Target, name: str, step: str | None) -> Replay:
    """An execution from a step on, by default the one at which it ended without success.

    It goes on with the records that it had when it came to the step; from a step of the
    compensation, to which it need not have come, with those that it had in the end. Raises Failure
    that lists the steps there are.
    """
    try:
        machine, execution = executions.find(target, name)
    except Failure:
        if step and (kept := _of_exception(target, name, step)):
            return kept
        raise
    if execution["status"] in executions.OPEN:
        raise _still_open(name)
    event, arn = _event(execution), execution["executionArn"]
    states = target.client("stepfunctions")
    definition = Definition.read(target, machine.physical_id)
    entered = [v.state for v in history.read(states, arn) if v.state in definition.steps]
    reached = ", ".join(dict.fromkeys(entered)) or "none"
    if step is None:
        if execution["status"] == "SUCCEEDED" or not entered:
            raise Failure(f"say from which --step {name} goes on; it was at {reached}")
        step = entered[-1]
    if step not in entered and not definition.takes_back(step):
        raise Failure(f"{name} was never at a step {step!r}; it was at {reached}")
    records = history.records_at(states, arn, step if step in entered else None)
    return Replay(event, machine.physical_id, of=name, step=step, records=records)


def refuse_if_open(target: Target, replay: Replay) -> None:
    """Raises Failure while the transaction has an execution that has not ended."""
    for attempt in executions.attempts(target, replay.machine, replay.event.correlation_id):
        if attempt["status"] in executions.OPEN:
            raise _still_open(attempt["name"])


def start(target: Target, replay: Replay, by: str, *, dry_run: bool) -> str:
    """Start an execution under the next free name: its name.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    states = target.client("stepfunctions")
    kind = "dry-run" if dry_run else "replay"
    content = replay.input(by, dry_run=dry_run)
    for number in count(1):
        name = executions.name_of(kind, replay.event.correlation_id, number)
        try:
            states.start_execution(stateMachineArn=replay.machine, name=name, input=content)
        except states.exceptions.ExecutionAlreadyExists:
            continue
        return name


def rehearse(
    target: Target, replays: list[Replay], by: str, told: Callable[[str], None]
) -> Iterator[Rehearsal]:
    """The dry run of each replay, in their order; some run side by side. `told` hears of each."""
    waiting = deque(enumerate(replays))
    going: dict[int, str] = {}
    done: dict[int, Rehearsal] = {}
    following = 0
    while following < len(replays):
        while waiting and len(going) < AT_ONCE:
            position, replay = waiting.popleft()
            told(f"dry run of {replay.event.correlation_id}, {position + 1} of {len(replays)}")
            going[position] = start(target, replay, by, dry_run=True)
        for position, name in list(going.items()):
            execution = executions.describe(target, replays[position].machine, name)
            if execution["status"] not in executions.OPEN:
                done[position] = _rehearsal(target, replays[position], execution)
                del going[position]
        while following in done:
            yield done.pop(following)
            following += 1
        if going:
            time.sleep(POLL_SECONDS)


def _rehearsal(target: Target, replay: Replay, execution: dict[str, Any]) -> Rehearsal:
    return Rehearsal(
        replay=replay,
        name=execution["name"],
        status=execution["status"],
        output=json.loads(execution.get("output") or "{}"),
        plans=transaction.plans(target, execution["name"]),
    )


def _of_exception(target: Target, name: str, step: str) -> Replay | None:
    """From the exception that an execution raised at this step: it is kept for good."""
    for machine in target.of_type(executions.STATE_MACHINE):
        id = exception_id(executions.arn_of(machine.physical_id, name), step)
        answer = invoke(target, "ListExceptionsFunction", {"id": id})
        if not answer.failed:
            records = answer.payload["exceptions"][0]["records"]
            event = Event.model_validate(records["event"])
            return Replay(event, machine.physical_id, of=name, step=step, records=records)
    return None


def _event(execution: dict[str, Any]) -> Event:
    content = json.loads(execution["input"])
    replay = content.pop("replay", {})
    if replay.get("dry_run"):
        raise Failure(f"{execution['name']} is a dry run: replay {replay['of']}")
    try:
        return Event.model_validate(content)
    except ValidationError:
        raise Failure(f"{execution['name']} was not started for an event: see its input") from None


def _still_open(name: str) -> Failure:
    return Failure(
        f"{name} is still running: let it end, or resolve its exception (interlock runs {name})"
    )

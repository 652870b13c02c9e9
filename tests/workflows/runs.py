"""Driving lead to order from outside: win a deal, follow its run, take a team's decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from interlock.connectors.crm import salesforce_events
from interlock.events import Event
from interlock.remediation import BusinessException
from moto.scheduler.models import scheduler_backends

from local.cloud.names import ACCOUNT, REGION
from local.environment import LocalEnvironment
from local.sandboxes.salesforce_seed import OPEN_STAGE, close_won
from local.sandboxes.salesforce_store import ORGANIZATION_ID

SECONDS = 30
GONE = "not-there"
"""The name of what is not there, where a function looks for it."""

QUEUES = ("SalesforceInbox", "StripeInbox", "StartQueue", "TimelineQueue", "WakeQueue")


class FunctionFailed(Exception):
    """A function ended with an error: its name and its text."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


@dataclass(frozen=True)
class DeadLetter:
    """A message that was set aside, and why."""

    body: str
    code: str
    reason: str

    @classmethod
    def of(cls, message: dict[str, Any]) -> DeadLetter:
        """From a message with its attributes."""
        attributes = message["MessageAttributes"]
        code, reason = (attributes[f"ERROR_{n}"]["StringValue"] for n in ("CODE", "MESSAGE"))
        return cls(message["Body"], code, reason)


class Machine:
    """A state machine in an environment; `resource` is its logical id."""

    resource: str

    def __init__(self, environment: LocalEnvironment) -> None:
        self.environment = environment
        self.cloud = environment.cloud

    @property
    def arn(self) -> str:
        """Its address."""
        return self.cloud.resources[self.resource]

    @property
    def machine(self) -> dict[str, Any]:
        """The state machine as it is deployed: its definition as text, its role, and more."""
        return self.cloud.client("stepfunctions").describe_state_machine(stateMachineArn=self.arn)

    @property
    def steps(self) -> set[str]:
        """The names of the states that work: tasks and maps."""
        states = json.loads(self.machine["definition"])["States"]
        return {name for name, state in states.items() if state["Type"] in ("Task", "Map")}

    def call(self, function: str, payload: dict[str, Any]) -> Any:
        """Invoke a function as its caller does. Raises FunctionFailed."""
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.cloud.function(function).name, Payload=json.dumps(payload)
        )
        content = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionFailed(content["errorType"], content["errorMessage"])
        return content

    @contextmanager
    def broken(self, function: str) -> Iterator[None]:
        """A function that is deployed with an error: no handler; idle ones are gone."""
        deployed = self.cloud.function(function)
        handler, deployed.handler = deployed.handler, "handler.gone"
        self.cloud.end_idle_processes(function)
        try:
            yield
        finally:
            deployed.handler = handler
            self.cloud.end_idle_processes(function)

    @contextmanager
    def without(self, function: str, resource: str) -> Iterator[None]:
        """A function whose environment names a resource that is not there: it fails at that."""
        environment = self.cloud.function(function).environment
        before = environment[resource]
        environment[resource] = GONE
        self.cloud.end_idle_processes(function)
        try:
            yield
        finally:
            environment[resource] = before
            self.cloud.end_idle_processes(function)

    def forget_milestones(self) -> None:
        """No contract that was signed so far becomes due."""
        group = self.cloud.resources["MilestoneSchedules"]
        scheduler_backends[ACCOUNT][REGION].schedule_groups[group].schedules.clear()

    def send(self, queue_url: str, *bodies: str) -> None:
        """Put messages into a queue, together."""
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
        self.cloud.client("sqs").send_message_batch(QueueUrl=queue_url, Entries=entries)

    def take_dead_letters(self, queue: str) -> list[DeadLetter]:
        """What was set aside; it is deleted there."""
        sqs, url = self.cloud.client("sqs"), self.cloud.resources[queue]
        received = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        for message in received.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [DeadLetter.of(message) for message in received.get("Messages", [])]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table of the stack, in DynamoDB's own types."""
        scan = self.cloud.client("dynamodb").get_paginator("scan")
        pages = scan.paginate(TableName=self.cloud.resources[table])
        return [row for page in pages for row in page["Items"]]

    def running(self) -> list[Run]:
        """The runs that have not ended."""
        listed = self.cloud.client("stepfunctions").list_executions(
            stateMachineArn=self.arn, statusFilter="RUNNING"
        )
        return [Run(self, execution["name"]) for execution in listed["executions"]]

    def executions(self) -> list[str]:
        """The names of every run there was."""
        client = self.cloud.client("stepfunctions")
        pages = client.get_paginator("list_executions").paginate(stateMachineArn=self.arn)
        return [execution["name"] for page in pages for execution in page["executions"]]

    def runs_of(self, record: str) -> list[str]:
        """The names of every run there was for a record."""
        return [name for name in self.executions() if name.startswith(f"{record}-")]

    def settle(self) -> None:
        """Until nothing works, and no queue holds a message that is to be handled."""
        urls = [self.cloud.resources[queue] for queue in QUEUES]
        self.wait_until(lambda: not any(map(self._messages, urls)))

    def wait_until(self, condition: Callable[[], Any], *, jump: bool = True) -> None:
        """Until the condition holds; without `jump`, a run that backs off stays where it is.

        It looks only while nothing works: looking takes time from what does.
        """
        self.cloud.run_until(lambda: self.cloud.is_still and condition(), SECONDS, jump=jump)

    def _messages(self, url: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def replay(self, event: Event, name: str, **replay: Any) -> Run:
        """Start an execution for an event again, under a name of its own."""
        run = Run(self, name, event.correlation_id)
        self.cloud.client("stepfunctions").start_execution(
            stateMachineArn=self.arn,
            name=name,
            input=json.dumps(event.model_dump(mode="json") | {"replay": replay}),
        )
        return run


class Workflow(Machine):
    """Lead to order: it starts as in production, by an event of the CRM."""

    resource = "LeadToOrder"

    def __init__(self, environment: LocalEnvironment) -> None:
        super().__init__(environment)
        self._events: list[dict[str, Any]] = []
        self._held_back = False
        environment.organization.on_change = self._on_change

    def win(self, deal: str) -> Run:
        """A seller closes the deal; the run that this starts."""
        return self.run_of(self._closed_won(deal))

    def reopen(self, deal: str) -> None:
        """A seller takes the win back."""
        self.environment.organization.update("Opportunity", deal, {"StageName": OPEN_STAGE})

    def win_unnoticed(self, deal: str) -> dict[str, Any]:
        """A seller closes the deal, but the event does not arrive yet: the event."""
        with self.held_back():
            return self._closed_won(deal)

    def run_of(self, event: dict[str, Any]) -> Run:
        """The run that a change event starts, by the deterministic name of the transaction."""
        header = event["detail"]["payload"]["ChangeEventHeader"]
        return Run(self, f"{header['recordIds'][0]}-{header['commitTimestamp']}")

    @contextmanager
    def held_back(self):
        """Changes in the CRM whose events do not arrive."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False

    def event_of(self, event: dict[str, Any]) -> Event:
        """The canonical event that a change event becomes."""
        [translated] = salesforce_events.translate(
            event,
            connection="salesforce",
            organisation=ORGANIZATION_ID,
            won_stages={"Closed Won"},
            lost_stages={"Closed Lost"},
        )
        return translated

    def send_to_inbox(self, *bodies: str) -> None:
        """Put messages into Salesforce's inbox, as its bus does."""
        self.send(self.cloud.resources["SalesforceInbox"], *bodies)

    def repetitions(self, event: dict[str, Any]) -> int:
        """How often a delivery came again, as the table of deliveries counts it."""
        header = event["detail"]["payload"]["ChangeEventHeader"]
        key = f"{header['transactionKey']}-{header['sequenceNumber']}"
        rows = [row for row in self.rows("DeliveriesTable") if key in row["data"]["S"]]
        [row] = rows
        return int(row.get("repetitions", {"N": "0"})["N"])

    def _closed_won(self, deal: str) -> dict[str, Any]:
        self._events.clear()
        close_won(self.environment.organization, deal)
        [event] = self._events
        return event

    def _on_change(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if not self._held_back:
            self.environment.publish(event)


class Run:
    """One execution, of the transaction that it is named after or replays."""

    def __init__(self, workflow: Machine, name: str, transaction: str | None = None) -> None:
        self.name = name
        self.transaction = transaction or name
        self.deal = name.split("-")[0]
        self._workflow = workflow
        self._cloud = workflow.cloud
        self._states = workflow.cloud.client("stepfunctions")
        self.arn = f"{workflow.arn.replace(':stateMachine:', ':execution:')}:{name}"

    @property
    def status(self) -> str | None:
        """As Step Functions calls it; None while there is no such execution."""
        try:
            return self._states.describe_execution(executionArn=self.arn)["status"]
        except self._states.exceptions.ExecutionDoesNotExist:
            return None

    @property
    def states(self) -> list[str]:
        """The names of the states that were entered, in order."""
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self._history()
            if "stateEnteredEventDetails" in event
        ]

    def count(self, state: str) -> int:
        """How often a state was entered."""
        return self.states.count(state)

    @property
    def back_offs(self) -> list[float]:
        """How long the run waited before each further attempt, in seconds."""
        entered = None
        waits = []
        for event in self._history():
            if event.get("stateEnteredEventDetails", {}).get("name") == "BackOff":
                entered = event["timestamp"]
            if event.get("stateExitedEventDetails", {}).get("name") == "BackOff":
                waits.append((event["timestamp"] - entered).total_seconds())
        return waits

    @property
    def timeline(self) -> list[Event]:
        """The transaction's events on the business timeline, oldest first."""
        self._workflow.settle()
        rows = self._cloud.client("dynamodb").query(
            TableName=self._cloud.resources["TimelineTable"],
            KeyConditionExpression="correlation_id = :c",
            ExpressionAttributeValues={":c": {"S": self.transaction}},
        )["Items"]
        return [Event.model_validate_json(row["event"]["S"]) for row in rows]

    @property
    def events(self) -> list[str]:
        """The types of the transaction's events, oldest first."""
        return [event.type for event in self.timeline]

    def wait_for_end(self) -> dict[str, Any]:
        """Until the run has ended by itself, without an exception: its output."""
        self.wait_until(lambda: self.exceptions("open") or self._has_ended())
        waiting = self.exceptions("open")
        assert not waiting, f"{waiting[0].step}: {waiting[0].error}: {waiting[0].message}"
        described = self._states.describe_execution(executionArn=self.arn)
        assert described["status"] == "SUCCEEDED", described
        return json.loads(described["output"])

    def wait_for_exception(self) -> BusinessException:
        """Until the run waits for a team: its exception."""
        self.wait_until(lambda: self.exceptions("open") or self._has_ended())
        waiting = self.exceptions("open")
        assert waiting, f"ended without an exception: {self._history()[-1]}"
        return waiting[0]

    def wait_until(self, condition: Callable[[], Any], *, jump: bool = True) -> None:
        """See `Workflow.wait_until`."""
        self._workflow.wait_until(condition, jump=jump)

    def wait_amid(self, condition: Callable[[], Any]) -> None:
        """Until the condition holds, as it may do only while the run works; time does not jump."""
        self._cloud.run_until(condition, SECONDS, jump=False)

    def wait_for_back_off(self, step: str) -> None:
        """Until the run waits before it tries a failed step again; time does not jump on."""
        self.wait_until(lambda: self.status and self._backs_off, jump=False)
        assert step in self.states

    def wait_for_state(self, state: str) -> None:
        """Until the run has entered a state; time does not jump on."""
        self.wait_until(lambda: self.status and state in self.states, jump=False)

    def effects(self) -> list[str]:
        """The keys of the writes that the run has begun."""
        rows = self._cloud.client("dynamodb").query(
            TableName=self._cloud.resources["EffectsTable"],
            IndexName="by_transaction",
            KeyConditionExpression="#t = :t",
            ExpressionAttributeNames={"#t": "transaction"},
            ExpressionAttributeValues={":t": {"S": self.transaction}},
        )["Items"]
        return [row["effect"]["S"] for row in rows]

    def exceptions(self, status: str) -> list[BusinessException]:
        """The run's exceptions with a status."""
        rows = self._cloud.client("dynamodb").query(
            TableName=self._cloud.resources["ExceptionsTable"],
            IndexName="by_status",
            KeyConditionExpression="#s = :s",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":s": {"S": status}},
        )["Items"]
        return [
            BusinessException.model_validate_json(row["content"]["S"])
            for row in rows
            if row["correlation_id"]["S"] == self.transaction
        ]

    def resolve(self, action: str, **decision: Any) -> BusinessException:
        """A team decides about the exception that the run waits with. Raises FunctionFailed."""
        return self.decide(self.wait_for_exception().id, action, **decision)

    def decide(self, exception_id: str, action: str, **decision: Any) -> BusinessException:
        """A team decides about this exception, through the function that an API will call."""
        decision = {"action": action, "by": "robin", "reason": "as agreed", **decision}
        answer = self._workflow.call(
            "ResolveExceptionFunction", {"id": exception_id, "decision": decision}
        )
        return BusinessException.model_validate(answer)

    def stop(self) -> None:
        """Abort it, and forget its exceptions."""
        self._states.stop_execution(executionArn=self.arn, error="TestOver")
        table = self._cloud.resources["ExceptionsTable"]
        for exception in self.exceptions("open"):
            self._cloud.client("dynamodb").delete_item(
                TableName=table, Key={"id": {"S": exception.id}}
            )

    def _has_ended(self) -> bool:
        return self.status not in (None, "RUNNING")

    @property
    def _backs_off(self) -> bool:
        """The last thing, but for what remains to be told of a Map's other iterations."""
        latest = self._states.get_execution_history(
            executionArn=self.arn, reverseOrder=True, maxResults=8
        )["events"]
        entered = [event.get("stateEnteredEventDetails", {}).get("name") for event in latest]
        left = [event.get("stateExitedEventDetails", {}).get("name") for event in latest]
        return "BackOff" in entered and "BackOff" not in left

    def _history(self) -> list[dict[str, Any]]:
        pages = self._states.get_paginator("get_execution_history").paginate(executionArn=self.arn)
        return [event for page in pages for event in page["events"]]

"""The dead letters of a stack: reading them, and sending them back to where they came from.

A letter is deleted only after it was sent: an interruption in between leaves it where it is and
makes it be handled twice, which is harmless, since every consumer knows an event by its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from interlock.events import SOURCE, Event
from pydantic import ValidationError

from local.cli.errors import Failure
from local.cli.output import shortened
from local.cli.target import Target

# A message that was read is hidden from other readers for so long at most, should we crash.
HIDDEN_SECONDS = 60
BATCH = 10
# What the schedules of milestones could not tell.
OF_SCHEDULES = "MilestoneDlq"
PREVIEW_LENGTH = 120
# What says why a message is a dead letter: ours, and EventBridge's own.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
REASONS = (
    "ERROR_CODE",
    "ERROR_MESSAGE",
    "EXHAUSTED_RETRY_CONDITION",
    "RETRY_ATTEMPTS",
    "RULE_ARN",
    "TARGET_ARN",
)


@dataclass(frozen=True)
class DeadLetterQueue:
    """A queue by its logical id; `sources` move messages to it, each after so many attempts.

    Without any, its letters are what schedules could not put on the integration bus.
    """

    name: str
    url: str
    sources: dict[str, int]


@dataclass(frozen=True)
class Letter:
    """A message of a dead-letter queue; `attributes` are its own, `source` where SQS says it was.

    `receipt` is of its latest reading, which SQS asks for to delete it.
    """

    queue: DeadLetterQueue
    id: str
    sent: datetime
    body: str
    attributes: dict[str, Any]
    source: str | None
    receipt: str

    @property
    def reason(self) -> str:
        """What its attributes say; SQS adds none when it moves a message that kept failing.

        The message's own receive count would grow with each look at it: the source's limit is what
        it failed at.
        """
        told = [text for name in ("ERROR_CODE", "ERROR_MESSAGE") if (text := self.told(name))]
        if told:
            return ": ".join(told)
        failed = [f"{times} times in {source}" for source, times in self.queue.sources.items()]
        where = " or ".join(failed)
        return f"received {where} and never handled: see the function's log"

    @property
    def event(self) -> str:
        """The type and id of the event in it."""
        return event_of(self.body)

    def told(self, attribute: str) -> str | None:
        """The text of one of its attributes."""
        return self.attributes.get(attribute, {}).get("StringValue")


def queues(target: Target) -> list[DeadLetterQueue]:
    """The dead-letter queues of the stack's queues, and of its schedules."""
    sqs = target.client("sqs")
    by_arn: dict[str, tuple[str, str]] = {}
    policies: dict[str, dict[str, Any]] = {}
    for queue in target.of_type("AWS::SQS::Queue"):
        attributes = sqs.get_queue_attributes(
            QueueUrl=queue.physical_id, AttributeNames=["QueueArn", "RedrivePolicy"]
        )["Attributes"]
        by_arn[attributes["QueueArn"]] = (queue.logical_id, queue.physical_id)
        if "RedrivePolicy" in attributes:
            policies[queue.logical_id] = json.loads(attributes["RedrivePolicy"])
    found: dict[str, DeadLetterQueue] = {}
    for source, policy in policies.items():
        arn = policy["deadLetterTargetArn"]
        if arn in by_arn:
            dead = found.setdefault(arn, DeadLetterQueue(*by_arn[arn], sources={}))
            dead.sources[source] = int(policy["maxReceiveCount"])
    of_schedules = (known for known in by_arn.values() if known[0] == OF_SCHEDULES)
    return [*found.values(), *(DeadLetterQueue(*known, sources={}) for known in of_schedules)]


@contextmanager
def held(
    target: Target, queue: DeadLetterQueue, limit: int | None = None
) -> Iterator[list[Letter]]:
    """The letters of a queue, at most `limit`, hidden from others; then visible again.

    Nothing is consumed; only the receive counts go up, which no dead-letter queue looks at.
    """
    sqs = target.client("sqs")
    received: list[dict[str, Any]] = []
    try:
        while limit is None or len({each["MessageId"] for each in received}) < limit:
            messages = sqs.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=HIDDEN_SECONDS,
                # Without a wait, SQS asks only some of its servers:
                # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
                WaitTimeSeconds=0 if target.endpoint else 1,
                MessageSystemAttributeNames=["SentTimestamp", "DeadLetterQueueSourceArn"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not messages:
                break
            received += messages
        latest = {each["MessageId"]: _letter(queue, each) for each in received}
        yield list(latest.values())[:limit]
    finally:
        _show_again(sqs, queue, received)


def read(target: Target, limit: int) -> list[Letter]:
    """The letters of every queue, at most `limit` of each."""
    found: list[Letter] = []
    for queue in queues(target):
        with held(target, queue, limit) as letters:
            found += letters
    return found


@contextmanager
def holding(target: Target, id: str) -> Iterator[Letter]:
    """One letter by its message id. Raises Failure when it is not there, or no more."""
    for queue in queues(target):
        with held(target, queue) as letters:
            for letter in letters:
                if letter.id == id:
                    yield letter
                    return
    raise Failure(f"there is no dead letter {id!r}: see `interlock dead-letters`")


def send_back(target: Target, letter: Letter, body: str | None = None) -> str:
    """Send a letter, or another body in its place, to where it came from, and delete it: to where.

    A target's own input would be lost on what EventBridge could not deliver: the letter is the
    event as it was, so it is put on its bus again, and every rule of the bus sees it again.
    Raises Failure when that is not possible; the letter stays then.
    """
    content = letter.body if body is None else body
    rule = letter.told("RULE_ARN")
    if not letter.queue.sources:
        to = _put_on_bus(target, target.id("IntegrationBus"), _of_schedule(content))
    elif rule and _changes_input(target, rule, letter.told("TARGET_ARN")):
        to = _put_on_bus(target, _rule(rule)[0], _of_rule(content))
    else:
        to = _send(target, letter, content)
    target.client("sqs").delete_message(QueueUrl=letter.queue.url, ReceiptHandle=letter.receipt)
    return to


def _send(target: Target, letter: Letter, body: str) -> str:
    """To the queue that SQS moved it from, or the only one whose letters these are."""
    sources = {source for source in letter.queue.sources if _named(target, source, letter.source)}
    sources = sources or set(letter.queue.sources)
    if len(sources) > 1:
        known = ", ".join(sorted(sources))
        raise Failure(f"{letter.id} may have come from each of {known}: send it by hand")
    [source] = sources
    kept = {name: told for name, told in letter.attributes.items() if name not in REASONS}
    target.client("sqs").send_message(
        QueueUrl=target.id(source),
        MessageBody=body,
        # Binary values are for SQS alone to encode; lists are reserved.
        MessageAttributes={
            name: {key: value for key, value in told.items() if not key.endswith("ListValues")}
            for name, told in kept.items()
        },
    )
    return source


def _named(target: Target, source: str, arn: str | None) -> bool:
    """Whether the queue's URL ends with the name that an ARN ends with."""
    return arn is not None and target.id(source).rpartition("/")[2] == arn.rpartition(":")[2]


def _changes_input(target: Target, rule_arn: str, target_arn: str | None) -> bool:
    """Whether the rule gives its target something else than the event."""
    bus, name = _rule(rule_arn)
    events = target.client("events")
    try:
        targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
    except events.exceptions.ResourceNotFoundException:
        raise Failure(f"its rule {name} is gone: send the event by hand") from None
    changes = {"Input", "InputPath", "InputTransformer"}
    return any(changes & set(each) for each in targets if each["Arn"] == target_arn)


def _of_rule(body: str) -> dict[str, Any]:
    """What is put on a bus of a rule's letter, which holds EventBridge's event."""
    try:
        event = json.loads(body)
        return {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Resources": event.get("resources", []),
            "Time": event["time"],
        }
    except (ValueError, TypeError, KeyError) as error:
        raise Failure(f"it is no event of EventBridge any more: {error!r}") from None


def _of_schedule(body: str) -> dict[str, Any]:
    """What is put on the bus of a schedule's letter, which holds our own event.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    try:
        event = Event.model_validate_json(body)
    except ValidationError:
        raise Failure(
            "it holds no event of a milestone: `interlock sweep contracts` tells of it"
        ) from None
    return {"Source": SOURCE, "DetailType": event.type, "Detail": body, "Time": event.occurred_at}


def _put_on_bus(target: Target, bus: str, entry: dict[str, Any]) -> str:
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""
    entry = {"EventBusName": bus, **entry}
    [result] = target.client("events").put_events(Entries=[entry])["Entries"]
    if "ErrorCode" in result:
        raise Failure(f"the bus {bus} does not take it: {result['ErrorCode']}")
    return f"the bus {bus}"


def _rule(arn: str) -> tuple[str, str]:
    """A rule's bus and name; a partner's bus has slashes in its name.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
    """
    _, _, path = arn.partition(":rule/")
    bus, _, name = path.rpartition("/")
    return bus or "default", name


def event_of(body: str) -> str:
    """The type and id of the event in a message; the start of a message that holds none."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return shortened(body, PREVIEW_LENGTH)
    # A workflow's start holds its event; EventBridge's envelope of our own holds one as detail.
    for inner in (content.get("event"), content.get("detail"), content):
        if isinstance(inner, dict) and isinstance(inner.get("id"), str):
            kind = inner.get("type") or inner.get("detail-type") or "event"
            return f"{kind} {inner['id']}"
    return shortened(body, PREVIEW_LENGTH)


def _show_again(sqs: Any, queue: DeadLetterQueue, received: list[dict[str, Any]]) -> None:
    """Make messages visible again; those that were deleted meanwhile are passed over."""
    for start in range(0, len(received), BATCH):
        sqs.change_message_visibility_batch(
            QueueUrl=queue.url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"], "VisibilityTimeout": 0}
                for number, each in enumerate(received[start : start + BATCH])
            ],
        )


def _letter(queue: DeadLetterQueue, message: dict[str, Any]) -> Letter:
    attributes = message["Attributes"]
    return Letter(
        queue=queue,
        id=message["MessageId"],
        sent=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC),
        body=message["Body"],
        attributes=message.get("MessageAttributes", {}),
        source=attributes.get("DeadLetterQueueSourceArn"),
        receipt=message["ReceiptHandle"],
    )

"""Which events the archive of the integration bus holds for a range of time.

An archive cannot be read, only replayed. So it is replayed to one rule that takes nothing else,
ReplayRule, and what arrives in that rule's queue is the list; no workflow hears of it.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-replay-archived-event.html
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_StartReplay.html
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from interlock.events import Event
from pydantic import ValidationError

from local.cli.errors import Failure
from local.cli.target import Target

ENDED = {"COMPLETED", "CANCELLED", "FAILED"}
POLL_SECONDS = 1
# An event may come after its replay has ended: so long must the queue be silent then.
QUIET_SECONDS = 10.0
# How long an event may take into the archive: do not ask for later ones.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive-event-bus.html
ARCHIVED_SECONDS = 600


def events_between(
    target: Target, start: datetime, end: datetime, told: Callable[[str], None]
) -> list[Event]:
    """The events that start a workflow and happened in the range, oldest first, each once.

    `told` hears how it goes. Raises Failure when EventBridge ends the replay early.
    """
    name = f"{target.stack[:50]}-{secrets.token_hex(6)}"
    _start(target, name, start, end)
    sqs, url = target.client("sqs"), target.id("ReplayQueue")
    found: dict[str, Event] = {}
    ended, heard = False, time.monotonic()
    while not ended or time.monotonic() - heard < QUIET_SECONDS:
        told(f"reading the archive: {len(found)} events")
        messages = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=POLL_SECONDS
        ).get("Messages", [])
        for message in messages:
            content = json.loads(message["Body"])
            if content.get("replay-name") != name:
                continue  # another reader's: it will see it again
            if event := _event(content):
                found[event.id] = event
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            heard = time.monotonic()
        if not ended:
            ended, heard = _ended(target, name), time.monotonic()
    return sorted(found.values(), key=lambda event: (event.occurred_at, event.id))


def _start(target: Target, name: str, start: datetime, end: datetime) -> None:
    events, bus = target.client("events"), target.id("IntegrationBus")
    archive = events.describe_archive(ArchiveName=target.id("IntegrationArchive"))
    # On a bus of one's own, CloudFormation's id of a rule is `<bus>|<rule>`.
    rule = events.describe_rule(Name=target.id("ReplayRule").rpartition("|")[2], EventBusName=bus)
    destination = {
        "Arn": events.describe_event_bus(Name=bus)["Arn"],
        "FilterArns": [rule["Arn"]],
    }
    events.start_replay(
        ReplayName=name,
        EventSourceArn=archive["ArchiveArn"],
        # An event's time has whole seconds, so one of this second counts as earlier.
        EventStartTime=start.replace(microsecond=0),
        EventEndTime=end,
        Destination=destination,
    )


def _ended(target: Target, name: str) -> bool:
    replay = target.client("events").describe_replay(ReplayName=name)
    if replay["State"] in ENDED - {"COMPLETED"}:
        reason = replay.get("StateReason", "no reason is given")
        raise Failure(f"EventBridge ended the replay {name} as {replay['State']}: {reason}")
    return replay["State"] == "COMPLETED"


def _event(content: dict[str, Any]) -> Event | None:
    """The canonical event; None for one of an older version that is no longer understood."""
    try:
        return Event.model_validate(content.get("detail"))
    except ValidationError:
        return None

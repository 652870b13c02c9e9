"""`interlock send`: publish events from files, partners' and our own."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO

import click
from interlock.events import SOURCE
from rich.text import Text

from local.cli.errors import Failure
from local.cli.files import read_object
from local.cli.output import console, json_option, print_json, table
from local.cli.target import Resource, Target, pass_target

# The `source` of a partner's events: <prefix>/<vendor's domain>/<account>/...
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-saas.html
PARTNER = re.compile(r"[\w.-]+/(?P<vendor>[\w-]+)\.[\w.]+/.+")
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
BATCH = 10


@dataclass(frozen=True)
class EventFile:
    """An event and the bus that it is for."""

    name: str
    source: str
    type: str
    detail: dict[str, Any]
    bus: Resource

    @classmethod
    def read(cls, target: Target, file: TextIO) -> Self:
        """Raises Failure for a file that holds no event, or one that no bus takes."""
        event = read_object(file)
        missing = [key for key in ("source", "detail-type", "detail") if not event.get(key)]
        if missing or not isinstance(event["detail"], dict):
            lacking = f"it has no {', '.join(missing)}" if missing else "its detail is no object"
            raise Failure(f"{file.name} is no event of EventBridge: {lacking}")
        source, kind = str(event["source"]), str(event["detail-type"])
        return cls(file.name, source, kind, event["detail"], bus_for(target, file.name, source))

    @property
    def entry(self) -> dict[str, str]:
        """The event for PutEvents."""
        return {
            "EventBusName": self.bus.physical_id,
            "Source": self.source,
            "DetailType": self.type,
            "Detail": json.dumps(self.detail),
        }


@click.command()
@click.argument("files", type=click.File(encoding="utf-8"), nargs=-1, required=True)
@json_option
@pass_target
def send(target: Target, files: tuple[TextIO, ...], as_json: bool) -> None:
    """Publish the events in FILES, such as events/partner/*.json.

    A partner's event goes to the bus of its vendor, as its `source` says; one whose source is
    "interlock" to the integration bus. Nothing is published unless every file can be.

    EventBridge gives each its own event id. Sending the same file again is a repeated delivery:
    it changes nothing, and `interlock dead-letters` counts it.
    """
    events = [EventFile.read(target, file) for file in files]
    results: list[dict[str, Any]] = []
    for start in range(0, len(events), BATCH):
        entries = [event.entry for event in events[start : start + BATCH]]
        results += target.client("events").put_events(Entries=entries)["Entries"]
    sent = list(zip(events, results, strict=True))
    if as_json:
        print_json([{"file": event.name, "type": event.type} | result for event, result in sent])
    else:
        _print(sent)
    refused = [_refusal(event, result) for event, result in sent if "ErrorCode" in result]
    if refused:
        raise Failure("; ".join(refused))


def bus_for(target: Target, name: str, source: str) -> Resource:
    """The bus that takes events of this source. Raises Failure when none does."""
    buses = {each.logical_id.lower(): each for each in target.of_type("AWS::Events::EventBus")}
    partner = PARTNER.fullmatch(source)
    wanted = "integration" if source == SOURCE else partner and partner["vendor"]
    bus = buses.get(f"{wanted}bus")
    if bus is None:
        known = ", ".join(sorted(each.logical_id for each in buses.values()))
        raise Failure(f"{name}: no bus takes the source {source!r}; there are {known}")
    return bus


def _refusal(event: EventFile, result: dict[str, Any]) -> str:
    advice = ""
    if result["ErrorCode"] == "NotAuthorizedForSourceException":
        advice = ": only the partner itself sends `aws.` sources, give the file another prefix"
    return f"{event.name}: {result['ErrorCode']}{advice}"


def _print(sent: list[tuple[EventFile, dict[str, Any]]]) -> None:
    printed = table("Event id", "Bus", "File", whole=["Event id", "Bus"])
    for event, result in sent:
        id = result.get("EventId") or Text(result["ErrorCode"], style="red")
        printed.add_row(id, event.bus.logical_id, Path(event.name).name)
    console().print(printed)
    console(stderr=True).print("What came of them: interlock runs", style="dim")

"""Corrections of moto's EventBridge."""

import datetime
from collections.abc import Callable
from typing import Any

import moto.events.models as models

from local.cloud.clock import clock
from local.cloud.corrections import Corrections
from local.cloud.names import ACCOUNT, REGION

ARCHIVE_RULE = "Events-Archive-"
"""How the name of the managed rule that fills an archive begins."""

Deliver = Callable[[dict[str, Any], dict[str, Any], Any], None]
"""Called with target, event and rule for each delivery."""


def timestamp(seconds: float) -> str:
    """The time of an event: https://docs.aws.amazon.com/eventbridge/latest/ref/overview.html"""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch_seconds(value: Any) -> float:
    """A time that moto has as text, as a number or as a datetime."""
    if isinstance(value, int | float):
        return float(value)
    return datetime.datetime.fromisoformat(str(value)).timestamp()


def as_aws_sends_it(event: dict[str, Any]) -> dict[str, Any]:
    """The envelope without moto's own field, its time as text."""
    sent = {name: value for name, value in event.items() if name != "ingestion-time"}
    sent["account"] = ACCOUNT
    if not isinstance(sent["time"], str):
        sent["time"] = timestamp(epoch_seconds(sent["time"]))
    return sent


def follow_the_clock(corrections: Corrections) -> None:
    """Events and archives are stamped with the real time."""
    corrections.replace(models, "unix_time", lambda when=None: clock.now())


def tell_of_changes(corrections: Corrections, on_change: Callable[[Any], None]) -> None:
    """Calls `on_change` with a rule that was enabled or disabled."""
    for name in ("enable", "disable"):
        switch = getattr(models.Rule, name)

        def switched(rule: Any, switch: Callable[[Any], None] = switch) -> None:
            switch(rule)
            on_change(rule)

        corrections.replace(models.Rule, name, switched)


def deliver_to_every_target(corrections: Corrections, deliver: Deliver) -> None:
    """moto delivers for disabled rules too, drops Input, InputPath, retries and dead-letter queues,
    sends the wrong time format, and fails on functions and state machines as targets."""

    def send_to_targets(
        rule: Any, original_event: dict[str, Any], transform_input: bool = True
    ) -> None:
        if rule.state == "DISABLED" or rule.scheduled_expression:
            return
        event = as_aws_sends_it(original_event)
        if not rule.event_pattern.matches_event(event):
            return
        if rule.managed_by and rule.name.startswith(ARCHIVE_RULE):
            archives = models.events_backends[ACCOUNT][REGION].archives
            archives[rule.name.removeprefix(ARCHIVE_RULE)].events.append(event)
            return
        for target in rule.targets:
            deliver(target, event, rule)

    corrections.replace(models.Rule, "send_to_targets", send_to_targets)


def replay_the_window(corrections: Corrections) -> None:
    """A replay sends every archived event, whatever its time window and its FilterArns, under a
    new id."""

    def replay_events(replay: Any, archive: Any) -> None:
        backend = models.events_backends[ACCOUNT][REGION]
        bus = backend.describe_event_bus(replay.destination["Arn"])
        wanted = replay.destination.get("FilterArns")
        start = epoch_seconds(replay.event_start_time)
        end = epoch_seconds(replay.event_end_time)
        for event in list(archive.events):
            if not start <= epoch_seconds(event["time"]) <= end:
                continue
            for rule in list(bus.rules.values()):
                if not wanted or rule.arn in wanted:
                    rule.send_to_targets({**event, "replay-name": replay.name})
        replay.state = models.ReplayState.COMPLETED
        replay.end_time = clock.now()

    corrections.replace(models.Replay, "replay_events", replay_events)


def correct(corrections: Corrections, deliver: Deliver, on_change: Callable[[Any], None]) -> None:
    follow_the_clock(corrections)
    tell_of_changes(corrections, on_change)
    deliver_to_every_target(corrections, deliver)
    replay_the_window(corrections)

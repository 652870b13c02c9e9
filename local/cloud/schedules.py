"""Scheduled rules of EventBridge: their targets are sent an event whenever they are due."""

import uuid
from datetime import datetime
from typing import Any

from moto.events.models import events_backends

from local.cloud.clock import VirtualEvent, WorkerThread, clock
from local.cloud.eventbridge import Deliver, timestamp
from local.cloud.names import ACCOUNT, REGION
from local.cloud.schedule_expressions import parse


class Schedule:
    """Sends a rule's targets the scheduled event whenever it is due, while the rule is enabled."""

    def __init__(self, rule: Any, deliver: Deliver) -> None:
        self.rule = rule
        self._deliver = deliver
        self._times = parse(rule.scheduled_expression)
        self._switched = VirtualEvent()

    def start(self) -> None:
        """In the background, until the clock is stopped."""
        WorkerThread(name=f"schedule-{self.rule.name}", target=self._run).start()

    def look_again(self) -> None:
        """Say that the rule was enabled or disabled."""
        self._switched.set()

    def _run(self) -> None:
        due = None
        while True:
            self._switched.clear()
            enabled = self.rule.state == "ENABLED"
            due = self._times.after(due or clock.utc()) if enabled else None
            switched = self._switched.wait((due - clock.utc()).total_seconds() if due else None)
            if due and not switched:
                self._send(due)
            else:
                due = None

    def _send(self, due: datetime) -> None:
        event = self._event(due)
        for target in self.rule.targets:
            self._deliver(target, event, self.rule)

    def _event(self, due: datetime) -> dict[str, Any]:
        """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html"""
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": timestamp(due.timestamp()),
            "region": REGION,
            "resources": [self.rule.arn],
            "detail": {},
        }


def schedules(deliver: Deliver) -> list[Schedule]:
    """One for each scheduled rule there is."""
    buses = events_backends[ACCOUNT][REGION].event_buses.values()
    rules = [rule for bus in buses for rule in bus.rules.values()]
    return [Schedule(rule, deliver) for rule in rules if rule.scheduled_expression]

"""Scheduled rules of EventBridge: their targets are sent an event whenever they are due."""

import uuid
from datetime import datetime
from typing import Any

from moto.events.models import events_backends

from local.cloud.clock import WorkerThread, clock
from local.cloud.eventbridge import Deliver, timestamp
from local.cloud.names import ACCOUNT, REGION
from local.cloud.schedule_expressions import parse


class Schedule:
    """Sends a rule's targets the scheduled event whenever it is due."""

    def __init__(self, rule: Any, deliver: Deliver) -> None:
        self._rule = rule
        self._deliver = deliver
        self._times = parse(rule.scheduled_expression)

    def start(self) -> None:
        """In the background, until the clock is stopped."""
        WorkerThread(name=f"schedule-{self._rule.name}", target=self._run).start()

    def _run(self) -> None:
        due = self._times.after(clock.utc())
        while due:
            clock.sleep((due - clock.utc()).total_seconds())
            event = self._event(due)
            for target in self._rule.targets:
                self._deliver(target, event, self._rule)
            due = self._times.after(due)

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
            "resources": [self._rule.arn],
            "detail": {},
        }


def schedules(deliver: Deliver) -> list[Schedule]:
    """Those of the rules that are enabled; one that is enabled later stays silent."""
    buses = events_backends[ACCOUNT][REGION].event_buses.values()
    rules = [rule for bus in buses for rule in bus.rules.values()]
    return [
        Schedule(rule, deliver)
        for rule in rules
        if rule.scheduled_expression and rule.state == "ENABLED"
    ]

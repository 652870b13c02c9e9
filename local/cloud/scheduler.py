"""EventBridge Scheduler: its one-time schedules are due, and put their event on a bus.

moto keeps schedules, and invokes none. One thread waits for the first that is due, however many
there are. A target is called with the permissions of the schedule's role, and so is its dead-letter
queue. Of the targets there is EventBridge's PutEvents, which is what the project uses.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
"""

import functools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import moto.scheduler.models as models
from botocore.exceptions import ClientError

from local.cloud.clock import VirtualEvent, WorkerThread, clock
from local.cloud.cloudformation import MissingResource
from local.cloud.corrections import Corrections
from local.cloud.delivery import Undeliverable, repeat, send_letter
from local.cloud.names import ACCOUNT, REGION

AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")

ClientOfRole = Callable[[str, str], Any]


class ScheduleGroup(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-scheduler-schedulegroup.html"""

    resource_type = "AWS::Scheduler::ScheduleGroup"
    name_property = "Name"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        name = properties.get("Name", name)
        made = cls.client("scheduler").create_schedule_group(Name=name)
        return name, {"Arn": made["ScheduleGroupArn"]}


class Scheduler:
    """Invokes the target of each one-time schedule when it is due."""

    def __init__(self, client_of_role: ClientOfRole) -> None:
        """`client_of_role` gives a client of a service with the credentials of a role."""
        self._client_of_role = client_of_role
        self._changed = VirtualEvent()
        self._done: set[tuple[str, str]] = set()

    def start(self) -> None:
        """In the background, until the clock is stopped."""
        WorkerThread(name="scheduler", target=self._run).start()

    def look_again(self) -> None:
        """Say that a schedule was made, changed or deleted."""
        self._changed.set()

    def _run(self) -> None:
        while True:
            self._changed.clear()
            now = clock.utc()
            waiting = dict(self._waiting())
            for schedule, due in waiting.items():
                if due <= now:
                    self._invoke(schedule)
            first = min((due for due in waiting.values() if due > now), default=None)
            self._changed.wait((first - clock.utc()).total_seconds() if first else None)

    def _waiting(self) -> Iterator[tuple[Any, datetime]]:
        """The schedules that were not invoked yet, with their times."""
        groups = models.scheduler_backends[ACCOUNT][REGION].schedule_groups
        for group in list(groups.values()):
            for schedule in list(group.schedules.values()):
                due = time_of(schedule.schedule_expression)
                invoked = (schedule.arn, schedule.schedule_expression) in self._done
                # moto forgets what a schedule is by default when it is updated.
                if due and schedule.state != "DISABLED" and not invoked:
                    yield schedule, due

    def _invoke(self, schedule: Any) -> None:
        if schedule.action_after_completion == "DELETE":
            backend = models.scheduler_backends[ACCOUNT][REGION]
            backend.schedule_groups[schedule.group_name].schedules.pop(schedule.name, None)
        else:
            self._done.add((schedule.arn, schedule.schedule_expression))
        WorkerThread(
            name=f"schedule-{schedule.name}", target=self._deliver, args=(schedule,)
        ).start()

    def _deliver(self, schedule: Any) -> None:
        target = schedule.target
        failure = repeat(target["RetryPolicy"], lambda: self._put_event(schedule))
        if failure and "DeadLetterConfig" in target:
            # Where a rule's letter has the whole event, a schedule's has what its target gets.
            attributes = {
                "SCHEDULE_ARN": schedule.arn,
                "TARGET_ARN": "arn:aws:scheduler:::aws-sdk:eventbridge:putEvents",
                "ERROR_CODE": failure.code,
                "ERROR_MESSAGE": failure.message,
                "RETRY_ATTEMPTS": str(failure.retries),
            }
            sqs = self._client_of_role("sqs", target["RoleArn"])
            send_letter(sqs, target["DeadLetterConfig"]["Arn"], target["Input"], attributes)

    def _put_event(self, schedule: Any) -> None:
        target = schedule.target
        entry = {
            "EventBusName": target["Arn"],
            **target["EventBridgeParameters"],
            "Detail": target["Input"],
            "Resources": [schedule.arn],
        }
        try:
            self._client_of_role("events", target["RoleArn"]).put_events(Entries=[entry])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code != "AccessDeniedException":
                raise
            raise Undeliverable(code, str(error)) from None


def time_of(expression: str) -> datetime | None:
    """When a one-time schedule is due, in UTC; None for one that comes again.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """
    found = AT.fullmatch(expression)
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else None


def miss_groups(corrections: Corrections) -> None:
    """A schedule in a group that is not there fails with an error of the server."""
    create_schedule = models.EventBridgeSchedulerBackend.create_schedule

    def create(backend: Any, **described: Any) -> Any:
        backend.get_schedule_group(described["group_name"])
        return create_schedule(backend, **described)

    corrections.replace(models.EventBridgeSchedulerBackend, "create_schedule", create)


def tell_of_changes(corrections: Corrections, on_change: Callable[[], None]) -> None:
    """Calls `on_change` when a schedule was made, changed or deleted."""
    for owner, name in (
        (models.ScheduleGroup, "add_schedule"),
        (models.ScheduleGroup, "delete_schedule"),
        (models.Schedule, "update"),
    ):
        change = getattr(owner, name)

        @functools.wraps(change)
        def changed(*arguments: Any, change: Any = change, **options: Any) -> Any:
            result = change(*arguments, **options)
            on_change()
            return result

        corrections.replace(owner, name, changed)


def correct(corrections: Corrections, on_change: Callable[[], None]) -> None:
    miss_groups(corrections)
    tell_of_changes(corrections, on_change)

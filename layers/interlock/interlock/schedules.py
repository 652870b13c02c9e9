"""The schedules of contracts' milestones, in EventBridge Scheduler.

Each milestone of a contract has one schedule, which puts the event `renewal.due` on the integration
bus at its time, and is deleted then. Its name follows from the contract's id and the milestone: so
a contract that ends on another day moves its schedules, and planning again changes nothing.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html

Of the milestones that a contract has reached already the last one is told a minute from now: told
twice, it is the same event. A schedule is right to the minute, whatever its seconds.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock import aws
from interlock.canonical.contracts import Contract, ContractStatus
from interlock.errors import (
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordNotFound,
    VendorRejected,
    VendorThrottled,
)
from interlock.events import SOURCE, Event, renewal_due
from interlock.rules.milestones import MILESTONES, milestones
from interlock.settings import Settings

SOON = timedelta(minutes=1)
# A day, as long as there is: then it is a dead letter, and the sweep tells of it.
RETRIES = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
# What the errors of EventBridge Scheduler mean; the others may pass.
# https://docs.aws.amazon.com/scheduler/latest/APIReference/CommonErrors.html
FAILURES: dict[str, tuple[type[InterlockError], str]] = {
    "ResourceNotFoundException": (
        RecordNotFound,
        "the group of the schedules is not there: deploy the stack again",
    ),
    "AccessDeniedException": (
        CredentialsRejected,
        "let the function's role write the group's schedules, and pass them their own role",
    ),
    "ValidationException": (
        VendorRejected,
        "the schedule's role, bus or dead-letter queue cannot be used: deploy the stack again",
    ),
    "ServiceQuotaExceededException": (
        VendorRejected,
        "the account has as many schedules as it may: ask AWS for more",
    ),
    "ThrottlingException": (VendorThrottled, "too many requests"),
}


class ScheduleSettings(Settings):
    """The group of the schedules, the role that they act in, and where they tell what.

    `milestone_dlq` gets what could not be told, by its ARN.
    """

    milestone_schedules: str
    milestone_role: str
    milestone_dlq: str
    integration_bus_arn: str


def milestone_event(contract: Contract, days: int) -> Event:
    """What is told of a milestone, whoever tells it and when."""
    at = dict(milestones(contract))[days]
    return renewal_due(contract.id, contract.ends_on, days=days, at=at, run=contract.renewal_run)


def upcoming(contract: Contract, now: datetime) -> dict[int, datetime]:
    """When each milestone of a contract has to be told, by its days: those that are ahead, and of
    those that are reached already the last one.

    None of a contract that will not be renewed, or is over.
    """
    if contract.status is not ContractStatus.ACTIVE:
        return {}
    ahead = {days: at for days, at in milestones(contract) if at > now + SOON}
    reached = [days for days in MILESTONES if days not in ahead]
    return {reached[-1]: now + SOON, **ahead} if reached else ahead


@dataclass
class Schedules:
    """The schedules of one group; `clock` returns seconds since the epoch."""

    settings: ScheduleSettings
    clock: Callable[[], float] = time.time
    _client: Any = field(default_factory=lambda: aws.client("scheduler"))

    @classmethod
    def load(cls) -> Schedules:
        """Those of this function's environment."""
        return cls(ScheduleSettings.load())

    def upcoming(self, contract: Contract) -> dict[int, datetime]:
        """When each milestone has to be told, as of now; see the function of the same name."""
        return upcoming(contract, datetime.fromtimestamp(self.clock(), UTC))

    def plan(self, contract: Contract) -> tuple[int, ...]:
        """Let the contract's schedules be those of its milestones; which these are, by their days.

        Raises RecordNotFound without the group, CredentialsRejected when the function may not make
        schedules or give them their role, VendorRejected for a role or a target that EventBridge
        Scheduler cannot use, VendorThrottled, and OutcomeUnknown.
        """
        wanted = self.upcoming(contract)
        for days in MILESTONES:
            if days in wanted:
                event = milestone_event(contract, days)
                self._put(_name(contract.id, days), wanted[days], event)
            else:
                self._delete(_name(contract.id, days), contract.id)
        return tuple(wanted)

    def _put(self, name: str, at: datetime, event: Event) -> None:
        """Make a schedule; one of this name is replaced, whatever it was."""
        described = self._described(name, at, event)
        try:
            self._client.create_schedule(**described)
        except self._client.exceptions.ConflictException:
            self._replace(described, event.subject)
        except self._client.exceptions.ClientError as error:
            raise _failure(error, "create_schedule", event.subject) from None

    def _replace(self, described: dict[str, Any], contract_id: str) -> None:
        try:
            self._client.update_schedule(**described)
        except self._client.exceptions.ResourceNotFoundException:
            raise OutcomeUnknown(
                "the schedule was told in this moment",
                vendor="scheduler",
                operation="update_schedule",
                record=contract_id,
            ) from None
        except self._client.exceptions.ClientError as error:
            raise _failure(error, "update_schedule", contract_id) from None

    def _delete(self, name: str, contract_id: str) -> None:
        try:
            self._client.delete_schedule(GroupName=self.settings.milestone_schedules, Name=name)
        except self._client.exceptions.ResourceNotFoundException:
            return
        except self._client.exceptions.ClientError as error:
            raise _failure(error, "delete_schedule", contract_id) from None

    def _described(self, name: str, at: datetime, event: Event) -> dict[str, Any]:
        """https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html"""
        return {
            "GroupName": self.settings.milestone_schedules,
            "Name": name,
            "Description": f"{event.subject}: {event.data['days']} days before its end",
            "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": self.settings.integration_bus_arn,
                "RoleArn": self.settings.milestone_role,
                "EventBridgeParameters": {"Source": SOURCE, "DetailType": event.type},
                "Input": event.model_dump_json(),
                "RetryPolicy": RETRIES,
                "DeadLetterConfig": {"Arn": self.settings.milestone_dlq},
            },
        }


def _name(contract_id: str, days: int) -> str:
    """At most 64 letters, digits and hyphens, which an id is not."""
    return f"{hashlib.sha256(contract_id.encode()).hexdigest()[:48]}-{days}"


def _failure(error: Any, operation: str, contract_id: str) -> InterlockError:
    """What a failure means. Of a group that is not there, only a creation is told."""
    code = error.response["Error"]["Code"]
    kind, message = FAILURES.get(code, (OutcomeUnknown, "did not answer as it should"))
    return kind(message, vendor="scheduler", operation=operation, record=contract_id, code=code)

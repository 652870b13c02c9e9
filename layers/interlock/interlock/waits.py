"""Waits: which run waits for which record, so that it is woken when something happens to that.

A row of the table for each record that was ever told of, or waited for:

    salesforce:006…   told 7, heard 6, task_token AQC…

`told` counts what has happened to the record, `heard` how much of that a run knows of for sure,
`task_token` is of the run that waited for it last: one run at a time waits for a record. A run
hears nothing of what has happened: it reads everything again.

What happens is counted first, then the token is answered, then it is heard; and a run leaves its
token first, and looks then whether more was told than heard. Each is one write of one row, so
whichever of the two comes first, the other one sees it. A crash in between leaves `told` ahead of
`heard`: the run is woken once more than it has to, and never once less. A token whose run does not
wait with it any more is refused, and then nothing is heard: the run will be woken when it waits
again.

What is left is a message about what has happened that fails five times: it becomes a dead letter,
with an alarm. Until it is sent back the run goes on when its own time is over, at the latest.

A row expires when nothing has happened to it for longer than a run can last: every deal of the
company comes by here, and few of them have a contract.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.conditions import Attr

from interlock import aws
from interlock.settings import Settings

# A run of Step Functions lasts a year at most.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
KEPT_SECONDS = 400 * 24 * 3600


class WaitsSettings(Settings):
    """The table of waits."""

    waits_table: str


@dataclass
class Waits:
    """The waits in their DynamoDB table; `clock` returns seconds since the epoch."""

    table: str
    clock: Callable[[], float] = time.time
    _client: Any = field(default_factory=aws.dynamodb)
    _states: Any = field(default_factory=lambda: aws.client("stepfunctions"))

    @classmethod
    def load(cls) -> Waits:
        """The waits of this function's environment."""
        return cls(WaitsSettings.load().waits_table)

    def wait(self, subjects: Iterable[str], token: str) -> bool:
        """Let the run with this token be woken by what happens to any of these records.

        Whether it was woken at once, by what has happened since a run last heard of them.
        """
        rows = [
            self._update(subject, "SET task_token = :it, expires_at = :until", token)
            for subject in subjects
        ]
        unheard = [row for row in rows if row.get("told", 0) > row.get("heard", 0)]
        if unheard:
            self._answer(token)
        for row in unheard:
            self._hear(row)
        return bool(unheard)

    def wake(self, subject: str) -> bool:
        """Something has happened to a record; whether a run that waited for it goes on now."""
        row = self._update(subject, "ADD told :it SET expires_at = :until", 1)
        woken = "task_token" in row and self._answer(row["task_token"])
        if woken:
            self._hear(row)
        return woken

    def _update(self, subject: str, expression: str, value: str | int) -> dict[str, Any]:
        """The row as it is after the update."""
        until = int(self.clock() + KEPT_SECONDS)
        return self._client.update_item(
            TableName=self.table,
            Key={"subject": subject},
            UpdateExpression=expression,
            ExpressionAttributeValues={":it": value, ":until": until},
            ReturnValues="ALL_NEW",
        )["Attributes"]

    def _answer(self, token: str) -> bool:
        """Whether a run waited with this token.

        https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
        Unconfirmed: which error tells of a token whose run is long gone. Each says that no run
        waits with it.
        """
        known = self._states.exceptions
        try:
            self._states.send_task_success(taskToken=token, output="{}")
        except (known.TaskTimedOut, known.TaskDoesNotExist, known.InvalidToken):
            return False
        return True

    def _hear(self, row: dict[str, Any]) -> None:
        """What was told by the time of this row is known; unless more is, by now."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.update_item(
                TableName=self.table,
                Key={"subject": row["subject"]},
                UpdateExpression="SET heard = :told",
                ConditionExpression=Attr("heard").not_exists() | Attr("heard").lt(row["told"]),
                ExpressionAttributeValues={":told": row["told"]},
            )

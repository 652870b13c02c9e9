"""Who suspended which account, and who resumed its service: a row for each account.

A row is written only over the one that was read, so of two people at the same time one changes
something, and the other one finds it changed. What was before is in the audit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from boto3.dynamodb.conditions import Attr

from interlock import aws
from interlock.canonical.base import Canonical, Text
from interlock.canonical.services import Suspension
from interlock.settings import Settings

# Instructions about an account are at least as much apart: the second names the transaction.
APART = timedelta(seconds=1)
DONE = {"suspend": "suspended", "resume": "resumed"}


class SuspensionsSettings(Settings):
    """The suspensions' table."""

    suspensions_table: str


class Instruction(Suspension):
    """What a person wants of an account's service, and whom AWS authenticated."""

    account_id: str
    action: Literal["suspend", "resume"]
    caller_arn: Text

    @property
    def transaction(self) -> str:
        """What names the run that tells support and sales."""
        return f"service-{self.account_id.partition(':')[2]}-{int(self.at.timestamp())}"

    @property
    def done(self) -> str:
        """What has become of the service: a word."""
        return DONE[self.action]


class Interruption(Canonical):
    """The last time that an account was suspended, and who ended it: None, as long as it lasts."""

    suspended: Instruction
    resumed: Instruction | None = None

    @property
    def last(self) -> Instruction:
        """By which the service is as it is."""
        return self.resumed or self.suspended

    def then(self, wanted: Instruction) -> Interruption:
        """What comes of the other instruction."""
        wanted = wanted.model_copy(update={"at": max(wanted.at, self.last.at + APART)})
        if wanted.action == "suspend":
            return Interruption(suspended=wanted)
        return Interruption(suspended=self.suspended, resumed=wanted)


@dataclass
class Suspensions:
    """The store in its DynamoDB table."""

    table: str
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> Suspensions:
        """The store of this function's environment."""
        return cls(SuspensionsSettings.load().suspensions_table)

    def get(self, account_id: str) -> Suspension | None:
        """The suspension that is in force."""
        last = self.last(account_id)
        return last.suspended if last and not last.resumed else None

    def last(self, account_id: str) -> Interruption | None:
        """The last time that the account was suspended, over or not; None when it never was."""
        answer = self._client.get_item(
            TableName=self.table, Key={"account_id": account_id}, ConsistentRead=True
        )
        row = answer.get("Item")
        return Interruption.model_validate_json(row["content"]) if row else None

    def write(self, changed: Interruption, *, over: Interruption | None) -> bool:
        """Write it over what was read; False when somebody else has written meanwhile."""
        unchanged = Attr("account_id").not_exists()
        if over:
            unchanged = Attr("changed_at").eq(over.last.at.isoformat())
        item = {
            "account_id": changed.last.account_id,
            "changed_at": changed.last.at.isoformat(),
            "content": changed.model_dump_json(),
        }
        try:
            self._client.put_item(TableName=self.table, Item=item, ConditionExpression=unchanged)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

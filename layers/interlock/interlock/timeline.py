"""The business timeline: every canonical event of a transaction, in order (OBS-2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.conditions import Key

from interlock import aws
from interlock.events import Event
from interlock.settings import Settings


class TimelineSettings(Settings):
    """The timeline's table."""

    timeline_table: str


@dataclass
class Timeline:
    """The timeline in its DynamoDB table, keyed by correlation id and time."""

    table: str
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> Timeline:
        """The timeline of this function's environment."""
        return cls(TimelineSettings.load().timeline_table)

    def record(self, event: Event) -> None:
        """Remember an event; the same event again changes nothing."""
        self._client.put_item(
            TableName=self.table,
            Item={
                "correlation_id": event.correlation_id,
                "subject": event.subject,
                "moment": f"{event.occurred_at.isoformat()}#{event.id}",
                "event": event.model_dump_json(),
            },
        )

    def of(self, correlation_id: str) -> tuple[Event, ...]:
        """A transaction's events, oldest first; one that was told twice is there once."""
        return self._found(KeyConditionExpression=Key("correlation_id").eq(correlation_id))

    def of_subject(self, subject: str) -> tuple[Event, ...]:
        """The events about a record, of every transaction, oldest first; each once.

        One that was recorded in this very moment may still be missing.
        """
        return self._found(
            IndexName="by_subject", KeyConditionExpression=Key("subject").eq(subject)
        )

    def _found(self, **query: Any) -> tuple[Event, ...]:
        pages = self._client.get_paginator("query").paginate(TableName=self.table, **query)
        rows = (row for page in pages for row in page["Items"])
        first: dict[str, Event] = {}
        for event in (Event.model_validate_json(row["event"]) for row in rows):
            first.setdefault(event.id, event)
        return tuple(first.values())

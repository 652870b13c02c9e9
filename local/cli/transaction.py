"""What the stack's tables know of one transaction: its effects and its business timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from boto3.dynamodb.conditions import Key
from interlock.canonical import Money
from interlock.events import SWEEP, Event
from interlock.timeline import Timeline

from local.cli.target import Target


@dataclass(frozen=True)
class LedgerEntry:
    """One effect; `remote_id` is what the write made in its system, None until it is done."""

    at: datetime
    system: str
    operation: str
    record: str
    state: str
    remote_id: str | None
    attempts: int


def effects(target: Target, correlation_id: str) -> list[LedgerEntry]:
    """The effects that a transaction claimed, oldest first."""
    pages = target.dynamodb.get_paginator("query").paginate(
        TableName=target.id("EffectsTable"),
        IndexName="by_transaction",
        KeyConditionExpression=Key("transaction").eq(correlation_id),
    )
    entries = [
        LedgerEntry(
            at=datetime.fromtimestamp(int(row["claimed_at"]), UTC),
            system=row["connection"],
            operation=row["operation"],
            record=row["record"],
            state=row["state"],
            remote_id=row.get("remote_id"),
            attempts=int(row["attempts"]),
        )
        for page in pages
        for row in page["Items"]
    ]
    return sorted(entries, key=lambda entry: entry.at)


def timeline(target: Target, correlation_id: str) -> tuple[Event, ...]:
    """The transaction's canonical events, oldest first."""
    return Timeline(target.id("TimelineTable"), _client=target.dynamodb).of(correlation_id)


def summary(event: Event) -> str:
    """What an event says, in one line."""
    data = event.data
    match event.type:
        case "opportunity.closed_won":
            found = ", found by a sweep" if event.id.startswith(SWEEP) else ""
            return f"{event.subject} was won{found}"
        case "order.accepted":
            total = Money.model_validate(data["total"])
            return f"order {data['order']} for {data['customer']}, {total} with tax"
        case "order.cancelled":
            return f"at {data['failed_step']}: {data['reason']}"
        case "exception.resolved":
            decision = data["decision"]
            return f"{data['id']}: {decision['action']} by {decision['by']}: {decision['reason']}"
    return f"{data['id']} for {data['team']}: {data['step']}: {data['message']}"

"""What the stack's tables know of one transaction: its effects, its business timeline, and what
its dry runs would have written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.conditions import Key
from interlock.canonical import Money
from interlock.canonical.billing import PlacedUsage
from interlock.canonical.contracts import Movement
from interlock.events import SWEEP, Event
from interlock.plans import Plan
from interlock.timeline import Timeline

from local.cli.target import Target

# What a run tells of before it has ended.
ON_THE_WAY = {"contract.signed", "contract.ending"}


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
        for row in _rows(target, correlation_id)
    ]
    return sorted(entries, key=lambda entry: entry.at)


def plans(target: Target, dry_run: str) -> tuple[Plan, ...]:
    """What a dry run would have written, in the order in which it came to it; kept for a week."""
    rows = sorted(_rows(target, dry_run), key=lambda row: row["planned_at"])
    return tuple(Plan.model_validate_json(row["plan"]) for row in rows)


def timeline(target: Target, correlation_id: str) -> tuple[Event, ...]:
    """The transaction's canonical events, oldest first."""
    return Timeline(target.id("TimelineTable"), _client=target.dynamodb).of(correlation_id)


def _rows(target: Target, transaction: str) -> Iterator[dict[str, Any]]:
    """The ledger's rows of a transaction, or of a dry run."""
    pages = target.dynamodb.get_paginator("query").paginate(
        TableName=target.id("EffectsTable"),
        IndexName="by_transaction",
        KeyConditionExpression=Key("transaction").eq(transaction),
    )
    return (row for page in pages for row in page["Items"])


def concluded(target: Target, event: Event) -> bool:
    """Whether the transaction that this event began has told how it ended."""
    types = {told.type for told in timeline(target, event.correlation_id)} - {event.type}
    return any(not kind.startswith("exception.") for kind in types - ON_THE_WAY)


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
        case "posting.reversed":
            return f"{event.subject}: {data['reason']}"
        case "dunning.changed":
            return f"{data['account']}: {data['status']}"
        case "usage.submitted" if data["placed"] and data["placed"]["is_adjustment"]:
            placed = PlacedUsage.model_validate(data["placed"])
            return (
                f"{event.subject} of {placed.usage.occurred_at:%Y-%m-%d}, charged with the period"
                f" from {placed.period.start:%Y-%m-%d}"
            )
        case "approval.requested" | "approval.escalated":
            amount = Money.model_validate(data["amount"])
            return f"{data['id']} for {data['role']}: {data['kind']} of {amount}, {data['title']}"
        case "approval.decided":
            return f"{data['id']}: {data['status']} by {data['by']}: {data['reason']}"
        case "renewal.due":
            return f"{event.subject} ends on {data['ends_on']}, in {data['days']} days"
        case "contract.signed" | "contract.renewed" | "contract.amended" | "contract.ended":
            total = Movement.model_validate(data["movement"]).total
            sign = "+" if total.amount > 0 else ""
            return f"until before {data['contract']['ends_on']}, {sign}{total} a year"
        case "contract.ending":
            return " ".join(data["reasons"])
        case "contract.reverted":
            return f"at {data['failed_step']}: {data['reason']}"
        case "service.change_requested" if "action" in data:
            return f"{event.subject}: {data['action']}, by {data['by']}: {data['reason']}"
        case "service.changed":
            return f"{event.subject}: {data['service']['state']}"
        case "exception.resolved":
            decision = data["decision"]
            return f"{data['id']}: {decision['action']} by {decision['by']}: {decision['reason']}"
        case "exception.raised" | "exception.escalated":
            return f"{data['id']} for {data['team']}: {data['step']}: {data['message']}"
    amount = data.get("amount") and Money.model_validate(data["amount"])
    return ", ".join(str(part) for part in (event.subject, data.get("number"), amount) if part)

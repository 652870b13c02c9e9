"""Change events as Salesforce's event relay puts them onto an EventBridge partner bus.

https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_event_fields_header.htm
https://developer.salesforce.com/docs/platform/event-relay/guide/process-events-rules.html
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from local.sandboxes.salesforce_schema import full_id

CAPTURED = ("Opportunity",)
"""The members of the relay's channel: an administrator selects the objects to capture."""

CHANNEL_ID = full_id("0YLHs00000ILock")
# Id is in the header; the others are system fields or follow from another field.
NOT_IN_EVENTS = (
    "Id",
    "IsDeleted",
    "SystemModstamp",
    "IsWon",
    "IsClosed",
    "HasOpportunityLineItem",
)


@dataclass(frozen=True)
class Change:
    """One record's change within a transaction; `fields` are the values as they are after it."""

    sobject: str
    record_id: str
    type: str
    fields: dict[str, Any]
    user_id: str
    origin: str


@dataclass(frozen=True)
class Commit:
    """The transaction a change belongs to."""

    organization_id: str
    transaction_key: str
    number: int
    at: datetime


def partner_source(organization_id: str) -> str:
    """The name of the partner event source that the relay sends to."""
    return f"aws.partner/salesforce.com/{organization_id}/{CHANNEL_ID}"


def merged(changes: list[Change]) -> list[Change]:
    """One change per record and kind: a transaction reports what it did to a record once."""
    by_record: dict[tuple[str, str], Change] = {}
    for change in changes:
        first = by_record.get((change.sobject, change.record_id))
        if first is None or change.type == "DELETE":
            by_record[change.sobject, change.record_id] = change
        else:
            by_record[change.sobject, change.record_id] = replace(
                first, fields=first.fields | change.fields
            )
    return list(by_record.values())


def relayed(change: Change, commit: Commit, sequence: int) -> dict[str, Any]:
    """The EventBridge event of a change, as a rule on the partner bus sees it."""
    fields = {
        name: _encoded(value)
        for name, value in change.fields.items()
        if name not in NOT_IN_EVENTS and (value is not None or change.type == "UPDATE")
    }
    header = {
        "entityName": change.sobject,
        "recordIds": [change.record_id],
        "changeType": change.type,
        "changeOrigin": change.origin,
        "transactionKey": commit.transaction_key,
        "sequenceNumber": sequence,
        "commitTimestamp": int(commit.at.timestamp() * 1000),
        "commitNumber": commit.number,
        "commitUser": change.user_id,
        "nulledFields": [name for name, value in fields.items() if value is None],
        "diffFields": [],
        "changedFields": sorted(fields) if change.type == "UPDATE" else [],
    }
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": f"{change.sobject}ChangeEvent",
        "source": partner_source(commit.organization_id),
        "time": commit.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [],
        "detail": {"payload": {"ChangeEventHeader": header, **fields}},
    }


def _encoded(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    if isinstance(value, date):
        return value.isoformat()
    return value

"""Salesforce change events, as EventBridge delivers them, to canonical events.

Shape: `source` is `aws.partner/salesforce.com/<org id>/<channel id>`, `detail-type` the change
event's name, and `detail.payload` holds the changed fields and `ChangeEventHeader`.
https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_event_fields_header.htm

An event only points at a record: its content is fetched again by the workflow. So an event that
may mean more than it says (a gap event, which carries no fields) is taken as a hint, and the
workflow ends at once if the deal is not won. An event may name several records; one that names
none of ours (an overflow event, a wildcard) is set aside for a person.
An event that means several things is told as the first of these: won, lost, changed.
https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_other_events.htm
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from interlock.canonical.base import aware_utc
from interlock.errors import ContractViolation
from interlock.events import Event
from interlock.handler import parse

# Sforce-Call-Options of our own writes: Salesforce repeats it in an event's changeOrigin.
CLIENT = "interlock"
# What sales change on an open deal that a renewal has to know of.
DISCOUNT = "Renewal_Discount__c"
_SOURCE = re.compile(r"(?P<prefix>[\w.-]+)/salesforce\.com/(?P<org>\w{15}|\w{18})/(?P<channel>.+)")
_RECORD_ID = re.compile(r"006[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?")


def _committed(value: datetime) -> datetime:
    return aware_utc(value.replace(tzinfo=value.tzinfo or UTC))


class _Header(BaseModel):
    entity: str = Field(alias="entityName")
    records: list[str] = Field(alias="recordIds", min_length=1)
    change: str = Field(alias="changeType")
    origin: str = Field(alias="changeOrigin", default="")
    transaction: str = Field(alias="transactionKey", max_length=100)
    changed: list[str] = Field(alias="changedFields", default=[])
    sequence: int = Field(alias="sequenceNumber", ge=0, lt=2**63)
    # Epoch milliseconds or ISO 8601: both are seen, and pydantic reads both.
    committed_at: Annotated[datetime, AfterValidator(_committed)] = Field(alias="commitTimestamp")


def delivery_key(event: dict[str, Any]) -> str:
    """What makes a delivery the same as an earlier one: transaction, sequence and records.

    Raises ContractViolation when the header is not as Salesforce documents it.
    """
    header = _header(event)
    return f"{header.transaction}-{header.sequence}-{','.join(header.records)}"


def stages(names: str) -> set[str]:
    """The names of stages that a setting separates by commas."""
    return {name.strip() for name in names.split(",")}


def translate(
    event: dict[str, Any],
    *,
    connection: str,
    organisation: str,
    won_stages: set[str],
    lost_stages: set[str],
) -> tuple[Event, ...]:
    """The canonical events that a partner event stands for: none, one, or one per record.

    `organisation` is our org's id (15 or 18 characters), `won_stages` and `lost_stages` its names
    for "closed won" and "closed lost".
    Raises ContractViolation for a malformed event, an unknown kind, and another organisation.
    """
    source = _SOURCE.fullmatch(str(event.get("source")))
    if not source:
        raise ContractViolation("unknown source: not a Salesforce partner event")
    if source["org"][:15] != organisation[:15]:
        raise ContractViolation(
            f"another organisation: {source['org']}, this deployment serves {organisation}"
        )
    header = _header(event)
    if f"client={CLIENT}" in header.origin.split(";"):  # our own write, to whatever record
        return ()
    if event.get("detail-type") != "OpportunityChangeEvent":
        raise ContractViolation(f"unknown event: detail-type {event.get('detail-type')!r}")
    stage = event["detail"]["payload"].get("StageName")
    kind = _meaning(header, stage if isinstance(stage, str) else "", won_stages, lost_stages)
    if kind is None:
        return ()
    bad = [record for record in header.records if not _RECORD_ID.fullmatch(record)]
    if bad:
        raise ContractViolation(f"malformed: {len(bad)} record ids are no opportunity ids")
    return tuple(_told(kind, header, record, connection) for record in header.records)


def _meaning(
    header: _Header, stage: str, won_stages: set[str], lost_stages: set[str]
) -> str | None:
    """The type of the canonical event, None where there is nothing to do."""
    hint = header.change.startswith("GAP_") and header.change != "GAP_DELETE"
    if hint or stage in won_stages:
        return "opportunity.closed_won"
    if stage in lost_stages:
        return "opportunity.closed_lost"
    return "opportunity.changed" if DISCOUNT in header.changed else None


def _told(kind: str, header: _Header, record: str, connection: str) -> Event:
    moment = round(header.committed_at.timestamp() * 1000)
    return Event(
        id=f"{connection}:{header.transaction}-{header.sequence}-{record}",
        type=kind,
        source=connection,
        subject=f"{connection}:{record}",
        occurred_at=header.committed_at,
        correlation_id=f"{record}-{moment}",
        origin=header.origin or None,
    )


def _header(event: dict[str, Any]) -> _Header:
    detail = event.get("detail")
    payload = detail.get("payload") if isinstance(detail, dict) else None
    header = payload.get("ChangeEventHeader") if isinstance(payload, dict) else None
    if not isinstance(header, dict):
        raise ContractViolation("malformed: detail.payload.ChangeEventHeader is missing")
    return parse(_Header, header)

"""The event envelope, and publishing to the integration bus (EVT-1).

An EventBridge entry carries the envelope as its detail; `source` is `interlock` and `detail-type`
the event's type, so that a rule selects by type alone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from interlock import aws
from interlock.canonical import WonDeal
from interlock.canonical.base import Canonical, RecordId, Text, Timestamp
from interlock.errors import OutcomeUnknown
from interlock.settings import Settings

SOURCE = "interlock"
# How the id of an event begins that tells of what a sweep has found.
SWEEP = "sweep:"
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
MAX_ENTRIES = 10


class Event(Canonical):
    """A versioned canonical event.

    `id` is deterministic: the same fact told twice has the same id. `source` is the system that
    told us, `subject` the canonical id of the record it is about, `causation_id` the id of the
    event that caused this one, `origin` whose change it was (ours, when it is the echo of our own
    write). `correlation_id` is the business transaction; it names the execution, and so has the
    form of such a name.
    """

    id: Text
    type: Literal[
        "opportunity.closed_won",
        "opportunity.closed_lost",
        "opportunity.changed",
        "order.accepted",
        "order.cancelled",
        "invoice.finalized",
        "invoice.voided",
        "invoice.overdue",
        "invoice.paid_late",
        "payment.succeeded",
        "payment.failed",
        "credit_note.issued",
        "credit_note.voided",
        "refund.issued",
        "dispute.opened",
        "dispute.closed",
        "payout.settled",
        "usage.recorded",
        "invoice.posted",
        "credit_note.posted",
        "payment.posted",
        "refund.posted",
        "dispute.posted",
        "payout.posted",
        "posting.reversed",
        "dunning.changed",
        "usage.submitted",
        "credit.requested",
        "credit.approved",
        "credit.granted",
        "credit.refused",
        "approval.requested",
        "approval.escalated",
        "approval.decided",
        "contract.signed",
        "contract.renewed",
        "contract.amended",
        "contract.ending",
        "contract.ended",
        "contract.reverted",
        "renewal.due",
        "amendment.requested",
        "service.change_requested",
        "service.changed",
        "reconciliation.requested",
        "reconciliation.completed",
        "exception.raised",
        "exception.escalated",
        "exception.resolved",
    ]
    version: Literal[1] = 1
    source: Text
    subject: RecordId
    occurred_at: Timestamp
    correlation_id: Annotated[str, StringConstraints(pattern=r"^[\w-]{1,80}$")]
    causation_id: str | None = None
    origin: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


def found_won(deal: WonDeal, correlation_id: str) -> Event:
    """The event of a deal that a sweep found won: the same each time that it tells of it."""
    return Event(
        id=f"{SWEEP}{correlation_id}",
        type="opportunity.closed_won",
        source=deal.id.partition(":")[0],
        subject=deal.id,
        occurred_at=deal.won_at,
        correlation_id=correlation_id,
    )


def credit_requested(case_id: str, requested_at: datetime, *, told_by: str | None = None) -> Event:
    """The event of a case that asks for a credit since a moment; without `told_by`, of a sweep.

    The transaction is named after the case and the second of asking, so it is the same whoever
    tells of the request, and however often.
    """
    source, _, number = case_id.partition(":")
    transaction = f"{source}-{number}-{int(requested_at.timestamp())}"
    return Event(
        id=told_by or f"{SWEEP}{transaction}",
        type="credit.requested",
        source=source,
        subject=case_id,
        occurred_at=requested_at,
        correlation_id=transaction,
    )


def renewal_due(contract_id: str, ends_on: date, *, days: int, at: datetime, run: int = 1) -> Event:
    """The event of a contract that ends in so many days: the same, whoever tells of it.

    The transaction is the renewal of this term; `run` says which, once one was taken back.
    """
    transaction = f"renewal-{contract_id.partition(':')[2]}-{ends_on}"
    if run > 1:
        transaction += f"-{run}"
    return Event(
        id=f"{transaction}-{days}",
        type="renewal.due",
        source=SOURCE,
        subject=contract_id,
        occurred_at=at,
        correlation_id=transaction,
        data={"ends_on": ends_on.isoformat(), "days": days},
    )


def service_due(account_id: str, day: date) -> Event:
    """The event of an account whose contracts entitle it to something else from a day on.

    The same, whoever tells of it; the transaction is that day's.
    """
    transaction = f"service-{account_id.partition(':')[2]}-{day}"
    return Event(
        id=transaction,
        type="service.change_requested",
        source=SOURCE,
        subject=account_id,
        occurred_at=datetime.combine(day, time(tzinfo=UTC)),
        correlation_id=transaction,
    )


class BusSettings(Settings):
    """The integration bus."""

    integration_bus: str


def publish(*events: Event) -> None:
    """Put events on the integration bus.

    Raises OutcomeUnknown when EventBridge did not take all of them: publishing again is harmless,
    consumers know an event by its id.
    """
    bus = BusSettings.load().integration_bus
    entries = [
        {
            "EventBusName": bus,
            "Source": SOURCE,
            "DetailType": event.type,
            "Time": event.occurred_at,
            "Detail": event.model_dump_json(),
        }
        for event in events
    ]
    client = aws.client("events")
    results: list[dict[str, Any]] = []
    for start in range(0, len(entries), MAX_ENTRIES):
        results += client.put_events(Entries=entries[start : start + MAX_ENTRIES])["Entries"]
    if codes := [result["ErrorCode"] for result in results if "ErrorCode" in result]:
        raise OutcomeUnknown(
            f"{len(codes)} of {len(entries)} events were not taken",
            vendor="eventbridge",
            operation="put_events",
            code=", ".join(sorted(set(codes))),
        )

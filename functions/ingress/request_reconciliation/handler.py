"""Ask for a reconciliation of billing with the books: every day, and whenever someone wants one."""

from datetime import UTC, date, datetime

from interlock import events
from interlock.canonical import Canonical
from interlock.events import Event
from interlock.handler import operation
from interlock.rules.reconciliation import period


class RequestReconciliation(Canonical):
    """The days, both included; none given: the month so far, or the last one on the first day."""

    first_day: date | None = None
    last_day: date | None = None


@operation
def handler(command: RequestReconciliation) -> Event:
    """The event that starts it, published. What may still be in flight is left out."""
    now = datetime.now(UTC)
    first, last = period(now, command.first_day, command.last_day)
    run = f"reconciliation-{first}-{last}-{now:%Y%m%dT%H%M%S}"
    event = Event(
        id=run,
        type="reconciliation.requested",
        source="interlock",
        subject=f"reconciliation:{first}:{last}",
        occurred_at=now,
        correlation_id=run,
        data={"first_day": first.isoformat(), "last_day": last.isoformat()},
    )
    events.publish(event)
    return event

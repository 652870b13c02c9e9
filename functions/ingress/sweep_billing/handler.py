"""Tell of what happened in the billing system and no event told of: a sweep, on a schedule."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from interlock import connections, events
from interlock.canonical import Canonical, Timestamp
from interlock.deduplication import publish_once
from interlock.handler import logger, operation
from interlock.settings import Settings
from pydantic import Field

# What is younger has its own event on the way.
GRACE = timedelta(minutes=15)


class SweepSettings(Settings):
    """What happened before this is never swept."""

    sweep_billing_after: Timestamp


class SweepBilling(Canonical):
    """How far back to look: often a little, now and then as far as events get lost."""

    hours: Annotated[int, Field(gt=0, le=720)]


class Swept(Canonical):
    """How many events the billing system has of that time; most were told before."""

    events: int


@operation
def handler(command: SweepBilling, context: Any) -> Swept:
    """Publish what the ingress would have published, but for what it has published."""
    now, after = datetime.now(UTC), SweepSettings.load().sweep_billing_after
    since, count = max(now - timedelta(hours=command.hours), after), 0
    for event in connections.billing().events_since(since):
        if event.occurred_at <= now - GRACE:
            publish_once(event.id, (event,), events.publish, context)
            count += 1
    logger.info("swept", extra={"events": count, "since": since.isoformat()})
    return Swept(events=count)

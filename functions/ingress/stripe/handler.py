"""Stripe's partner events, verified, deduplicated and translated to canonical events."""

from functools import partial
from typing import Any

from interlock import events
from interlock.connectors.billing import stripe_events
from interlock.deduplication import publish_once
from interlock.handler import event_handler
from interlock.inbox import consume
from interlock.settings import Settings
from interlock.telemetry import logger


class IngressSettings(Settings):
    """The connection whose events these are, and the event destination that sends them."""

    connection_name: str
    stripe_destination: str


@event_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Consume a batch of the inbox."""
    return consume(event, context, partial(receive, context=context))


def receive(partner_event: dict[str, Any], context: Any) -> None:
    """Publish what a partner event means, unless an earlier delivery of it was published."""
    settings = IngressSettings.load()
    translated = stripe_events.translate(
        partner_event,
        connection=settings.connection_name,
        destination=settings.stripe_destination,
    )
    if translated is None:
        logger.info("nothing to do for this event", extra={"event_id": partner_event.get("id")})
        return
    publish_once(translated.id, (translated,), events.publish, context)

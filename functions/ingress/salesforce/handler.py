"""Salesforce's partner events, verified, deduplicated and translated to canonical events."""

from functools import partial
from typing import Any

from interlock import events
from interlock.connectors.crm import salesforce_events
from interlock.deduplication import publish_once
from interlock.handler import event_handler
from interlock.inbox import consume
from interlock.settings import Settings
from interlock.telemetry import logger


class IngressSettings(Settings):
    """The connection whose events these are, our organisation, and its names for closed deals."""

    connection_name: str
    salesforce_organisation: str
    salesforce_won_stages: str
    salesforce_lost_stages: str


@event_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Consume a batch of the inbox."""
    return consume(event, context, partial(receive, context=context))


def receive(partner_event: dict[str, Any], context: Any) -> None:
    """Publish what a partner event means, unless an earlier delivery of it was published."""
    settings = IngressSettings.load()
    translated = salesforce_events.translate(
        partner_event,
        connection=settings.connection_name,
        organisation=settings.salesforce_organisation,
        won_stages=salesforce_events.stages(settings.salesforce_won_stages),
        lost_stages=salesforce_events.stages(settings.salesforce_lost_stages),
    )
    if not translated:
        logger.info("nothing to do for this event", extra={"event_id": partner_event.get("id")})
        return
    key = f"salesforce:{salesforce_events.delivery_key(partner_event)}"
    publish_once(key, translated, events.publish, context)

"""Zendesk's webhook, verified, deduplicated and translated to canonical events."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from interlock import connections, events
from interlock.connectors.support import zendesk_events
from interlock.deduplication import publish_once
from interlock.handler import event_handler
from interlock.settings import Settings
from interlock.telemetry import logger
from interlock.webhook import Request, answer

TOLERANCE = timedelta(minutes=5)


class IngressSettings(Settings):
    """The connection whose events these are, and the secret that has the `signing_secret`."""

    connection_name: str
    webhook_secret: str


@event_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the API."""
    return answer(event, verify=verify, receive=partial(receive, context=context))


def verify(request: Request) -> None:
    """Raises ContractViolation for what our webhook did not sign just now."""
    key = connections.secret_field(IngressSettings.load().webhook_secret, "signing_secret")
    against = {"secret": key, "now": datetime.now(UTC), "tolerance": TOLERANCE}
    zendesk_events.verify(request.headers, request.body, **against)


def receive(request: Request, context: Any) -> None:
    """Publish what the event means, unless an earlier delivery of it was published."""
    name = IngressSettings.load().connection_name
    translated = zendesk_events.translate(request.body, connection=name)
    if translated is None:
        logger.info("nothing to do for this event")
        return
    publish_once(translated.id, (translated,), events.publish, context)

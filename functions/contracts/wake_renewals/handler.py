"""Let the runs that wait for a contract or its deal look at it: something happened to it."""

from typing import Any

from interlock.events import Event
from interlock.handler import event_handler, parse
from interlock.inbox import consume
from interlock.waits import Waits


@event_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Consume a batch of the wake queue."""
    return consume(event, context, wake)


def wake(eventbridge_event: dict[str, Any]) -> None:
    """Whoever waits for the event's subject goes on; who is about to wait will not."""
    event = parse(Event, eventbridge_event.get("detail"))
    Waits.load().wake(event.subject)

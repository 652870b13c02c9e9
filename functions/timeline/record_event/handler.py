"""Remember every canonical event on its transaction's timeline."""

from typing import Any

from interlock.events import Event
from interlock.handler import event_handler, parse
from interlock.inbox import consume
from interlock.timeline import Timeline


@event_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Consume a batch of the timeline's queue."""
    return consume(event, context, record)


def record(eventbridge_event: dict[str, Any]) -> None:
    """The same event again changes nothing."""
    Timeline.load().record(parse(Event, eventbridge_event.get("detail")))

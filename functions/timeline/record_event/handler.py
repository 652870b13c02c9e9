"""Remember every canonical event on its transaction's timeline."""

from typing import Any

from interlock.events import Event
from interlock.handler import parse, queue_handler
from interlock.inbox import consume
from interlock.timeline import Timeline


@queue_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Consume a batch of the timeline's queue."""
    return consume(event, context, record)


def record(eventbridge_event: dict[str, Any]) -> None:
    """The same event again changes nothing."""
    Timeline.load().record(parse(Event, eventbridge_event.get("detail")))

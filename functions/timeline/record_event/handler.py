"""Remember every canonical event on its transaction's timeline."""

from typing import Any

from interlock.canonical.base import Canonical
from interlock.events import Event
from interlock.handler import operation
from interlock.timeline import Timeline


class RecordEvent(Canonical, extra="ignore"):
    """An EventBridge event whose detail is a canonical event."""

    detail: Event


@operation
def handler(command: RecordEvent) -> dict[str, Any]:
    """The same event again changes nothing."""
    Timeline.load().record(command.detail)
    return {"recorded": command.detail.id}

"""Digest what the billing system has of a slice of documents, page by page."""

from typing import Any

from interlock import connections
from interlock.canonical import Command
from interlock.handler import operation
from interlock.rules.reconciliation import Progress, Slice, read_on

PAGE = 100
# A page is begun as long as there is time for a request of it to fail by its own timeout.
PAGE_MILLISECONDS = 18_000


class DigestFacts(Command):
    """The slice, and how far an earlier call came, if there was one."""

    part: Slice
    before: Progress | None = None


@operation
def handler(command: DigestFacts, context: Any) -> Progress:
    """How far this call came: done, or where to go on."""
    part, billing = command.part, connections.billing()
    days = {"first_day": part.first_day, "last_day": part.last_day}
    return read_on(
        command.before or Progress(system=connections.current().name),
        lambda after: billing.facts(part.kind, **days, after=after, limit=PAGE),
        lambda: context.get_remaining_time_in_millis() > PAGE_MILLISECONDS,
    )

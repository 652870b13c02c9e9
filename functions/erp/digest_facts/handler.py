"""Digest what the books have of a slice of documents, page by page."""

from typing import Any

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.books import FactsPage
from interlock.customers import with_accounts
from interlock.handler import operation
from interlock.rules.reconciliation import Progress, Slice, read_on

PAGE = 200
# A page is begun as long as there is time for a request of it to fail by its own timeout.
PAGE_MILLISECONDS = 18_000


class DigestFacts(Command):
    """The slice, whose documents they are, and how far an earlier call came, if there was one."""

    part: Slice
    born_in: str
    before: Progress | None = None


@operation
def handler(command: DigestFacts, context: Any) -> Progress:
    """How far this call came: done, or where to go on."""
    part, erp, system = command.part, connections.erp(), connections.current().name

    def page(after: str | None) -> FactsPage:
        days = {"first_day": part.first_day, "last_day": part.last_day}
        found = erp.facts(part.kind, system=command.born_in, **days, after=after, limit=PAGE)
        return FactsPage(facts=with_accounts(found.facts, system), next=found.next)

    return read_on(
        command.before or Progress(system=system),
        page,
        lambda: context.get_remaining_time_in_millis() > PAGE_MILLISECONDS,
    )

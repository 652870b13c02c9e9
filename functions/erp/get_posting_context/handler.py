"""Ask the ERP for the facts that decide whether and on which day a document may be posted."""

from interlock import connections
from interlock.canonical import Command
from interlock.connectors.erp.port import PostingContext
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation
from interlock.rules.bookable import Bookable, predecessor, query


class GetPostingContext(Command):
    """The document, and the type of the event that told of it.

    `subsidiary` is whose books a payout belongs to, by its lines.
    """

    document: Bookable
    event_type: str
    subsidiary: str | None = None


@operation
def handler(command: GetPostingContext) -> PostingContext:
    """Of the subsidiary in whose books the document it builds on is; that one is waited for."""
    erp, subsidiary = connections.erp(), command.subsidiary
    if before := predecessor(command.document):
        entity, record = before
        posted = CrossReferences.load().awaited(
            reference(entity, record), connections.current().name
        )
        read = erp.get_document if entity == "invoice" else erp.get_entry
        subsidiary = read(posted).subsidiary
    return erp.get_posting_context(query(command.document, command.event_type, subsidiary))

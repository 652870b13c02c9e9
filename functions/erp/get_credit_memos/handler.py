"""Read the credit memos that the books have for credit notes."""

from interlock import connections
from interlock.canonical import Canonical, Command
from interlock.canonical.base import RecordId
from interlock.canonical.books import PostedDocument
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation


class GetCreditMemos(Command):
    """The credit notes' canonical ids."""

    credit_note_ids: tuple[RecordId, ...]


class PostedDocuments(Canonical):
    """In the order of the credit notes, with the ERP's own figures."""

    documents: tuple[PostedDocument, ...]


@operation
def handler(command: GetCreditMemos) -> PostedDocuments:
    """All of them: each that is not in the books yet is waited for."""
    erp, system = connections.erp(), connections.current().name
    crossref = CrossReferences.load()
    posted = [
        crossref.awaited(reference("credit_note", id), system) for id in command.credit_note_ids
    ]
    return PostedDocuments(documents=tuple(map(erp.get_document, posted)))

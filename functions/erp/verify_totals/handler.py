"""Read a posted document back: the books have what the billing system says, to the minor unit."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.books import PostedDocument, Posting
from interlock.errors import RecordConflict
from interlock.handler import operation


class VerifyTotals(Command):
    """What was to be entered, and the document in the books."""

    posting: Posting
    posted: PostedDocument


@operation
def handler(command: VerifyTotals) -> PostedDocument:
    """The document as it is now. Raises RecordConflict when its amounts are different.

    A dry run has posted nothing that could be read back.
    """
    wanted = command.posting
    if command.dry_run:
        return command.posted
    found = connections.erp().get_document(command.posted.remote_id)
    if (found.net, found.tax, found.total) != (wanted.net, wanted.tax, wanted.total):
        raise RecordConflict(
            f"{wanted.number} is {found.total} ({found.tax} of it tax) in the books, and"
            f" {wanted.total} ({wanted.tax}) in the billing system: correct the books and retry,"
            " or compensate",
            operation="verify_totals",
            record=wanted.id,
        )
    return found

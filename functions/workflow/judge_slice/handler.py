"""Do billing and the books agree about a slice of documents? The pure rule."""

from interlock.canonical import Command
from interlock.canonical.books import Fact
from interlock.handler import operation
from interlock.rules.digest import Digest
from interlock.rules.reconciliation import Reconciled, Slice, reconcile


class JudgeSlice(Command):
    """The slice, both digests, and what both systems say of the documents that differ."""

    part: Slice
    billing: Digest
    books: Digest
    in_billing: tuple[Fact, ...]
    in_books: tuple[Fact, ...]


@operation
def handler(command: JudgeSlice) -> Reconciled:
    """Its figures and its breaks."""
    return reconcile(
        command.part,
        command.billing,
        command.books,
        in_billing=command.in_billing,
        in_books=command.in_books,
    )

"""Read a credit note from the billing system as it is now, with where its total went."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.billing import CreditNote
from interlock.handler import operation


class GetCreditNote(Command):
    """Its canonical id."""

    credit_note_id: RecordId


@operation
def handler(command: GetCreditNote) -> CreditNote:
    """The event only points at it: this is what counts."""
    return connections.billing().get_credit_note(command.credit_note_id)

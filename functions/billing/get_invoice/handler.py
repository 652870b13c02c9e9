"""Read an invoice from the billing system as it is now, with its lines and its collection."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Invoice
from interlock.handler import operation


class GetInvoice(Command):
    """Its canonical id."""

    invoice_id: RecordId


@operation
def handler(command: GetInvoice) -> Invoice:
    """The event only points at it: this is what counts."""
    return connections.billing().get_invoice(command.invoice_id)

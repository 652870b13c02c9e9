"""Compensation: credit the invoice that this transaction posted; nothing is deleted."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import CalendarDay, RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class ReverseInvoice(Compensation):
    """The invoice's canonical id, and the day to post the reversal on."""

    invoice_id: RecordId
    today: CalendarDay


@operation
def handler(command: ReverseInvoice) -> Undone:
    """The invoice that was reversed, if any."""
    erp = connections.erp()
    return ledger().undo(
        EffectKey(connections.current().name, "post_invoice", command.invoice_id),
        command=command,
        entity="invoice",
        find=lambda: erp.find_invoice(command.invoice_id),
        cancel=lambda remote_id: erp.reverse_document(remote_id, posting_date=command.today),
    )

"""Compensation: reverse the credit memo that this transaction posted."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import CalendarDay, RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class ReverseCreditMemo(Compensation):
    """The credit note's canonical id, and the day to post the reversal on."""

    credit_note_id: RecordId
    today: CalendarDay


@operation
def handler(command: ReverseCreditMemo) -> Undone:
    """The credit memo that was reversed, if any."""
    erp = connections.erp()
    return ledger().undo(
        EffectKey(connections.current().name, "post_credit_memo", command.credit_note_id),
        command=command,
        entity="credit_note",
        find=lambda: erp.find_credit_memo(command.credit_note_id, unapplied=True),
        cancel=lambda remote_id: erp.reverse_document(remote_id, posting_date=command.today),
    )

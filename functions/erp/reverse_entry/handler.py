"""Compensation: reverse the journal entry that this transaction posted."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import CalendarDay, RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class ReverseEntry(Compensation):
    """The entry's canonical id, and the day to post the reversal on."""

    entry_id: RecordId
    today: CalendarDay


@operation
def handler(command: ReverseEntry) -> Undone:
    """The entry that was reversed, if any."""
    erp = connections.erp()
    return ledger().undo(
        EffectKey(connections.current().name, "post_entry", command.entry_id),
        command=command,
        entity="entry",
        find=lambda: erp.find_entry(command.entry_id),
        cancel=lambda remote_id: erp.reverse_entry(remote_id, posting_date=command.today),
    )

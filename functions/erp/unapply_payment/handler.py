"""Compensation: reverse the payment that this transaction applied."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import CalendarDay, RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class UnapplyPayment(Compensation):
    """The payment's canonical id, and the day to post the reversal on."""

    payment_id: RecordId
    today: CalendarDay


@operation
def handler(command: UnapplyPayment) -> Undone:
    """The payment that was reversed, if any; its invoice is to be paid again."""
    erp = connections.erp()
    return ledger().undo(
        EffectKey(connections.current().name, "apply_payment", command.payment_id),
        command=command,
        entity="payment",
        find=lambda: erp.find_payment(command.payment_id),
        cancel=lambda remote_id: erp.unapply_payment(remote_id, posting_date=command.today),
    )

"""Compensation: cancel the order that this transaction entered in the ERP."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class CancelOrder(Compensation):
    """The order's canonical id."""

    order_id: RecordId


@operation
def handler(command: CancelOrder) -> Undone:
    """The order that was cancelled, if any; an invoiced one goes to Finance."""
    erp = connections.erp()
    return ledger().undo(
        EffectKey(connections.current().name, "create_order", command.order_id),
        command=command,
        entity="order",
        find=lambda: erp.find_order_or_draft(command.order_id),
        cancel=erp.cancel_order,
    )

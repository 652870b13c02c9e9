"""Compensation: tell the CRM's opportunity that its order was cancelled."""

from interlock import connections
from interlock.canonical import Command, OrderStatus, WriteBack
from interlock.canonical.base import RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class RevertWriteBack(Command):
    """The deal's canonical id."""

    opportunity_id: RecordId


@operation
def handler(command: RevertWriteBack) -> Undone:
    """The opportunity that was told, if this transaction had written an accepted one."""
    crm = connections.crm()

    def find() -> WriteBack | None:
        present = crm.read_write_back(command.opportunity_id)
        return present if present.correlation_id == command.correlation_id else None

    cancelled = WriteBack(
        opportunity_id=command.opportunity_id,
        status=OrderStatus.CANCELLED,
        order_number=None,
        subscription_id=None,
        correlation_id=command.correlation_id,
    )
    return ledger().undo(
        EffectKey(connections.current().name, "write_back", command.opportunity_id),
        command=command,
        entity="write_back",
        find=find,
        cancel=lambda _: crm.write_back(cancelled),
    )

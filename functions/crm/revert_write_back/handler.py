"""Compensation: tell the CRM's opportunity that its order was cancelled."""

from interlock import connections
from interlock.canonical import Compensation, OrderStatus, WriteBack
from interlock.canonical.base import RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.errors import RecordNotFound
from interlock.handler import logger, operation


class RevertWriteBack(Compensation):
    """The deal's canonical id."""

    opportunity_id: RecordId


@operation
def handler(command: RevertWriteBack) -> Undone:
    """The opportunity that was told, if this transaction had written an accepted one."""
    crm, deal, transaction = connections.crm(), command.opportunity_id, command.correlation_id

    def find() -> WriteBack | None:
        present = crm.read_write_back(deal)
        # What a team leaves there is no obstacle: the next order overwrites it.
        return present if present.correlation_id == transaction and not command.skipped else None

    def cancel(_: str) -> None:
        fields = {"order_number": None, "subscription_id": None, "correlation_id": transaction}
        try:
            crm.write_back(WriteBack(opportunity_id=deal, status=OrderStatus.CANCELLED, **fields))
        except RecordNotFound:
            logger.info("the deal was deleted meanwhile: nobody is left to tell")

    return ledger().undo(
        EffectKey(connections.current().name, "write_back", deal),
        command=command,
        entity="write_back",
        find=find,
        cancel=cancel,
    )

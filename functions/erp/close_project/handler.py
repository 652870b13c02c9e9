"""Compensation: close the project that this transaction opened in the ERP."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class CloseProject(Compensation):
    """The order's canonical id."""

    order_id: RecordId


@operation
def handler(command: CloseProject) -> Undone:
    """The project that was closed, if any."""
    erp = connections.erp()
    return ledger().undo(
        EffectKey(connections.current().name, "create_project", command.order_id),
        command=command,
        entity="project",
        find=lambda: erp.find_project(command.order_id),
        cancel=erp.close_project,
    )

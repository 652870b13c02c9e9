"""Compensation: close an implementation task that this transaction opened."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class CloseTask(Compensation):
    """The task's canonical id."""

    task_id: RecordId


@operation
def handler(command: CloseTask) -> Undone:
    """The ticket that was closed, if any."""
    support = connections.support()
    note = f"The order was cancelled (transaction {command.correlation_id})."
    return ledger().undo(
        EffectKey(connections.current().name, "create_task", command.task_id),
        command=command,
        entity="task",
        find=lambda: support.find_task(command.task_id),
        cancel=lambda task: support.close_task(task, note=note),
    )

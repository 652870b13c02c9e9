"""Open one implementation task in the support system."""

from interlock import connections
from interlock.canonical import Command, Task
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class CreateTask(Command):
    """The task; its id is stable per order."""

    task: Task


@operation
def handler(command: CreateTask) -> Task:
    """The ticket."""
    support, task = connections.support(), command.task
    effect = Effect(
        key=EffectKey(connections.current().name, "create_task", task.id),
        entity="task",
        content=task,
        origin="integration",
        command=command,
        result=Task,
    )
    return ledger().once(
        effect,
        perform=lambda key: support.create_task(task, idempotency_key=key),
        find=lambda: support.find_task(task.id),
        read=support.get_task,
    )

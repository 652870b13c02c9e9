"""Tell the CRM's opportunity which order and subscription came of it."""

from interlock import connections
from interlock.canonical import Command, WriteBack
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class WriteBackOrder(Command):
    """The fields to write."""

    write_back: WriteBack


@operation
def handler(command: WriteBackOrder) -> WriteBack:
    """Write them once, marked as ours, so that their echo is recognised."""
    crm = connections.crm()
    wanted = command.write_back

    def find() -> WriteBack | None:
        present = crm.read_write_back(wanted.opportunity_id)
        return present if present == wanted else None

    effect = Effect(
        key=EffectKey(connections.current().name, "write_back", wanted.opportunity_id),
        entity="write_back",
        # Another run for the same order writes the same, except for its own correlation id.
        content=wanted.model_copy(update={"correlation_id": None}),
        origin="integration",
        command=command,
        result=WriteBack,
        creates=False,
    )
    return ledger().once(
        effect,
        perform=lambda _: crm.write_back(wanted),
        find=find,
        read=crm.read_write_back,
    )

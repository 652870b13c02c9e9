"""Show sales, on the CRM's account, whether its invoices are overdue."""

from interlock import connections
from interlock.canonical.dunning import DunningFlag, FlagDunning
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


@operation
def handler(command: FlagDunning) -> DunningFlag:
    """Write it once a round, marked as ours; one that is there already is not written again."""
    crm, flag = connections.crm(), command.flag

    def find() -> DunningFlag | None:
        present = crm.read_dunning(flag.account_id)
        return present if present == flag else None

    effect = Effect(
        key=EffectKey(connections.current().name, "flag_dunning", command.record),
        entity="dunning",
        content=flag,
        origin="billing",
        command=command,
        result=DunningFlag,
        creates=False,
    )
    return ledger().once(
        effect,
        perform=lambda _: find() or crm.write_dunning(flag),
        find=find,
        read=lambda _: crm.read_dunning(flag.account_id),
    )

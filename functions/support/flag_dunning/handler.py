"""Show support, on a customer's organization and tickets, whether its invoices are overdue."""

from interlock import connections
from interlock.canonical.dunning import DunningFlag, DunningStatus, FlagDunning
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


@operation
def handler(command: FlagDunning) -> DunningFlag:
    """The flag that is there then, written once a round unless it was there before.

    It has the status "none" where support does not know the customer, so cannot flag it.
    """
    support, flag = connections.support(), command.flag
    unknown = DunningFlag(account_id=flag.account_id, status=DunningStatus.NONE)

    def find() -> DunningFlag | None:
        present = support.read_dunning(flag.account_id)
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
        perform=lambda _: find() or support.write_dunning(flag) or unknown,
        find=find,
        read=lambda _: support.read_dunning(flag.account_id) or unknown,
    )

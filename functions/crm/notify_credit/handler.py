"""Show sales, on the CRM's account, the credit that its customer was granted."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.credits import CreditNotice
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class NotifyCredit(Command):
    """What the account is to say."""

    notice: CreditNotice


@operation
def handler(command: NotifyCredit) -> CreditNotice:
    """Write it once a transaction, marked as ours; one that is there already is not written."""
    crm, notice = connections.crm(), command.notice

    def find() -> CreditNotice | None:
        present = crm.read_credit_notice(notice.account_id)
        return present if present == notice else None

    effect = Effect(
        key=EffectKey(
            connections.current().name,
            "notify_credit",
            f"{notice.account_id}/{command.correlation_id}",
        ),
        entity="credit_notice",
        content=notice.on_any_day(),
        origin="billing",
        command=command,
        result=CreditNotice,
        creates=False,
    )
    return ledger().once(
        effect,
        perform=lambda _: find() or crm.write_credit_notice(notice),
        find=find,
        read=lambda _: crm.read_credit_notice(notice.account_id),
    )

"""Tell a customer that its contract will go on by itself."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.contracts import Notice
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class SendNotice(Command):
    """What to tell; one for each term."""

    notice: Notice


@operation
def handler(command: SendNotice) -> Notice:
    """The notice as it was sent, once."""
    support, notice = connections.support(), command.notice
    effect = Effect(
        key=EffectKey(connections.current().name, "send_notice", notice.id),
        entity="notice",
        content=notice,
        origin="integration",
        command=command,
        result=Notice,
    )
    return ledger().once(
        effect,
        perform=lambda key: support.send_notice(notice, idempotency_key=key),
        find=lambda: support.find_notice(notice.id),
        read=support.get_notice,
    )

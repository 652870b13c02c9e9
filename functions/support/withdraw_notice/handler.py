"""Compensation: tell a customer that a notice does not hold."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class WithdrawNotice(Compensation):
    """The renewal's id."""

    notice_id: RecordId


@operation
def handler(command: WithdrawNotice) -> Undone:
    """The notice that was withdrawn, if any."""
    support = connections.support()
    return ledger().undo(
        EffectKey(connections.current().name, "send_notice", command.notice_id),
        command=command,
        entity="notice",
        find=lambda: support.find_notice(command.notice_id),
        cancel=support.withdraw_notice,
    )

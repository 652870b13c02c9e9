"""Remember that a run waits for a contract or its deal to change."""

from interlock.canonical import Canonical, Command
from interlock.canonical.base import RecordId, Text
from interlock.handler import operation
from interlock.waits import Waits


class AwaitChange(Command):
    """The token of the run that waits, and for which records."""

    token: Text
    contract_id: RecordId
    deal_id: RecordId


class Awaiting(Canonical):
    """Whether it was woken at once, because something has happened before it waited."""

    woken: bool


@operation
def handler(command: AwaitChange) -> Awaiting:
    """The run goes on when one of them is told of, or the time that it gave itself is over."""
    subjects = (command.contract_id, command.deal_id)
    return Awaiting(woken=Waits.load().wait(subjects, command.token))

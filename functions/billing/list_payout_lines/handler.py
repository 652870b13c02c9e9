"""Read some lines of a payout."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.connectors.billing.port import BalanceLines
from interlock.handler import operation

# As many as billing systems give at once; they fit into a state's input many times over.
PAGE = 100


class ListPayoutLines(Command):
    """The payout's canonical id, and the line to go on after."""

    payout_id: RecordId
    after: str | None = None


@operation
def handler(command: ListPayoutLines) -> BalanceLines:
    """A page, and where the next one begins."""
    billing = connections.billing()
    return billing.payout_lines(command.payout_id, after=command.after, limit=PAGE)

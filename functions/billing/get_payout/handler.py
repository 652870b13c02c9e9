"""Read a payout from the billing system as it is now, with whether its lines are complete."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Payout
from interlock.handler import operation


class GetPayout(Command):
    """Its canonical id."""

    payout_id: RecordId


@operation
def handler(command: GetPayout) -> Payout:
    """The event only points at it: this is what counts."""
    return connections.billing().get_payout(command.payout_id)

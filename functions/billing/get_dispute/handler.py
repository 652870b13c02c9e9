"""Read a dispute from the billing system as it is now, with how it stands."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Dispute
from interlock.handler import operation


class GetDispute(Command):
    """Its canonical id."""

    dispute_id: RecordId


@operation
def handler(command: GetDispute) -> Dispute:
    """The event only points at it: this is what counts."""
    return connections.billing().get_dispute(command.dispute_id)

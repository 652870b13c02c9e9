"""Read a refund from the billing system as it is now, with its credit note."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Refund
from interlock.handler import operation


class GetRefund(Command):
    """Its canonical id."""

    refund_id: RecordId


@operation
def handler(command: GetRefund) -> Refund:
    """The event only points at it: this is what counts."""
    return connections.billing().get_refund(command.refund_id)

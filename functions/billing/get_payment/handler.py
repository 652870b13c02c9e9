"""Read a payment from the billing system as it is now, with whether it is confirmed."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Payment
from interlock.handler import operation


class GetPayment(Command):
    """Its canonical id."""

    payment_id: RecordId


@operation
def handler(command: GetPayment) -> Payment:
    """The event only points at it: this is what counts."""
    return connections.billing().get_payment(command.payment_id)

"""Compensation: cancel the subscription that this transaction started, without proration."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import RecordId
from interlock.connectors.billing.port import BillingPort
from interlock.crossref import CrossReferences, reference
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class CancelSubscription(Compensation):
    """The order's canonical id, and the customer's account."""

    order_id: RecordId
    account_id: RecordId


@operation
def handler(command: CancelSubscription) -> Undone:
    """The subscription that was cancelled, if any."""
    billing: BillingPort = connections.billing()
    system = connections.current().name
    customer = CrossReferences.load().get(reference("customer", command.account_id), system)
    return ledger().undo(
        EffectKey(system, "create_subscription", command.order_id),
        command=command,
        entity="subscription",
        find=lambda: (
            customer and billing.find_subscription(command.order_id, customer_remote_id=customer)
        ),
        cancel=billing.cancel_subscription,
    )

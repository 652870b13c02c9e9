"""Read what a customer was charged for the months of an incident, and what can be credited."""

from interlock import connections
from interlock.canonical import Command, Timestamp
from interlock.canonical.base import RecordId
from interlock.canonical.credits import BillingContext
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation
from interlock.rules.downtime import last_day, months_in


class GetBillingContext(Command):
    """The customer's account, and when the incident began, and ended later."""

    account_id: RecordId
    started_at: Timestamp
    ended_at: Timestamp


@operation
def handler(command: GetBillingContext) -> BillingContext:
    """As it is now, for the whole months; whom billing does not know was charged nothing."""
    customer = CrossReferences.load().get(
        reference("customer", command.account_id), connections.current().name
    )
    if customer is None:
        return BillingContext(account_id=command.account_id, is_active=False, invoices=())
    months = months_in(command.started_at, command.ended_at)
    return connections.billing().get_billing_context(
        command.account_id,
        customer_remote_id=customer,
        first_day=months[0],
        last_day=last_day(months[-1]),
    )

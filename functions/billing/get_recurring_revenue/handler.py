"""What is a customer charged in a year?"""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.customer_view import RecurringRevenue
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation


class GetRecurringRevenue(Command):
    """The account that gets the bills."""

    account_id: RecordId


@operation
def handler(command: GetRecurringRevenue) -> RecurringRevenue:
    """By its live subscriptions now; who is no customer there is charged nothing."""
    billing, system = connections.billing(), connections.current().name
    customer = CrossReferences.load().get(reference("customer", command.account_id), system)
    if customer is None:
        return RecurringRevenue(subscriptions=0, yearly=(), credit_balance=())
    return billing.get_recurring_revenue(customer)

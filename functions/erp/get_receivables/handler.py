"""What does a customer owe in the ERP's books?"""

from datetime import UTC, datetime

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.customer_view import Receivables
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation


class GetReceivables(Command):
    """The account that gets the bills."""

    account_id: RecordId


@operation
def handler(command: GetReceivables) -> Receivables:
    """As the books have it now; an account that is no customer of theirs yet owes nothing."""
    erp = connections.erp()
    customer = CrossReferences.load().get(
        reference("customer", command.account_id), connections.current().name
    )
    if customer is None:
        return Receivables(owed=(), overdue=(), overdue_since=None)
    return erp.get_receivables(customer, today=datetime.now(UTC).date())

"""Read which invoices of a customer are overdue now."""

from interlock import connections
from interlock.canonical import Canonical, Command, Timestamp
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Invoice
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation


class ListOverdueInvoices(Command):
    """The customer's account, and the time that says what is overdue."""

    account_id: RecordId
    at: Timestamp


class OverdueInvoices(Canonical):
    """Oldest first."""

    invoices: tuple[Invoice, ...]


@operation
def handler(command: ListOverdueInvoices) -> OverdueInvoices:
    """Those that are past due, or whose payment failed."""
    customer = CrossReferences.load().require(
        reference("customer", command.account_id), connections.current().name
    )
    overdue = connections.billing().overdue_invoices(customer, at=command.at)
    return OverdueInvoices(invoices=overdue)

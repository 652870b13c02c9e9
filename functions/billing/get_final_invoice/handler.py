"""The last invoice of a contract's subscription, once it has ended."""

from interlock import connections
from interlock.canonical import Canonical, Command
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Invoice
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation


class GetFinalInvoice(Command):
    """The contract."""

    contract_id: RecordId


class FinalInvoice(Canonical):
    """None when the subscription never had an invoice."""

    invoice: Invoice | None


@operation
def handler(command: GetFinalInvoice) -> FinalInvoice:
    """Raises NotYetPosted as long as something is still to be invoiced."""
    billing, system = connections.billing(), connections.current().name
    subscription = reference("subscription", command.contract_id)
    remote_id = CrossReferences.load().require(subscription, system)
    return FinalInvoice(invoice=billing.get_final_invoice(remote_id))

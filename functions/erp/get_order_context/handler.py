"""Ask the ERP for the facts that decide whether a deal may become an order."""

from interlock import connections
from interlock.canonical import Command, Opportunity
from interlock.connectors.erp.port import OrderContext, OrderContextQuery
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation


class GetOrderContext(Command):
    """The deal."""

    opportunity: Opportunity


@operation
def handler(command: GetOrderContext) -> OrderContext:
    """The facts as they are now."""
    deal = command.opportunity
    address = deal.account.billing_address
    query = OrderContextQuery(
        subsidiary=deal.subsidiary or "",
        currency=deal.currency,
        skus=tuple(line.sku for line in deal.lines),
        payment_terms=deal.payment_terms or "",
        posting_date=deal.close_date,
        account_id=deal.account.id,
        country=address.country if address else None,
    )
    customer = CrossReferences.load().get(
        reference("customer", deal.account.id), connections.current().name
    )
    return connections.erp().get_order_context(query, customer_remote_id=customer)

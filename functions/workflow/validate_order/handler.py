"""May this deal become an order? The pure rule, on facts that the systems were just asked for."""

from interlock.canonical import Command, Opportunity, Order
from interlock.connectors.billing.port import Catalogue
from interlock.connectors.erp.port import OrderContext
from interlock.handler import operation
from interlock.rules import order_validation
from interlock.rules.account_hierarchy import AccountHierarchy


class ValidateOrder(Command):
    """The deal, the ERP's facts, the billing catalogue, and who gets the bill."""

    opportunity: Opportunity
    context: OrderContext
    catalogue: Catalogue
    hierarchy: AccountHierarchy


@operation
def handler(command: ValidateOrder) -> Order:
    """The order to enter, or every problem that someone has to fix."""
    return order_validation.validate(
        command.opportunity,
        command.context,
        command.catalogue,
        bill_to=command.hierarchy.bill_to,
    )

"""Ask the billing system which of a deal's recurring products it can charge for."""

from interlock import connections
from interlock.canonical import Command, LineKind, Opportunity
from interlock.connectors.billing.port import Catalogue
from interlock.handler import operation


class GetCatalogue(Command):
    """The deal."""

    opportunity: Opportunity


@operation
def handler(command: GetCatalogue) -> Catalogue:
    """The products that exist there and are active."""
    lines = command.opportunity.lines
    skus = {line.sku for line in lines if line.kind == LineKind.RECURRING}
    return connections.billing().get_catalogue(tuple(sorted(skus)))

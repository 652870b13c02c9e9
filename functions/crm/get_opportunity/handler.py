"""Read a deal from the CRM as it is now, with its lines and its account's ancestors."""

from interlock import connections
from interlock.canonical import Command, Opportunity
from interlock.canonical.base import RecordId
from interlock.handler import operation
from interlock.rules.account_hierarchy import MAX_DEPTH


class GetOpportunity(Command):
    """The deal's canonical id."""

    opportunity_id: RecordId


@operation
def handler(command: GetOpportunity) -> Opportunity:
    """The snapshot; one account more than is allowed, so that the rule sees a deeper hierarchy."""
    return connections.crm().get_opportunity(command.opportunity_id, hierarchy_depth=MAX_DEPTH + 1)

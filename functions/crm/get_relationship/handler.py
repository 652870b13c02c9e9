"""What do sales know about a customer?"""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.customer_view import Relationship
from interlock.handler import operation


class GetRelationship(Command):
    """The customer's account."""

    account_id: RecordId


@operation
def handler(command: GetRelationship) -> Relationship:
    """As the CRM has it now."""
    return connections.crm().get_relationship(command.account_id)

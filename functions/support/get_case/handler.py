"""Read a case from the support system as it is now, with the credit that it asks for."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.credits import Case
from interlock.handler import operation


class GetCase(Command):
    """The case's canonical id."""

    case_id: RecordId


@operation
def handler(command: GetCase) -> Case:
    """The snapshot."""
    return connections.support().get_case(command.case_id)

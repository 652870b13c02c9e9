"""Which cases of a customer are not solved?"""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.customer_view import OpenCases
from interlock.handler import operation


class GetOpenCases(Command):
    """The customer's account."""

    account_id: RecordId


@operation
def handler(command: GetOpenCases) -> OpenCases:
    """As support has them now."""
    return connections.support().get_open_cases(command.account_id)

"""Read our record of a contract."""

from interlock.canonical import Canonical, Command
from interlock.canonical.base import RecordId
from interlock.canonical.contracts import Contract
from interlock.contracts import Contracts
from interlock.handler import operation


class GetContract(Command):
    """The contract."""

    contract_id: RecordId


class FoundContract(Canonical):
    """None when there is no such contract."""

    contract: Contract | None


@operation
def handler(command: GetContract) -> FoundContract:
    """As it is now."""
    return FoundContract(contract=Contracts.load().get(command.contract_id))

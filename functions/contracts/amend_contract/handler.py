"""Change a contract, on condition that nobody else has changed it."""

from interlock.canonical import Canonical, Command
from interlock.canonical.contracts import Contract, ContractChange
from interlock.contracts import Contracts
from interlock.handler import operation


class AmendContract(Command):
    """The change as it was decided."""

    change: ContractChange


class AmendedContract(Canonical):
    """The contract as it is after the change; None when another run has changed it before."""

    contract: Contract | None


@operation
def handler(command: AmendContract) -> AmendedContract:
    """The same change again finds it done; a dry run changes nothing."""
    changed = command.change.after
    if command.dry_run:
        return AmendedContract(contract=changed)
    return AmendedContract(contract=Contracts.load().change(changed, command.correlation_id))

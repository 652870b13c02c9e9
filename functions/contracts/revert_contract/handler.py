"""Compensation: change a contract back, and let another run renew it."""

from interlock.canonical import Canonical, Compensation
from interlock.canonical.base import RecordId
from interlock.canonical.contracts import Contract, ContractChange, Movement
from interlock.contracts import Contracts
from interlock.handler import operation


class RevertContract(Compensation):
    """The change as it was decided; None when it never came to that.

    `renews` is the contract whose renewal is taken back; None when it is not about a renewal.
    """

    change: ContractChange | None
    renews: RecordId | None


class RevertedContract(Canonical):
    """The contract, with a further revision, and what that comes to; None when nothing was.

    Without a movement it was not changed back: only its renewal is another run's.
    """

    contract: Contract | None
    movement: Movement | None


@operation
def handler(command: RevertContract) -> RevertedContract:
    """Raises RecordConflict for a contract that was changed again since."""
    contracts, transaction = Contracts.load(), command.correlation_id
    dry_run = bool(command.dry_run)
    if command.change and not command.skipped:
        back = contracts.change_back(command.change, transaction, dry_run=dry_run)
        if back:
            return RevertedContract(contract=back.after, movement=back.movement)
    contract = None
    if command.renews and not dry_run:
        contract = contracts.let_another_run_renew(command.renews, transaction)
    return RevertedContract(contract=contract, movement=None)

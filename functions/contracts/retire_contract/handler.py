"""Compensation: take the record of a contract back."""

from interlock.canonical import Canonical, Compensation
from interlock.canonical.base import RecordId
from interlock.canonical.contracts import Contract
from interlock.contracts import Contracts
from interlock.handler import operation


class RetireContract(Compensation):
    """The order's id."""

    order_id: RecordId


class RetiredContract(Canonical):
    """The contract, ended on the day that it began; None when this run recorded none."""

    contract: Contract | None


@operation
def handler(command: RetireContract) -> RetiredContract:
    """What was recorded stays to be seen, and is in force no more."""
    if command.dry_run or command.skipped:
        return RetiredContract(contract=None)
    taken_back = Contracts.load().take_back(command.order_id, command.correlation_id)
    return RetiredContract(contract=taken_back)

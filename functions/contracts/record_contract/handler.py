"""Record the contract that an order began."""

from interlock import contract_terms
from interlock.canonical import Canonical, Command, LineKind, Opportunity, Order
from interlock.canonical.contracts import ContractChange
from interlock.contracts import Contracts
from interlock.handler import operation
from interlock.rules.contract_change import signed
from interlock.rules.renewal_policy import required


class RecordContract(Command):
    """The deal as it was won, and its validated order."""

    opportunity: Opportunity
    order: Order


class RecordedContract(Canonical):
    """The contract with what it comes to; None for an order without recurring lines."""

    change: ContractChange | None


@operation
def handler(command: RecordContract) -> RecordedContract:
    """Once; what the deal does not say about the renewal is as the terms have it."""
    if not command.order.lines_of(LineKind.RECURRING):
        return RecordedContract(change=None)
    policy = required(contract_terms.in_force().renewal)
    change = signed(command.opportunity, command.order, policy)
    if command.dry_run:
        return RecordedContract(change=change)
    recorded = Contracts.load().record(change.after, command.correlation_id)
    return RecordedContract(change=change.model_copy(update={"after": recorded}))

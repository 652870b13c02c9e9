"""How does a deal that was won change its contract? The pure rule."""

from datetime import date

from interlock.canonical import Command, Opportunity
from interlock.canonical.contracts import Contract, RenewalAction, RenewalDecision
from interlock.errors import BusinessRuleViolation
from interlock.handler import operation
from interlock.rules import co_terming
from interlock.rules.contract_change import amended


class PlanAmendment(Command):
    """The contract, the deal, and from which day; its own start, where none is given.

    There may be no such contract as a deal names.
    """

    contract: Contract | None
    deal: Opportunity
    effective_on: date | None = None


@operation
def handler(command: PlanAmendment) -> RenewalDecision:
    """The change, with its working."""
    if command.contract is None:
        problem = "the contract that it amends is not there: correct its id on the deal in the CRM"
        raise BusinessRuleViolation([problem], record=command.deal.id)
    change = amended(command.contract, command.deal, effective_on=command.effective_on)
    added = change.after.lines[len(command.contract.lines) :]
    return RenewalDecision(
        action=RenewalAction.RENEW,
        reasons=co_terming.working(command.contract, added),
        change=change,
    )

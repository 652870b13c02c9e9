"""How much is a customer due for an incident? The pure rule, and what was granted so far."""

from interlock.allowances import Allowances
from interlock.canonical import Command
from interlock.canonical.credits import BillingContext, Case, ComputedCredit
from interlock.handler import operation
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.credit_computation import compute, currency_of, months_of


class ComputeCredit(Command):
    """An entitled case, what was charged for its months, and the customer's terms."""

    case: Case
    context: BillingContext
    terms: AppliedTerms


@operation
def handler(command: ComputeCredit) -> ComputedCredit:
    """The credit with its working; it holds as long as the allowances are those it was read by."""
    allowances = Allowances.load().read(
        command.context.account_id, currency_of(command.context), months_of(command.case)
    )
    return compute(
        command.case,
        command.context,
        command.terms,
        allowances,
        transaction=command.correlation_id,
    )

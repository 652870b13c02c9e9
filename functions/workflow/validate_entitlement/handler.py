"""May a case have a credit? The pure rule, on facts that the systems were just asked for."""

from interlock.canonical import Command
from interlock.canonical.credits import BillingContext, Case
from interlock.handler import operation
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.entitlement import Entitlement, entitlement


class ValidateEntitlement(Command):
    """The case, what its customer was charged, if that is known, and the customer's terms."""

    case: Case
    context: BillingContext | None
    terms: AppliedTerms


@operation
def handler(command: ValidateEntitlement) -> Entitlement:
    """Whether it may, or every reason why not."""
    return entitlement(command.case, command.context, command.terms)

"""On which invoices is a credit given, and how does it reach the customer? The pure rule."""

from interlock.canonical import Canonical, Command
from interlock.canonical.credits import BillingContext, Case, ComputedCredit, Credit
from interlock.handler import operation
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.instrument import choose


class ChooseInstrument(Command):
    """The approved credit of a case, its customer's terms, and the invoices as they are now."""

    case: Case
    context: BillingContext
    terms: AppliedTerms
    credit: ComputedCredit


class Credits(Canonical):
    """One for each invoice: together they are all of the amount."""

    credits: tuple[Credit, ...]


@operation
def handler(command: ChooseInstrument) -> Credits:
    """The credits to issue, or how much is left where it is too little."""
    return Credits(
        credits=choose(
            command.credit,
            command.case,
            command.context,
            command.terms,
            transaction=command.correlation_id,
        )
    )

"""What does the next term of a contract cost? The pure rule."""

from interlock.canonical import Command, Opportunity
from interlock.canonical.contracts import Contract, RenewalQuote
from interlock.canonical.records import Percent
from interlock.handler import operation
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.renewal_policy import required
from interlock.rules.renewal_price import price


class PriceRenewal(Command):
    """The contract, its deal as sales have it now, and a discount that was rejected."""

    contract: Contract
    terms: AppliedTerms
    deal: Opportunity
    rejected: Percent | None


@operation
def handler(command: PriceRenewal) -> RenewalQuote:
    """The price with its working."""
    policy = required(command.terms.renewal)
    return price(command.contract, policy, command.deal, rejected=command.rejected)

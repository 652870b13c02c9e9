"""What is to be done about a renewal next? The pure rule, and the time."""

from datetime import UTC, datetime

from interlock.canonical import Command, Opportunity
from interlock.canonical.base import Text
from interlock.canonical.contracts import Contract, Notice, RenewalDecision, RenewalQuote
from interlock.canonical.customer_view import CustomerView
from interlock.handler import operation
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.renewal_decision import DecidedApproval, Renewal, decide
from interlock.rules.renewal_policy import required


class DecideRenewal(Command):
    """What is known: `quoted` is the offer that sales were told, `notice` what the customer was."""

    contract: Contract
    terms: AppliedTerms
    view: CustomerView
    deal: Opportunity
    quote: RenewalQuote
    approval: DecidedApproval | None
    quoted: Text | None
    notice: Notice | None


@operation
def handler(command: DecideRenewal) -> RenewalDecision:
    """What to do, and why; a dry run asks nobody, and goes on as if a discount were approved."""
    as_if = DecidedApproval(subject_hash=command.quote.offer(), status="approved")
    return decide(
        Renewal(
            contract=command.contract,
            policy=required(command.terms.renewal),
            view=command.view,
            deal=command.deal,
            quote=command.quote,
            approval=as_if if command.dry_run else command.approval,
            quoted=command.quoted,
            notice=command.notice,
            now=datetime.now(UTC),
        )
    )

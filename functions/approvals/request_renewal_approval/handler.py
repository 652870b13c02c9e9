"""Ask for the approval of a renewal's discount: of the policy at once, or of people."""

from interlock import deciding
from interlock.approvals import Approval
from interlock.audit import Audit, Entry
from interlock.canonical import Command
from interlock.canonical.base import Text
from interlock.canonical.contracts import Contract, RenewalQuote
from interlock.handler import operation
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.question import about_discount


class RequestRenewalApproval(Command):
    """What is offered, and the token that the run waits with."""

    token: Text
    contract: Contract
    quote: RenewalQuote
    terms: AppliedTerms


@operation
def handler(command: RequestRenewalApproval) -> Approval:
    """The answer is for the log: the state machine goes on when a decision answers the token.

    Sales may ask for one discount after another: an approval is good for its own offer, whenever
    that is made again.
    """
    question = about_discount(
        command.correlation_id, command.contract, command.terms, command.quote
    )
    requested = Entry(
        transaction=question.transaction,
        subject=question.subject,
        actor=question.requested_by,
        action="discount requested",
        facts=question.model_dump(mode="json", include={"title", "amount", "working"})
        | {"quote": command.quote.model_dump(mode="json", exclude={"working"})},
    )
    Audit.load().append(requested)
    return deciding.ask(question, command.terms, command.token)

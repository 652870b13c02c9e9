"""Ask for the approval of a credit: of the policy at once, or of people; the run waits."""

from interlock import deciding
from interlock.approvals import Approval, Approvals
from interlock.canonical import Command
from interlock.canonical.base import Text
from interlock.canonical.credits import Case, ComputedCredit
from interlock.handler import operation
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.question import about_credit


class RequestApproval(Command):
    """What a run knows of the credit that is to be approved, and the token that it waits with."""

    token: Text
    case: Case
    terms: AppliedTerms
    credit: ComputedCredit


@operation
def handler(command: RequestApproval) -> Approval:
    """Keep the question with its token, and tell it; nobody may approve another one of the run.

    The answer is for the log: the state machine goes on when a decision answers the token.
    """
    question = about_credit(command.correlation_id, command.case, command.terms, command.credit)
    Approvals.load().withdraw(question.transaction, but=question.approval_id)
    return deciding.ask(question, command.terms, command.token)

"""Is what was approved what is to be issued?"""

from interlock.approvals import Approvals
from interlock.canonical import Command
from interlock.canonical.credits import Case, ComputedCredit
from interlock.handler import operation
from interlock.rules.approval import Subject, Verification, verify
from interlock.rules.contract_terms import AppliedTerms


class VerifyApproval(Command):
    """What the run says was approved, and the case as it is now."""

    case: Case
    case_now: Case
    terms: AppliedTerms
    credit: ComputedCredit


@operation
def handler(command: VerifyApproval) -> Verification:
    """Whether it is, or every reason why not; what the run says is looked up by its hash."""
    subject = Subject.of(command.case, command.terms, command.credit).fingerprint()
    approval = Approvals.load().find(command.correlation_id, subject)
    return verify(
        subject if approval and approval.status == "approved" else None,
        case=command.case,
        case_now=command.case_now,
        terms=command.terms,
        credit=command.credit,
    )

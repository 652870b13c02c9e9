"""Ask for the approval of a credit: of the policy at once, or of people; the run waits."""

from interlock import deciding
from interlock.approvals import Approval, Approvals, RequestApproval
from interlock.handler import operation
from interlock.rules.approval import route


@operation
def handler(command: RequestApproval) -> Approval:
    """Keep the question with its token, and tell it; answer the token of what is decided already.

    The answer is for the log: the state machine goes on when a decision answers the token. When a
    time is over in which nobody decided, the next ones are asked.
    """
    store = Approvals.load()
    escalations = store.escalations(command.approval_id)
    asked = route(command.credit.amount, command.terms.approval, escalations=escalations)
    approval = store.ask(
        command.approval(asked, escalations=escalations, now=store.now()), command.token
    )
    store.withdraw(approval.transaction, but=approval.id)
    if approval.status == "pending":
        deciding.announce(approval, store.now())
    else:
        deciding.settle(approval, command.token)
    return approval

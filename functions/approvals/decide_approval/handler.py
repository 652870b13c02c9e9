"""POST /approvals/{id}/decision: a person approves a credit, or rejects it."""

from typing import Literal

from interlock import deciding
from interlock.api import ApiRequest, api_operation
from interlock.approvals import Approval, Approvals, Decision
from interlock.callers import approver
from interlock.canonical.base import Canonical, Text


class DecideApproval(Canonical):
    """What is decided, why, and the hash of what the person has seen."""

    action: Literal["approve", "reject"]
    reason: Text
    subject_hash: Text


@api_operation
def handler(request: ApiRequest) -> Approval:
    """Decide as the person who signed the request; the same again completes what is missing."""
    person = approver(request.caller_arn)
    told = request.content(DecideApproval)
    decision = Decision(
        by=person,
        caller_arn=request.caller_arn,
        action=told.action,
        reason=told.reason,
        at=Approvals.load().now(),
        how="api",
    )
    return deciding.decide(request.parameters["id"], decision, subject_hash=told.subject_hash)

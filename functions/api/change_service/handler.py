"""POST /accounts/{id}/service: a person suspends a customer, or resumes its service."""

from datetime import UTC, datetime
from typing import Literal

from interlock import serving
from interlock.api import ApiRequest, api_operation
from interlock.callers import operator
from interlock.canonical.base import Canonical, RecordId, Text
from interlock.suspensions import Instruction


class ChangeService(Canonical):
    """What is to be done, and why."""

    action: Literal["suspend", "resume"]
    reason: Text


class RequestedChange(Canonical):
    """The account, and the transaction that tells support and CRM."""

    account_id: RecordId
    transaction: RecordId


@api_operation
def handler(request: ApiRequest) -> RequestedChange:
    """Decide as the person who signed the request; the same again changes nothing."""
    person = operator(request.caller_arn)
    told = request.content(ChangeService)
    kept = serving.change(
        Instruction(
            account_id=request.parameters["id"],
            action=told.action,
            reason=told.reason,
            by=person,
            caller_arn=request.caller_arn,
            at=datetime.now(UTC),
        )
    )
    return RequestedChange(account_id=kept.account_id, transaction=kept.transaction)

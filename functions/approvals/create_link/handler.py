"""POST /approvals/{id}/links: make a signed link with which a person can decide."""

from interlock import deciding
from interlock.api import ApiRequest, api_operation
from interlock.callers import approver
from interlock.canonical.base import Canonical, Text


class CreateLink(Canonical):
    """Who will decide by it: an e-mail address."""

    person: Text


@api_operation
def handler(request: ApiRequest) -> deciding.OfferedLink:
    """Nobody but this function's role and the link's page reads the secret that links need."""
    maker = approver(request.caller_arn)
    person = request.content(CreateLink).person
    return deciding.offer_link(request.parameters["id"], person=person, maker=maker)

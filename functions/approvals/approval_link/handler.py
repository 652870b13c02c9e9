"""GET and POST /approvals/link: decide by a signed link, without an AWS identity."""

from typing import Literal

from interlock import deciding, pages
from interlock.api import ApiRequest, page_operation
from interlock.approvals import Approvals, Decision
from interlock.canonical.base import Canonical, Text
from interlock.links import Links


class Answer(Canonical):
    """What the page's form sends."""

    action: Literal["approve", "reject"]
    reason: Text


@page_operation
def handler(request: ApiRequest) -> str:
    """Show what is asked; what scans e-mails follows links, so only the form's POST decides."""
    link = Links.load().read(request.query)
    store = Approvals.load()
    if request.method == "POST":
        answer = request.form(Answer)
        decision = Decision(
            by=link.person, action=answer.action, reason=answer.reason, at=store.now(), how="link"
        )
        return pages.decided(deciding.decide(link.approval, decision, subject_hash=link.subject))
    approval = store.get(link.approval)
    if approval.status != "pending":
        return pages.decided(approval)
    return pages.question(approval, link.person)

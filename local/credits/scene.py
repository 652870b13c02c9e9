"""What people do about one customer's incident: agents at Zendesk, approvers over the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from interlock.approvals import Approval

from local.cli.api import Api
from local.cli.errors import Failure
from local.cli.functions import result
from local.cli.target import Target
from local.credits.company import Company, Customer
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import subscriptions
from local.sandboxes.zendesk_webhooks import Delivery
from local.settling import settle

AGENT = "support-agent@interlock.example"
SUPPORT_LEAD = "support-lead@interlock.example"
CFO = "cfo@interlock.example"


@dataclass
class Scene:
    """One customer and its cases; `tell` gets a line for each thing that happens."""

    company: Company
    target: Target
    customer: Customer
    tell: Callable[[str], None]
    cases: list[int] = field(default_factory=list)

    def report(self, hours: int, *, after: int = 0, subject: str = "Service down") -> int:
        """An agent files a case of a critical incident, and asks for a credit.

        It began so many hours after Tuesday did.
        """
        desk = self.company.environment.desk
        agent = desk.agent(AGENT)
        start = self.company.tuesday + after * HOUR
        case = desk.file(self.customer.account, subject, by=agent)
        self.cases.append(case)
        times = {"started_at": _entered(start), "ended_at": _entered(start + hours * HOUR)}
        desk.enter(case, by=agent, severity="critical", **times)
        self.tell(f"case {case}: down for {hours} h from {start:%Y-%m-%d %H:%M} UTC")
        self.ask(case)
        return case

    def ask(self, case: int) -> None:
        """The agent asks for a credit."""
        self.tell(f"{AGENT} asks for a credit for case {case}")
        desk = self.company.environment.desk
        desk.request_credit(case, by=desk.agent(AGENT))
        settle(self.company.environment.cloud)

    def extend(self, case: int, hours: int) -> None:
        """The agent finds that it lasted longer."""
        end = _entered(self.company.tuesday + hours * HOUR)
        self.tell(f"{AGENT} edits case {case}: it lasted {hours} h")
        desk = self.company.environment.desk
        desk.enter(case, by=desk.agent(AGENT), ended_at=end)
        settle(self.company.environment.cloud)

    def told_twice(self, case: int) -> None:
        """Zendesk delivers each event of now on twice."""
        webhooks = self.company.environment.zendesk.webhooks
        once = webhooks.deliver

        def twice(delivery: Delivery) -> None:
            once(delivery)
            once(delivery)

        webhooks.deliver = twice
        self.tell("Zendesk's webhook delivers each event twice")
        try:
            self.ask(case)
        finally:
            webhooks.deliver = once

    def approvals(self, status: str = "pending") -> list[Approval]:
        """What waits for somebody, of this customer."""
        found = Api(self.target, SUPPORT_LEAD).get("/approvals", {"status": status})["approvals"]
        listed = [Approval.model_validate(each) for each in found]
        return [each for each in listed if each.account_id == self.customer.account]

    def waits_for(self) -> Approval:
        """The credit that waits. Raises Failure when none does."""
        waiting = self.approvals()
        if len(waiting) != 1:
            raise Failure(f"{len(waiting)} credits of {self.customer.name} wait for an approval")
        [approval] = waiting
        due = f"until {approval.due_at:%Y-%m-%d %H:%M} UTC"
        self.tell(f"{approval.amount} waits for {', '.join(approval.people)}, {due}")
        return approval

    def decide(self, person: str, action: str, reason: str) -> bool:
        """A person decides over the API: whether the API let it."""
        [approval] = self.approvals()
        decision: dict[str, Any] = {"action": action, "reason": reason}
        decision["subject_hash"] = approval.subject_hash
        try:
            Api(self.target, person).post(f"/approvals/{approval.id}/decision", decision)
        except Failure as refused:
            self.tell(f"{person} tries to {action} it: {_words(refused)}")
            return False
        self.tell(f"{person}: {action}, {reason!r}")
        settle(self.company.environment.cloud)
        return True

    def nobody_decides(self, hours: int) -> None:
        """Time goes by."""
        self.tell(f"{hours} h pass, and nobody decides")
        self.company.wait(hours)

    def leave(self) -> None:
        """The customer ends its subscription."""
        subscription = self.company.subscription(self.customer)
        self.company.environment.stripe.do(subscriptions.cancel, subscription["id"])
        settle(self.company.environment.cloud)
        self.tell(f"{self.customer.name} has ended its subscription")

    def break_erp(self) -> None:
        """Tryton answers nothing but errors."""
        self.tell("Tryton is down")
        self.company.environment.erp_proxy.fail(FaultKind.UNAVAILABLE, times=None)

    def mend_erp(self) -> None:
        """Tryton works again, and whoever was asked about it lets the runs go on."""
        self.company.environment.erp_proxy.heal()
        self.tell("Tryton is up again")
        query = {"status": "open", "team": None}
        for waiting in result(self.target, "ListExceptionsFunction", query)["exceptions"]:
            self.tell(f"{waiting['team']} was asked about {waiting['step']}, and says: retry")
            decision = {"action": "retry", "by": waiting["team"], "reason": "Tryton is up again"}
            told = {"id": waiting["id"], "decision": decision}
            result(self.target, "ResolveExceptionFunction", told)
        settle(self.company.environment.cloud)


HOUR = timedelta(hours=1)


def _entered(moment: datetime) -> str:
    """As an agent enters it."""
    return f"{moment:%Y-%m-%dT%H:%MZ}"


def _words(failure: Failure) -> str:
    return failure.message.partition(": ")[2]

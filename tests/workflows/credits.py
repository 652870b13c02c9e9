"""Driving case to credit from outside: agents ask at Zendesk, people decide, runs follow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from interlock.approvals import Approval
from interlock.events import Event, credit_requested
from interlock.rules.allowance import Allowance

from local.cli.api import Api
from local.cli.audit import Audited, audits_of
from local.cli.target import Target
from local.cloud.names import REGION
from local.environment import STACK
from local.sandboxes.stripe import subscriptions
from local.sandboxes.stripe.account import StripeObject
from local.sandboxes.zendesk_webhooks import Delivery
from tests.workflows.billing import US, Billing, Customer
from tests.workflows.erp import Erp
from tests.workflows.runs import Machine, Run

AGENT = "support-agent@interlock.example"
SUPPORT_LEAD = "support-lead@interlock.example"
FINANCE = "finance@interlock.example"
HOUR = timedelta(hours=1)
BETWEEN_REQUESTS = 6
# Between these days of a month every incident below is over, and can still be claimed.
FIRST_DAY, LAST_DAY = 10, 25
_numbers = itertools.count(1)


class Request(Run):
    """The run of a case's request for a credit."""

    @property
    def case(self) -> int:
        """The ticket's number."""
        return int(self.transaction.split("-")[1])


@dataclass(frozen=True)
class Served:
    """A customer with a subscription, and the invoice that has charged for it."""

    customer: Customer
    subscription: str
    invoice: StripeObject


class Credits(Machine):
    """Case to credit: it starts as in production, by Zendesk's webhook.

    Incidents are in the month of now, and so are the fees.
    """

    resource = "CaseToCredit"

    def __init__(self, billing: Billing, erp: Erp) -> None:
        super().__init__(billing.environment)
        self.billing = billing
        self.erp = erp
        self.desk = self.environment.desk
        self.target = Target.local(STACK, REGION, self.cloud.url)

    def begin(self) -> None:
        """It is the middle of a month: incidents are past, and its first days as well."""
        now = self.cloud.clock.utc()
        if not FIRST_DAY <= now.day <= LAST_DAY:
            first = now.replace(day=FIRST_DAY)
            later = first if first > now else (first + timedelta(days=31)).replace(day=FIRST_DAY)
            self.cloud.clock.advance((later - now).total_seconds())

    @property
    def month(self) -> datetime:
        """When the month of the fees and the incidents began."""
        midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
        return self.cloud.clock.utc().replace(day=1, **midnight)

    @property
    def tuesday(self) -> datetime:
        """When its first Tuesday began: there is no maintenance until Sunday."""
        return self.month + timedelta(days=(1 - self.month.weekday()) % 7)

    # Customers

    def serve(
        self, fee: int = 100000, subsidiary: str = US, *, posted: bool = True, **terms: Any
    ) -> Served:
        """A customer that pays so much for each month, in minor units, and has got its invoice.

        Unless it is `posted`, the books do not know the invoice. `terms` are the subscription's.
        """
        organization = self.environment.organization
        name = f"Served Customer {next(_numbers)}"
        account = f"salesforce:{organization.insert('Account', {'Name': name})}"
        customer = self.billing.customer(self.erp, subsidiary, account)
        start = int(self.month.timestamp())
        with self.billing.held_back():
            subscription = self.billing.subscribe(
                customer, seats=1, price=fee, start=start, **terms
            )
        invoice = self.billing.stripe.account.invoices[subscription["latest_invoice"]]
        if posted:
            self.billing.finalize(invoice)
            assert self.billing.run(invoice["id"], "invoice-finalized").wait_for_end()
        else:
            with self.billing.held_back():
                self.billing.finalize(invoice)
        # Time will jump: it is no matter of these tests what is charged next.
        self.billing.stripe.by_hand(lambda account: account.agenda.clear())
        return Served(customer, subscription["id"], invoice)

    def leave(self, served: Served) -> None:
        """The customer ends its subscription."""
        self.billing.stripe.do(subscriptions.cancel, served.subscription)

    # Cases

    def file(
        self, account: str | None, hours: float = 1, *, after: float = 0, **entered: str
    ) -> int:
        """An agent files a case of a critical incident, so many hours after Tuesday began.

        `entered` are other fields, by the names of the desk.
        """
        start = self.tuesday + after * HOUR
        usual = {
            "severity": "critical",
            "started_at": as_entered(start),
            "ended_at": as_entered(start + hours * HOUR),
        }
        return self.desk.file(account, "Service down", by=self.agent(), **usual | entered)

    def report(self, served: Served, hours: float = 1, **entered: Any) -> Request:
        """A case of the customer that asks for a credit: the run that this starts."""
        return self.ask(self.file(served.customer.account, hours, **entered))

    def ask(self, case: int, by: str = AGENT) -> Request:
        """An agent asks for a credit, a while after somebody did before."""
        self.cloud.clock.advance(BETWEEN_REQUESTS)
        self.desk.request_credit(case, by=self.agent(by))
        audit = self.environment.zendesk.account.audits[case][-1]
        asked_at = datetime.fromisoformat(audit["created_at"])
        return Request(self, f"zendesk-{case}-{int(asked_at.timestamp())}")

    def agent(self, email: str = AGENT) -> dict[str, Any]:
        """Somebody at Zendesk."""
        return self.desk.agent(email)

    def event_of(self, run: Request) -> Event:
        """The event that a sweep tells of the request."""
        asked_at = datetime.fromtimestamp(int(run.transaction.split("-")[2]), UTC)
        return credit_requested(f"zendesk:{run.case}", asked_at)

    @contextmanager
    def deliveries(self) -> Iterator[list[Delivery]]:
        """What Zendesk's webhook has to deliver meanwhile, and does not."""
        held: list[Delivery] = []
        webhooks = self.environment.zendesk.webhooks
        before, webhooks.deliver = webhooks.deliver, held.append
        try:
            yield held
        finally:
            webhooks.deliver = before

    # Approvals

    def waits(self, run: Run) -> Approval:
        """Until the run waits for a person; time does not jump on: what the API shows."""
        run.wait_until(lambda: self.approvals(run, "pending"), jump=False)
        [approval] = self.approvals(run, "pending")
        told = self.api(SUPPORT_LEAD).get(f"/approvals/{approval.id}")
        return Approval.model_validate(told)

    def approvals(self, run: Run, status: str) -> list[Approval]:
        """The transaction's approvals with a status."""
        found = [
            Approval.model_validate_json(row["content"]["S"]) for row in self.rows("ApprovalsTable")
        ]
        return [
            each for each in found if (each.transaction, each.status) == (run.transaction, status)
        ]

    def api(self, person: str) -> Api:
        """The API, as a person calls it."""
        return Api(self.target, person)

    def decide(
        self, approval: Approval, person: str = SUPPORT_LEAD, action: str = "approve"
    ) -> Approval:
        """A person decides over the API. Raises Failure when it does not let."""
        decision = {"action": action, "reason": "as agreed", "subject_hash": approval.subject_hash}
        told = self.api(person).post(f"/approvals/{approval.id}/decision", decision)
        return Approval.model_validate(told)

    # What came of it

    def told(self, run: Request) -> tuple[str, ...]:
        """What the fields of the case say: of this request, the status and the amount if any."""
        entered = self.desk.entered(run.case)
        assert entered["transaction"] == run.transaction
        return tuple(entered[name] for name in ("status", "amount") if entered[name])

    def note(self, run: Request) -> str:
        """The last thing that the agent was told in the case."""
        return self.desk.notes(run.case)[-1]

    def credit_notes(self, served: Served) -> list[StripeObject]:
        """Those on the customer's invoice, in every status, oldest first."""
        issued = self.billing.stripe.account.credit_notes.values()
        return [note for note in issued if note["invoice"] == served.invoice["id"]]

    def credited(self, served: Served) -> Decimal:
        """What Stripe has credited and not voided, net of tax, in dollars or euros."""
        notes = [note for note in self.credit_notes(served) if note["status"] == "issued"]
        return Decimal(sum(note["subtotal"] for note in notes)) / 100

    def granted(self, served: Served) -> Decimal:
        """What is reserved or used of the customer's caps, of all months."""
        rows = (row for row in self.rows("AllowancesTable") if "content" in row)
        allowances = [Allowance.model_validate_json(row["content"]["S"]) for row in rows]
        return sum(
            (
                each.granted.amount
                for each in allowances
                if each.account_id == served.customer.account
            ),
            Decimal(0),
        )

    def audited(self, run: Request) -> Audited:
        """The audit of the request: it is whole, and told outside of its table as it is."""
        self.settle()
        audits = audits_of(self.target, f"zendesk:{run.case}")
        [audited] = [each for each in audits if each.chain.transaction == run.transaction]
        assert audited.problems == []
        assert audited.anchors
        return audited

    def actions(self, run: Request) -> list[tuple[str, str]]:
        """Who did what about the request, by its audit, which is whole."""
        return [(row.actor, row.action) for row in self.audited(run).chain.rows]


def as_entered(moment: datetime) -> str:
    """As an agent enters it."""
    return f"{moment:%Y-%m-%dT%H:%MZ}"

"""What people do in the Zendesk sandbox: not Zendesk's API, but a way for tests and demos to act.

desk = SupportDesk(sandbox)
agent = desk.agent("sam@support.example")
number = desk.file("salesforce:001…", "Exports fail", by=agent)
desk.enter(number, by=agent, severity="critical", started_at="2026-11-02T09:30Z",
           ended_at="2026-11-02T11:00Z", products="PLATFORM-ANNUAL")
desk.request_credit(number, by=agent)
desk.solve(number, by=agent)
number = desk.emails("accounts@customer.example")[-1]["ticket_id"]
desk.answer(number, "Please cancel.")
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from local.sandboxes.zendesk import ZendeskSandbox
from local.sandboxes.zendesk_account import Record, ZendeskAccount, matching

SUBSCRIPTION = "zen:event-type:ticket.custom_field_changed"
REQUESTED = "interlock_credit_requested"
CHOICES = {
    "credit": {"Requested": REQUESTED, "Answered": "interlock_credit_answered"},
    "severity": {
        name.title(): f"interlock_severity_{name}" for name in ("critical", "major", "minor")
    },
}
# The fields that the integration needs, by the name in its options: what an administrator makes.
CASE_FIELDS = {
    "credit": "Credit",
    "severity": "Incident severity",
    "started_at": "Incident start (UTC)",
    "ended_at": "Incident end (UTC)",
    "products": "Affected products",
    "status": "Credit status",
    "amount": "Credit amount",
    "transaction": "Credit transaction",
}


def make_case_fields(account: ZendeskAccount) -> dict[str, int]:
    """Make the custom fields of cases: their ids, by name."""
    return {name: account.create_ticket_field(_field(name))["id"] for name in CASE_FIELDS}


@dataclass
class SupportDesk:
    """The people of an account. Its case fields are made when it is."""

    sandbox: ZendeskSandbox
    fields: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        made = {each["title"]: each["id"] for each in self._account.ticket_fields.values()}
        if not made:
            self.fields = self.sandbox.by_hand(make_case_fields)
        else:
            self.fields = {name: made[title] for name, title in CASE_FIELDS.items()}

    @property
    def _account(self) -> ZendeskAccount:
        return self.sandbox.account

    def register_webhook(self, endpoint: str) -> str:
        """Have the integration's address told when a custom field changes: the signing secret."""
        wanted = {
            "name": "Interlock",
            "status": "active",
            "endpoint": endpoint,
            "http_method": "POST",
            "request_format": "json",
            "subscriptions": [SUBSCRIPTION],
        }
        made = self.sandbox.by_hand(lambda account: self.sandbox.webhooks.create(wanted))
        return made["signing_secret"]["secret"]

    def agent(self, email: str, name: str = "Agent") -> Record:
        """The agent with this address, made when new."""
        wanted = {"email": email, "name": name, "role": "agent"}
        return self.sandbox.by_hand(lambda account: account.create_or_update_user(wanted)[0])

    def file(self, customer_id: str | None, subject: str, *, by: Record, **entered: str) -> int:
        """File a ticket of a customer, by its id in the CRM: the ticket's number.

        The customer's organization is made when new; without a customer the ticket has none.
        """

        def file(account: ZendeskAccount) -> int:
            wanted: Record = {"subject": subject, "comment": {"body": subject, "public": True}}
            if customer_id is not None:
                wanted["requester_id"] = _requester(account, customer_id)["id"]
            wanted["custom_fields"] = self._values(entered)
            return account.create_ticket(wanted, by=by)["id"]

        return self.sandbox.by_hand(file)

    def enter(self, number: int, *, by: Record, **entered: str) -> None:
        """Fill in fields of a ticket by the names in `CASE_FIELDS`; empty texts empty them."""
        self.edit(number, by=by, custom_fields=self._values(entered))

    def request_credit(self, number: int, *, by: Record) -> None:
        """Ask for a credit."""
        self.enter(number, by=by, credit="requested")

    def edit(self, number: int, *, by: Record, **changes: Any) -> None:
        """Change what a ticket has, as its API calls it: `status="closed"`."""
        self.sandbox.by_hand(lambda account: account.update_ticket(number, changes, by=by))

    def solve(self, number: int, *, by: Record) -> None:
        """Solve a ticket, whoever has it."""
        self.edit(number, by=by, status="solved", assignee_id=by["id"])

    def emails(self, address: str) -> list[Record]:
        """What Zendesk has e-mailed to an address, oldest first."""
        return [email for email in self._account.emails if email["to"] == address]

    def answer(self, number: int, text: str) -> int:
        """The requester replies to an e-mail: the ticket that has the reply.

        That is another one, which follows it up, when the ticket is closed.
        """

        def answer(account: ZendeskAccount) -> int:
            ticket = account.tickets[number]
            requester = account.users[ticket["requester_id"]]
            wanted: Record = {"comment": {"body": text, "public": True}}
            if ticket["status"] != "closed":
                return account.update_ticket(number, wanted, by=requester)["id"]
            wanted |= {"subject": f"Re: {ticket['subject']}", "requester_id": requester["id"]}
            wanted["via_followup_source_id"] = number
            return account.create_ticket(wanted, by=requester)["id"]

        return self.sandbox.by_hand(answer)

    def entered(self, number: int) -> dict[str, Any]:
        """What the fields of a ticket have, by name."""
        ticket = self._account.tickets[number]
        values = {each["id"]: each["value"] for each in ticket["custom_fields"]}
        return {name: values.get(known) for name, known in self.fields.items()}

    def notes(self, number: int) -> list[str]:
        """The internal notes of a ticket, oldest first."""
        return [c["body"] for c in self._account.comments[number] if not c["public"]]

    def _values(self, entered: dict[str, str]) -> list[Record]:
        return [
            {"id": self.fields[name], "value": _chosen(name, text)}
            for name, text in entered.items()
        ]


def _requester(account: ZendeskAccount, customer_id: str) -> Record:
    """Somebody of the customer."""
    known = matching(account.organizations, "external_id", customer_id)
    wanted = {"name": customer_id, "external_id": customer_id}
    organization = next(known, None) or account.create_organization(wanted)
    user = {"name": "Customer", "email": f"customer-{organization['id']}@customer.example"}
    return account.create_or_update_user(user | {"organization_id": organization["id"]})[0]


def _field(name: str) -> Record:
    wanted: Record = {"title": CASE_FIELDS[name], "type": "tagger" if name in CHOICES else "text"}
    if choices := CHOICES.get(name):
        options = [{"name": label, "value": tag} for label, tag in choices.items()]
        wanted["custom_field_options"] = options
    return wanted


def _chosen(name: str, text: str) -> str:
    return CHOICES.get(name, {}).get(text.title(), text)

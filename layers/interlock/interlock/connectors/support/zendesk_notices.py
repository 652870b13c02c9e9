"""Notices to customers, as proactive tickets that Zendesk e-mails to their requesters.

A notice is a ticket that the integration's user makes on behalf of the customer: its requester is
the customer's e-mail address, its first comment, a public one, the notice's text, its external id
the notice's id. What e-mails it is a trigger of the account, "Notify requester of new proactive
ticket", and "Notify requester and CCs of comment update" what is commented later: they are standard
and have to be active. An answer comes back as a comment of the same ticket.

- Requester and submitter: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
- A requester by address, who is made when new and never changed when not:
  https://developer.zendesk.com/documentation/ticketing/managing-tickets/creating-and-updating-tickets/#creating-a-ticket-with-a-new-requester
- The triggers: https://support.zendesk.com/hc/en-us/articles/4408828984346
- What closed tickets allow, and when solved ones are closed:
  https://support.zendesk.com/hc/en-us/articles/4408894213018
- Follow-ups of closed tickets:
  https://developer.zendesk.com/documentation/ticketing/managing-tickets/creating-and-updating-tickets/#creating-a-follow-up-ticket

The trigger wants an agent to have made the ticket. Zendesk's pages differ in who the submitter is
when nobody is named, so the integration's user is named.

The ticket belongs to the organization that Zendesk has the requester in, by its address or because
people said so; to none, when that is unknown. Nothing depends on it.

An agent may solve a notice: it was sent all the same. One that is withdrawn has the tag
`interlock_notice_withdrawn`. A closed one, which takes no comment, is withdrawn by a follow-up
ticket.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from pydantic import TypeAdapter, ValidationError

from interlock.canonical.base import Timestamp
from interlock.canonical.contracts import Notice
from interlock.connections import Connection
from interlock.connectors.support import zendesk_records as records
from interlock.connectors.support.zendesk_lists import Call, carrying
from interlock.connectors.support.zendesk_records import Json
from interlock.errors import RecordConflict

TAGS = (records.OURS, "renewal_notice")
WITHDRAWN = "interlock_notice_withdrawn"
WITHDRAWAL = (
    "Please disregard this notice: what it says of your contract does not hold. We are sorry for"
    " the confusion; reply to this message if you have any question."
)
INCLUDE = "users,organizations"
_TIME = TypeAdapter(Timestamp)


@dataclass(frozen=True)
class Notices:
    """The notices of a connection. `call` sends a request and returns the JSON of its answer."""

    connection: Connection
    call: Call

    def get(self, remote_id: str) -> Notice:
        """Raises RecordNotFound."""
        call = partial(self.call, operation="get_notice", record=remote_id)
        return self._notice(*self._read(remote_id, call))

    def find(self, notice_id: str) -> Notice | None:
        """Raises RecordConflict for several that were not withdrawn."""
        where = {"operation": "find_notice", "record": notice_id}
        call = partial(self.call, **where)
        found = [
            (ticket, answer)
            for ticket, answer in carrying(call, notice_id, include=INCLUDE)
            if not self._is_withdrawn(ticket, call)
        ]
        if len(found) > 1:
            numbers = ", ".join(str(ticket["id"]) for ticket, _ in found)
            raise RecordConflict(
                f"several tickets are this notice, give all but one the tag {WITHDRAWN}: {numbers}",
                vendor="zendesk",
                **where,
            )
        return self._notice(*found[0]) if found else None

    def send(self, notice: Notice, *, idempotency_key: str) -> Notice:
        """Make the ticket; the same again is answered the same ticket, while the key is kept."""
        call = partial(self.call, operation="send_notice", record=notice.id)
        ticket = {
            "external_id": notice.id,
            "subject": notice.subject,
            "tags": list(TAGS),
            "requester": {"name": notice.customer_name, "email": notice.customer_email},
            "comment": {"body": notice.body, "public": True},
        }
        made = self._make(ticket, idempotency_key, call)
        return notice.model_copy(update=self._sent(made))

    def withdraw(self, remote_id: str) -> Notice:
        """Comment on the ticket and solve it, in a safe update, or follow it up when it is closed.

        Raises RecordNotFound, and VendorUnavailable when the ticket changed after it was read.
        """
        call = partial(self.call, operation="withdraw_notice", record=remote_id)
        ticket, answer = self._read(remote_id, call)
        if not self._is_withdrawn(ticket, call):
            comment = {"body": WITHDRAWAL, "public": True}
            if ticket["status"] == "closed":
                self._follow_up(ticket, comment, call)
            else:
                changes = {
                    "status": "solved",
                    "tags": [*ticket["tags"], WITHDRAWN],
                    "comment": comment,
                    "safe_update": True,
                    "updated_stamp": ticket["updated_at"],
                }
                call("PUT", f"tickets/{remote_id}", json={"ticket": changes})
        return self._notice(ticket, answer)

    def _follow_up(self, ticket: Json, comment: Json, call: Call) -> None:
        key = self._withdrawal_id(ticket)
        follow_up = {
            "external_id": key,
            "subject": ticket["subject"],
            "tags": [*TAGS, WITHDRAWN],
            "requester_id": ticket["requester_id"],
            "via_followup_source_id": ticket["id"],
            "comment": comment,
        }
        self._make(follow_up, key, call)

    def _is_withdrawn(self, ticket: Json, call: Call) -> bool:
        if WITHDRAWN in ticket["tags"] or ticket["status"] != "closed":
            return WITHDRAWN in ticket["tags"]
        return any(carrying(call, self._withdrawal_id(ticket), include="users"))

    def _withdrawal_id(self, ticket: Json) -> str:
        return f"{self.connection.canonical_id(str(ticket['id']))}/withdrawn"

    @staticmethod
    def _make(ticket: Json, idempotency_key: str, call: Call) -> Json:
        me = call("GET", "users/me")["user"]["id"]
        headers = {"Idempotency-Key": idempotency_key}
        wanted = {"ticket": ticket | {"submitter_id": me}}
        return call("POST", "tickets", json=wanted, headers=headers)["ticket"]

    @staticmethod
    def _read(remote_id: str, call: Call) -> tuple[Json, Json]:
        found = call("GET", f"tickets/{remote_id}", params={"include": INCLUDE})
        return found["ticket"], found

    def _sent(self, ticket: Json) -> Json:
        """What the ticket says of a notice that was sent by it."""
        remote_id = str(ticket["id"])
        return {
            "references": {self.connection.name: remote_id},
            "remote_id": remote_id,
            "sent_at": _TIME.validate_python(ticket["created_at"]),
        }

    def _notice(self, ticket: Json, answer: Json) -> Notice:
        """A ticket that came with its requester and its organization.

        The account is the organization's; a requester without one stands for the customer. What was
        made by hand has no id of ours: the ticket's own is canonical then.
        """
        requester = records.requester(ticket, answer)
        organizations = {each["id"]: each["external_id"] for each in answer["organizations"]}
        try:
            return Notice(
                id=ticket["external_id"] or self.connection.canonical_id(str(ticket["id"])),
                account_id=organizations.get(ticket["organization_id"])
                or self.connection.canonical_id(str(requester["id"])),
                customer_name=requester["name"],
                customer_email=requester["email"],
                subject=ticket["subject"],
                body=ticket["description"],
                **self._sent(ticket),
            )
        except ValidationError as error:
            raise records.unusable("notice", ticket, error) from None

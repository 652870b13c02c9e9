"""Zendesk tickets as cases: what a credit is asked for, by whom and since when, and the answer.

- Audits, which say who set a field and when; a custom field's name there is its id:
  https://developer.zendesk.com/documentation/ticketing/reference-guides/ticket-audit-events-reference
- Search, by the tag that a drop-down's choice puts on its ticket:
  https://support.zendesk.com/hc/en-us/articles/4408886879258
  https://developer.zendesk.com/api-reference/ticketing/ticket-management/search/#export-search-results
- A closed ticket can no longer be changed: https://support.zendesk.com/hc/en-us/articles/4408894213018

The search lags behind and only says which tickets to read; each is read as it is now. What is
asked for by nobody who can be told is a problem of the case, for an agent to solve: the workflow
answers it like any other, so no request stays open for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial

from pydantic import TypeAdapter

from interlock.canonical.base import Timestamp
from interlock.canonical.credits import Case, CreditOutcome
from interlock.connections import Connection
from interlock.connectors.support import zendesk_case_fields as fields
from interlock.connectors.support.zendesk_case_fields import CaseFields, Entered
from interlock.connectors.support.zendesk_lists import Call, listed
from interlock.connectors.support.zendesk_records import Json
from interlock.errors import BusinessRuleViolation, ContractViolation, RecordNotFound

AGENTS = ("agent", "admin")
_TIME: TypeAdapter[datetime] = TypeAdapter(Timestamp)


@dataclass(frozen=True)
class Request:
    """Who asks for a credit, and since when."""

    by: str
    at: datetime


@dataclass(frozen=True)
class Cases:
    """The tickets of a connection, by their canonical ids.

    `call` sends a request and returns the JSON of its answer.
    """

    connection: Connection
    call: Call

    def get(self, case_id: str) -> Case:
        """A case as it is now, in two to four requests."""
        call = self._call("get_case", case_id)
        ticket, organization = self._ticket(case_id, call, include="organizations")
        entered = self._fields.of(ticket)
        request = self._request(ticket, entered, call) if entered.asks else None
        return Case(
            id=case_id,
            references={self.connection.name: str(ticket["id"])},
            number=str(ticket["id"]),
            subject=(ticket["subject"] or "")[:1000] or "no subject",
            status=ticket["status"],
            account_id=entered.account(organization and organization["external_id"]),
            severity=entered.severity(),
            started_at=entered.time("started_at"),
            ended_at=entered.time("ended_at"),
            skus=entered.skus(),
            requested_by=request and request.by,
            requested_at=request and request.at,
            problems=tuple(entered.problems),
        )

    def outcome(self, case_id: str) -> CreditOutcome | None:
        """What the fields say of the last one: not its documents, nor its reasons."""
        call = self._call("read_credit_outcome", case_id)
        ticket, _ = self._ticket(case_id, call)
        return self._fields.of(ticket).outcome(case_id)

    def tell(self, outcome: CreditOutcome) -> CreditOutcome:
        """Set the fields and add the note in one safe update: nobody's change is written over.

        Raises VendorUnavailable when the ticket changed after it was read.
        """
        call = self._call("write_credit_outcome", outcome.case_id)
        ticket, _ = self._ticket(outcome.case_id, call)
        if ticket["status"] == "closed":
            problem = (
                f"ticket {ticket['id']} is closed, and cannot be changed: tell the agent in a"
                " follow-up ticket, and skip this step"
            )
            where = {"operation": "write_credit_outcome", "record": outcome.case_id}
            raise BusinessRuleViolation([problem], vendor="zendesk", **where)
        answer = fields.answer(outcome)
        changes = {
            "custom_fields": [
                {"id": getattr(self._fields, name), "value": value}
                for name, value in answer.items()
            ],
            "comment": {"body": fields.note(outcome), "public": False},
            "safe_update": True,
            "updated_stamp": ticket["updated_at"],
        }
        saved = call("PUT", f"tickets/{ticket['id']}", json={"ticket": changes})["ticket"]
        if not self._fields.of(saved).says(answer):
            raise ContractViolation(
                "the ticket did not keep the outcome: create the ticket fields as the adapter says,"
                " and name their ids in the connection's option case_fields",
                vendor="zendesk",
                record=outcome.case_id,
            )
        return outcome

    def unanswered(self, since: datetime, until: datetime) -> Iterator[Case]:
        """The cases that ask for a credit, since a moment between these two."""
        call = partial(self.call, operation="unanswered_requests", record="search")
        wanted = {"query": f"tags:{fields.REQUESTED} status<closed", "filter[type]": "ticket"}
        for found in listed(call, "search/export", "results", **wanted):
            case = self._found(found["id"])
            if case and case.requested_at and since <= case.requested_at <= until:
                yield case

    @cached_property
    def _fields(self) -> CaseFields:
        return CaseFields.read(self.connection.options)

    def _found(self, number: int) -> Case | None:
        """A ticket that the search has found; None when it was deleted since."""
        try:
            return self.get(self.connection.canonical_id(str(number)))
        except RecordNotFound:
            return None

    def _call(self, operation: str, case_id: str) -> Call:
        return partial(self.call, operation=operation, record=case_id)

    def _ticket(self, case_id: str, call: Call, **params: str) -> tuple[Json, Json | None]:
        """The ticket, and its organization where that is asked for."""
        number = self.connection.remote_id(case_id)
        if not (number.isascii() and number.isdigit()):
            raise RecordNotFound("is no ticket's number", vendor="zendesk", record=case_id)
        found = call("GET", f"tickets/{number}", params=params)
        return found["ticket"], next(iter(found.get("organizations", ())), None)

    def _request(self, ticket: Json, entered: Entered, call: Call) -> Request:
        """The last time that the credit was set to requested, and who did that."""
        audits = list(self._requests(ticket["id"], call))
        if not audits:
            entered.problems.append("nobody knows who asked for the credit: ask for it anew")
            return Request("nobody known", _TIME.validate_python(ticket["updated_at"]))
        last = max(audits, key=lambda audit: (audit["created_at"], audit["id"]))
        at = _TIME.validate_python(last["created_at"])
        author = self._user(last["author_id"], call)
        if author["role"] not in AGENTS or not author["email"]:
            entered.problems.append("no agent asked for the credit: an agent has to ask for it")
        return Request((author["email"] or f"user {last['author_id']}").lower(), at)

    @staticmethod
    def _user(number: int, call: Call) -> Json:
        """A user; nobody for what Zendesk did by itself, whose author is -1."""
        nobody = {"role": None, "email": None}
        try:
            return call("GET", f"users/{number}")["user"] if number > 0 else nobody
        except RecordNotFound:
            return nobody

    def _requests(self, number: int, call: Call) -> Iterator[Json]:
        """The audits in which the credit was set to requested, oldest first."""
        audits = listed(call, f"tickets/{number}/audits", "audits")
        return (audit for audit in audits if self._asks(audit))

    def _asks(self, audit: Json) -> bool:
        set_to_requested = (str(self._fields.credit), fields.REQUESTED)
        return any(
            (event.get("field_name"), event.get("value")) == set_to_requested
            for event in audit["events"]
        )

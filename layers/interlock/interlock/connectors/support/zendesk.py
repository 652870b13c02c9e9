"""Zendesk Support behind the support port.

The secret is `{"client_id", "client_secret"}` of a confidential OAuth client whose owner may manage
organizations and end users; the token asks for the scopes `read` and `write`. No options.

- Tickets: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
- Idempotency: https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency
- Tokens: https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/
- Statuses and error bodies: https://developer.zendesk.com/api-reference/introduction/requests/
- Limits: https://developer.zendesk.com/api-reference/introduction/rate-limits/
- Side-loading: https://developer.zendesk.com/documentation/ticketing/using-the-zendesk-api/side_loading/

A task is a ticket of type "task" that carries the task's id as its external id. Its requester is a
user that stands for the customer, a member of the customer's organization: so agents find it with
the customer. Everything we write in a ticket is an internal note.

The organization carries the customer's id as its external id, and is found by that alone: one that
support made by hand under the customer's name may be another company, and joins when somebody gives
it the external id. Names are unique at Zendesk, so the second organization of a name has the
customer's id in its own. Organizations are made, never updated, since updates are limited to 5 a
minute (https://support.zendesk.com/hc/en-us/articles/4422518967706); the case of an external id's
letters does not count:
https://developer.zendesk.com/api-reference/ticketing/organizations/organizations/

Unconfirmed, and why being wrong is harmless:

- How the bodies of 401, 403, 409 and 429 are worded. A status that no row of `ERRORS` knows more
  closely decides alone. That a changed request under a known key is an `IdempotentRequestError` is
  known from clients alone; under another name it is a VendorRejected, for a team as well.
- That a key is kept for two hours, which is told of the introduction to the API and could not be
  read there. Nothing waits for it: after an attempt of unknown outcome `find_task` decides. A key
  that is forgotten sooner matters to two requests at the same moment alone, which the ledger's
  lease keeps apart.
- That a new organization is found by its external id at once. Where it is not, making it again is
  refused, since names and external ids are unique, and the step is tried later.
- Whether the case of a ticket's external id counts in the list of tickets: ids are compared here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
from pydantic import ValidationError

from interlock.canonical import Task
from interlock.connections import Connection
from interlock.credentials import OAuthClientCredentials
from interlock.errors import (
    ContractViolation,
    RecordConflict,
    VendorRejected,
    VendorUnavailable,
)
from interlock.http import ErrorTable, VendorClient

CLOSED = ("solved", "closed")
TAGS = ("interlock", "implementation_task")
CUSTOMER_USER = "interlock-customer-"


def _error_code(response: httpx.Response) -> str:
    """`error` is a name, or an object with a title; some endpoints list `errors` with codes."""
    body = response.json()
    error = body.get("error") or body["errors"][0]["code"]
    return error if isinstance(error, str) else error["title"]


ERRORS = ErrorTable(
    code=_error_code,
    errors={
        # The key was used for another ticket: what we want to write has changed.
        (400, "IdempotentRequestError"): RecordConflict,
        # No such address: the connection's base_url is wrong, no record is missing.
        (404, "InvalidEndpoint"): VendorRejected,
        # Somebody changed the record at the same moment and nothing was applied: the next attempt
        # reads it anew.
        (409, ""): VendorUnavailable,
    },
    request_id="x-zendesk-request-id",
)


class Zendesk:
    """A Zendesk account; implements `SupportPort`. `transport` replaces the network in tests."""

    def __init__(
        self, connection: Connection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._connection = connection
        self._client = VendorClient(
            connection,
            auth=OAuthClientCredentials(
                connection.secret,
                f"{connection.url}/oauth/tokens",
                vendor="zendesk",
                extra={"scope": "read write"},
            ),
            errors=ERRORS,
            headers={"Accept": "application/json"},
            transport=transport,
        )

    def get_task(self, remote_id: str) -> Task:
        """Read one ticket. Raises RecordNotFound."""
        ticket, requester = self._read_ticket(remote_id, operation="get_task")
        return self._task(ticket, requester)

    def find_task(self, task_id: str) -> Task | None:
        """The ticket with this external id that is neither solved nor closed.

        Lists by external id, which sees a ticket at once; Zendesk's search does not. External ids
        need not be unique there: several open tickets are a RecordConflict.
        """
        found = [
            (ticket, _requester(ticket, page))
            for page in self._pages_of_tickets(task_id)
            for ticket in page["tickets"]
            if ticket["external_id"] == task_id and ticket["status"] not in CLOSED
        ]
        if len(found) > 1:
            numbers = ", ".join(str(ticket["id"]) for ticket, _ in found)
            raise RecordConflict(
                f"several open tickets carry this external id, solve all but one: {numbers}",
                vendor="zendesk",
                operation="find_task",
                record=task_id,
            )
        return self._task(*found[0]) if found else None

    def create_task(self, task: Task, *, idempotency_key: str) -> Task:
        """Open a ticket whose first comment, an internal note, is the task's body.

        Zendesk keeps the key for some hours and answers the same ticket to the same request; after
        that only `find_task` tells whether the ticket is there. The customer's organization and
        user are made first where they are missing; to repeat that is harmless.
        """
        requester = self._customer_user(task)
        ticket = {
            "external_id": task.id,
            "subject": task.subject,
            "type": "task",
            "tags": list(TAGS),
            "requester_id": requester["id"],
            "comment": {"body": task.body or task.subject, "public": False},
        }
        created = self._call(
            "POST",
            "tickets",
            operation="create_task",
            record=task.id,
            json={"ticket": ticket},
            headers={"Idempotency-Key": idempotency_key},
        )
        return self._task(created["ticket"], requester)

    def close_task(self, remote_id: str, *, note: str) -> Task:
        """Solve the ticket, with an internal note that says why; leave a solved or closed one.

        To close means "solved": an agent can still reopen the ticket, and Zendesk closes it for
        good some days later. A ticket that nobody has is assigned to the integration's user by the
        account's setting "auto assign tickets upon solve"; without it Zendesk refuses, since a
        solved ticket needs an assignee (https://support.zendesk.com/hc/en-us/articles/4408894213018).
        The update is safe: if the ticket changes after it was read, nothing is written and
        VendorUnavailable asks for another attempt. Raises RecordNotFound.
        """
        ticket, requester = self._read_ticket(remote_id, operation="close_task")
        if ticket["status"] not in CLOSED:
            changes = {
                "status": "solved",
                "comment": {"body": note, "public": False},
                "safe_update": True,
                "updated_stamp": ticket["updated_at"],
            }
            changed = self._call(
                "PUT",
                f"tickets/{remote_id}",
                operation="close_task",
                record=remote_id,
                json={"ticket": changes},
            )
            ticket = changed["ticket"]
        return self._task(ticket, requester)

    def _pages_of_tickets(self, task_id: str) -> Iterator[dict[str, Any]]:
        """https://developer.zendesk.com/api-reference/introduction/pagination/"""
        for number in count(1):
            page = self._call(
                "GET",
                "tickets",
                operation="find_task",
                record=task_id,
                params={"external_id": task_id, "include": "users", "page": number},
            )
            yield page
            if not page["next_page"]:
                return

    def _read_ticket(
        self, remote_id: str, *, operation: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The ticket and its requester."""
        found = self._call(
            "GET",
            f"tickets/{remote_id}",
            operation=operation,
            record=remote_id,
            params={"include": "users"},
        )
        return found["ticket"], _requester(found["ticket"], found)

    def _customer_user(self, task: Task) -> dict[str, Any]:
        """The user that stands for the customer, made when it is missing."""
        user = {
            "external_id": f"{CUSTOMER_USER}{task.customer_id}",
            "name": task.customer_name,
            "organization_id": self._organization(task),
        }
        saved = self._call(
            "POST",
            "users/create_or_update",
            operation="create_task",
            record=task.id,
            json={"user": user},
        )
        return saved["user"]

    def _organization(self, task: Task) -> int:
        """The id of the customer's organization, made when it is missing.

        Refused is one whose name another customer has, and one that another task of this customer
        makes at the same moment.
        """
        refusal = None
        for name in (task.customer_name, f"{task.customer_name} ({task.customer_id})"):
            found = self._find_organization(task)
            if found is not None:
                return found
            try:
                return self._make_organization(task, name)
            except VendorRejected as error:
                refusal = error
        found = self._find_organization(task)
        if found is None:
            raise refusal
        return found

    def _find_organization(self, task: Task) -> int | None:
        """External ids are unique but for a race that Zendesk documents for names: the first."""
        found = self._call(
            "GET",
            "organizations/search",
            operation="create_task",
            record=task.id,
            params={"external_id": task.customer_id},
        )
        return min((each["id"] for each in found["organizations"]), default=None)

    def _make_organization(self, task: Task, name: str) -> int:
        created = self._call(
            "POST",
            "organizations",
            operation="create_task",
            record=task.id,
            json={"organization": {"name": name, "external_id": task.customer_id}},
        )
        return created["organization"]["id"]

    def _call(
        self, method: str, path: str, *, operation: str, record: str, **request: Any
    ) -> dict[str, Any]:
        response = self._client.request(
            method, f"/api/v2/{path}", operation=operation, record=record, **request
        )
        try:
            return response.json()
        except ValueError:
            raise ContractViolation(
                "did not answer with JSON: check the connection's base_url",
                vendor="zendesk",
                operation=operation,
                record=record,
                status=response.status_code,
            ) from None

    def _task(self, ticket: dict[str, Any], requester: dict[str, Any]) -> Task:
        """A ticket or requester made by hand has no id of ours: its own id is canonical then."""
        remote_id = str(ticket["id"])
        requester_id = str(requester["id"])
        customer_id = self._connection.canonical_id(requester_id)
        external_id = requester.get("external_id") or ""
        if external_id.startswith(CUSTOMER_USER):
            customer_id = external_id.removeprefix(CUSTOMER_USER)
        try:
            return Task(
                id=ticket["external_id"] or self._connection.canonical_id(remote_id),
                references={self._connection.name: remote_id},
                subject=ticket["subject"],
                body=ticket["description"],
                customer_id=customer_id,
                customer_name=requester["name"] or f"user {requester_id}",
                remote_id=remote_id,
                status=ticket["status"],
            )
        except ValidationError as error:
            fields = ", ".join(str(each["loc"][0]) for each in error.errors())
            raise ContractViolation(
                f"the ticket cannot be a task, see its {fields}", vendor="zendesk", record=remote_id
            ) from None


def _requester(ticket: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The requester among the users that came with the answer; only its id when it is not there."""
    gone = {"id": ticket["requester_id"], "name": None}
    return {user["id"]: user for user in answer["users"]}.get(ticket["requester_id"], gone)

"""Zendesk Support behind the support port.

The secret is `{"client_id", "client_secret"}` of a confidential OAuth client whose owner may manage
organizations and end users; the token asks for the scopes `read` and `write`. The option
`case_fields`, which credits need, names custom ticket fields: see `zendesk_case_fields`.

For the dunning flag an administrator enables tags on users and organizations, and creates these
organization fields, all of the type text: interlock_dunning, interlock_overdue_amount,
interlock_overdue_currency, interlock_overdue_since. For what a customer is entitled to, those of
`zendesk_services`. Notices to customers need the triggers that `zendesk_notices` names.

- Tickets: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
- Idempotency: https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency
- Tokens: https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/
- Statuses and error bodies: https://developer.zendesk.com/api-reference/introduction/requests/
- Limits: https://developer.zendesk.com/api-reference/introduction/rate-limits/
- Organizations: https://developer.zendesk.com/api-reference/ticketing/organizations/organizations/
- Side-loading: https://developer.zendesk.com/documentation/ticketing/using-the-zendesk-api/side_loading/

A task is a ticket of type "task" that carries the task's id as its external id. Its requester is a
user that stands for the customer, a member of the customer's organization: so agents find it with
the customer. Everything we write in a ticket is an internal note, but for notices to customers.

The organization carries the customer's id as its external id, and is found by that alone: one that
support made by hand under the customer's name may be another company, and joins when somebody gives
it the external id. Names are unique at Zendesk, so the second organization of a name has the
customer's id in its own. The case of an external id's letters does not count. Organizations are
made, and updated with a flag alone, since updates are limited to 5 a minute:
https://support.zendesk.com/hc/en-us/articles/4422518967706

A dunning flag is in the organization's fields, and on it and its open tickets as tags. The fields
come last: a flag that can be read is on the tickets too.

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
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import httpx

from interlock.canonical import Task
from interlock.canonical.contracts import Notice
from interlock.canonical.credits import Case, CreditOutcome
from interlock.canonical.customer_view import OpenCases
from interlock.canonical.dunning import DunningFlag
from interlock.canonical.services import Service
from interlock.connections import Connection
from interlock.connectors.support import zendesk_records as records
from interlock.connectors.support.zendesk_cases import Cases
from interlock.connectors.support.zendesk_lists import carrying
from interlock.connectors.support.zendesk_notices import Notices
from interlock.connectors.support.zendesk_organizations import Organizations
from interlock.credentials import OAuthClientCredentials
from interlock.errors import (
    ContractViolation,
    RecordConflict,
    VendorRejected,
    VendorUnavailable,
)
from interlock.http import ErrorTable, VendorClient

TAGS = (records.OURS, "implementation_task")


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
    """A Zendesk account; implements `SupportPort`.

    `transport` replaces the network in tests, `sleep` the waiting for a job.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
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
        self._cases = Cases(connection, self._call)
        self._notices = Notices(connection, self._call)
        self._organizations = Organizations(self._call, sleep)

    def get_task(self, remote_id: str) -> Task:
        """Read one ticket. Raises RecordNotFound."""
        ticket, requester = self._read_ticket(remote_id, operation="get_task")
        return records.task(ticket, requester, self._connection)

    def find_task(self, task_id: str) -> Task | None:
        """The ticket with this external id that is neither solved nor closed.

        Several open tickets are a RecordConflict.
        """
        where = {"operation": "find_task", "record": task_id}
        found = [
            (ticket, records.requester(ticket, page))
            for ticket, page in carrying(partial(self._call, **where), task_id, include="users")
            if ticket["status"] not in records.CLOSED
        ]
        if len(found) > 1:
            numbers = ", ".join(str(ticket["id"]) for ticket, _ in found)
            raise RecordConflict(
                f"several open tickets carry this external id, solve all but one: {numbers}",
                vendor="zendesk",
                **where,
            )
        return records.task(*found[0], self._connection) if found else None

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
        return records.task(created["ticket"], requester, self._connection)

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
        if ticket["status"] not in records.CLOSED:
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
        return records.task(ticket, requester, self._connection)

    def read_dunning(self, account_id: str) -> DunningFlag | None:
        """The flag in the fields of the customer's organization.

        Raises ContractViolation where people entered something else there.
        """
        return self._organizations.dunning(account_id)

    def write_dunning(self, flag: DunningFlag) -> DunningFlag | None:
        """Tag the organization, then its open tickets, and set the organization's fields.

        What is as it should be already is not written again, so another attempt goes on where one
        ended. Raises OutcomeUnknown when not all tickets were tagged, or not in time, and
        ContractViolation when the organization did not keep the flag.
        """
        return self._organizations.flag(flag)

    def get_case(self, case_id: str) -> Case:
        """A ticket by its canonical id, with what nobody can read of it as problems.

        Raises RecordNotFound.
        """
        return self._cases.get(case_id)

    def read_credit_outcome(self, case_id: str) -> CreditOutcome | None:
        """The outcome in the ticket's fields, None for nothing and for what people wrote there."""
        return self._cases.outcome(case_id)

    def write_credit_outcome(self, outcome: CreditOutcome) -> CreditOutcome:
        """Answer the request in the ticket's fields and an internal note, in one safe update.

        Raises RecordNotFound, BusinessRuleViolation for a closed ticket, and ContractViolation when
        the ticket did not keep the outcome.
        """
        return self._cases.tell(outcome)

    def unanswered_requests(
        self, *, requested_after: datetime, requested_before: datetime
    ) -> Iterator[Case]:
        """Those that Zendesk's search finds, which is minutes behind, each as it is now."""
        return self._cases.unanswered(requested_after, requested_before)

    def get_open_cases(self, account_id: str) -> OpenCases:
        """Of the customer's organization, without the tickets that we made; see `Organizations`."""
        return self._organizations.open_cases(account_id)

    def get_notice(self, remote_id: str) -> Notice:
        """Read one ticket as a notice. Raises RecordNotFound."""
        return self._notices.get(remote_id)

    def find_notice(self, notice_id: str) -> Notice | None:
        """The ticket with this external id that was not withdrawn, whatever its status."""
        return self._notices.find(notice_id)

    def send_notice(self, notice: Notice, *, idempotency_key: str) -> Notice:
        """Make a ticket on behalf of the customer, which Zendesk e-mails: see `zendesk_notices`."""
        return self._notices.send(notice, idempotency_key=idempotency_key)

    def withdraw_notice(self, remote_id: str) -> Notice:
        """Say so in a public comment, which is e-mailed too, and solve the ticket.

        Raises RecordNotFound.
        """
        return self._notices.withdraw(remote_id)

    def read_service(self, account_id: str) -> Service | None:
        """What the fields of the customer's organization say.

        Raises ContractViolation where people entered something else there.
        """
        return self._organizations.service(account_id)

    def write_service(self, service: Service) -> Service | None:
        """Set the organization's fields, see `zendesk_services`.

        Raises ContractViolation when the organization did not keep them.
        """
        return self._organizations.show(service)

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
        return found["ticket"], records.requester(found["ticket"], found)

    def _customer_user(self, task: Task) -> dict[str, Any]:
        """The user that stands for the customer, made when it is missing."""
        user = {
            "external_id": f"{records.CUSTOMER_USER}{task.customer_id}",
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
        where = {"operation": "create_task", "record": task.id}
        refusal = None
        for name in (task.customer_name, f"{task.customer_name} ({task.customer_id})"):
            found = self._organizations.find(task.customer_id, **where)
            if found is not None:
                return found["id"]
            try:
                return self._make_organization(task, name)
            except VendorRejected as error:
                refusal = error
        found = self._organizations.find(task.customer_id, **where)
        if found is None:
            raise refusal
        return found["id"]

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
        if response.status_code == httpx.codes.NO_CONTENT:
            return {}
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

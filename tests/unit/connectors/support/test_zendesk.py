"""How the Zendesk adapter reads refusals, and what it does about a race; no server involved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from interlock.canonical import Task
from interlock.canonical.dunning import DunningFlag, DunningStatus
from interlock.connections import Connection
from interlock.connectors.support.zendesk import ERRORS, Zendesk
from interlock.errors import (
    ContractViolation,
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)

TASK = Task(
    id="order-1:kick-off",
    subject="Kick-off",
    body="Plan",
    customer_id="crm:0017",
    customer_name="Acme",
)
TICKET = {
    "id": 7,
    "external_id": TASK.id,
    "subject": TASK.subject,
    "description": TASK.body,
    "status": "open",
    "requester_id": 3,
    "updated_at": "2026-11-02T09:30:10Z",
}
USERS = [{"id": 3, "name": "Acme", "external_id": "interlock-customer-crm:0017"}]

Handler = Callable[[httpx.Request], httpx.Response]


class FakeConnection(Connection):
    """A connection whose secret needs no Secrets Manager."""

    def secret(self) -> dict[str, str]:
        return {"client_id": "interlock", "client_secret": "hush"}


def zendesk(handler: Handler, sleep: Callable[[float], None] = lambda _: None) -> Zendesk:
    """An adapter whose requests, but for those of tokens, a function answers."""

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/tokens":
            return httpx.Response(200, json={"access_token": "token-1"})
        return handler(request)

    address = {"base_url": "https://acme.zendesk.com", "secret_id": "zendesk"}
    connection = FakeConnection(name="zendesk", vendor="zendesk", **address)
    return Zendesk(connection, transport=httpx.MockTransport(respond), sleep=sleep)


@pytest.mark.parametrize(
    ("status", "body", "on_read", "on_write", "code"),
    [
        (
            400,
            {"error": "IdempotentRequestError", "description": "…"},
            RecordConflict,
            RecordConflict,
            "IdempotentRequestError",
        ),
        (
            400,
            {"error": {"title": "Invalid attribute", "message": "…"}},
            VendorRejected,
            VendorRejected,
            "Invalid attribute",
        ),
        (
            400,
            {"errors": [{"code": "InvalidPaginationParameter", "title": "…"}]},
            VendorRejected,
            VendorRejected,
            "InvalidPaginationParameter",
        ),
        (
            401,
            {"error": "invalid_token", "error_description": "…"},
            CredentialsRejected,
            CredentialsRejected,
            "invalid_token",
        ),
        (
            403,
            {"error": {"title": "Forbidden", "message": "…"}},
            CredentialsRejected,
            CredentialsRejected,
            "Forbidden",
        ),
        (
            404,
            {"error": "RecordNotFound", "description": "Not found"},
            RecordNotFound,
            RecordNotFound,
            "RecordNotFound",
        ),
        (
            404,
            {"error": "InvalidEndpoint", "description": "Not found"},
            VendorRejected,
            VendorRejected,
            "InvalidEndpoint",
        ),
        (
            409,
            {"error": "UpdateConflict", "description": "…"},
            VendorUnavailable,
            VendorUnavailable,
            "UpdateConflict",
        ),
        (
            422,
            {"error": "RecordInvalid", "description": "…", "details": {}},
            VendorRejected,
            VendorRejected,
            "RecordInvalid",
        ),
        (429, "Too many", VendorThrottled, VendorThrottled, ""),
        (500, "<html>", VendorUnavailable, OutcomeUnknown, ""),
        (503, [], VendorUnavailable, OutcomeUnknown, ""),
    ],
)
def test_refusals(
    status: int,
    body: Any,
    on_read: type[InterlockError],
    on_write: type[InterlockError],
    code: str,
) -> None:
    content = {"text": body} if isinstance(body, str) else {"json": body}
    answer = httpx.Response(status, **content)

    assert ERRORS.classify(answer, write=False) == (on_read, code)
    assert ERRORS.classify(answer, write=True) == (on_write, code)


def test_error_carries_what_support_asks_for_and_no_content() -> None:
    body = {"error": "RecordInvalid", "description": "secret detail", "details": {}}
    headers = {"X-Zendesk-Request-Id": "abc123"}
    support = zendesk(lambda request: httpx.Response(422, json=body, headers=headers))

    with pytest.raises(VendorRejected) as rejected:
        support.get_task("7")

    error = rejected.value
    assert (error.vendor, error.operation, error.record) == ("zendesk", "get_task", "7")
    assert (error.status, error.code, error.request_id) == (422, "RecordInvalid", "abc123")
    assert "secret detail" not in str(error)


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "42"}, 42), ({}, None)])
def test_throttled_says_when_to_try_again(header: dict[str, str], seconds: float | None) -> None:
    support = zendesk(lambda request: httpx.Response(429, headers=header))

    with pytest.raises(VendorThrottled) as throttled:
        support.find_task(TASK.id)

    assert throttled.value.retry_after == seconds


@pytest.mark.parametrize(
    ("failure", "on_read", "on_write"),
    [
        (httpx.ConnectError, VendorUnavailable, VendorUnavailable),
        (httpx.ConnectTimeout, VendorUnavailable, VendorUnavailable),
        (httpx.ReadTimeout, VendorUnavailable, OutcomeUnknown),
        (httpx.RemoteProtocolError, VendorUnavailable, OutcomeUnknown),
    ],
)
def test_no_answer(
    failure: type[httpx.TransportError],
    on_read: type[InterlockError],
    on_write: type[InterlockError],
) -> None:
    def only_reads(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"ticket": TICKET, "users": USERS})
        raise failure("…")

    def nothing(request: httpx.Request) -> httpx.Response:
        raise failure("…")

    with pytest.raises(on_read):
        zendesk(nothing).get_task("7")
    with pytest.raises(on_write):
        zendesk(only_reads).close_task("7", note="Cancelled.")


def test_closing_a_ticket_that_changes_meanwhile_asks_for_another_attempt() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"ticket": TICKET, "users": USERS})
        return httpx.Response(409, json={"error": "UpdateConflict"})

    with pytest.raises(VendorUnavailable):
        zendesk(respond).close_task("7", note="Cancelled.")


def test_organization_made_by_another_order_at_the_same_moment_is_used() -> None:
    searches = iter(([], [{"id": 12, "name": "Acme"}, {"id": 11, "name": "Acme"}]))
    users = []

    def respond(request: httpx.Request) -> httpx.Response:
        match request.url.path.removeprefix("/api/v2/"):
            case "organizations/search":
                return httpx.Response(200, json={"organizations": next(searches)})
            case "organizations":
                return httpx.Response(422, json={"error": "RecordInvalid"})
            case "users/create_or_update":
                users.append(request.read())
                return httpx.Response(200, json={"user": USERS[0]})
            case _:
                return httpx.Response(201, json={"ticket": TICKET})

    assert zendesk(respond).create_task(TASK, idempotency_key="key-1").remote_id == "7"
    assert b'"organization_id":11' in users[0]


def test_organization_that_is_refused_for_another_reason_is_an_error() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"organizations": []})
        return httpx.Response(422, json={"error": "RecordInvalid"})

    with pytest.raises(VendorRejected):
        zendesk(respond).create_task(TASK, idempotency_key="key-1")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Log in</html>"),
        httpx.Response(200, json={"ticket": TICKET | {"subject": ""}, "users": USERS}),
    ],
)
def test_answer_of_another_shape(answer: httpx.Response) -> None:
    with pytest.raises(ContractViolation):
        zendesk(lambda request: answer).get_task("7")


def test_redirect_means_a_wrong_base_address() -> None:
    moved = httpx.Response(302, headers={"Location": "https://acme.zendesk.com/access"})

    with pytest.raises(VendorRejected):
        zendesk(lambda request: moved).get_task("7")


def test_ticket_whose_requester_is_gone_can_be_read() -> None:
    support = zendesk(lambda request: httpx.Response(200, json={"ticket": TICKET, "users": []}))

    task = support.get_task("7")

    assert (task.customer_id, task.customer_name) == ("zendesk:3", "user 3")


# ---- Flags

FLAG = DunningFlag(account_id=TASK.customer_id, status=DunningStatus.PAST_DUE)
DONE = {"id": 7, "action": "update", "success": True, "status": "Updated"}


class Account:
    """An organization with an open ticket, and a job that is first queued and then as these say."""

    def __init__(self, *jobs: dict[str, Any], fields: dict[str, Any]) -> None:
        self.jobs = iter(jobs)
        self.fields = fields
        self.slept: list[float] = []
        self.written: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2/")
        if request.method == "PUT":
            self.written.append(path)
        organization = {"id": 11, "tags": [], "organization_fields": self.fields}
        tickets = [{"id": 7, "status": "open", "tags": []}]
        match path:
            case "organizations/search":
                body = {"organizations": [organization]}
            case "organizations/11/tickets":
                body = {"tickets": tickets, "meta": {"has_more": False, "after_cursor": None}}
            case "tickets/update_many":
                body = {"job_status": {"id": "job-1", "status": "queued", "results": None}}
            case "job_statuses/job-1":
                body = {"job_status": {"id": "job-1", "results": None} | next(self.jobs)}
            case _:
                body = {"organization": organization}
        return httpx.Response(200, json=body)

    def write(self) -> DunningFlag | None:
        """Write the flag there."""
        return zendesk(self, self.slept.append).write_dunning(FLAG)


def test_a_flag_waits_for_the_tickets() -> None:
    working = {"status": "working"}
    done = {"status": "completed", "results": [DONE]}
    account = Account(working, working, done, fields={"interlock_dunning": "past due"})

    assert account.write() == FLAG

    assert account.slept == [1.0] * 3
    assert account.written == ["organizations/11/tags", "tickets/update_many", "organizations/11"]


@pytest.mark.parametrize(
    ("jobs", "said", "polls"),
    [
        ([{"status": "working"}] * 10, "working", 10),
        ([{"status": "failed"}], "failed", 1),
        ([{"status": "killed"}], "killed", 1),
        (
            [{"status": "completed", "results": [DONE, DONE | {"id": 8, "success": False}]}],
            "completed, and left out 8$",
            1,
        ),
    ],
)
def test_a_flag_whose_tickets_are_not_tagged_is_not_done(
    jobs: list[dict[str, Any]], said: str, polls: int
) -> None:
    account = Account(*jobs, fields={})

    with pytest.raises(OutcomeUnknown, match=said):
        account.write()

    assert len(account.slept) == polls
    assert "organizations/11" not in account.written


def test_an_organization_without_our_fields_names_them() -> None:
    account = Account({"status": "completed", "results": [DONE]}, fields={})

    with pytest.raises(ContractViolation, match="create the organization fields interlock_dunning"):
        account.write()

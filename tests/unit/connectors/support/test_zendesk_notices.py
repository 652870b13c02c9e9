"""What the Zendesk adapter makes of odd tickets and organizations; no server involved."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from interlock.canonical.contracts import Notice
from interlock.canonical.services import Service, ServiceState
from interlock.errors import ContractViolation, RecordConflict

from tests.unit.connectors.support.test_zendesk import zendesk

NOTICE = Notice(
    id="crm:0067@2027-03-01",
    account_id="crm:0017",
    customer_name="Acme",
    customer_email="accounts@acme.example",
    subject="It goes on",
    body="Unless you say otherwise.",
)
TICKET = {
    "id": 7,
    "external_id": NOTICE.id,
    "subject": NOTICE.subject,
    "description": NOTICE.body,
    "status": "open",
    "tags": [],
    "requester_id": 3,
    "organization_id": None,
    "created_at": "2026-11-02T09:30:10Z",
    "updated_at": "2026-11-02T09:30:10Z",
}
REQUESTER = {"id": 3, "name": "Acme", "email": "accounts@acme.example", "external_id": None}


class Account:
    """Has these tickets, requesters and organizations, and remembers what is written."""

    def __init__(self, *tickets: dict[str, Any], users: list[dict[str, Any]] | None = None) -> None:
        self.tickets = list(tickets)
        self.users = [REQUESTER] if users is None else users
        self.fields: dict[str, str] = {}
        self.written: list[tuple[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2/")
        if request.method != "GET":
            self.written.append((path, json.loads(request.content)))
        beside = {"users": self.users, "organizations": []}
        match path:
            case "users/me":
                body = {"user": {"id": 1}}
            case "tickets" if request.method == "GET":
                wanted = request.url.params["external_id"]
                found = [each for each in self.tickets if each["external_id"] == wanted]
                body = {"tickets": found, "next_page": None} | beside
            case "tickets" | "tickets/7":
                body = {"ticket": self.tickets[0]} | beside
            case "organizations/search":
                body = {"organizations": [{"id": 11, "organization_fields": self.fields}]}
            case "organizations/11":
                body = {"organization": {"id": 11, "organization_fields": self.fields}}
            case _:
                return httpx.Response(404, json={"error": "RecordNotFound"})
        return httpx.Response(200, json=body)


def test_it_is_made_by_us_on_behalf_of_the_customer() -> None:
    account = Account(TICKET)

    sent = zendesk(account).send_notice(NOTICE, idempotency_key="key-1")

    [(path, body)] = account.written
    assert path == "tickets"
    assert body["ticket"] == {
        "external_id": NOTICE.id,
        "subject": NOTICE.subject,
        "tags": ["interlock", "renewal_notice"],
        "requester": {"name": "Acme", "email": "accounts@acme.example"},
        "submitter_id": 1,
        "comment": {"body": NOTICE.body, "public": True},
    }
    assert (sent.remote_id, str(sent.sent_at)) == ("7", "2026-11-02 09:30:10+00:00")


def test_several_that_hold_are_a_conflict() -> None:
    account = Account(TICKET, TICKET | {"id": 8, "status": "closed"})

    with pytest.raises(RecordConflict, match="the tag interlock_notice_withdrawn: 7, 8"):
        zendesk(account).find_notice(NOTICE.id)


def test_one_that_a_follow_up_withdrew_holds_no_more() -> None:
    follow_up = TICKET | {"id": 9, "external_id": "zendesk:8/withdrawn"}
    account = Account(TICKET, TICKET | {"id": 8, "status": "closed"}, follow_up)

    assert zendesk(account).find_notice(NOTICE.id).remote_id == "7"


@pytest.mark.parametrize(
    ("ticket", "users", "named"),
    [
        (TICKET, [], "customer_name, customer_email"),
        (TICKET, [REQUESTER | {"email": None}], "customer_email"),
        (TICKET | {"subject": None}, None, "subject"),
    ],
)
def test_a_ticket_that_cannot_be_a_notice(
    ticket: dict[str, Any], users: list[dict[str, Any]] | None, named: str
) -> None:
    with pytest.raises(ContractViolation, match=f"cannot be a notice, see its {named}$"):
        zendesk(Account(ticket, users=users)).get_notice("7")


def test_an_organization_without_our_fields_names_them() -> None:
    service = Service(account_id="crm:0017", state=ServiceState.ACTIVE)

    with pytest.raises(ContractViolation, match="create the organization fields interlock_service"):
        zendesk(Account()).write_service(service)


def test_an_organization_that_keeps_some_fields_names_them() -> None:
    account = Account()
    account.fields = {"interlock_service": "suspended"}
    service = Service(account_id="crm:0017", state=ServiceState.SUSPENDED, reason="Overdue.")

    with pytest.raises(ContractViolation, match="did not keep what was written"):
        zendesk(account).write_service(service)

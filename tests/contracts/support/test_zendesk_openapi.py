"""The adapter's requests and the sandbox's answers, held against Zendesk's OpenAPI description.

Its request bodies are loose (few required keys, unknown ones allowed, none at all for
organizations), so the keys we send are checked here one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from interlock.canonical import Task
from interlock.canonical.contracts import Notice
from interlock.canonical.credits import CreditOutcome, CreditStatus
from interlock.canonical.dunning import DunningFlag, DunningStatus
from interlock.canonical.services import Service, ServiceState
from interlock.connectors.support.port import SupportPort
from openapi_schema_validator import OAS30Validator

from local.sandboxes.sandbox import RecordedRequest, Sandbox
from local.sandboxes.zendesk_desk import SupportDesk

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
TASK = Task(
    id="order-1:kick-off",
    subject="Kick-off",
    body="Plan",
    customer_id="crm:0017",
    customer_name="Acme",
)

NOTICE = Notice(
    id="contract-1@2027-03-01",
    account_id="crm:0017",
    customer_name="Acme",
    customer_email="accounts@acme.example",
    subject="It goes on",
    body="Unless you say otherwise.",
)

# What a request must have, whatever the description leaves open, and the schema that has its keys.
BODIES = {
    "CreateTicket": (
        "ticket",
        "TicketCreateInput",
        {"external_id", "subject", "tags", "comment"},
    ),
    "UpdateTicket": (
        "ticket",
        "TicketUpdateInput",
        {"comment", "safe_update", "updated_stamp"},
    ),
    "CreateOrganization": ("organization", "OrganizationObject", {"name", "external_id"}),
    "UpdateOrganization": ("organization", "OrganizationObject", {"organization_fields"}),
    "CreateOrUpdateUser": ("user", "UserCreateInput", {"external_id", "name", "organization_id"}),
}
# What comes with the rest, of a ticket's creation or update: one of these.
PURPOSES = {
    "TicketCreateInput": [
        {"type", "requester_id"},
        {"requester", "submitter_id"},
        {"requester_id", "submitter_id", "via_followup_source_id"},
    ],
    "TicketUpdateInput": [{"status"}, {"custom_fields"}, {"status", "tags"}],
}
# Their bodies are not described at all.
TAGS = {"PutTagsTicket", "DeleteTagsTicket", "TicketsUpdateMany"}
# The description does not list them; the guides to side-loading and to pagination do, for all.
EVERYWHERE = {"include", "page", "page[size]", "page[after]"}
# The description lacks these addresses; the pages on tags and on tickets name them beside one that
# it has, which answers alike: https://developer.zendesk.com/api-reference/ticketing/
SAME_AS = {
    r"/api/v2/organizations/\d+/tags": "/api/v2/tickets/1/tags",
    r"/api/v2/organizations/\d+/tickets": "/api/v2/tickets",
}

Description = dict[str, Any]


@pytest.fixture
def requests(support: SupportPort, sandbox: Sandbox, desk: SupportDesk) -> list[RecordedRequest]:
    """Every kind of request that the adapter makes."""
    created = support.create_task(TASK, idempotency_key="key-1")
    support.find_task(TASK.id)
    flag = DunningFlag(account_id=TASK.customer_id, status=DunningStatus.PAST_DUE)
    support.write_dunning(flag)
    support.write_dunning(flag.model_copy(update={"status": DunningStatus.NONE}))
    support.close_task(created.remote_id, note="Cancelled.")
    service = Service(account_id=TASK.customer_id, state=ServiceState.ACTIVE)
    support.write_service(service)
    agent = desk.agent("sam@support.example")
    number = desk.file("crm:0017", "Exports fail", by=agent, credit="requested")
    case_id = f"zendesk:{number}"
    support.get_case(case_id)
    list(support.unanswered_requests(requested_after=EARLY, requested_before=LATE))
    outcome = {"case_id": case_id, "transaction": "T1", "status": CreditStatus.NOTHING_DUE}
    support.write_credit_outcome(CreditOutcome(**outcome))
    support.read_credit_outcome(case_id)
    support.get_open_cases("crm:0017")
    notices = [support.send_notice(NOTICE, idempotency_key=key) for key in ("key-2", "key-3")]
    desk.edit(int(notices[1].remote_id), by=agent, status="closed")
    for notice in notices:
        support.withdraw_notice(notice.remote_id)
    return [request for request in sandbox.requests if request.path.startswith("/api/")]


def operation_of(description: Description, request: RecordedRequest) -> Description:
    """The described operation that answers a request; KeyError when there is none."""
    paths = description["paths"]
    known = [same for path, same in SAME_AS.items() if re.fullmatch(path, request.path)]
    address = known[0] if known else request.path
    # A fixed path wins over one with a parameter: /organizations/search.
    for path in sorted(paths, key=lambda path: path.count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), address):
            shared = paths[path].get("parameters", [])
            operation = paths[path][request.method.lower()]
            return operation | {"parameters": shared + operation.get("parameters", [])}
    raise KeyError(request.path)


def resolved(description: Description, schema: Description) -> Description:
    """A schema or parameter, behind its reference if it is one."""
    name = schema.get("$ref", "").removeprefix("#/components/")
    if not name:
        return schema
    kind, key = name.split("/")
    return description["components"][kind][key]


def properties(description: Description, schema: Description) -> dict[str, Description]:
    """The properties of a schema and of all that it is made of."""
    schema = resolved(description, schema)
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= properties(description, part)
    return found


def problems(description: Description, schema: Description, value: Any) -> Iterator[str]:
    """What in a value contradicts a schema of the description."""
    validator = OAS30Validator({**schema, "components": description["components"]})
    return (f"{list(error.path)}: {error.message}" for error in validator.iter_errors(value))


def test_every_request_is_a_described_operation(
    description: Description, requests: list[RecordedRequest]
) -> None:
    operations = {operation_of(description, request)["operationId"] for request in requests}

    assert operations == {
        "ListTickets",
        "ShowTicket",
        "SearchOrganizations",
        "PutTagsTicket",
        "DeleteTagsTicket",
        "TicketsUpdateMany",
        "ShowJobStatus",
        "ListAuditsForTicket",
        "ShowUser",
        "ShowCurrentUser",
        "ExportSearchResults",
        *BODIES,
    }


def test_queries_are_described(description: Description, requests: list[RecordedRequest]) -> None:
    for request in requests:
        operation = operation_of(description, request)
        parameters = [resolved(description, each) for each in operation["parameters"]]
        described = {each["name"] for each in parameters if each["in"] == "query"}
        assert dict(parse_qsl(request.query)).keys() <= described | EVERYWHERE, request.path


def test_bodies_are_described_and_complete(
    description: Description, requests: list[RecordedRequest]
) -> None:
    schemas = description["components"]["schemas"]
    checked = set()
    for request in (each for each in requests if each.body):
        operation = operation_of(description, request)
        if operation["operationId"] in TAGS:
            continue
        envelope, name, required = BODIES[operation["operationId"]]
        body = json.loads(request.body)
        described = properties(description, schemas[name])

        assert body.keys() == {envelope}
        purpose = body[envelope].keys() - required
        assert required <= body[envelope].keys()
        assert purpose in PURPOSES.get(name, [set()])
        # The description has how a field is made there, not its value, and no requester.
        of_ticket = properties(description, schemas["TicketObject"])
        described |= {key: of_ticket[key] for key in ("custom_fields", "requester")}
        assert body[envelope].keys() <= described.keys()
        assert not {key for key in body[envelope] if described[key].get("readOnly")}
        for key, value in body[envelope].items():
            assert list(problems(description, described[key], value)) == [], key
        if "requestBody" in operation and "custom_fields" not in purpose:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert list(problems(description, schema, body)) == []
        checked.add(operation["operationId"])
    assert checked == BODIES.keys()


def test_lists_of_tags_are_what_the_page_on_tickets_says(
    description: Description, requests: list[RecordedRequest]
) -> None:
    """The description has no body for them: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#updating-tag-lists"""
    bodies = [
        json.loads(request.body)
        for request in requests
        if operation_of(description, request)["operationId"] in TAGS
    ]

    assert bodies == [
        {"tags": ["interlock_past_due"]},
        {"ticket": {"additional_tags": ["interlock_past_due"]}},
        {"tags": ["interlock_past_due"]},
        {"ticket": {"remove_tags": ["interlock_on_hold", "interlock_past_due"]}},
    ]


def test_comments_are_described(description: Description, requests: list[RecordedRequest]) -> None:
    described = description["components"]["schemas"]["TicketCommentObject"]["properties"]
    comments = [
        json.loads(request.body)["ticket"]["comment"]
        for request in requests
        if "comment" in request.body
    ]

    assert len(comments) == 7
    for comment in comments:
        assert comment.keys() == {"body", "public"}
        assert not any(described[key].get("readOnly") for key in comment)


@pytest.mark.parametrize(
    ("path", "schema", "key"),
    [
        ("/tickets", "TicketObject", "tickets"),
        ("/organizations", "OrganizationObject", "organizations"),
        ("/tickets/{number}/comments", "TicketCommentObject", "comments"),
    ],
)
def test_sandbox_answers_as_described(
    description: Description,
    support: SupportPort,
    api: httpx.Client,
    path: str,
    schema: str,
    key: str,
) -> None:
    number = support.create_task(TASK, idempotency_key="key-1").remote_id

    (record,) = api.get(path.format(number=number)).json()[key]

    described = description["components"]["schemas"][schema]["properties"]
    assert_described(description, described, record)


def test_the_sandboxs_ticket_fields_and_audits_are_as_described(
    description: Description, desk: SupportDesk, api: httpx.Client
) -> None:
    agent = desk.agent("sam@support.example")
    number = desk.file("crm:0017", "Exports fail", by=agent)
    desk.enter(number, by=agent, credit="requested", products="PLATFORM-ANNUAL")
    schemas = description["components"]["schemas"]

    fields = api.get("/ticket_fields").json()["ticket_fields"]
    audits = api.get(f"/tickets/{number}/audits").json()["audits"]
    query = {"query": "tags:interlock_credit_requested status<closed", "filter[type]": "ticket"}
    found = api.get("/search/export", params=query | {"page[size]": 100}).json()

    for field in fields:
        assert_described(description, schemas["TicketFieldObject"]["properties"], field)
    assert len(fields) == len(desk.fields)
    for audit in audits:
        assert_described(description, schemas["TicketAuditObject"]["properties"], audit)
    assert [len(audits), audits[-1]["author_id"]] == [2, agent["id"]]
    assert found.keys() - {"users"} <= schemas["SearchExportResponse"]["properties"].keys()
    assert [result["id"] for result in found["results"]] == [number]


def test_the_sandboxs_jobs_and_tags_are_as_described(
    description: Description, support: SupportPort, api: httpx.Client
) -> None:
    number = support.create_task(TASK, idempotency_key="key-1").remote_id
    change = {"ticket": {"additional_tags": ["vip"]}}
    schemas = description["components"]["schemas"]

    queued = api.put(f"/tickets/update_many?ids={number},404", json=change).json()["job_status"]
    job = api.get(f"/job_statuses/{queued['id']}").json()["job_status"]

    assert [queued["status"], job["status"]] == ["queued", "completed"]
    for each in (queued, job):
        assert_described(description, schemas["JobStatusObject"]["properties"], each)
    assert [result["success"] for result in job["results"]] == [True, False]
    [organization] = api.get("/organizations").json()["organizations"]
    tags = api.put(f"/organizations/{organization['id']}/tags", json={"tags": ["vip"]})
    assert list(problems(description, schemas["TagsByObjectIdResponse"], tags.json())) == []


def assert_described(
    description: Description, described: Description, record: dict[str, Any]
) -> None:
    """Zendesk answers null for many a field that the description does not call nullable."""
    assert record.keys() <= described.keys()
    for name, value in record.items():
        given = value
        if name == "organization_fields":
            given = {key: field for key, field in value.items() if field is not None}
        if name == "custom_fields":
            given = [each for each in value if each["value"] is not None]
        if given is not None:
            assert list(problems(description, described[name], given)) == [], name

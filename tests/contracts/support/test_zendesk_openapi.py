"""The adapter's requests and the sandbox's answers, held against Zendesk's OpenAPI description.

Its request bodies are loose (few required keys, unknown ones allowed, none at all for
organizations), so the keys we send are checked here one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from interlock.canonical import Task
from interlock.connectors.support.port import SupportPort
from openapi_schema_validator import OAS30Validator

from local.sandboxes.sandbox import RecordedRequest, Sandbox

TASK = Task(
    id="order-1:kick-off",
    subject="Kick-off",
    body="Plan",
    customer_id="crm:0017",
    customer_name="Acme",
)

# What a request must have, whatever the description leaves open, and the schema that has its keys.
BODIES = {
    "CreateTicket": (
        "ticket",
        "TicketCreateInput",
        {"external_id", "subject", "type", "tags", "requester_id", "comment"},
    ),
    "UpdateTicket": (
        "ticket",
        "TicketUpdateInput",
        {"status", "comment", "safe_update", "updated_stamp"},
    ),
    "CreateOrganization": ("organization", "OrganizationObject", {"name", "external_id"}),
    "CreateOrUpdateUser": ("user", "UserCreateInput", {"external_id", "name", "organization_id"}),
}
# The description does not list them; the guides to side-loading and to pagination do, for all.
EVERYWHERE = {"include", "page"}

Description = dict[str, Any]


@pytest.fixture
def requests(support: SupportPort, sandbox: Sandbox) -> list[RecordedRequest]:
    """Every kind of request that the adapter makes."""
    created = support.create_task(TASK, idempotency_key="key-1")
    support.find_task(TASK.id)
    support.close_task(created.remote_id, note="Cancelled.")
    return [request for request in sandbox.requests if request.path.startswith("/api/")]


def operation_of(description: Description, request: RecordedRequest) -> Description:
    """The described operation that answers a request; KeyError when there is none."""
    paths = description["paths"]
    # A fixed path wins over one with a parameter: /organizations/search.
    for path in sorted(paths, key=lambda path: path.count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.path):
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
        envelope, name, required = BODIES[operation["operationId"]]
        body = json.loads(request.body)
        described = properties(description, schemas[name])

        assert body.keys() == {envelope}
        assert body[envelope].keys() == required
        assert required <= described.keys()
        assert not {key for key in required if described[key].get("readOnly")}
        for key, value in body[envelope].items():
            assert list(problems(description, described[key], value)) == [], key
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert list(problems(description, schema, body)) == []
        checked.add(operation["operationId"])
    assert checked == BODIES.keys()


def test_comments_are_described(description: Description, requests: list[RecordedRequest]) -> None:
    described = description["components"]["schemas"]["TicketCommentObject"]["properties"]
    comments = [
        json.loads(request.body)["ticket"]["comment"]
        for request in requests
        if request.body and "comment" in request.body
    ]

    assert len(comments) == 2
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
    assert record.keys() <= described.keys()
    # Zendesk answers null for many a field that the description does not call nullable.
    for name, value in record.items():
        if value is not None:
            assert list(problems(description, described[name], value)) == [], name

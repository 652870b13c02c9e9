"""What the adapter sends, and what our sandbox answers, held against Stripe's own description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from interlock.connectors.billing.stripe import API_VERSION
from interlock.errors import InterlockError
from jsonschema import Draft202012Validator

from local.sandboxes.stripe.parameters import decode
from tests.contracts.billing.samples import ACCOUNT, NOW, Connect, Later, subscription

FORM = "application/x-www-form-urlencoded"


@dataclass
class Recorder(httpx.BaseTransport):
    """Passes requests on, and keeps each with its answer."""

    exchanges: list[tuple[httpx.Request, httpx.Response]] = field(default_factory=list)
    _network: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        response = self._network.handle_request(request)
        response.read()
        self.exchanges.append((request, response))
        return response

    def close(self) -> None:
        """Close the connections."""
        self._network.close()


class Undescribed(Exception):
    """Something that Stripe's description does not have; says where."""


class Description:
    """Stripe's description, made strict: an object has no properties but the described ones."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.version = document["info"]["version"]
        self._components = _strict({"schemas": document["components"]["schemas"]})
        self._paths = document["paths"]

    def check_request(self, request: httpx.Request) -> None:
        """Raises Undescribed for a request that Stripe would refuse."""
        operation = self._operation(request)
        sent = decode("&".join([request.url.query.decode(), request.content.decode()]).strip("&"))
        if request.method == "GET":
            described = operation.get("parameters", [])
            schema = {
                "type": "object",
                "properties": {p["name"]: p["schema"] for p in described if p["in"] == "query"},
            }
        else:
            schema = operation["requestBody"]["content"][FORM]["schema"]
        schema = _strict(schema)
        self._check(f"{request.method} {request.url.path}", _typed(sent, schema), schema)

    def check_response(self, request: httpx.Request, response: httpx.Response) -> None:
        """Raises Undescribed for an answer that Stripe would not give."""
        answers = self._operation(request)["responses"]
        answer = answers.get(str(response.status_code), answers["default"])
        schema = _strict(answer["content"]["application/json"]["schema"])
        self._check(f"the answer to {request.method} {request.url.path}", response.json(), schema)

    def _operation(self, request: httpx.Request) -> dict[str, Any]:
        for path, operations in self._paths.items():
            pattern = re.sub(r"\{\w+\}", "[^/]+", path)
            if re.fullmatch(pattern, request.url.path) and request.method.lower() in operations:
                return operations[request.method.lower()]
        raise Undescribed(f"Stripe has no {request.method} {request.url.path}")

    def _check(self, what: str, value: Any, schema: dict[str, Any]) -> None:
        validator = Draft202012Validator({**schema, "components": self._components})
        for error in validator.iter_errors(value):
            raise Undescribed(f"{what}: {error.json_path}: {error.message}")


def _strict(schema: Any) -> Any:
    """As JSON Schema: OpenAPI's `nullable` spelt out, and undescribed properties refused."""
    if isinstance(schema, list):
        return [_strict(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        strict.setdefault("additionalProperties", False)
    if strict.pop("nullable", None) is True:
        return {"anyOf": [strict, {"type": "null"}]}
    return strict


def _typed(value: Any, schema: dict[str, Any]) -> Any:
    """Form values are text: give them the types that the schema says, where they fit."""
    if isinstance(value, dict):
        properties = _alternative(schema, "object").get("properties", {})
        return {key: _typed(child, properties.get(key, {})) for key, child in value.items()}
    if isinstance(value, list):
        items = _alternative(schema, "array").get("items", {})
        return [_typed(child, items) for child in value]
    if _alternative(schema, "boolean") and value in ("true", "false"):
        return value == "true"
    if _alternative(schema, "integer") and re.fullmatch(r"-?\d+", value):
        return int(value)
    return value


def _alternative(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    alternatives = [schema, *schema.get("anyOf", [])]
    return next((one for one in alternatives if one.get("type") == kind), {})


@pytest.fixture(scope="session")
def stripe_api(description: dict[str, Any]) -> Description:
    """Stripe's description, ready to check with."""
    return Description(description)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """The exchanges of one test."""
    recorder = Recorder()
    yield recorder
    recorder.close()


def test_the_adapter_is_pinned_to_the_described_version(stripe_api: Description) -> None:
    assert stripe_api.version == API_VERSION


def test_every_request_and_every_answer(
    stripe_api: Description, connect: Connect, recorder: Recorder, later: Later
) -> None:
    billing = connect(transport=recorder, automatic_tax="true")
    today, future = subscription(), subscription(start_date=NOW.date() + timedelta(days=9))

    billing.get_catalogue(("SEAT-ANNUAL", "PS-IMPLEMENT"))
    customer = billing.create_customer(ACCOUNT, idempotency_key="c")
    billing.find_customer(ACCOUNT)
    billing.get_customer(customer.remote_id)
    made = []
    for number, deal in enumerate((today, future)):
        made.append(
            billing.create_subscription(
                deal, customer_remote_id=customer.remote_id, idempotency_key=f"s{number}"
            )
        )
    billing.get_subscription(made[0].remote_id)
    billing.cancel_subscription(made[1].remote_id)
    later(timedelta(days=500))
    billing.find_subscription(today.id, customer_remote_id=customer.remote_id)
    with pytest.raises(InterlockError):
        billing.delete_customer(customer.remote_id)
    billing.cancel_subscription(made[0].remote_id)
    billing.delete_customer(customer.remote_id)
    billing.delete_customer(customer.remote_id)
    with pytest.raises(InterlockError):
        billing.get_subscription("sub_sched_missing")

    asked = {
        (request.method, re.sub(r"/(cus|sub_sched|sub)_\w+", r"/<\1>", request.url.path))
        for request, _ in recorder.exchanges
    }
    assert asked == {
        ("GET", "/v1/products"),
        ("GET", "/v1/customers"),
        ("POST", "/v1/customers"),
        ("GET", "/v1/customers/<cus>"),
        ("DELETE", "/v1/customers/<cus>"),
        ("GET", "/v1/subscription_schedules"),
        ("POST", "/v1/subscription_schedules"),
        ("GET", "/v1/subscription_schedules/<sub_sched>"),
        ("POST", "/v1/subscription_schedules/<sub_sched>/cancel"),
        ("GET", "/v1/subscriptions"),
        ("GET", "/v1/subscriptions/<sub>"),
        ("DELETE", "/v1/subscriptions/<sub>"),
    }
    for request, response in recorder.exchanges:
        assert request.headers["Stripe-Version"] == API_VERSION
        stripe_api.check_request(request)
        stripe_api.check_response(request, response)


@pytest.mark.parametrize(
    "form",
    [
        "nickname=A",
        "address[planet]=Mars",
        "metadata[a][b]=nested",
        "tax_exempt=perhaps",
        "balance=1.5",
    ],
)
def test_the_description_refuses_what_stripe_refuses(stripe_api: Description, form: str) -> None:
    request = httpx.Request("POST", "https://api.stripe.com/v1/customers", content=form)

    with pytest.raises(Undescribed):
        stripe_api.check_request(request)


@pytest.mark.parametrize(
    "change", [{"unicorn": True}, {"livemode": None}, {"metadata": {"n": 1}}, {"created": "now"}]
)
def test_the_description_refuses_another_answer(
    stripe_api: Description, connect: Connect, recorder: Recorder, change: dict[str, Any]
) -> None:
    connect(transport=recorder).create_customer(ACCOUNT, idempotency_key="c")
    request, response = recorder.exchanges[0]
    body = {**response.json(), **change}

    with pytest.raises(Undescribed):
        stripe_api.check_response(request, httpx.Response(200, content=json.dumps(body)))

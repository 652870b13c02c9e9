"""Stripe's published OpenAPI description, which requests, answers and test data are held against.

It is data that the project does not have: the tests that need it are skipped without it.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from local.sandboxes.stripe.parameters import decode

REPOSITORY = Path(__file__).parents[1]
DEFAULT_SPECS = Path("..") / "shared" / "vendor-specs"
# Not in events: see `local.sandboxes.stripe.events`.
ANSWERS_ONLY = ("amount_paid_off_stripe",)
VENDOR_SPECS = REPOSITORY / os.environ.get("VENDOR_SPECS_DIR", DEFAULT_SPECS)
FORM = "application/x-www-form-urlencoded"


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

    def check_object(self, value: dict[str, Any]) -> None:
        """Raises Undescribed for an object that is not as Stripe describes its kind."""
        kind = value["object"]
        self._check(f"the {kind}", value, {"$ref": f"#/components/schemas/{kind}"})

    def check_told(self, value: dict[str, Any]) -> None:
        """The same of an object as an event tells of it, which lacks what only answers have."""
        kind = value["object"]
        schema = self._components["schemas"][kind]
        required = [name for name in schema["required"] if name not in ANSWERS_ONLY]
        self._check(f"an event's {kind}", value, {**schema, "required": required})

    def event_types(self) -> set[str]:
        """The types of events that an endpoint may be told of."""
        body = self._paths["/v1/webhook_endpoints"]["post"]["requestBody"]["content"][FORM]
        return set(body["schema"]["properties"]["enabled_events"]["items"]["enum"])

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


@cache
def available() -> Description | None:
    """The description, ready to check with; None where it is absent."""
    path = VENDOR_SPECS / "stripe.openapi.json.gz"
    return Description(json.loads(gzip.decompress(path.read_bytes()))) if path.exists() else None


def described() -> Description:
    """The description; skips the test where it is absent."""
    return available() or pytest.skip(
        f"Stripe's OpenAPI description is not in {VENDOR_SPECS}: set VENDOR_SPECS_DIR"
    )

"""Handlers, the template's functions, their environment and their sample events, held together."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent, SQSEvent
from interlock.connectors.billing import stripe_events
from interlock.connectors.crm import salesforce_events
from interlock.effects import LEASE_SECONDS
from interlock.events import Event
from interlock.settings import Settings

from local import samples
from local.paths import ROOT
from local.project import Function, functions
from local.sandboxes.salesforce_store import ORGANIZATION_ID
from local.sandboxes.stripe.events import DESTINATION
from tests.infrastructure import handlers, reached
from tests.infrastructure.stack import Stack

MAX_HANDLER_LINES = 45
CONSUMES_A_QUEUE = {
    "contracts/wake_renewals",
    "ingress/salesforce",
    "ingress/stripe",
    "timeline/record_event",
    "workflow/start_execution",
}
ANSWERS_THE_API = {"ingress/zendesk"}
# Read by the libraries in the layer, not by our code.
# https://docs.powertools.aws.dev/lambda/python/latest/environment-variables/
OF_LIBRARIES = {"POWERTOOLS_LOG_LEVEL"}


def sample(name: str) -> dict[str, Any]:
    """The sample event of a function."""
    path = ROOT / "events" / f"{name}.json"
    assert path.exists(), f"{path.relative_to(ROOT)} is missing: an event to invoke it with"
    return json.loads(path.read_text())


def body(name: str) -> dict[str, Any]:
    """The content of the only message in a queue consumer's sample event."""
    [record] = SQSEvent(sample(name)).records
    return record.json_body


def test_each_handler_is_one_function_of_the_template() -> None:
    found = {"/".join(path.parts[-3:-1]) for path in ROOT.glob("functions/*/*/handler.py")}
    named = [function.name for function in functions().values()]

    assert sorted(named) == sorted(found)


def test_no_sample_event_is_left_over() -> None:
    found = {
        f"{path.parent.name}/{path.stem}"
        for path in ROOT.glob("events/*/*.json")
        if path.parent.name != "partner"
    }

    assert found == {function.name for function in functions().values()}


def test_a_handler_is_short(function: Function) -> None:
    lines = (function.folder / "handler.py").read_text().splitlines()

    assert len(lines) <= MAX_HANDLER_LINES


def test_the_environment_is_what_the_code_reads(function: Function, stack: Stack) -> None:
    own = {value for value in vars(handlers.module(function)).values() if _is_settings(value)}
    fields = {
        name.upper(): field
        for each in own | reached.settings(function)
        for name, field in each.model_fields.items()
    }
    needed = {name for name, field in fields.items() if field.is_required()}

    assert needed <= set(stack.environment(function.logical_id)) - OF_LIBRARIES <= set(fields)


def test_a_function_ends_before_its_lease_does(function: Function, stack: Stack) -> None:
    """Otherwise another run could take over an effect that is still being performed."""
    assert stack.properties(function.logical_id)["Timeout"] < LEASE_SECONDS


def test_the_sample_event_is_a_command_of_the_handler(function: Function) -> None:
    event = sample(function.name)
    command = handlers.command_type(function)
    if function.name in ANSWERS_THE_API:
        assert APIGatewayProxyEvent(event).json_body
    elif function.name in CONSUMES_A_QUEUE:
        records = list(SQSEvent(event).records)
        assert records
        assert all(isinstance(record.json_body, dict) for record in records)
    else:
        command.model_validate(event)


def test_the_queues_sample_events_are_taken() -> None:
    [event] = salesforce_events.translate(
        body("ingress/salesforce"),
        connection="salesforce",
        organisation=ORGANIZATION_ID,
        won_stages={"Closed Won"},
        lost_stages={"Closed Lost"},
    )
    billed = stripe_events.translate(
        body("ingress/stripe"), connection="stripe", destination=DESTINATION
    )
    start = handlers.module(_function("workflow/start_execution")).StartExecution

    assert start.model_validate(body("workflow/start_execution")).event == event
    assert billed
    assert billed.type == "invoice.finalized"
    assert Event.model_validate(body("timeline/record_event")["detail"])


def test_the_sample_events_are_current() -> None:
    """They follow from the models and the rules."""
    for name, expected in samples.samples().items():
        assert sample(name) == expected, f"events/{name}.json is stale: run `{samples.COMMAND}`"


@pytest.mark.parametrize("area", ["crm", "erp", "billing", "support"])
def test_a_connectors_handler_names_no_vendor(area: str) -> None:
    """Which vendor answers is configuration."""
    for function in functions().values():
        if function.area == area:
            allowed = {"datetime", "interlock", "pydantic", "typing"}
            assert _modules(function) <= allowed, function.name
            vendors = {d for d in _imported(function) if ".connectors." in d} - {
                f"interlock.connectors.{kind}.port" for kind in ("billing", "erp")
            }
            assert not vendors, function.name


def test_a_handler_imports_the_shared_package_alone(function: Function) -> None:
    """No handler knows another one, an AWS client library, or an HTTP client."""
    allowed = {"contextlib", "datetime", "functools", "interlock", "os", "pathlib", "pydantic"}
    allowed |= {"typing"}

    assert _modules(function) <= allowed


def _function(name: str) -> Function:
    return next(function for function in functions().values() if function.name == name)


def _is_settings(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Settings) and value is not Settings


def _imported(function: Function) -> set[str]:
    nodes = list(ast.walk(function.source))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def _modules(function: Function) -> set[str]:
    return {name.split(".")[0] for name in _imported(function)}

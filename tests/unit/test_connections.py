"""Connections, read from the parameter and secret stores that moto plays."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from interlock import aws, connections
from interlock.connections import ADAPTERS, Connection
from interlock.errors import ContractViolation, CredentialsRejected, VendorUnavailable

from tests.unit.conftest import Cloud, forget

PARAMETER = "/interlock/connections/billing"
STRIPE = {
    "name": "stripe",
    "vendor": "stripe",
    "base_url": "https://api.stripe.com/",
    "secret_id": "interlock/stripe",
    "options": {},
}

Configure = Callable[[Any], None]


@pytest.fixture
def configure(cloud: Cloud, environment: Any) -> Configure:
    """Sets the function's connection, given as JSON or as any text."""
    environment(CONNECTION=PARAMETER)
    forget()

    def put(content: Any) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        client = aws.client("ssm")
        client.put_parameter(Name=PARAMETER, Value=text, Type="String", Overwrite=True)

    return put


def secret(text: str) -> None:
    """Sets the connection's secret."""
    aws.client("secretsmanager").create_secret(Name=STRIPE["secret_id"], SecretString=text)


def test_a_function_knows_its_connection(configure: Configure) -> None:
    configure(STRIPE)

    connection = connections.current()

    assert connection.name == "stripe"
    assert connection.url == "https://api.stripe.com"


def test_canonical_ids_of_a_connection_go_both_ways() -> None:
    connection = Connection(**STRIPE | {"name": "stripe-eu"})

    assert connection.canonical_id("cus_1") == "stripe-eu:cus_1"
    assert connection.remote_id("stripe-eu:cus:1") == "cus:1"


@pytest.mark.parametrize("id", ["stripe:cus_1", "stripe-eu", "stripe-eu:", "", "cus_1"])
def test_another_systems_id_is_refused(id: str) -> None:
    connection = Connection(**STRIPE | {"name": "stripe-eu"})

    with pytest.raises(ContractViolation, match="is not an id of the system 'stripe-eu'"):
        connection.remote_id(id)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("not JSON", "see the JSON"),
        ({}, "see name, vendor, base_url, secret_id"),
        (STRIPE | {"base_url": "stripe.com"}, "see base_url$"),
        (STRIPE | {"options": {"api_version": 1}}, "see options.api_version$"),
        (STRIPE | {"key": "rk_live_51Hq9"}, "see key$"),
        (STRIPE | {"budget": {"requests": 25}, "budgets_table": "Budgets"}, "see budget"),
        (STRIPE | {"budget": {"concurrency": 8}}, "see budgets_table$"),
    ],
)
def test_a_malformed_parameter_is_named_without_its_content(
    configure: Configure, content: Any, named: str
) -> None:
    configure(content)

    with pytest.raises(ContractViolation, match=named) as violation:
        connections.current()

    assert PARAMETER in str(violation.value)
    assert "rk_live" not in str(violation.value)


def test_a_parameter_that_is_not_there(configure: Configure) -> None:
    with pytest.raises(CredentialsRejected, match=f"{PARAMETER} cannot be read"):
        connections.current()


def test_the_secret_is_a_json_object(configure: Configure) -> None:
    secret('{"api_key": "rk_1"}')

    assert Connection(**STRIPE).secret() == {"api_key": "rk_1"}


@pytest.mark.parametrize("text", ["rk_live_51Hq9", "[]", '"rk_live_51Hq9"', "7"])
def test_any_other_secret_is_refused_without_being_told(configure: Configure, text: str) -> None:
    secret(text)

    with pytest.raises(CredentialsRejected, match="not a JSON object") as rejected:
        Connection(**STRIPE).secret()

    assert "rk_live" not in str(rejected.value)


def test_a_secret_whose_value_was_never_set(configure: Configure) -> None:
    aws.client("secretsmanager").create_secret(Name=STRIPE["secret_id"])

    with pytest.raises(CredentialsRejected, match="set its value"):
        Connection(**STRIPE).secret()


def test_a_store_that_does_not_answer_is_tried_again_later(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Throttled:
        """Secrets Manager on a busy day."""

        def get_secret_value(self, **request: Any) -> Any:
            """Never answers."""
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetSecretValue")

    monkeypatch.setattr(aws, "client", lambda service: Throttled())

    with pytest.raises(VendorUnavailable, match="cannot be read now"):
        Connection(**STRIPE).secret()


def test_an_adapter_is_made_once(configure: Configure) -> None:
    configure(STRIPE)

    assert connections.billing() is connections.billing()


def test_another_connection_has_another_adapter(configure: Configure) -> None:
    configure(STRIPE)
    first = connections.billing()
    connections._provider("ssm").clear_cache()
    configure(STRIPE | {"name": "stripe-eu"})

    assert connections.billing() is not first
    assert connections.current().name == "stripe-eu"


def test_an_unknown_vendor_is_refused_with_the_known_ones(configure: Configure) -> None:
    configure(STRIPE | {"vendor": "chargebee"})

    with pytest.raises(ContractViolation, match="'chargebee'; there are: stripe"):
        connections.billing()


def test_an_adapter_of_another_kind_is_refused(configure: Configure) -> None:
    configure(STRIPE)

    with pytest.raises(ContractViolation, match="no erp adapter for vendor 'stripe'"):
        connections.erp()


@pytest.mark.parametrize(("kind", "vendor"), sorted(ADAPTERS))
def test_every_adapter_can_be_made(configure: Configure, kind: str, vendor: str) -> None:
    configure(STRIPE | {"name": vendor, "vendor": vendor})

    adapter = getattr(connections, kind)()

    assert type(adapter).__name__.lower() == vendor

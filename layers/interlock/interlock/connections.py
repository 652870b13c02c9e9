"""Connections: which vendor, where, with which secret. Configuration, not code.

A connection is JSON in an SSM parameter whose name is in the function's environment as CONNECTION:

    {"name": "salesforce", "vendor": "salesforce", "base_url": "https://acme.my.salesforce.com",
     "secret_id": "interlock/salesforce", "options": {"api_version": "v66.0"},
     "budget": {"concurrency": 20}, "budgets_table": "interlock-Budgets"}

Several connections of one kind may exist (regions, subsidiaries, acquisitions); each function is
given one. A change of the parameter or the secret reaches a warm function within five minutes.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import (
    GetParameterError,
    TransformParameterError,
)
from pydantic import Field, HttpUrl, ValidationError, ValidationInfo, field_validator

from interlock import aws
from interlock.budget.limits import Limit
from interlock.canonical.base import Canonical, Text
from interlock.errors import ContractViolation, CredentialsRejected, VendorUnavailable
from interlock.settings import Settings

if TYPE_CHECKING:
    from interlock.connectors.billing.port import BillingPort
    from interlock.connectors.crm.port import CrmPort
    from interlock.connectors.erp.port import ErpPort
    from interlock.connectors.support.port import SupportPort

FRESH_SECONDS = 300
# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
REFUSALS = {"AccessDeniedException", "ParameterNotFound", "ResourceNotFoundException"}

# The adapters by kind and vendor: the one place that a new vendor's adapter is named in.
ADAPTERS = {
    ("crm", "salesforce"): "interlock.connectors.crm.salesforce:Salesforce",
    ("erp", "tryton"): "interlock.connectors.erp.tryton:Tryton",
    ("billing", "stripe"): "interlock.connectors.billing.stripe:Stripe",
    ("support", "zendesk"): "interlock.connectors.support.zendesk:Zendesk",
}


class ConnectionSettings(Settings):
    """`connection` names the SSM parameter that holds the connection."""

    connection: str


class Connection(Canonical):
    """One instance of one vendor. `options` are the vendor's own, documented in its adapter.

    `budget` is what all functions together may ask of it, shared in the table `budgets_table`;
    without one, nothing limits them: see `interlock.budget`.
    """

    name: Text
    vendor: Text
    base_url: HttpUrl
    secret_id: Text
    options: dict[str, str] = {}
    budget: Limit | None = None
    budgets_table: Text | None = Field(default=None, validate_default=True)

    @field_validator("budgets_table")
    @classmethod
    def _share_the_budget(cls, table: str | None, given: ValidationInfo) -> str | None:
        if table is None and given.data.get("budget"):
            raise ValueError("a budget is shared in a table")
        return table

    @property
    def url(self) -> str:
        """The base address without a trailing slash."""
        return str(self.base_url).rstrip("/")

    def canonical_id(self, remote_id: str) -> str:
        """The canonical id of a record that was born in this system."""
        return f"{self.name}:{remote_id}"

    def remote_id(self, canonical_id: str) -> str:
        """The id there of a canonical id. Raises ContractViolation for another system's id."""
        name, _, remote_id = canonical_id.partition(":")
        if name != self.name or not remote_id:
            raise ContractViolation(f"{canonical_id!r} is not an id of the system {self.name!r}")
        return remote_id

    def secret(self) -> dict[str, str]:
        """The connection's secret.

        Raises CredentialsRejected when it cannot be read or is no JSON object, VendorUnavailable
        when Secrets Manager does not answer.
        """
        return _secret(self.secret_id, self.vendor)


@cache
def _provider(kind: str) -> Any:
    providers = {"ssm": parameters.SSMProvider, "secretsmanager": parameters.SecretsProvider}
    return providers[kind](boto3_client=aws.client(kind))


def _read(kind: str, name: str, **options: Any) -> Any:
    """A parameter or a secret. Raises CredentialsRejected when AWS refuses to tell."""
    try:
        return _provider(kind).get(name, max_age=FRESH_SECONDS, **options)
    except GetParameterError as error:
        answer = getattr(error.__context__, "response", {})
        code = answer.get("Error", {}).get("Code")
        if code in REFUSALS:
            raise CredentialsRejected(
                f"{name} cannot be read: set its value, and let the function's role read it",
                vendor=kind,
                code=code,
            ) from None
        raise VendorUnavailable(f"{name} cannot be read now", vendor=kind, code=code) from None


def _secret(secret_id: str, vendor: str) -> dict[str, str]:
    try:
        secret = _read("secretsmanager", secret_id, transform="json")
    except TransformParameterError:
        secret = None
    if not isinstance(secret, dict):
        raise CredentialsRejected(
            "the secret is not a JSON object: set it as the adapter's docstring says",
            vendor=vendor,
        )
    return secret


def secret_field(secret_id: str, field: str) -> str:
    """A text of a secret that belongs to no connection.

    Raises CredentialsRejected when it is not there, and what `Connection.secret` raises.
    """
    value = _secret(secret_id, "secretsmanager").get(field)
    if not value or not isinstance(value, str):
        raise CredentialsRejected(
            f"the secret has no {field!r}: set it in Secrets Manager", vendor="secretsmanager"
        )
    return value


def current() -> Connection:
    """The function's connection. Raises ContractViolation when the parameter is malformed."""
    name = ConnectionSettings.load().connection
    text = _read("ssm", name)
    try:
        return Connection.model_validate_json(text)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, e["loc"])) or "the JSON" for e in error.errors())
        raise ContractViolation(f"the parameter {name} is no connection: see {fields}") from None


def _adapter(kind: str) -> Any:
    connection = current()
    return _build(kind, connection.model_dump_json())


@cache
def _build(kind: str, connection_json: str) -> Any:
    """One adapter per process and connection: it keeps its HTTP connections and its token."""
    connection = Connection.model_validate_json(connection_json)
    try:
        module, name = ADAPTERS[kind, connection.vendor].split(":")
    except KeyError:
        known = ", ".join(vendor for area, vendor in ADAPTERS if area == kind)
        raise ContractViolation(
            f"no {kind} adapter for vendor {connection.vendor!r}; there are: {known}"
        ) from None
    return getattr(importlib.import_module(module), name)(connection)


def crm() -> CrmPort:
    """The CRM that this function is connected to."""
    return _adapter("crm")


def erp() -> ErpPort:
    """The ERP that this function is connected to."""
    return _adapter("erp")


def billing() -> BillingPort:
    """The billing system that this function is connected to."""
    return _adapter("billing")


def support() -> SupportPort:
    """The support system that this function is connected to."""
    return _adapter("support")

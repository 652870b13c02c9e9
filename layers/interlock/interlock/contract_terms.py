"""The contract terms that are in force, from AWS AppConfig: changed there without a deployment.

https://docs.aws.amazon.com/appconfig/latest/userguide/about-data-plane.html
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from aws_lambda_powertools.utilities.parameters import BaseProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from pydantic import ValidationError

from interlock import aws
from interlock.errors import ContractViolation, CredentialsRejected, VendorUnavailable
from interlock.rules.contract_terms import ContractTerms
from interlock.settings import Settings

FRESH_SECONDS = 60
DEPLOY = "`interlock terms deploy FILE`"


class ContractTermsSettings(Settings):
    """`contract_terms` is the document's place: application/environment/profile, by their ids."""

    contract_terms: str


class _Deployed(BaseProvider):
    """Reads what is deployed, in a session of its own each time, once a minute at most: a token
    kept from one call to the next would expire, or be used up by a call that failed."""

    def __init__(self, client: Any) -> None:
        super().__init__(client=client)
        self.client = client

    def _get(self, name: str, **options: Any) -> bytes:
        return read(self.client, *name.split("/"))

    def _get_multiple(self, path: str, **options: Any) -> dict[str, Any]:
        raise NotImplementedError  # Powertools asks for it; there is one document


def read(client: Any, application: str, environment: str, profile: str) -> bytes:
    """The document that is deployed, as it is. Raises botocore's ClientError."""
    token = client.start_configuration_session(
        ApplicationIdentifier=application,
        EnvironmentIdentifier=environment,
        ConfigurationProfileIdentifier=profile,
    )["InitialConfigurationToken"]
    return client.get_latest_configuration(ConfigurationToken=token)["Configuration"].read()


def in_force() -> ContractTerms:
    """The document that is deployed, at most a minute old.

    Raises ContractViolation for none or a wrong one, CredentialsRejected when the function may not
    read it, VendorUnavailable when AppConfig does not answer.
    """
    place = ContractTermsSettings.load().contract_terms
    try:
        document = _provider().get(place, max_age=FRESH_SECONDS)
    except GetParameterError as error:
        raise _unread(getattr(error.__context__, "response", {})) from None
    # Unconfirmed: that nothing is found before the first deployment; nothing may also be empty.
    if not document:
        raise _undeployed()
    return parse(document)


@lru_cache(maxsize=1)
def parse(document: bytes) -> ContractTerms:
    """The terms that a document says. Raises ContractViolation naming each wrong field."""
    try:
        return ContractTerms.model_validate_json(document)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'the document'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        )
        raise ContractViolation(
            f"the contract terms are not valid ({wrong}): correct them with {DEPLOY}"
        ) from None


@cache
def _provider() -> _Deployed:
    return _Deployed(aws.client("appconfigdata"))


def _unread(answer: dict[str, Any]) -> Exception:
    code = answer.get("Error", {}).get("Code")
    if code == "ResourceNotFoundException":
        return _undeployed()
    if code == "AccessDeniedException":
        return CredentialsRejected(
            "the contract terms cannot be read: let the function's role read them",
            vendor="appconfig",
            code=code,
        )
    return VendorUnavailable("the contract terms cannot be read now", vendor="appconfig", code=code)


def _undeployed() -> ContractViolation:
    return ContractViolation(
        f"no contract terms are in force: deploy the signed ones with {DEPLOY}"
    )

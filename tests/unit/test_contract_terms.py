"""The contract terms that are deployed, from AppConfig stubbed by its model."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import boto3
import pytest
from botocore.stub import Stubber
from interlock import contract_terms
from interlock.contract_terms import ContractTermsSettings, in_force
from interlock.errors import ContractViolation, CredentialsRejected, VendorUnavailable

from local.paths import CONTRACT_TERMS

DOCUMENT = json.loads(CONTRACT_TERMS.read_text())
Deploy = Callable[[object], None]


@pytest.fixture
def appconfig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client(
        "appconfigdata",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="s",  # noqa: S106
    )
    monkeypatch.setenv("CONTRACT_TERMS", "app/env/terms")
    monkeypatch.setattr(contract_terms.aws, "client", {"appconfigdata": client}.__getitem__)
    for kept in (ContractTermsSettings.load, contract_terms._provider, contract_terms.parse):
        kept.cache_clear()
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()
    contract_terms._provider.cache_clear()
    ContractTermsSettings.load.cache_clear()


@pytest.fixture
def deployed(appconfig: Stubber) -> Deploy:
    """Let the next session find this document."""

    def deploy(document: object) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        begin(appconfig)
        appconfig.add_response(
            "get_latest_configuration",
            {"NextPollConfigurationToken": "next", "Configuration": io.BytesIO(content)},
            {"ConfigurationToken": "first"},
        )

    return deploy


def begin(appconfig: Stubber) -> None:
    appconfig.add_response(
        "start_configuration_session",
        {"InitialConfigurationToken": "first"},
        {
            "ApplicationIdentifier": "app",
            "EnvironmentIdentifier": "env",
            "ConfigurationProfileIdentifier": "terms",
        },
    )


def test_the_first_document_is_valid_and_in_force(deployed: Deploy):
    deployed(DOCUMENT)
    terms = in_force()
    assert terms.version == DOCUMENT["version"]
    assert set(terms.agreements) == {"standard", "premium"}
    currencies = [tier.up_to.keys() for tier in terms.approval.tiers if tier.up_to]
    assert all(each == {"USD", "EUR", "JPY"} for each in currencies)
    assert {tier.role for tier in terms.approval.tiers} == set(terms.approval.approvers)


def test_it_is_read_again_after_a_minute(deployed: Deploy, monkeypatch: pytest.MonkeyPatch):
    deployed(DOCUMENT)
    assert in_force() is in_force()
    [kept] = contract_terms._provider().store.items()
    key, value = kept
    earlier = value._replace(ttl=value.ttl - timedelta(seconds=61))
    contract_terms._provider().store[key] = earlier
    deployed({**DOCUMENT, "version": "next"})
    assert in_force().version == "next"


def test_a_wrong_document_is_told_by_its_fields(deployed: Deploy):
    agreements = {"standard": DOCUMENT["agreements"]["standard"] | {"claim_days": 0}}
    deployed({**DOCUMENT, "agreements": agreements, "extra": "private"})
    with pytest.raises(ContractViolation) as caught:
        in_force()
    assert "agreements.standard.claim_days: Input should be" in caught.value.message
    assert "extra: " in caught.value.message
    assert "private" not in caught.value.message
    assert "interlock terms deploy" in caught.value.message


def test_no_json_is_told(deployed: Deploy):
    deployed(b"{")
    with pytest.raises(ContractViolation, match="the document: Invalid JSON"):
        in_force()


def test_nothing_deployed_is_told(deployed: Deploy, appconfig: Stubber):
    deployed(b"")
    with pytest.raises(ContractViolation, match="deploy the signed ones"):
        in_force()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ResourceNotFoundException", ContractViolation),
        ("AccessDeniedException", CredentialsRejected),
        ("InternalServerException", VendorUnavailable),
    ],
)
def test_a_refusal_is_told_and_does_not_last(
    deployed: Deploy, appconfig: Stubber, code: str, error: type[Exception]
):
    begin(appconfig)
    appconfig.add_client_error("get_latest_configuration", code)
    with pytest.raises(error):
        in_force()
    deployed(DOCUMENT)
    assert in_force().version == DOCUMENT["version"]

"""`interlock terms`: what is in force, and putting a change into force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from interlock.rules.contract_terms import ContractTerms

from local.contract_terms import NotDeployed, deploy
from local.paths import CONTRACT_TERMS

from .conftest import Interlock

FIRST = json.loads(CONTRACT_TERMS.read_text())
Write = Callable[[Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(document: Any) -> Path:
        file = tmp_path / "terms.json"
        file.write_text(json.dumps(document))
        return file

    return write


def test_the_first_terms_are_in_force_from_the_start(cli: Interlock):
    shown = cli.output("terms", "show")
    terms = ContractTerms.model_validate(FIRST)
    assert terms.fingerprint() in shown
    assert "standard: every other account" in shown
    assert "premium: no account" in shown
    assert "finance@interlock.example" in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert ContractTerms.model_validate(cli.json("terms", "show", "--json")) == terms


def test_a_change_is_put_into_force_and_told(cli: Interlock, write: Write):
    standard = FIRST["agreements"]["standard"] | {"cap_percent": "60"}
    changed = FIRST | {
        "version": "2026-12",
        "agreements": FIRST["agreements"] | {"standard": standard},
        "accounts": {"salesforce:001000000000001AAA": "premium"},
    }
    told = " ".join(cli.output("terms", "deploy", write(changed)).split())
    assert told.startswith("Version 2026-12 is in force")
    assert f"version {FIRST['version']} 2026-12" in told
    assert "agreements.standard.cap_percent 30 60" in told
    assert "accounts.salesforce:001000000000001AAA premium" in told
    assert cli.json("terms", "show", "--json")["version"] == "2026-12"

    assert cli.output("terms", "deploy", write(changed)) == "Version 2026-12 is in force already.\n"
    error = cli.error("terms", "deploy", write(changed | {"accounts": {}}))
    assert "version 2026-12 is in force with another content" in error
    cli.output("terms", "deploy", CONTRACT_TERMS)


def test_what_is_wrong_is_told_and_nothing_deployed(cli: Interlock, write: Write):
    wrong = write(FIRST | {"version": "", "approval": FIRST["approval"] | {"hours": 0}})
    for command in ("check", "deploy"):
        error = cli.error("terms", command, wrong)
        assert "version: String should have at least 1 character" in error
        assert "approval.hours: Input should be greater than or equal to 1" in error
    assert cli.json("terms", "show", "--json")["version"] == FIRST["version"]


def test_a_document_is_checked_without_a_stack(cli: Interlock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    told = cli.output("terms", "check", CONTRACT_TERMS)
    assert FIRST["version"] in told
    assert "2026: 2.3 %, 2027: 2.1 %" in told
    assert "sales-lead@interlock.example" in told


class SlowAppConfig:
    """A client of an AppConfig that takes its time, and may give up."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def create_hosted_configuration_version(self, **request: Any) -> dict[str, Any]:
        return {"VersionNumber": 7}

    def start_deployment(self, **request: Any) -> dict[str, Any]:
        assert request["ConfigurationVersion"] == "7"
        return self.get_deployment()

    def get_deployment(self, **request: Any) -> dict[str, Any]:
        log = [{"Description": "an alarm"}]
        return {"DeploymentNumber": 1, "State": self.states.pop(0), "EventLog": log}


def test_a_deployment_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []
    monkeypatch.setattr("local.contract_terms.time.sleep", pauses.append)
    deploy(SlowAppConfig("DEPLOYING", "BAKING", "COMPLETE"), str, b"{}")
    assert len(pauses) == 2
    with pytest.raises(NotDeployed, match="rolled back: an alarm"):
        deploy(SlowAppConfig("DEPLOYING", "ROLLED_BACK"), str, b"{}")

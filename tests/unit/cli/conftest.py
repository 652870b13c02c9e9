"""The command line on a stack whose tables are moto's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result
from interlock import aws

from local.cli.main import interlock
from local.cli.target import Target
from tests.unit.conftest import Cloud, forget

CONNECTION = {"name": "zendesk", "vendor": "zendesk", "base_url": "https://z", "secret_id": "s"}


@dataclass
class Stack:
    """What the commands ask of a target."""

    cloud: Cloud
    endpoint = "http://localhost"

    @property
    def dynamodb(self) -> Any:
        """Tables."""
        return aws.dynamodb()

    def id(self, logical_id: str) -> str:
        """A table is named as in the template; so is a parameter."""
        return logical_id

    def client(self, service: str) -> Any:
        """Any other service."""
        return aws.client(service)

    def run(self, *arguments: str) -> Result:
        """What a command says and how it exits."""
        return CliRunner(mix_stderr=False).invoke(interlock, arguments)

    def output(self, *arguments: str) -> str:
        """What a command prints, on one line; it succeeds."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.stderr
        return " ".join(result.stdout.split())


@pytest.fixture
def stack(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """With a support system that is called zendesk."""
    forget()
    monkeypatch.delenv("COLUMNS", raising=False)
    made = Stack(cloud)
    parameter = {"Name": "SupportConnection", "Type": "String", "Value": json.dumps(CONNECTION)}
    aws.client("ssm").put_parameter(**parameter)
    monkeypatch.setattr(Target, "find", lambda _: made)
    return made

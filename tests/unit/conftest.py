"""What the unit tests share: AWS in this process, a clock, the environment, a Lambda context."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from interlock import aws, connections, deduplication
from interlock.settings import Settings
from moto import mock_aws

from local.cloud import dynamodb
from local.cloud.corrections import Corrections
from tests.unit.aws_tables import create_table

REGION = "eu-central-1"
CACHED = (
    aws.client,
    aws.dynamodb,
    connections._provider,
    connections._build,
    deduplication._deliveries,
    Settings.load.__func__,
)


def forget() -> None:
    """A new process remembers no client, no setting and no adapter."""
    for cached in CACHED:
        cached.cache_clear()


@dataclass
class Clock:
    """Seconds since the epoch, moved by the test."""

    now: float = 1_795_000_000.0

    def __call__(self) -> float:
        """The present."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass
class Cloud:
    """AWS as moto plays it, in this process; empty at the start of each test."""

    mock: Any

    def table(self, logical_id: str) -> str:
        """A new, empty table of the template."""
        return create_table(aws.client("dynamodb"), logical_id)


@pytest.fixture(scope="module")
def moto_aws() -> Iterator[Any]:
    """moto, with its DynamoDB made safe for threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        corrections = Corrections()
        dynamodb.correct(corrections)
        forget()
        mock = mock_aws()
        mock.start()
        yield mock
        mock.stop()
        forget()
        corrections.undo()


@pytest.fixture
def cloud(moto_aws: Any) -> Cloud:
    """An empty account."""
    moto_aws.reset()
    return Cloud(moto_aws)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until it is told."""
    return Clock()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets a function's environment variables: `environment(EFFECTS_TABLE="…")`."""

    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    Settings.load.__func__.cache_clear()
    yield set_variables
    Settings.load.__func__.cache_clear()


@pytest.fixture
def context() -> SimpleNamespace:
    """The Lambda context, with 30 seconds left."""
    return SimpleNamespace(
        function_name="under-test",
        aws_request_id="request-1",
        get_remaining_time_in_millis=lambda: 30_000,
    )

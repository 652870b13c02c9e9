"""A Zendesk sandbox per test, on a clock that only the test moves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from interlock.connections import Connection
from interlock.connectors.support.zendesk import Zendesk

from local.sandboxes.zendesk import ZendeskSandbox, zendesk_sandbox
from local.sandboxes.zendesk_desk import SupportDesk

REPOSITORY = Path(__file__).parents[3]
VENDOR_SPECS = REPOSITORY / os.environ.get(
    "VENDOR_SPECS_DIR", Path("..") / "shared" / "vendor-specs"
)

SECRET = {"client_id": "interlock", "client_secret": "sandbox"}

Later = Callable[[timedelta], None]
Adapter = Callable[[dict[str, str]], Zendesk]


@pytest.fixture
def time() -> list[datetime]:
    """The sandbox's time, in a box."""
    return [datetime(2026, 11, 2, 9, 30, 10, tzinfo=UTC)]


@pytest.fixture
def later(time: list[datetime]) -> Later:
    """Moves the sandbox's clock on."""

    def move(by: timedelta) -> None:
        time[0] += by

    return move


@pytest.fixture
def sandbox(time: list[datetime]) -> Iterator[ZendeskSandbox]:
    """A served account without tickets."""
    sandbox = zendesk_sandbox(clock=lambda: time[0], **SECRET).serve()
    yield sandbox
    sandbox.close()


@pytest.fixture
def desk(sandbox: ZendeskSandbox) -> SupportDesk:
    """The people of the account, in which an administrator has made the fields of cases."""
    return SupportDesk(sandbox)


@pytest.fixture
def connect(sandbox: ZendeskSandbox, desk: SupportDesk) -> Adapter:
    """Makes an adapter on the sandbox, with another secret if given."""

    def adapter(secret: dict[str, str] = SECRET) -> Zendesk:
        class SandboxConnection(Connection):
            """A connection whose secret needs no Secrets Manager."""

            def secret(self) -> dict[str, str]:
                return secret

        address = {"base_url": sandbox.url, "secret_id": "zendesk"}
        fields = {name: str(number) for name, number in desk.fields.items()}
        options = {"case_fields": json.dumps(fields)}
        connection = SandboxConnection(name="zendesk", vendor="zendesk", **address, options=options)
        return Zendesk(connection, sleep=lambda seconds: None)

    return adapter


@pytest.fixture
def support(connect: Adapter) -> Zendesk:
    """The support port, on the sandbox."""
    return connect()


@pytest.fixture
def token(sandbox: ZendeskSandbox) -> str:
    """An access token that may read and write."""
    form = {"grant_type": "client_credentials", "scope": "read write", **SECRET}
    answer = httpx.post(f"{sandbox.url}/oauth/tokens", json=form)
    return answer.raise_for_status().json()["access_token"]


@pytest.fixture
def api(sandbox: ZendeskSandbox, token: str) -> Iterator[httpx.Client]:
    """Plain HTTP to the sandbox: what an agent or another integration does there."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{sandbox.url}/api/v2", headers=headers) as client:
        yield client


@pytest.fixture(scope="session")
def description() -> dict[str, Any]:
    """Zendesk's published OpenAPI description of its Support API."""
    path = VENDOR_SPECS / "zendesk.openapi.yaml"
    if not path.exists():
        pytest.skip(f"Zendesk's OpenAPI description is not at {path}: set VENDOR_SPECS_DIR")

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """Reads a plain `=`, which YAML 1.1 gives a type of its own, as text."""

    Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)
    return yaml.load(path.read_text(), Loader)

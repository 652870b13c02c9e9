"""A populated Salesforce sandbox, its change events, and two clients: ours and a public one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from interlock.connections import Connection
from interlock.connectors.crm.salesforce import Salesforce
from simple_salesforce import Salesforce as SimpleSalesforce

from local.sandboxes.salesforce import salesforce_sandbox
from local.sandboxes.salesforce_oauth import Authorization
from local.sandboxes.salesforce_seed import (
    CONSUMER_KEY,
    CONSUMER_SECRET,
    populate,
    register_interlock,
)
from local.sandboxes.salesforce_store import Organization
from local.sandboxes.sandbox import Sandbox
from tests.contracts.crm.clients import APP, ToSandbox


@dataclass
class Clock:
    """The sandbox's time, moved by hand."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        """The time now."""
        return self.now

    def move(self, **delta: float) -> None:
        """Let time pass: `move(hours=3)`."""
        self.now += timedelta(**delta)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> list[dict[str, Any]]:
    """The change events that left the sandbox since it was populated."""
    return []


@pytest.fixture
def organization(events: list[dict[str, Any]], clock: Clock) -> Organization:
    organization = Organization(clock=clock)
    populate(organization)
    organization.on_change = events.append
    return organization


@pytest.fixture
def authorization(organization: Organization) -> Authorization:
    authorization = Authorization(organization)
    register_interlock(authorization)
    return authorization


@pytest.fixture
def sandbox(organization: Organization, authorization: Authorization) -> Iterator[Sandbox]:
    sandbox = salesforce_sandbox(organization, authorization, batch_size=2).serve()
    yield sandbox
    sandbox.close()


@pytest.fixture
def connect() -> Callable[..., Salesforce]:
    """Makes an adapter on a sandbox: `connect(sandbox, client_secret=…, default_currency=…)`."""

    def connect(
        sandbox: Sandbox, *, client_secret: str = CONSUMER_SECRET, **options: str
    ) -> Salesforce:
        class SandboxConnection(Connection):
            """A connection whose secret needs no Secrets Manager."""

            def secret(self) -> dict[str, str]:
                """The app that the sandbox knows."""
                return {"client_id": CONSUMER_KEY, "client_secret": client_secret}

        return Salesforce(
            SandboxConnection(
                name="salesforce",
                vendor="salesforce",
                base_url=sandbox.url,
                secret_id="unused",  # noqa: S106
                options=options,
            )
        )

    return connect


@pytest.fixture
def crm(sandbox: Sandbox, connect: Callable[..., Salesforce]) -> Salesforce:
    return connect(sandbox)


@pytest.fixture
def login(sandbox: Sandbox) -> Iterator[Callable[..., SimpleSalesforce]]:
    """Logs simple-salesforce in, to another sandbox and with other credentials if told."""
    with ExitStack() as open_sessions:

        def login(to: Sandbox = sandbox, **credentials: str) -> SimpleSalesforce:
            session = open_sessions.enter_context(requests.Session())
            session.mount("https://", ToSandbox(to.url))
            return SimpleSalesforce(session=session, version="66.0", **(credentials or APP))

        yield login


@pytest.fixture
def client(login: Callable[..., SimpleSalesforce]) -> SimpleSalesforce:
    return login()

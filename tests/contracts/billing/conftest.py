"""A Stripe sandbox per test, on a clock that only the test moves, and the billing port on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import flask
import httpx
import pytest
import stripe as official
from interlock.connections import Connection
from interlock.connectors.billing.stripe import Stripe
from interlock.connectors.billing.stripe_requests import API_VERSION

from local.sandboxes import stripe as stripe_sandbox
from local.sandboxes.stripe import StripeSandbox
from tests.contracts.billing.samples import NOW, Connect, Later
from tests.stripe_description import Description, Undescribed, available
from tests.stripe_description import described as describe


@pytest.fixture
def time() -> list[datetime]:
    """The sandbox's time, in a box."""
    return [NOW]


@pytest.fixture
def later(time: list[datetime]) -> Later:
    """Moves the sandbox's clock on."""

    def move(by: timedelta) -> None:
        time[0] += by

    return move


@pytest.fixture
def sandbox(time: list[datetime]) -> Iterator[StripeSandbox]:
    """A served account with the demo company's products."""
    sandbox = stripe_sandbox.create(clock=lambda: time[0], requests_per_second=10_000)
    stripe_sandbox.seed(sandbox)
    sandbox.serve()
    yield sandbox
    sandbox.close()


@pytest.fixture
def connect(sandbox: StripeSandbox, time: list[datetime]) -> Connect:
    """Makes an adapter on the sandbox, with another key, options or transport if given."""

    def adapter(
        api_key: str = stripe_sandbox.API_KEY,
        transport: httpx.BaseTransport | None = None,
        **options: str,
    ) -> Stripe:
        class SandboxConnection(Connection):
            """A connection whose secret needs no Secrets Manager."""

            def secret(self) -> dict[str, str]:
                return {"api_key": api_key}

        connection = SandboxConnection(
            name="stripe",
            vendor="stripe",
            base_url=sandbox.url,
            secret_id="unused",  # noqa: S106 - a name, and no secret
            options=options,
        )
        return Stripe(connection, transport=transport, clock=lambda: time[0].timestamp())

    return adapter


@pytest.fixture
def billing(connect: Connect) -> Stripe:
    """The billing port, on the sandbox."""
    return connect()


@pytest.fixture
def client(sandbox: StripeSandbox) -> official.StripeClient:
    """Stripe's own client on the sandbox; it repeats nothing."""
    return official.StripeClient(
        stripe_sandbox.API_KEY,
        base_addresses={"api": sandbox.url},
        stripe_version=API_VERSION,
        max_network_retries=0,
    )


@pytest.fixture(scope="session")
def stripe_api() -> Description:
    """Stripe's description, ready to check with."""
    return describe()


@pytest.fixture
def described(sandbox: StripeSandbox) -> Iterator[None]:
    """Holds every request, answer and event against Stripe's description, where there is one."""
    stripe_api = available()
    if stripe_api is None:
        yield
        return
    wrong: list[str] = []

    def check(answer: flask.Response) -> flask.Response:
        asked = httpx.Request(
            flask.request.method, flask.request.url, content=flask.request.get_data()
        )
        body = httpx.Response(answer.status_code, content=answer.data)
        try:
            if answer.status_code < 400:
                stripe_api.check_request(asked)
            stripe_api.check_response(asked, body)
        except Undescribed as problem:
            wrong.append(str(problem))
        return answer

    def check_event(event: dict[str, Any]) -> None:
        try:
            stripe_api.check_object(event)
            stripe_api.check_told(event["data"]["object"])
        except Undescribed as problem:
            wrong.append(f"{event['type']}: {problem}")

    sandbox.app.after_request(check)
    sandbox.account.on_event = check_event
    yield
    assert not wrong

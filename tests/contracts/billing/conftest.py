"""A Stripe sandbox per test, on a clock that only the test moves, and the billing port on it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe as official
from interlock.connections import Connection
from interlock.connectors.billing.stripe import API_VERSION, Stripe

from local.sandboxes import stripe as stripe_sandbox
from local.sandboxes.stripe import StripeSandbox
from tests.contracts.billing.samples import NOW, Connect, Later

REPOSITORY = Path(__file__).parents[3]
DEFAULT_SPECS = Path("..") / "shared" / "vendor-specs"
VENDOR_SPECS = REPOSITORY / os.environ.get("VENDOR_SPECS_DIR", DEFAULT_SPECS)


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
def description() -> dict[str, Any]:
    """Stripe's published OpenAPI description."""
    path = VENDOR_SPECS / "stripe.openapi.json.gz"
    if not path.exists():
        pytest.skip(f"Stripe's OpenAPI description is not at {path}: set VENDOR_SPECS_DIR")
    return json.loads(gzip.decompress(path.read_bytes()))

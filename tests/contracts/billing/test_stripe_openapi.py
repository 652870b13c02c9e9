"""What the adapter sends, and what our sandbox answers, held against Stripe's own description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from interlock.connectors.billing.stripe_requests import API_VERSION
from interlock.errors import InterlockError

from tests.contracts.billing.samples import ACCOUNT, NOW, Connect, Later, subscription
from tests.stripe_description import Description, Undescribed


@dataclass
class Recorder(httpx.BaseTransport):
    """Passes requests on, and keeps each with its answer."""

    exchanges: list[tuple[httpx.Request, httpx.Response]] = field(default_factory=list)
    _network: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        response = self._network.handle_request(request)
        response.read()
        self.exchanges.append((request, response))
        return response

    def close(self) -> None:
        """Close the connections."""
        self._network.close()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """The exchanges of one test."""
    recorder = Recorder()
    yield recorder
    recorder.close()


def test_the_adapter_is_pinned_to_the_described_version(stripe_api: Description) -> None:
    assert stripe_api.version == API_VERSION


def test_every_request_and_every_answer(
    stripe_api: Description, connect: Connect, recorder: Recorder, later: Later
) -> None:
    billing = connect(transport=recorder, automatic_tax="true")
    today, future = subscription(), subscription(start_date=NOW.date() + timedelta(days=9))

    billing.get_catalogue(("SEAT-ANNUAL", "PS-IMPLEMENT"))
    customer = billing.create_customer(ACCOUNT, idempotency_key="c")
    billing.find_customer(ACCOUNT)
    billing.get_customer(customer.remote_id)
    made = []
    for number, deal in enumerate((today, future)):
        made.append(
            billing.create_subscription(
                deal, customer_remote_id=customer.remote_id, idempotency_key=f"s{number}"
            )
        )
    billing.get_subscription(made[0].remote_id)
    billing.cancel_subscription(made[1].remote_id)
    later(timedelta(days=500))
    billing.find_subscription(today.id, customer_remote_id=customer.remote_id)
    with pytest.raises(InterlockError):
        billing.delete_customer(customer.remote_id)
    billing.cancel_subscription(made[0].remote_id)
    billing.delete_customer(customer.remote_id)
    billing.delete_customer(customer.remote_id)
    with pytest.raises(InterlockError):
        billing.get_subscription("sub_sched_missing")

    asked = {
        (request.method, re.sub(r"/(cus|sub_sched|sub)_\w+", r"/<\1>", request.url.path))
        for request, _ in recorder.exchanges
    }
    assert asked == {
        ("GET", "/v1/products"),
        ("GET", "/v1/customers"),
        ("POST", "/v1/customers"),
        ("GET", "/v1/customers/<cus>"),
        ("DELETE", "/v1/customers/<cus>"),
        ("GET", "/v1/subscription_schedules"),
        ("POST", "/v1/subscription_schedules"),
        ("GET", "/v1/subscription_schedules/<sub_sched>"),
        ("POST", "/v1/subscription_schedules/<sub_sched>/cancel"),
        ("GET", "/v1/subscriptions"),
        ("GET", "/v1/subscriptions/<sub>"),
        ("DELETE", "/v1/subscriptions/<sub>"),
    }
    for request, response in recorder.exchanges:
        assert request.headers["Stripe-Version"] == API_VERSION
        stripe_api.check_request(request)
        stripe_api.check_response(request, response)


@pytest.mark.parametrize(
    "form",
    [
        "nickname=A",
        "address[planet]=Mars",
        "metadata[a][b]=nested",
        "tax_exempt=perhaps",
        "balance=1.5",
    ],
)
def test_the_description_refuses_what_stripe_refuses(stripe_api: Description, form: str) -> None:
    request = httpx.Request("POST", "https://api.stripe.com/v1/customers", content=form)

    with pytest.raises(Undescribed):
        stripe_api.check_request(request)


@pytest.mark.parametrize(
    "change", [{"unicorn": True}, {"livemode": None}, {"metadata": {"n": 1}}, {"created": "now"}]
)
def test_the_description_refuses_another_answer(
    stripe_api: Description, connect: Connect, recorder: Recorder, change: dict[str, Any]
) -> None:
    connect(transport=recorder).create_customer(ACCOUNT, idempotency_key="c")
    request, response = recorder.exchanges[0]
    body = {**response.json(), **change}

    with pytest.raises(Undescribed):
        stripe_api.check_response(request, httpx.Response(200, content=json.dumps(body)))

"""The sandbox's webhooks: what is delivered to whom, signed as documented, and what sent again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from interlock.connectors.support.zendesk_events import SUBSCRIPTION, translate, verify
from interlock.errors import ContractViolation

from local.sandboxes.zendesk import ZendeskSandbox
from local.sandboxes.zendesk_desk import SupportDesk
from local.sandboxes.zendesk_webhooks import Delivery

TOLERANCE = timedelta(minutes=5)

Received = list[tuple[dict[str, str], bytes]]
Answers = list[tuple[int, dict[str, str]]]


class Endpoint:
    """A server that is told what to answer; `received` are the requests, oldest first."""

    def __init__(self) -> None:
        self.received: Received = []
        self.answers: Answers = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            """Answers what comes next; 200 when nothing is left."""

            def do_POST(self) -> None:
                """A delivery."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.received.append((dict(self.headers), body))
                status, headers = endpoint.answers.pop(0) if endpoint.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/webhooks/zendesk"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Where deliveries go."""
    endpoint = Endpoint()
    thread = threading.Thread(
        target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()
    thread.join()


def register(api: httpx.Client, url: str, *subscriptions: str) -> str:
    """Register a webhook as an administrator does: its signing secret."""
    webhook = {
        "name": "Interlock",
        "status": "active",
        "endpoint": url,
        "http_method": "POST",
        "request_format": "json",
        "subscriptions": list(subscriptions) or [SUBSCRIPTION],
    }
    made = api.post("/webhooks", json={"webhook": webhook})
    assert made.status_code == 201
    assert "signing_secret" not in made.json()["webhook"]
    answer = api.get(f"/webhooks/{made.json()['webhook']['id']}/signing_secret")
    assert answer.json()["signing_secret"]["algorithm"] == "SHA256"
    return answer.json()["signing_secret"]["secret"]


@pytest.fixture
def held(sandbox: ZendeskSandbox) -> list[Delivery]:
    """Holds deliveries back, for the test to send."""
    held: list[Delivery] = []
    sandbox.webhooks.deliver = held.append
    return held


def ask(desk: SupportDesk) -> int:
    """An agent asks for a credit."""
    agent = desk.agent("sam@support.example")
    number = desk.file("crm:0017", "Exports fail", by=agent)
    desk.request_credit(number, by=agent)
    return number


def test_what_an_agent_asks_for_arrives_as_the_ingress_expects_it(
    desk: SupportDesk, api: httpx.Client, endpoint: Endpoint, time: list[datetime]
) -> None:
    secret = register(api, endpoint.url)
    number = ask(desk)
    for thread in threading.enumerate():
        if thread.name == "zendesk-webhook":
            thread.join(timeout=10)

    [(headers, body)] = endpoint.received
    verify(headers, body, secret=secret, now=time[0], tolerance=TOLERANCE)
    event = translate(body, connection="zendesk")
    assert event is not None
    assert event.subject == f"zendesk:{number}"
    assert event.correlation_id == f"zendesk-{number}-{int(time[0].timestamp())}"


def test_each_webhook_has_its_own_secret(
    desk: SupportDesk,
    api: httpx.Client,
    held: list[Delivery],
    endpoint: Endpoint,
    time: list[datetime],
) -> None:
    secrets = [register(api, endpoint.url), register(api, endpoint.url)]
    ask(desk)
    held[0].send()

    [(headers, body)] = endpoint.received
    verify(headers, body, secret=secrets[0], now=time[0], tolerance=TOLERANCE)
    with pytest.raises(ContractViolation):
        verify(headers, body, secret=secrets[1], now=time[0], tolerance=TOLERANCE)


def test_only_what_it_is_subscribed_to(
    desk: SupportDesk, api: httpx.Client, held: list[Delivery]
) -> None:
    register(api, "http://127.0.0.1:1/fields")
    created = "zen:event-type:ticket.created"
    register(api, "http://127.0.0.1:1/tickets", created, "zen:event-type:ticket.status_changed")
    agent = desk.agent("sam@support.example")

    number = desk.file("crm:0017", "Exports fail", by=agent, severity="minor")
    desk.enter(number, by=agent, severity="major", products="SEAT-ANNUAL")
    desk.edit(number, by=agent, status="solved", priority="high")

    told = [(d.webhook["endpoint"].rpartition("/")[2], d.event["type"]) for d in held]
    assert told == [
        ("tickets", created),
        ("fields", SUBSCRIPTION),
        ("fields", SUBSCRIPTION),
        ("tickets", "zen:event-type:ticket.status_changed"),
    ]
    severity = held[1].event["event"]
    assert severity["custom_field"]["title"] == "Incident severity"
    assert severity["previous"] == {"value": "interlock_severity_minor"}
    assert severity["current"] == {"value": "interlock_severity_major"}
    assert held[3].event["event"]["current"] == "SOLVED"
    assert held[1].event["detail"]["actor_id"] == str(agent["id"])


def test_what_does_not_change_is_not_told(
    desk: SupportDesk, api: httpx.Client, held: list[Delivery]
) -> None:
    register(api, "http://127.0.0.1:1/")
    number = ask(desk)

    desk.request_credit(number, by=desk.agent("kim@support.example"))

    assert len(held) == 1


@pytest.mark.parametrize(
    ("answers", "statuses", "waits"),
    [
        ([(200, {})], [200], []),
        ([(401, {})], [401], []),
        ([(500, {})], [500], []),
        ([(503, {})], [503], []),
        ([(503, {"Retry-After": "60"})], [503], []),
        ([(503, {"Retry-After": "20"})], [503, 200], [20.0]),
        ([(429, {"Retry-After": "5"}), (503, {"Retry-After": "59"})], [429, 503, 200], [5.0, 59.0]),
        ([(409, {})] * 5, [409] * 4, [1.0] * 3),
    ],
)
def test_what_is_sent_again(
    desk: SupportDesk,
    api: httpx.Client,
    held: list[Delivery],
    endpoint: Endpoint,
    answers: Answers,
    statuses: list[int],
    waits: list[float],
) -> None:
    register(api, endpoint.url)
    ask(desk)
    endpoint.answers = list(answers)
    waited: list[float] = []

    held[0].send(waited.append)

    assert (held[0].statuses, waited) == (statuses, waits)
    assert len({body for _, body in endpoint.received}) == 1


def test_an_endpoint_that_is_not_there_is_tried_five_times_more(
    desk: SupportDesk, api: httpx.Client, held: list[Delivery]
) -> None:
    register(api, "http://127.0.0.1:1/")
    ask(desk)

    held[0].send(lambda seconds: None)

    assert held[0].statuses == [0] * 6


def test_one_that_is_held_back_is_signed_when_it_is_sent(
    desk: SupportDesk,
    api: httpx.Client,
    held: list[Delivery],
    endpoint: Endpoint,
    time: list[datetime],
    later: Callable[[timedelta], None],
) -> None:
    secret = register(api, endpoint.url)
    ask(desk)
    later(timedelta(hours=1))
    held[0].send()

    [(headers, body)] = endpoint.received
    verify(headers, body, secret=secret, now=time[0], tolerance=TOLERANCE)
    told = json.loads(body)["time"]
    assert datetime.fromisoformat(f"{told[:19]}+00:00") == time[0] - timedelta(hours=1)


@pytest.mark.parametrize("missing", ["name", "endpoint", "http_method", "request_format", "status"])
def test_a_webhook_that_is_refused(api: httpx.Client, missing: str) -> None:
    webhook = {
        "name": "Interlock",
        "status": "active",
        "endpoint": "http://127.0.0.1:1/",
        "http_method": "POST",
        "request_format": "json",
    }
    del webhook[missing]

    answer = api.post("/webhooks", json={"webhook": webhook})

    assert (answer.status_code, list(answer.json()["details"])) == (422, [missing])
    assert api.get("/webhooks/01X/signing_secret").status_code == 404

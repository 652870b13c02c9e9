"""How a connection proves who it is, against an authorization server in memory."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx
import pytest
from interlock.credentials import BearerKey, OAuthClientCredentials
from interlock.errors import CredentialsRejected, VendorUnavailable

PRIVATE = "s3cret-value"
ISSUER = "https://vendor.example/oauth/token"


@dataclass
class Server:
    """Gives tokens for the right secret; `expire` makes all given ones worthless."""

    client_secret: str = PRIVATE
    granted: int = 0
    valid: str | None = None
    requests: list[httpx.Request] = field(default_factory=list)
    token_answer: Callable[[], httpx.Response] | None = None
    rejects: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a token, or of anything else."""
        with self.lock:
            self.requests.append(request)
            if request.url.path == "/oauth/token":
                return self._grant(request)
            known = request.headers["authorization"] == f"Bearer {self.valid}"
            return httpx.Response(200 if known and not self.rejects else 401)

    def expire(self) -> None:
        """Every token that was given is refused from now on."""
        self.valid = None

    def _grant(self, request: httpx.Request) -> httpx.Response:
        if self.token_answer:
            return self.token_answer()
        form = parse_qs(request.content.decode())
        if form["client_secret"] != [self.client_secret]:
            return httpx.Response(400, json={"error": "invalid_client"})
        self.granted += 1
        self.valid = f"token-{self.granted}"
        return httpx.Response(200, json={"access_token": self.valid, "token_type": "Bearer"})


def oauth(secret: dict[str, str] | None = None) -> OAuthClientCredentials:
    """The flow with a secret that a test may change."""
    held = {"client_id": "id", "client_secret": PRIVATE} if secret is None else secret
    return OAuthClientCredentials(
        lambda: held, ISSUER, vendor="vendor", extra={"scope": "read write"}
    )


def client(server: Server, auth: httpx.Auth) -> httpx.Client:
    """A client of the server."""
    return httpx.Client(
        base_url="https://vendor.example", auth=auth, transport=httpx.MockTransport(server)
    )


def test_a_token_is_fetched_once_and_kept() -> None:
    server = Server()
    vendor = client(server, oauth())

    assert [vendor.get("/a").status_code, vendor.get("/b").status_code] == [200, 200]

    assert server.granted == 1
    form = parse_qs(server.requests[0].content.decode())
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["id"],
        "client_secret": [PRIVATE],
        "scope": ["read write"],
    }


def test_an_expired_token_is_renewed_and_the_request_sent_again() -> None:
    server = Server()
    vendor = client(server, oauth())
    vendor.get("/a")
    server.expire()

    answer = vendor.post("/b", json={"amount": "12.50"})

    assert answer.status_code == 200
    assert server.granted == 2
    assert [r.content for r in server.requests if r.url.path == "/b"] == [
        b'{"amount":"12.50"}',
        b'{"amount":"12.50"}',
    ]


def test_a_second_refusal_is_the_answer() -> None:
    server = Server(rejects=True)

    answer = client(server, oauth()).get("/a")

    assert answer.status_code == 401
    assert server.granted == 2
    assert len(server.requests) == 4


def test_after_a_refusal_the_next_request_tries_again() -> None:
    server = Server(rejects=True)
    vendor = client(server, oauth())
    vendor.get("/a")
    server.rejects = False

    assert vendor.get("/a").status_code == 200


def test_a_rotated_secret_is_picked_up() -> None:
    server = Server()
    secret = {"client_id": "id", "client_secret": PRIVATE}
    vendor = client(server, oauth(secret))
    vendor.get("/a")

    rotated = "rotated"
    server.client_secret = secret["client_secret"] = rotated
    server.expire()

    assert vendor.get("/a").status_code == 200


def test_the_token_has_the_timeouts_of_the_request_that_needs_it() -> None:
    server = Server()
    timeout = httpx.Timeout(connect=1, read=2, write=3, pool=4)

    client(server, oauth()).get("/a", timeout=timeout)

    assert server.requests[0].url == ISSUER
    assert server.requests[0].extensions["timeout"] == timeout.as_dict()


def test_threads_share_a_token_and_its_renewal() -> None:
    server = Server()
    vendor = client(server, oauth())
    with ThreadPoolExecutor(8) as threads:
        first = list(threads.map(lambda _: vendor.get("/a").status_code, range(24)))
        server.expire()
        again = list(threads.map(lambda _: vendor.get("/a").status_code, range(24)))

    assert set(first + again) == {200}
    assert server.granted == 2


def test_a_renewal_that_failed_in_another_thread_is_tried_again() -> None:
    """Two requests meet an expired token; the first fails to renew it."""
    server = Server()
    auth = oauth()
    vendor = client(server, auth)
    vendor.get("/a")
    server.expire()
    flows = [auth.sync_auth_flow(httpx.Request("GET", "https://vendor.example/a")) for _ in "ab"]
    for flow in flows:
        next(flow)
    refused = httpx.Response(401)

    flows[0].send(refused)
    with pytest.raises(VendorUnavailable):
        flows[0].send(httpx.Response(503, request=httpx.Request("POST", ISSUER)))
    request = flows[1].send(refused)

    assert request.url == ISSUER


@pytest.mark.parametrize("status", [429, 500, 503])
def test_no_token_now(status: int) -> None:
    server = Server(token_answer=lambda: httpx.Response(status, text=PRIVATE))

    with pytest.raises(VendorUnavailable) as unavailable:
        client(server, oauth()).get("/a")

    assert (unavailable.value.operation, unavailable.value.status) == ("fetch_token", status)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "invalid_client", "hint": PRIVATE}),
        httpx.Response(401, text=PRIVATE),
        httpx.Response(302, headers={"location": "https://login.example"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"access_token": None}),
        httpx.Response(200, json={"access_token": ""}),
    ],
)
def test_no_token_with_this_secret(answer: httpx.Response) -> None:
    server = Server(token_answer=lambda: answer)

    with pytest.raises(CredentialsRejected) as rejected:
        client(server, oauth()).get("/a")

    assert "check client_id and client_secret" in str(rejected.value)
    assert PRIVATE not in "".join(traceback.format_exception(rejected.value))


def test_after_no_token_the_next_request_asks_again() -> None:
    server = Server(token_answer=lambda: httpx.Response(503))
    vendor = client(server, oauth())
    with pytest.raises(VendorUnavailable):
        vendor.get("/a")
    server.token_answer = None

    assert vendor.get("/a").status_code == 200


def test_a_key_is_read_for_each_request() -> None:
    server = Server(valid="one")
    secret = {"key": "one"}
    vendor = client(server, BearerKey(lambda: secret, "key", vendor="vendor"))

    assert vendor.get("/a").status_code == 200
    server.valid = secret["key"] = "two"
    assert vendor.get("/a").status_code == 200


@pytest.mark.parametrize(
    "secret", [{}, {"key": ""}, {"key": f"{PRIVATE}\n"}, {"key": f"{PRIVATE}é"}, {"key": 7}]
)
def test_what_is_no_key(secret: dict[str, str]) -> None:
    vendor = client(Server(), BearerKey(lambda: secret, "key", vendor="vendor"))

    with pytest.raises(CredentialsRejected, match="'key'") as rejected:
        vendor.get("/a")

    assert PRIVATE not in "".join(traceback.format_exception(rejected.value))


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
def test_an_incomplete_secret_is_named(missing: str) -> None:
    secret = {"client_id": "id", "client_secret": PRIVATE}
    del secret[missing]

    with pytest.raises(CredentialsRejected, match=f"no '{missing}'"):
        client(Server(), oauth(secret)).get("/a")

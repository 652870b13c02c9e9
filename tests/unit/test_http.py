"""The one translation of a vendor's failures, over answers written down here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.connections import Connection
from interlock.credentials import BearerKey
from interlock.errors import (
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from interlock.http import TIMEOUT, ErrorTable, VendorClient

PRIVATE = "rk_live_51Hq9"
BANK = {
    "name": "bank",
    "vendor": "bank",
    "base_url": "https://bank.example/v1",
    "secret_id": "interlock/bank",
}
TABLE = ErrorTable(
    code=lambda response: response.json()["error"]["code"],
    errors={
        (400, "duplicate"): RecordConflict,
        (409, ""): RecordConflict,
        (403, "limit"): VendorThrottled,
    },
    request_id="x-bank-request",
)


def client(answer: Callable[[httpx.Request], httpx.Response]) -> VendorClient:
    """A client whose requests get this answer."""
    return VendorClient(
        Connection(**BANK),
        auth=BearerKey(lambda: {"key": PRIVATE}, "key", vendor="bank"),
        errors=TABLE,
        headers={"x-version": "3"},
        transport=httpx.MockTransport(answer),
    )


def failure(status: int, method: str = "GET", *, code: str = "", **answer: Any) -> InterlockError:
    """What a call raises for an answer."""
    body = {"error": {"code": code, "message": f"body {PRIVATE}"}}
    bank = client(lambda _: httpx.Response(status, json=body, **answer))
    with pytest.raises(InterlockError) as raised:
        bank.request(method, "/payments", operation="pay", record="salesforce:006")
    return raised.value


@pytest.mark.parametrize(
    ("status", "of_a_read", "of_a_write"),
    [
        (400, VendorRejected, VendorRejected),
        (401, CredentialsRejected, CredentialsRejected),
        (403, CredentialsRejected, CredentialsRejected),
        (404, RecordNotFound, RecordNotFound),
        (409, RecordConflict, RecordConflict),
        (422, VendorRejected, VendorRejected),
        (429, VendorThrottled, VendorThrottled),
        (500, VendorUnavailable, OutcomeUnknown),
        (502, VendorUnavailable, OutcomeUnknown),
        (503, VendorUnavailable, OutcomeUnknown),
        (504, VendorUnavailable, OutcomeUnknown),
    ],
)
def test_what_a_status_means(
    status: int, of_a_read: type[InterlockError], of_a_write: type[InterlockError]
) -> None:
    assert type(failure(status, "GET")) is of_a_read
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert type(failure(status, method)) is of_a_write


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "duplicate", RecordConflict),
        (400, "other", VendorRejected),
        (403, "limit", VendorThrottled),
        (403, "role", CredentialsRejected),
        (409, "whatever", RecordConflict),
    ],
)
def test_what_a_vendors_own_code_means(status: int, code: str, error: type[InterlockError]) -> None:
    assert type(failure(status, code=code)) is error


def test_an_error_says_where_and_never_what_was_answered() -> None:
    error = failure(422, "POST", code="amount", headers={"x-bank-request": "req_7"})

    assert str(error) == (
        "bank pay salesforce:006: refuses the request as it is"
        " (status 422, code amount, request req_7)"
    )
    assert PRIVATE not in repr(vars(error))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": "text"}', b"\xff"])
def test_an_answer_without_the_vendors_code(body: bytes) -> None:
    bank = client(lambda _: httpx.Response(418, content=body))

    with pytest.raises(VendorRejected) as rejected:
        bank.request("GET", "/payments", operation="pay")

    assert rejected.value.code is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("Fri, 20 Nov 2026 10:00:00 GMT", None), ("1.5", None), ("²", None)],
)
def test_when_to_try_again(header: str, seconds: float | None) -> None:
    answer = {"headers": {"retry-after": header.encode("latin-1")}}

    assert failure(429, **answer).retry_after == seconds


def test_a_write_may_be_a_read_and_the_other_way_round() -> None:
    bank = client(lambda _: httpx.Response(500))

    with pytest.raises(VendorUnavailable):
        bank.request("POST", "/search", operation="search", write=False)
    with pytest.raises(OutcomeUnknown):
        bank.request("GET", "/process", operation="process", write=True)


@pytest.mark.parametrize(
    ("error", "of_a_read", "of_a_write"),
    [
        (httpx.ConnectError, VendorUnavailable, VendorUnavailable),
        (httpx.ConnectTimeout, VendorUnavailable, VendorUnavailable),
        (httpx.PoolTimeout, VendorUnavailable, VendorUnavailable),
        (httpx.ReadTimeout, VendorUnavailable, OutcomeUnknown),
        (httpx.WriteTimeout, VendorUnavailable, OutcomeUnknown),
        (httpx.ReadError, VendorUnavailable, OutcomeUnknown),
        (httpx.RemoteProtocolError, VendorUnavailable, OutcomeUnknown),
        (httpx.DecodingError, VendorUnavailable, OutcomeUnknown),
    ],
)
def test_no_answer(
    error: type[httpx.RequestError],
    of_a_read: type[InterlockError],
    of_a_write: type[InterlockError],
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error(f"sent {request.headers['authorization']}")

    for method, expected in (("GET", of_a_read), ("POST", of_a_write)):
        with pytest.raises(expected) as raised:
            client(fail).request(method, "/payments", operation="pay")
        assert type(raised.value) is expected
        assert PRIVATE not in str(raised.value)
        assert raised.value.__suppress_context__


def test_an_answer_that_cannot_be_read_is_no_answer() -> None:
    garbled = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=_Stream(b"not gzip"))

    with pytest.raises(OutcomeUnknown):
        client(lambda _: garbled).request("POST", "/payments", operation="pay")


class _Stream(httpx.SyncByteStream):
    """A body that is decoded when it is read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Any:
        yield self._content


def test_a_request_carries_headers_key_and_timeouts() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"id": 1})

    response = client(answer).request("POST", "/payments", operation="pay", json={"amount": "1"})

    [request] = seen
    assert response.json() == {"id": 1}
    assert str(request.url) == "https://bank.example/v1/payments"
    assert request.headers["x-version"] == "3"
    assert request.headers["authorization"] == f"Bearer {PRIVATE}"
    assert request.extensions["timeout"] == TIMEOUT.as_dict()


@given(st.integers(400, 599), st.sampled_from(["GET", "POST"]), st.text())
def test_every_failure_is_one_of_the_list(status: int, method: str, code: str) -> None:
    error = failure(status, method, code=code)

    assert isinstance(error, InterlockError)
    assert error.status == status
    assert PRIVATE not in str(error)

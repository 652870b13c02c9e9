"""How the adapter reads Tryton's refusals and failures, over a replaced network."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date

import httpx
import pytest
from interlock.connections import Connection
from interlock.connectors.erp.port import OrderContextQuery
from interlock.connectors.erp.tryton import Tryton
from interlock.errors import (
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordNotFound,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)

KEY = "a-secret-key"
BODY = "The party Confidential Ltd will exceed their credit limit."

Handler = Callable[[httpx.Request], httpx.Response]


class KeyedConnection(Connection):
    """A connection whose secret needs no Secrets Manager."""

    def secret(self) -> dict[str, str]:
        return {"key": KEY}


def tryton(handler: Handler) -> Tryton:
    address = {"base_url": "https://erp.example/books", "secret_id": "tryton"}
    connection = KeyedConnection(name="tryton", vendor="tryton", **address)
    return Tryton(connection, transport=httpx.MockTransport(handler))


def answering(status: int, **headers: str) -> Handler:
    body = {"status": status, "message": BODY, "description": ""}
    return lambda request: httpx.Response(status, json=body, headers=headers)


def read(adapter: Tryton) -> None:
    adapter.get_order("1")


def write(adapter: Tryton) -> None:
    """A write as its own: the read before it is not in the way of the error."""
    adapter._rest.create("party.party", {}, ["id"], record="crm:1")


@pytest.mark.parametrize(
    ("status", "on_read", "on_write"),
    [
        (400, VendorRejected, VendorRejected),
        (401, CredentialsRejected, CredentialsRejected),
        (403, CredentialsRejected, CredentialsRejected),
        (404, RecordNotFound, RecordNotFound),
        (423, VendorUnavailable, VendorUnavailable),
        (429, VendorThrottled, VendorThrottled),
        (500, VendorUnavailable, OutcomeUnknown),
        (503, VendorUnavailable, OutcomeUnknown),
        (504, VendorUnavailable, OutcomeUnknown),
    ],
)
def test_each_status_is_one_error(
    status: int, on_read: type[InterlockError], on_write: type[InterlockError]
):
    for call, expected in ((read, on_read), (write, on_write)):
        with pytest.raises(expected) as caught:
            call(tryton(answering(status)))
        assert type(caught.value) is expected
        assert caught.value.status == status
        assert KEY not in str(caught.value)
        assert "Confidential" not in str(caught.value)


def test_throttling_says_when_to_try_again():
    with pytest.raises(VendorThrottled) as caught:
        read(tryton(answering(429, **{"retry-after": "7"})))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("failure", "on_read", "on_write"),
    [
        (httpx.ConnectError, VendorUnavailable, VendorUnavailable),
        (httpx.ReadTimeout, VendorUnavailable, OutcomeUnknown),
        (httpx.RemoteProtocolError, VendorUnavailable, OutcomeUnknown),
    ],
)
def test_a_lost_answer_to_a_write_leaves_the_outcome_unknown(
    failure: type[httpx.TransportError],
    on_read: type[InterlockError],
    on_write: type[InterlockError],
):
    def fail(request: httpx.Request) -> httpx.Response:
        raise failure("lost")

    with pytest.raises(on_read):
        read(tryton(fail))
    with pytest.raises(on_write):
        write(tryton(fail))


def test_a_page_instead_of_json_is_no_answer():
    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, html="<h1>Maintenance</h1>")

    with pytest.raises(VendorUnavailable, match="not in JSON"):
        read(tryton(page))
    with pytest.raises(OutcomeUnknown, match="not in JSON"):
        write(tryton(page))


def test_a_request_carries_key_company_and_dates_in_the_encoding_of_tryton():
    requests: list[httpx.Request] = []
    companies = [
        {"id": 7, "party": {"code": "EAST"}, "currency": {"code": "EUR"}},
        {"id": 8, "party": {"code": "WEST"}, "currency": {"code": "USD"}},
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        found = companies if request.url.path.endswith("company.company") else []
        return httpx.Response(200, json=found)

    query = OrderContextQuery(
        subsidiary="WEST",
        currency="USD",
        skus=("A",),
        payment_terms="NET30",
        posting_date=date(2026, 11, 23),
        account_id="crm:1",
        country=None,
    )
    context = tryton(answer).get_order_context(query, customer_remote_id=None)
    assert context.subsidiaries == ("EAST", "WEST")
    assert not context.period_open
    assert {request.headers["Authorization"] for request in requests} == {f"Bearer {KEY}"}
    assert {request.url.path.rsplit("/", 1)[0] for request in requests} == {"/books/rest/model"}
    by_model = {request.url.path.rsplit("/", 1)[1]: request for request in requests}
    header = by_model["product.product"].headers["X-Tryton-Context"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {"company": 8}
    domain = json.loads(base64.urlsafe_b64decode(by_model["account.period"].url.params["d"]))
    assert ["company", "=", 8] in domain
    day = {"__class__": "date", "year": 2026, "month": 11, "day": 23}
    assert ["start_date", "<=", day] in domain

"""From Stripe's error answers to our errors, over a mock transport."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from interlock.canonical import Account, Customer
from interlock.connectors.billing.stripe_requests import API_VERSION, MOST_KEYS
from interlock.errors import (
    ContractViolation,
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)

from tests.unit.connectors.billing.stripe_account import SECRET_VALUE, Answer, port_on

ACCOUNT = Account(id="crm:1", name="Acme", email="billing@acme.example")
CUSTOMER = {
    "id": "cus_1",
    "object": "customer",
    "name": "Acme",
    "metadata": {"interlock_account_id": "crm:1"},
}
EMPTY_LIST = {"object": "list", "data": [], "has_more": False}


def failure(status: int, type: str | None, code: str | None, **headers: str) -> Answer:
    """Always the same error answer."""
    error = {"type": type, "code": code, "message": "a body nobody may see"}
    body = {"error": {name: value for name, value in error.items() if value}}
    return lambda _request: httpx.Response(
        status, json=body, headers={"Request-Id": "req_7", **headers}
    )


@pytest.mark.parametrize(
    ("status", "type", "code", "on_write", "on_read"),
    [
        (400, "invalid_request_error", "parameter_unknown", VendorRejected, VendorRejected),
        (400, "invalid_request_error", None, VendorRejected, VendorRejected),
        (400, "invalid_request_error", "resource_missing", RecordNotFound, RecordNotFound),
        (400, "idempotency_error", None, RecordConflict, RecordConflict),
        (401, "invalid_request_error", None, CredentialsRejected, CredentialsRejected),
        (402, "card_error", "card_declined", VendorRejected, VendorRejected),
        (403, "invalid_request_error", None, CredentialsRejected, CredentialsRejected),
        (404, "invalid_request_error", "resource_missing", RecordNotFound, RecordNotFound),
        (409, "idempotency_error", "idempotency_key_in_use", OutcomeUnknown, OutcomeUnknown),
        (424, "api_error", None, OutcomeUnknown, OutcomeUnknown),
        (429, "invalid_request_error", "rate_limit", VendorThrottled, VendorThrottled),
        (429, "invalid_request_error", "lock_timeout", VendorThrottled, VendorThrottled),
        (500, "api_error", None, OutcomeUnknown, VendorUnavailable),
        (503, None, None, OutcomeUnknown, VendorUnavailable),
    ],
)
def test_status_and_code_name_the_error(
    status: int,
    type: str | None,
    code: str | None,
    on_write: type[InterlockError],
    on_read: type[InterlockError],
) -> None:
    billing = port_on(failure(status, type, code))

    with pytest.raises(InterlockError) as write:
        billing.create_customer(ACCOUNT, idempotency_key="k")
    with pytest.raises(InterlockError) as read:
        billing.get_customer("cus_1")

    assert (write.type, read.type) == (on_write, on_read)
    assert write.value.status == status
    assert write.value.code == (code or type)
    assert write.value.request_id == "req_7"
    assert (write.value.operation, write.value.record) == ("create_customer", "crm:1")
    for error in (write.value, read.value):
        assert "nobody may see" not in str(error)
        assert SECRET_VALUE not in str(error)


def test_answer_that_is_not_json() -> None:
    billing = port_on(lambda _request: httpx.Response(502, text="<html>bad gateway</html>"))

    with pytest.raises(OutcomeUnknown) as unknown:
        billing.create_customer(ACCOUNT, idempotency_key="k")

    assert unknown.value.code is None


@pytest.mark.parametrize(
    ("raised", "on_write", "on_read"),
    [
        (httpx.ReadTimeout, OutcomeUnknown, VendorUnavailable),
        (httpx.RemoteProtocolError, OutcomeUnknown, VendorUnavailable),
        (httpx.ConnectError, VendorUnavailable, VendorUnavailable),
    ],
)
def test_network_failures(
    raised: type[httpx.TransportError],
    on_write: type[InterlockError],
    on_read: type[InterlockError],
) -> None:
    def break_off(_request: httpx.Request) -> httpx.Response:
        raise raised("broken")

    billing = port_on(break_off)

    with pytest.raises(on_write):
        billing.create_customer(ACCOUNT, idempotency_key="k")
    with pytest.raises(on_read):
        billing.get_customer("cus_1")


class KeptFailures:
    """Stripe that keeps a failure for some idempotency keys, and then does as it is asked."""

    def __init__(self, *kept: str, found: dict[str, Any] | None = None, status: int = 500) -> None:
        self.kept = kept
        self.status = status
        self.keys: list[str] = []
        self._list = {**EMPTY_LIST, "data": [found] if found else []}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.method == "GET":
            return httpx.Response(200, json=self._list)
        key = request.headers["Idempotency-Key"]
        self.keys.append(key)
        if key in self.kept:
            error = {"error": {"type": "api_error"}}
            replayed = {"Idempotent-Replayed": "true"}
            return httpx.Response(self.status, json=error, headers=replayed)
        return httpx.Response(200, json=CUSTOMER)


class TestKeptFailure:
    def create(self, vendor: KeptFailures) -> Customer:
        """Create the customer with the key "k"."""
        return port_on(vendor).create_customer(ACCOUNT, idempotency_key="k")

    def test_absent_record_is_created_under_a_further_key(self) -> None:
        vendor = KeptFailures("k", "k+")

        assert self.create(vendor).remote_id == "cus_1"
        assert vendor.keys == ["k", "k+", "k++"]

    def test_record_that_is_there_is_taken(self) -> None:
        vendor = KeptFailures("k", found=CUSTOMER)

        assert self.create(vendor).remote_id == "cus_1"
        assert vendor.keys == ["k"]

    def test_keys_run_out(self) -> None:
        keys = ["k" + "+" * further for further in range(MOST_KEYS)]
        vendor = KeptFailures(*keys)

        with pytest.raises(OutcomeUnknown):
            self.create(vendor)
        assert vendor.keys == keys

    def test_kept_refusal_does_not_outlive_its_repair(self) -> None:
        vendor = KeptFailures("k", status=400)

        assert self.create(vendor).remote_id == "cus_1"
        assert vendor.keys == ["k", "k+"]

    def test_first_failure_is_not_tried_again(self) -> None:
        requests = []

        def fail(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return httpx.Response(500, json={"error": {"type": "api_error"}})

        with pytest.raises(OutcomeUnknown):
            port_on(fail).create_customer(ACCOUNT, idempotency_key="k")
        assert len(requests) == 1


def test_each_request_carries_key_and_version() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=CUSTOMER)

    port_on(answer).create_customer(ACCOUNT, idempotency_key="k")

    assert seen[0].headers["Authorization"] == f"Bearer {SECRET_VALUE}"
    assert seen[0].headers["Stripe-Version"] == API_VERSION
    assert seen[0].headers["Idempotency-Key"] == "k"
    assert seen[0].headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_customer_made_by_hand_has_an_id_of_its_own() -> None:
    by_hand = {**CUSTOMER, "name": None, "metadata": {}}
    customer = port_on(lambda _request: httpx.Response(200, json=by_hand)).get_customer("cus_1")

    assert (customer.id, customer.name) == ("stripe:cus_1", "cus_1")


def test_wrong_option() -> None:
    with pytest.raises(ContractViolation, match="automatic_tax"):
        port_on(failure(500, None, None), automatic_tax="yes")

"""What every support adapter must do about entitlements, run over HTTP against the sandbox."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from interlock.canonical.services import Entitlement, Service, ServiceState
from interlock.connectors.support.port import SupportPort
from interlock.errors import ContractViolation, OutcomeUnknown, VendorThrottled

from local.sandboxes.sandbox import FaultKind, Sandbox
from tests.contracts.support.conftest import Later

ACCOUNT = "crm:0017"
ACTIVE = Service(
    account_id=ACCOUNT,
    state=ServiceState.ACTIVE,
    entitlements=(
        Entitlement(sku="PLATFORM-ANNUAL", quantity=Decimal(1)),
        Entitlement(sku="SEAT-ANNUAL", quantity=Decimal("50.5")),
    ),
)
SUSPENDED = ACTIVE.model_copy(
    update={
        "state": ServiceState.SUSPENDED,
        "until": date(2027, 2, 28),
        "reason": "The balance of 36,000.00 USD is overdue.\nAsk revops@interlock.example.",
    }
)
ENDED = Service(account_id=ACCOUNT, state=ServiceState.ENDED)


@pytest.fixture
def customer(api: httpx.Client) -> int:
    """The number of the customer's organization."""
    organization = {"name": "Acme", "external_id": ACCOUNT, "notes": "Likes rockets"}
    answer = api.post("/organizations", json={"organization": organization})
    return answer.json()["organization"]["id"]


def fields(api: httpx.Client, customer: int) -> dict[str, Any]:
    """The fields of the organization that are not empty."""
    organization = api.get(f"/organizations/{customer}").json()["organization"]
    return {key: text for key, text in organization["organization_fields"].items() if text}


def test_a_customer_that_support_does_not_know(support: SupportPort, sandbox: Sandbox) -> None:
    assert support.read_service(ACCOUNT) is None
    assert support.write_service(ACTIVE) is None
    assert {request.method for request in sandbox.requests if "api" in request.path} == {"GET"}


@pytest.mark.usefixtures("customer")
def test_nothing_was_told_yet(support: SupportPort) -> None:
    assert support.read_service(ACCOUNT) is None


@pytest.mark.usefixtures("customer")
@pytest.mark.parametrize("service", [ACTIVE, SUSPENDED, ENDED], ids=lambda each: each.state)
def test_it_reads_back(support: SupportPort, service: Service) -> None:
    assert support.write_service(service) == service
    assert support.read_service(ACCOUNT) == service


def test_what_agents_read(support: SupportPort, api: httpx.Client, customer: int) -> None:
    support.write_service(SUSPENDED)

    assert fields(api, customer) == {
        "interlock_service": "suspended",
        "interlock_entitlements": "1 PLATFORM-ANNUAL\n50.5 SEAT-ANNUAL",
        "interlock_service_until": "2027-02-28",
        "interlock_service_reason": SUSPENDED.reason,
    }


def test_what_was_true_before_goes(
    support: SupportPort, api: httpx.Client, customer: int, later: Later
) -> None:
    for service in (SUSPENDED, ACTIVE, ENDED):
        support.write_service(service)
        assert support.read_service(ACCOUNT) == service
        later(timedelta(minutes=1))

    assert fields(api, customer) == {"interlock_service": "ended"}
    organization = api.get(f"/organizations/{customer}").json()["organization"]
    assert organization["notes"] == "Likes rockets"


@pytest.mark.usefixtures("customer")
def test_a_lost_answer(support: SupportPort, sandbox: Sandbox) -> None:
    sandbox.fail(FaultKind.LOST_ANSWER, method="PUT", path="/organizations/")
    with pytest.raises(OutcomeUnknown):
        support.write_service(ACTIVE)

    assert support.read_service(ACCOUNT) == ACTIVE
    assert support.write_service(ACTIVE) == ACTIVE


@pytest.mark.usefixtures("customer")
def test_throttled(support: SupportPort, sandbox: Sandbox) -> None:
    for call in (
        lambda: support.read_service(ACCOUNT),
        lambda: support.write_service(ACTIVE),
        lambda: support.get_open_cases(ACCOUNT),
    ):
        sandbox.fail(FaultKind.THROTTLE, path="/organizations", retry_after=7)
        with pytest.raises(VendorThrottled) as throttled:
            call()
        assert throttled.value.retry_after == 7


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("interlock_service", "on", "state"),
        ("interlock_entitlements", "many SEAT-ANNUAL", "entitlements"),
        ("interlock_entitlements", "SEAT-ANNUAL", "entitlements"),
        ("interlock_service_until", "spring", "until"),
    ],
)
def test_what_people_entered_is_none_of_ours(
    support: SupportPort, api: httpx.Client, customer: int, field: str, value: str, named: str
) -> None:
    support.write_service(ACTIVE)
    changes = {"organization": {"organization_fields": {field: value}}}
    api.put(f"/organizations/{customer}", json=changes).raise_for_status()

    with pytest.raises(ContractViolation, match=f"the {named} .* none of ours"):
        support.read_service(ACCOUNT)

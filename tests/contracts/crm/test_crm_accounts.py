"""What a CRM adapter tells on an account, over HTTP with the vendor's sandbox."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical.customer_view import Relationship
from interlock.canonical.services import Entitlement, Service, ServiceState
from interlock.connectors.crm.port import CrmPort
from interlock.errors import (
    ContractViolation,
)

from local.sandboxes.salesforce_seed import (
    USD_DEAL,
    close_lost,
    close_won,
    create_amendment,
    create_renewal,
)
from tests.contracts.crm.renewing import (
    ACCOUNT,
    RENEWAL,
    SEATS,
)


class TestRelationship:
    def test_the_owner_and_the_open_deals(self, crm: CrmPort, organization, clock) -> None:
        clock.move(hours=1)
        names = [
            organization.get("Opportunity", create(organization, USD_DEAL.record_id, (SEATS,)))[
                "Name"
            ]
            for create in (create_renewal, create_amendment)
        ]
        close_won(organization, USD_DEAL.record_id)
        lost = create_renewal(organization, USD_DEAL.record_id)
        close_lost(organization, lost)

        assert crm.get_relationship(RENEWAL.account_id) == Relationship(
            owner="mara.osei@tessaline.example", open_deals=tuple(names)
        )

    def test_more_deals_than_a_page(self, crm: CrmPort, organization) -> None:
        for _ in range(4):
            create_renewal(organization, USD_DEAL.record_id)

        assert len(crm.get_relationship(RENEWAL.account_id).open_deals) == 5

    def test_an_account_without_deals(self, crm: CrmPort) -> None:
        parent = f"salesforce:{USD_DEAL.accounts[1].record_id}"

        assert crm.get_relationship(parent).open_deals == ()


SERVICE = Service(
    account_id=RENEWAL.account_id,
    state=ServiceState.SUSPENDED,
    entitlements=(
        Entitlement(sku="SEAT-ANNUAL", quantity=Decimal("25")),
        Entitlement(sku="two words", quantity=Decimal("0.000001")),
    ),
    until=date(2027, 11, 30),
    reason="Payment is overdue: finance@tessaline.example decided so.",
)


class TestService:
    @pytest.mark.parametrize("state", list(ServiceState))
    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"entitlements": ()},
            {"until": None, "reason": None},
            {"entitlements": (Entitlement(sku="A", quantity=Decimal("1E+6")),)},
        ],
    )
    def test_it_reads_back_exactly(
        self, crm: CrmPort, state: ServiceState, values: dict[str, Any]
    ) -> None:
        service = SERVICE.model_copy(update={"state": state, **values})

        assert crm.write_service(service) == service
        assert crm.read_service(SERVICE.account_id) == service

    def test_an_account_without_one(self, crm: CrmPort) -> None:
        assert crm.read_service(SERVICE.account_id) is None

    def test_the_latest_one_is_shown_to_people(self, crm: CrmPort, organization) -> None:
        crm.write_service(SERVICE.model_copy(update={"entitlements": ()}))
        crm.write_service(SERVICE)
        crm.write_service(SERVICE)

        row = organization.get("Account", ACCOUNT)
        assert row["Interlock_Service__c"] == "suspended"
        assert row["Interlock_Entitlements__c"] == "25 SEAT-ANNUAL\n0.000001 two words"
        assert row["Interlock_Service_Until__c"] == SERVICE.until

    @pytest.mark.parametrize(
        ("field", "value", "named"),
        [
            ("Interlock_Service__c", "paused", "state"),
            ("Interlock_Service__c", None, "state"),
            ("Interlock_Entitlements__c", "many SEAT-ANNUAL", "entitlements"),
            ("Interlock_Entitlements__c", "25", "entitlements"),
        ],
    )
    def test_what_people_entered_is_no_service(
        self, crm: CrmPort, organization, field: str, value: str | None, named: str
    ) -> None:
        crm.write_service(SERVICE)
        organization.update("Account", ACCOUNT, {field: value})

        with pytest.raises(ContractViolation, match=f"the {named} in .* service .* none of ours"):
            crm.read_service(SERVICE.account_id)

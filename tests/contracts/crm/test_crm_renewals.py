"""What a CRM adapter does about a renewal's deal, over HTTP with the vendor's sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.records import DealKind
from interlock.connectors.crm.port import CrmPort
from interlock.errors import (
    ContractViolation,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
)

from local.sandboxes.salesforce import salesforce_sandbox
from local.sandboxes.salesforce_oauth import Authorization
from local.sandboxes.salesforce_schema import LOST_STAGE
from local.sandboxes.salesforce_seed import (
    EUR_DEAL,
    INTEGRATION_USER,
    OPEN_STAGE,
    SELLER,
    USD_DEAL,
    close_lost,
    close_won,
    create_deal,
    create_renewal,
    populate,
    register_interlock,
)
from local.sandboxes.salesforce_store import Organization
from tests.contracts.crm.renewing import (
    ACCOUNT,
    CONTRACT,
    ENDS_ON,
    RENEWAL,
    SEATS,
    change,
    line,
    opened,
    quoted,
)


class TestOpening:
    def test_it_reads_back(self, crm: CrmPort, organization) -> None:
        opened = crm.open_renewal(RENEWAL)

        assert opened.model_copy(update={"remote_id": None, "deal_id": None}) == RENEWAL
        assert opened.deal_id == f"salesforce:{opened.remote_id}"
        assert crm.get_renewal(str(opened.remote_id)) == opened
        assert crm.find_renewal(RENEWAL.id, contract_id=CONTRACT) == opened
        deal = crm.get_opportunity(str(opened.deal_id), hierarchy_depth=0)
        assert (deal.kind, deal.contract_id) == (DealKind.RENEWAL, CONTRACT)
        assert (deal.start_date, deal.term_months) == (ENDS_ON, 12)
        assert deal.close_date == ENDS_ON - timedelta(days=1)
        assert (deal.is_won, deal.is_lost, deal.lines, deal.amount.amount) == (False, False, (), 0)

    def test_it_is_the_account_owners_and_marked_as_ours(
        self, crm: CrmPort, organization, events
    ) -> None:
        deal = organization.get("Opportunity", opened(crm))

        assert deal["OwnerId"] == organization.get("Account", ACCOUNT)["OwnerId"] == SELLER.user_id
        assert deal["StageName"] == "Prospecting"
        [event] = events
        origin = event["detail"]["payload"]["ChangeEventHeader"]["changeOrigin"]
        assert origin.endswith(";client=interlock")

    def test_an_owner_who_has_left_owns_no_new_deal(self, crm: CrmPort, organization) -> None:
        organization.update("User", SELLER.user_id, {"IsActive": False})

        assert organization.get("Opportunity", opened(crm))["OwnerId"] == INTEGRATION_USER

    def test_it_is_opened_once_and_left_to_sales(self, crm: CrmPort, organization) -> None:
        first = crm.open_renewal(RENEWAL)
        change(organization, str(first.remote_id), {"StageName": OPEN_STAGE, "Name": "Ours now"})

        again = crm.open_renewal(RENEWAL)

        assert again == first.model_copy(update={"name": "Ours now"})
        deal = organization.get("Opportunity", first.remote_id)
        assert (deal["Name"], deal["StageName"]) == ("Ours now", OPEN_STAGE)
        assert len(organization.matching("Opportunity", "Interlock_Contract__c", CONTRACT)) == 1

    def test_each_term_has_its_own(self, crm: CrmPort) -> None:
        first = crm.open_renewal(RENEWAL)
        later = RENEWAL.model_copy(update={"id": f"{CONTRACT}@2028-12-01"})

        assert crm.find_renewal(later.id, contract_id=CONTRACT) is None
        assert crm.open_renewal(later).deal_id != first.deal_id

    def test_a_name_that_is_too_long_is_cut(self, crm: CrmPort, organization) -> None:
        long = RENEWAL.model_copy(update={"name": "N" * 300})

        assert len(organization.get("Opportunity", crm.open_renewal(long).remote_id)["Name"]) == 120

    def test_a_write_that_may_have_been_applied(self, crm: CrmPort, sandbox) -> None:
        sandbox.fail("lost_answer", method="PATCH")

        with pytest.raises(OutcomeUnknown):
            crm.open_renewal(RENEWAL)

        found = crm.find_renewal(RENEWAL.id, contract_id=CONTRACT)
        assert found
        assert crm.open_renewal(RENEWAL) == found

    def test_an_organisation_with_one_currency(self, connect) -> None:
        organization = Organization(multi_currency=False)
        authorization = Authorization(organization)
        register_interlock(authorization)
        populate(organization, deals=())
        create_deal(organization, USD_DEAL)
        sandbox = salesforce_sandbox(organization, authorization).serve()
        crm = connect(sandbox, default_currency="USD", open_stage="Qualification")

        deal = crm.open_renewal(RENEWAL)
        crm.quote_renewal(quoted(str(deal.deal_id), line("SEAT-ANNUAL", 25, "494.40")))
        found = crm.get_renewal(deal.remote_id)
        amount = crm.get_opportunity(deal.deal_id, hierarchy_depth=0).amount
        sandbox.close()

        assert found == deal
        assert amount == Money.of("12360.00", "USD")
        assert organization.get("Opportunity", deal.remote_id)["StageName"] == "Qualification"


class TestADealThatSalesMade:
    def test_it_is_taken(self, crm: CrmPort, organization, events) -> None:
        deal_id = create_renewal(organization, USD_DEAL.record_id, (SEATS,))
        found = crm.find_renewal(RENEWAL.id, contract_id=CONTRACT)
        before = organization.get("Opportunity", deal_id)
        events.clear()

        taken = crm.open_renewal(RENEWAL)

        assert found
        assert found.id == found.deal_id == f"salesforce:{deal_id}"
        assert taken == found.model_copy(update={"id": RENEWAL.id})
        assert crm.find_renewal(RENEWAL.id, contract_id=CONTRACT) == taken
        [event] = events
        changed = set(event["detail"]["payload"]["ChangeEventHeader"]["changedFields"])
        assert changed - {"LastModifiedDate", "LastModifiedById"} == {"Interlock_Renewal__c"}
        assert before["Name"] == organization.get("Opportunity", deal_id)["Name"]

    def test_a_won_one_goes_before_an_open_one_and_the_oldest_first(
        self, crm: CrmPort, organization, clock
    ) -> None:
        deals = []
        for _ in range(3):
            deals.append(create_renewal(organization, USD_DEAL.record_id))
            clock.move(hours=1)

        def found() -> str | None:
            deal = crm.find_renewal(RENEWAL.id, contract_id=CONTRACT)
            return deal and deal.remote_id

        assert found() == deals[0]
        close_won(organization, deals[1])
        assert found() == deals[1]
        crm.open_renewal(RENEWAL)
        close_won(organization, deals[0])
        assert found() == deals[1]

    @pytest.mark.parametrize("ours_is", ["open", "lost"])
    def test_one_that_is_won_goes_before_ours(
        self, crm: CrmPort, organization, ours_is: str
    ) -> None:
        ours = opened(crm)
        if ours_is == "lost":
            close_lost(organization, ours)
        theirs = create_renewal(organization, USD_DEAL.record_id, (SEATS,))
        assert crm.find_renewal(RENEWAL.id, contract_id=CONTRACT).remote_id == ours
        close_won(organization, theirs)

        found = crm.find_renewal(RENEWAL.id, contract_id=CONTRACT)
        taken = crm.open_renewal(RENEWAL)

        assert found
        assert (found.remote_id, found.id) == (theirs, f"salesforce:{theirs}")
        assert taken == found.model_copy(update={"id": RENEWAL.id})
        assert crm.find_renewal(RENEWAL.id, contract_id=CONTRACT) == taken
        left = organization.get("Opportunity", ours)
        assert (left["StageName"], left["Interlock_Renewal__c"]) == (LOST_STAGE, None)

    def test_a_won_one_of_another_term_leaves_ours(self, crm: CrmPort, organization) -> None:
        ours = opened(crm)
        theirs = create_renewal(organization, USD_DEAL.record_id, (SEATS,))
        change(organization, theirs, {"Contract_Start_Date__c": "2026-12-01"})
        close_won(organization, theirs)

        assert crm.open_renewal(RENEWAL).remote_id == ours

    @pytest.mark.parametrize(
        "fields",
        [
            {"StageName": LOST_STAGE},
            {"Contract_Change__c": "Amendment"},
            {"Interlock_Contract__c": "salesforce:another"},
            {"Interlock_Renewal__c": f"{CONTRACT}@2026-12-01"},
        ],
    )
    def test_another_deal_is_none(self, crm: CrmPort, organization, fields: dict[str, Any]) -> None:
        change(organization, create_renewal(organization, USD_DEAL.record_id), fields)

        assert crm.find_renewal(RENEWAL.id, contract_id=CONTRACT) is None

    def test_a_lost_one_of_ours_is_found(self, crm: CrmPort, organization) -> None:
        remote_id = opened(crm)
        create_renewal(organization, USD_DEAL.record_id)
        close_lost(organization, remote_id)

        found = crm.find_renewal(RENEWAL.id, contract_id=CONTRACT)

        assert found
        assert found.remote_id == remote_id

    @pytest.mark.parametrize(
        "field", ["Selling_Entity__c", "Payment_Terms__c", "Contract_Start_Date__c"]
    )
    def test_what_it_lacks_is_named(self, crm: CrmPort, organization, field: str) -> None:
        change(organization, create_renewal(organization, USD_DEAL.record_id), {field: None})

        with pytest.raises(ContractViolation, match=f"no usable {field}"):
            crm.find_renewal(RENEWAL.id, contract_id=CONTRACT)

    def test_one_that_renews_no_contract_stands_for_none(self, crm: CrmPort) -> None:
        with pytest.raises(RecordConflict, match="renews no contract"):
            crm.get_renewal(EUR_DEAL.record_id)


class TestClosing:
    def test_an_open_deal_is_lost_and_another_one_may_be_opened(
        self, crm: CrmPort, organization
    ) -> None:
        remote_id = opened(crm)

        crm.close_renewal(remote_id)
        crm.close_renewal(remote_id)

        assert crm.get_opportunity(f"salesforce:{remote_id}", hierarchy_depth=0).is_lost
        assert crm.find_renewal(RENEWAL.id, contract_id=CONTRACT) is None
        assert opened(crm) != remote_id

    def test_a_won_deal_keeps_its_stage(self, crm: CrmPort, organization) -> None:
        remote_id = opened(crm)
        close_won(organization, remote_id)

        crm.close_renewal(remote_id)

        found = crm.find_renewal(RENEWAL.id, contract_id=CONTRACT)
        assert found
        assert (found.remote_id, found.id) == (remote_id, f"salesforce:{remote_id}")
        assert crm.get_opportunity(f"salesforce:{remote_id}", hierarchy_depth=0).is_won

    def test_the_organisations_own_stage(self, connect, sandbox, organization) -> None:
        crm = connect(sandbox, lost_stage=LOST_STAGE.upper())
        remote_id = opened(crm)

        crm.close_renewal(remote_id)

        assert organization.get("Opportunity", remote_id)["StageName"] == LOST_STAGE.upper()

    def test_a_deal_that_was_deleted(self, crm: CrmPort, organization) -> None:
        remote_id = opened(crm)
        organization.delete("Opportunity", remote_id)

        with pytest.raises(RecordNotFound):
            crm.close_renewal(remote_id)
        with pytest.raises(RecordNotFound):
            crm.get_renewal(remote_id)

    @pytest.mark.parametrize("wrong", ["", "006", "006Hs00000' OR Id != '", f"{CONTRACT}"])
    def test_an_id_that_is_none_of_theirs(self, crm: CrmPort, sandbox, wrong: str) -> None:
        for ask in (crm.get_renewal, crm.close_renewal):
            with pytest.raises(ContractViolation):
                ask(wrong)
        assert not sandbox.requests

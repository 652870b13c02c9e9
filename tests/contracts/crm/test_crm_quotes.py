"""How a CRM adapter tells the price of a renewal, over HTTP with the vendor's sandbox."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.connectors.crm.port import CrmPort
from interlock.errors import (
    BusinessRuleViolation,
    OutcomeUnknown,
    RecordNotFound,
    VendorRejected,
    VendorUnavailable,
)

from local.sandboxes.salesforce_seed import (
    USD_DEAL,
    close_lost,
    close_won,
    create_renewal,
)
from local.sandboxes.salesforce_store import SalesforceError
from tests.contracts.crm.renewing import (
    ENDS_ON,
    QUOTED,
    SEATS,
    change,
    line,
    opened,
    quoted,
)
from tests.contracts.crm.test_crm_port import sent


class TestQuote:
    def test_lines_and_working_are_on_the_deal(self, crm: CrmPort, organization) -> None:
        remote_id = opened(crm)
        quote = quoted(f"salesforce:{remote_id}", *QUOTED)

        told = crm.quote_renewal(quote)

        assert told == crm.read_quote(quote.deal_id)
        assert told.offer == quote.quote.offer()
        deal = crm.get_opportunity(quote.deal_id, hierarchy_depth=0)
        assert deal.amount == Money.of("37080.00", "USD") == quote.quote.total
        assert [(each.sku, each.quantity, each.unit_price.amount) for each in deal.lines] == [
            ("PLATFORM-ANNUAL", 1, Decimal(24720)),
            ("SEAT-ANNUAL", 25, Decimal("494.4")),
        ]
        row = organization.get("Opportunity", remote_id)
        assert row["Interlock_Quote_Working__c"].splitlines() == [
            "Larkspur pays in time.",
            "",
            *quote.quote.working,
        ]
        assert row["Pricebook2Id"] == organization.standard_price_book

    def test_a_deal_that_was_never_quoted(self, crm: CrmPort) -> None:
        assert crm.read_quote(f"salesforce:{opened(crm)}").offer is None

    def test_the_lines_of_before_are_replaced_in_one_request_that_is_ours(
        self, crm: CrmPort, organization, sandbox, events
    ) -> None:
        deal_id = create_renewal(
            organization, USD_DEAL.record_id, (SEATS, *USD_DEAL.lines), starts_on=ENDS_ON
        )
        events.clear()

        crm.quote_renewal(quoted(f"salesforce:{deal_id}", *QUOTED))

        deal = crm.get_opportunity(f"salesforce:{deal_id}", hierarchy_depth=0)
        assert [each.sku for each in deal.lines] == ["PLATFORM-ANNUAL", "SEAT-ANNUAL"]
        assert sum(request.method not in ("GET", "HEAD") for request in sandbox.requests) == 2
        [event] = events
        origin = event["detail"]["payload"]["ChangeEventHeader"]["changeOrigin"]
        assert origin.endswith(";client=interlock")

    def test_the_same_again_and_another_price(self, crm: CrmPort) -> None:
        deal_id = f"salesforce:{opened(crm)}"
        crm.quote_renewal(quoted(deal_id, *QUOTED))
        crm.quote_renewal(quoted(deal_id, *QUOTED))
        other = crm.quote_renewal(quoted(deal_id, QUOTED[1]))

        deal = crm.get_opportunity(deal_id, hierarchy_depth=0)
        assert [each.sku for each in deal.lines] == ["SEAT-ANNUAL"]
        assert crm.read_quote(deal_id) == other

    def test_a_ramp_keeps_its_months(self, crm: CrmPort) -> None:
        deal_id = f"salesforce:{opened(crm)}"
        ramp = line("SEAT-ANNUAL", 50, "480.00", starts_on=date(2028, 12, 1))

        crm.quote_renewal(quoted(deal_id, *QUOTED, ramp))

        lines = crm.get_opportunity(deal_id, hierarchy_depth=0).lines
        assert [each.from_month for each in lines] == [0, 0, 12]

    @pytest.mark.parametrize("close", [close_won, close_lost])
    def test_a_closed_deal_is_left_alone(self, crm: CrmPort, organization, close) -> None:
        remote_id = opened(crm)
        close(organization, remote_id)

        with pytest.raises(BusinessRuleViolation, match="the deal is closed"):
            crm.quote_renewal(quoted(f"salesforce:{remote_id}", *QUOTED))
        assert crm.read_quote(f"salesforce:{remote_id}").offer is None

    def test_a_product_without_a_price_is_named(self, crm: CrmPort, organization, sandbox) -> None:
        deal_id = f"salesforce:{opened(crm)}"
        for entry in organization.matching("PricebookEntry", "CurrencyIsoCode", "USD"):
            if organization.get("Product2", entry["Product2Id"])["ProductCode"] == "SEAT-ANNUAL":
                organization.update("PricebookEntry", entry["Id"], {"IsActive": False})
        other = line("IT'S-NEW", 1, "1.00")

        with pytest.raises(BusinessRuleViolation, match="in USD for SEAT-ANNUAL, IT'S-NEW: add"):
            crm.quote_renewal(quoted(deal_id, *QUOTED, other))
        assert sent(sandbox, "POST", "/composite") == 0

    def test_the_deals_own_price_book_goes_before_the_standard_one(
        self, crm: CrmPort, organization
    ) -> None:
        remote_id = opened(crm)
        book = organization.insert("Pricebook2", {"Name": "Partners", "IsActive": True})
        [product] = organization.matching("Product2", "ProductCode", "SEAT-ANNUAL")
        entry = {"Pricebook2Id": book, "Product2Id": product["Id"], "UnitPrice": 1}
        entry_id = organization.insert(
            "PricebookEntry", entry | {"IsActive": True, "CurrencyIsoCode": "USD"}
        )
        change(organization, remote_id, {"Pricebook2Id": book})

        crm.quote_renewal(quoted(f"salesforce:{remote_id}", QUOTED[1]))

        [item] = organization.matching("OpportunityLineItem", "OpportunityId", remote_id)
        assert item["PricebookEntryId"] == entry_id
        assert organization.get("Opportunity", remote_id)["Pricebook2Id"] == book

    def test_nothing_is_written_when_one_write_is_refused(
        self, crm: CrmPort, organization, events, monkeypatch
    ) -> None:
        deal_id = create_renewal(organization, USD_DEAL.record_id, (SEATS,))
        before = organization.get("Opportunity", deal_id)
        events.clear()
        too_little = SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", "no", [])

        def refuse(*_: Any) -> None:
            raise too_little

        monkeypatch.setattr(organization, "_entry", refuse)
        with pytest.raises(VendorRejected) as refused:
            crm.quote_renewal(quoted(f"salesforce:{deal_id}", *QUOTED))

        assert refused.value.code == "FIELD_INTEGRITY_EXCEPTION"
        assert organization.get("Opportunity", deal_id) == before
        [item] = organization.matching("OpportunityLineItem", "OpportunityId", deal_id)
        assert item["Quantity"] == 30
        assert events == []

    def test_a_locked_row_and_a_line_that_goes_meanwhile_are_tried_again(
        self, crm: CrmPort, organization, monkeypatch
    ) -> None:
        deal_id = create_renewal(organization, USD_DEAL.record_id, (SEATS,))
        [item] = organization.matching("OpportunityLineItem", "OpportunityId", deal_id)
        organization.lock(deal_id)
        with pytest.raises(VendorUnavailable) as locked:
            crm.quote_renewal(quoted(f"salesforce:{deal_id}", *QUOTED))
        delete = organization.delete

        def delete_twice(sobject: str, record_id: str, *by: Any) -> None:
            delete(sobject, record_id, *by)
            delete(sobject, record_id, *by)

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(organization, "delete", delete_twice)
            with pytest.raises(VendorUnavailable) as gone:
                crm.quote_renewal(quoted(f"salesforce:{deal_id}", *QUOTED))

        assert locked.value.code == "UNABLE_TO_LOCK_ROW"
        assert "somebody changes the deal's lines" in str(gone.value)
        assert organization.find("OpportunityLineItem", item["Id"])
        crm.quote_renewal(quoted(f"salesforce:{deal_id}", *QUOTED))

    @pytest.mark.parametrize(
        ("kind", "applied"),
        [("unavailable", False), ("unavailable_after_write", True), ("lost_answer", True)],
    )
    def test_a_write_that_may_have_been_applied(
        self, crm: CrmPort, sandbox, kind: str, applied: bool
    ) -> None:
        quote = quoted(f"salesforce:{opened(crm)}", *QUOTED)
        sandbox.fail(kind, path="/composite/graph")

        with pytest.raises(OutcomeUnknown):
            crm.quote_renewal(quote)

        assert (crm.read_quote(quote.deal_id) == quote.told) is applied

    def test_a_deal_that_never_was(self, crm: CrmPort) -> None:
        quote = quoted("salesforce:006Hs00000NobodyAA", *QUOTED)
        for ask in (lambda: crm.quote_renewal(quote), lambda: crm.read_quote(quote.deal_id)):
            with pytest.raises(RecordNotFound):
                ask()

    def test_numbers_are_numbers(self, crm: CrmPort, sandbox) -> None:
        """A text where Salesforce wants a number is not documented to be one."""
        crm.quote_renewal(quoted(f"salesforce:{opened(crm)}", *QUOTED))

        [request] = [r for r in sandbox.requests if r.path.endswith("/composite/graph")]
        [graph] = json.loads(request.body)["graphs"]
        seats = graph["compositeRequest"][-1]["body"]
        assert (seats["Quantity"], seats["UnitPrice"]) == (25, 494.4)

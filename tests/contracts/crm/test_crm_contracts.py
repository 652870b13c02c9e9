"""What a CRM adapter says of a deal about a contract, over HTTP with the vendor's sandbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical import Money, OrderStatus, WriteBack
from interlock.canonical.records import DealKind, RenewalTerms
from interlock.connectors.crm.port import CrmPort
from interlock.errors import (
    ContractViolation,
)

from local.sandboxes.salesforce_seed import (
    USD_DEAL,
    LineSample,
    RenewalSample,
    ask_discount,
    close_lost,
    close_won,
    create_amendment,
    create_deal,
    create_renewal,
    reopen,
    set_lines,
)
from tests.contracts.crm.renewing import (
    ACCOUNT,
    CONTRACT,
    ENDS_ON,
    SEATS,
    change,
)
from tests.contracts.crm.test_crm_port import ALWAYS

TERMS = {
    "Auto_Renews__c": "Yes",
    "Notice_Days__c": 90,
    "Renewal_Months__c": 24,
    "Uplift_Percent__c": Decimal("3.5"),
    "Uplift_Cap__c": 7,
}


class TestSnapshot:
    def test_a_deal_that_says_nothing_of_contracts(self, crm: CrmPort) -> None:
        deal = crm.get_opportunity(CONTRACT, hierarchy_depth=0)

        assert (deal.kind, deal.contract_id, deal.consolidates_into) == (DealKind.NEW, None, None)
        assert (deal.is_lost, deal.discount, deal.renewal) == (False, None, None)
        assert {line.from_month for line in deal.lines} == {0}

    @pytest.mark.parametrize(
        ("close", "is_won", "is_lost"), [(close_won, True, False), (close_lost, False, True)]
    )
    def test_lost_is_closed_and_not_won(
        self, crm: CrmPort, organization, close, is_won: bool, is_lost: bool
    ) -> None:
        close(organization, USD_DEAL.record_id)
        closed = crm.get_opportunity(CONTRACT, hierarchy_depth=0)
        reopen(organization, USD_DEAL.record_id)
        again = crm.get_opportunity(CONTRACT, hierarchy_depth=0)

        assert (closed.is_won, closed.is_lost) == (is_won, is_lost)
        assert (again.is_won, again.is_lost) == (False, False)

    def test_what_is_agreed_about_the_renewal(self, crm: CrmPort, organization) -> None:
        change(organization, USD_DEAL.record_id, TERMS)

        assert crm.get_opportunity(CONTRACT, hierarchy_depth=0).renewal == RenewalTerms(
            auto_renews=True,
            notice_days=90,
            renewal_months=24,
            uplift=Decimal("3.5"),
            uplift_cap=Decimal(7),
        )

    def test_a_deal_that_is_entered_with_its_terms(self, crm: CrmPort, organization) -> None:
        terms = RenewalSample(True, 60, months=24, uplift=Decimal(3), index="CPI-U", cap=Decimal(5))
        sample = replace(USD_DEAL, renewal=terms, starts_on=date(2028, 2, 29), term_months=12)
        deal_id = create_deal(organization, sample, suffix="Leap")

        deal = crm.get_opportunity(f"salesforce:{deal_id}", hierarchy_depth=0)
        renewal_id = create_renewal(organization, deal_id)
        renewal = crm.get_opportunity(f"salesforce:{renewal_id}", hierarchy_depth=0)

        assert deal.renewal == RenewalTerms(
            auto_renews=True,
            notice_days=60,
            renewal_months=24,
            uplift=Decimal(3),
            index="CPI-U",
            uplift_cap=Decimal(5),
        )
        assert (deal.start_date, renewal.start_date) == (date(2028, 2, 29), date(2029, 2, 28))

    def test_a_contract_that_ends_by_itself(self, crm: CrmPort, organization) -> None:
        terms = {"Auto_Renews__c": "No", "Notice_Days__c": 0, "Uplift_Index__c": "CPI-U"}
        change(organization, USD_DEAL.record_id, terms)

        assert crm.get_opportunity(CONTRACT, hierarchy_depth=0).renewal == RenewalTerms(
            auto_renews=False, notice_days=0, index="CPI-U"
        )

    def test_a_renewal_with_a_ramp_and_a_discount(self, crm: CrmPort, organization) -> None:
        ramp = (SEATS, LineSample("SEAT-ANNUAL", Decimal(50), Decimal("460.00"), from_month=12))
        deal_id = create_renewal(
            organization, USD_DEAL.record_id, ramp, term_months=24, consolidates_into="salesforce:X"
        )
        ask_discount(organization, deal_id, Decimal("12.5"))

        deal = crm.get_opportunity(f"salesforce:{deal_id}", hierarchy_depth=0)

        assert (deal.kind, deal.contract_id) == (DealKind.RENEWAL, CONTRACT)
        assert (deal.consolidates_into, deal.discount) == ("salesforce:X", Decimal("12.5"))
        assert [(line.quantity, line.from_month) for line in deal.lines] == [(30, 0), (50, 12)]
        assert deal.account.id == f"salesforce:{ACCOUNT}"
        began = crm.get_opportunity(CONTRACT, hierarchy_depth=0).start_date
        assert deal.start_date == began.replace(year=began.year + 1)

    def test_an_amendment(self, crm: CrmPort, organization) -> None:
        deal_id = create_amendment(organization, USD_DEAL.record_id, (SEATS,), starts_on=ENDS_ON)

        deal = crm.get_opportunity(f"salesforce:{deal_id}", hierarchy_depth=0)

        assert (deal.kind, deal.contract_id) == (DealKind.AMENDMENT, CONTRACT)
        assert (deal.start_date, deal.amount) == (ENDS_ON, Money.of("14400.00", "USD"))

    def test_a_renewal_that_nobody_has_priced(self, crm: CrmPort, organization) -> None:
        deal_id = create_renewal(organization, USD_DEAL.record_id)

        deal = crm.get_opportunity(f"salesforce:{deal_id}", hierarchy_depth=0)
        set_lines(organization, deal_id, (SEATS,))
        priced = crm.get_opportunity(f"salesforce:{deal_id}", hierarchy_depth=0)

        assert (deal.lines, deal.amount) == ((), Money.of(0, "USD"))
        assert priced.amount == Money.of("14400.00", "USD")

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"Contract_Change__c": "Upgrade"}, "Contract_Change__c: choose Renewal or Amendment"),
            ({"Contract_Change__c": "Renewal"}, "opportunity: Interlock_Contract__c is empty"),
            ({"Interlock_Contract__c": "the old one"}, "Interlock_Contract__c: give the contract"),
            ({"Consolidates_Into__c": "the other"}, "Consolidates_Into__c: give the contract's id"),
            ({"Renewal_Discount__c": 101}, "Renewal_Discount__c: "),
            ({"Renewal_Discount__c": -1}, "Renewal_Discount__c: "),
            ({"Auto_Renews__c": "Yes"}, "opportunity: Notice_Days__c is empty"),
            ({"Uplift_Percent__c": 5}, "Auto_Renews__c is empty; opportunity: Notice_Days__c is"),
            (TERMS | {"Auto_Renews__c": "Maybe"}, "Auto_Renews__c: choose Yes or No"),
            (TERMS | {"Notice_Days__c": Decimal("30.5")}, "opportunity: Notice_Days__c: "),
            (TERMS | {"Notice_Days__c": -1}, "opportunity: Notice_Days__c: "),
            (TERMS | {"Renewal_Months__c": 0}, "opportunity: Renewal_Months__c: "),
        ],
    )
    def test_a_value_that_nobody_can_use_is_named(
        self, crm: CrmPort, organization, fields: dict[str, Any], problem: str
    ) -> None:
        change(organization, USD_DEAL.record_id, fields)

        with pytest.raises(ContractViolation) as violation:
            crm.get_opportunity(CONTRACT, hierarchy_depth=0)

        assert problem in str(violation.value)

    @pytest.mark.parametrize("month", [-1, Decimal("1.5")])
    def test_a_ramp_begins_with_a_month(self, crm: CrmPort, organization, month) -> None:
        ramp = LineSample("SEAT-ANNUAL", Decimal(1), Decimal(1), from_month=month)
        set_lines(organization, USD_DEAL.record_id, (SEATS, ramp))

        with pytest.raises(ContractViolation, match="line item 2: Ramp_From_Month__c: "):
            crm.get_opportunity(CONTRACT, hierarchy_depth=0)

    @pytest.mark.parametrize("create", [create_renewal, create_amendment])
    def test_a_won_change_of_a_contract_is_handed_over_until_it_has_an_order(
        self, crm: CrmPort, organization, create
    ) -> None:
        deal_id = create(organization, USD_DEAL.record_id, (SEATS,))
        close_won(organization, deal_id)

        [deal] = crm.won_without_order(**ALWAYS)
        fields = {"order_number": None, "subscription_id": None, "correlation_id": "c-1"}
        crm.write_back(
            WriteBack(opportunity_id=deal.id, status=OrderStatus.ACCEPTED, **fields),
        )

        assert deal.id == f"salesforce:{deal_id}"
        assert list(crm.won_without_order(**ALWAYS)) == []

"""What every CRM adapter must do, run over HTTP against the vendor's sandbox."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from interlock.canonical import LineKind, Money, OrderStatus, UnitPrice, WriteBack
from interlock.canonical.credits import CreditNotice
from interlock.canonical.dunning import DunningFlag, DunningStatus
from interlock.canonical.services import Service, ServiceState
from interlock.connectors.crm.port import CrmPort
from interlock.errors import (
    ContractViolation,
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
    VendorThrottled,
    VendorUnavailable,
)

from local.sandboxes.salesforce import salesforce_sandbox
from local.sandboxes.salesforce_oauth import Authorization
from local.sandboxes.salesforce_schema import LOST_STAGE, WON_STAGE, full_id
from local.sandboxes.salesforce_seed import (
    CONSUMER_SECRET,
    EUR_DEAL,
    JPY_DEAL,
    OPEN_STAGE,
    USD_DEAL,
    close_won,
    create_deal,
    populate,
    register_interlock,
)
from local.sandboxes.salesforce_store import Organization
from tests.contracts.unreachable import unreachable

DEAL = f"salesforce:{USD_DEAL.record_id}"
ACCOUNT = USD_DEAL.accounts[0].record_id
PARENT = USD_DEAL.accounts[1].record_id
ORDER = WriteBack(
    opportunity_id=DEAL,
    status=OrderStatus.ACCEPTED,
    order_number="SO-1001",
    subscription_id="sub_1001",
    correlation_id="006Hs00000DealUIAR-1795409928089",
)

FLAG = DunningFlag(
    account_id=f"salesforce:{ACCOUNT}",
    status=DunningStatus.PAST_DUE,
    overdue=Money.of("36000.00", "USD"),
    since=date(2026, 11, 2),
)
NOTICE = CreditNotice(
    account_id=FLAG.account_id,
    case_number="4711",
    amount=Money.of("100.01", "EUR"),
    documents=("ACME-0001-CN-01", "ACME-0002-CN-01"),
    granted_on=date(2026, 12, 4),
)
NO_FLAG = DunningFlag(account_id=FLAG.account_id, status=DunningStatus.NONE)


def sent(sandbox, method: str, path: str) -> int:
    """How many such requests reached the sandbox's behaviour."""
    return sum(r.method == method and path in r.path for r in sandbox.requests)


class TestSnapshot:
    def test_a_deal_with_lines_and_accounts(self, crm: CrmPort, organization) -> None:
        close_won(organization, USD_DEAL.record_id)

        deal = crm.get_opportunity(DEAL, hierarchy_depth=5)

        assert deal.id == DEAL
        assert deal.is_won
        assert deal.amount == Money.of("52000.00", "USD")
        assert (deal.subsidiary, deal.payment_terms) == ("TESSALINE-US", "NET30")
        assert deal.term_months == 12
        assert deal.start_date > deal.close_date
        assert [(line.number, line.sku, line.kind, line.quantity) for line in deal.lines] == [
            (1, "PLATFORM-ANNUAL", LineKind.RECURRING, 1),
            (2, "SEAT-ANNUAL", LineKind.RECURRING, 25),
            (3, "PS-IMPLEMENT", LineKind.SERVICE, 10),
        ]
        assert deal.lines[1].unit_price == UnitPrice.of("480.00", "USD")
        assert Money.total((line.amount for line in deal.lines), "USD") == deal.amount
        own, parent = deal.accounts
        assert (own.name, own.parent_id) == ("Larkspur Robotics Inc.", parent.id)
        assert own.domain == "larkspur-robotics.example"
        assert own.tax_id == "98-7654321"
        assert own.email == "billing@larkspur-robotics.example"
        assert own.billing_address
        assert (own.billing_address.country, own.billing_address.region) == ("US", "OR")
        assert parent.parent_id is None

    def test_a_currency_without_decimals(self, crm: CrmPort) -> None:
        deal = crm.get_opportunity(f"salesforce:{JPY_DEAL.record_id}", hierarchy_depth=5)

        assert deal.amount == Money.of(6480000, "JPY")
        assert deal.amount.minor_units == 6480000
        assert not deal.is_won

    def test_revenue_splits_do_not_multiply_the_deal(
        self, crm: CrmPort, organization, clock
    ) -> None:
        clock.move(hours=1)
        other_type = {"DeveloperName": "Margin", "IsTotalValidated": True}
        other_revenue = organization.insert("OpportunitySplitType", other_type)
        split = {"OpportunityId": EUR_DEAL.record_id, "SplitPercentage": 100}
        split["SplitOwnerId"] = organization.admin.user_id
        for split_type in (organization.overlay_split, other_revenue):
            organization.insert("OpportunitySplit", split | {"SplitTypeId": split_type})

        deal = crm.get_opportunity(f"salesforce:{EUR_DEAL.record_id}", hierarchy_depth=5)

        assert [(split.owner, split.percent) for split in deal.splits] == [
            ("mara.osei@tessaline.example", Decimal(60)),
            ("jonas.feld@tessaline.example", Decimal(40)),
        ]
        assert deal.amount == Money.of("57400.00", "EUR")

    def test_a_discount_is_in_the_unit_price(self, crm: CrmPort, organization) -> None:
        seats = organization.matching("OpportunityLineItem", "ProductCode", "SEAT-ANNUAL")[0]
        organization.update("OpportunityLineItem", seats["Id"], {"Discount": Decimal("12.5")})

        line = crm.get_opportunity(DEAL, hierarchy_depth=0).lines[1]

        assert line.unit_price == UnitPrice.of("420.00", "USD")
        assert line.amount == Money.of("10500.00", "USD")

    def test_a_discounted_deal_adds_up_to_the_cent(self, crm: CrmPort, organization) -> None:
        """Salesforce says 2124.7875 and 28324.7875 here: it rounds neither line nor sum."""
        platform, seats = (
            organization.matching("OpportunityLineItem", "ProductCode", code)[0]
            for code in ("PLATFORM-ANNUAL", "SEAT-ANNUAL")
        )
        prices = {"UnitPrice": Decimal("99.99"), "Discount": Decimal(15)}
        organization.update("OpportunityLineItem", seats["Id"], prices)
        prices = {"UnitPrice": Decimal("12000.33"), "Discount": Decimal("15")}
        organization.update("OpportunityLineItem", platform["Id"], prices)

        deal = crm.get_opportunity(DEAL, hierarchy_depth=0)

        assert [line.unit_price for line in deal.lines[:2]] == [
            UnitPrice.of("10200.2805", "USD"),
            UnitPrice.of("84.9915", "USD"),
        ]
        assert [line.amount for line in deal.lines] == [
            Money.of("10200.28", "USD"),
            Money.of("2124.79", "USD"),
            Money.of("16000.00", "USD"),
        ]
        assert all(line.adds_up for line in deal.lines)
        assert deal.amount == Money.of("28325.07", "USD")

    def test_a_fraction_of_a_yen_is_a_price_but_no_amount(self, crm: CrmPort, organization) -> None:
        [line, *_] = organization.matching(
            "OpportunityLineItem", "OpportunityId", JPY_DEAL.record_id
        )
        organization.update("OpportunityLineItem", line["Id"], {"UnitPrice": Decimal("0.5")})

        deal = crm.get_opportunity(f"salesforce:{JPY_DEAL.record_id}", hierarchy_depth=0)

        assert deal.lines[0].unit_price == UnitPrice.of("0.5", "JPY")
        assert deal.lines[0].amount == Money.of(1, "JPY")
        assert deal.amount == Money.of(2880001, "JPY")

    def test_what_was_agreed_does_not_change_with_our_write_back(
        self, crm: CrmPort, organization, clock
    ) -> None:
        before = crm.get_opportunity(DEAL, hierarchy_depth=5)
        clock.move(hours=1)
        crm.write_back(ORDER)
        after = crm.get_opportunity(DEAL, hierarchy_depth=5)

        assert after.modified_at > before.modified_at
        assert after.agreed() == before.agreed()

        organization.update("Opportunity", USD_DEAL.record_id, {"Payment_Terms__c": "NET45"})
        assert crm.get_opportunity(DEAL, hierarchy_depth=5).agreed() != before.agreed()

    def test_an_id_of_15_characters_names_the_same_deal(self, crm: CrmPort) -> None:
        short = f"salesforce:{USD_DEAL.record_id[:15]}"

        assert crm.get_opportunity(short, hierarchy_depth=0).id == DEAL


class TestHierarchy:
    @pytest.mark.parametrize(("depth", "accounts"), [(0, 1), (1, 2), (5, 2)])
    def test_the_walk_ends_at_the_depth(self, crm: CrmPort, depth: int, accounts: int) -> None:
        deal = crm.get_opportunity(DEAL, hierarchy_depth=depth)

        assert len(deal.accounts) == accounts

    def test_a_cycle_is_shown_once(self, crm: CrmPort, organization) -> None:
        organization.update("Account", PARENT, {"ParentId": ACCOUNT})

        deal = crm.get_opportunity(DEAL, hierarchy_depth=50)

        ids = [account.id.removeprefix("salesforce:") for account in deal.accounts]
        assert ids == [ACCOUNT, PARENT, ACCOUNT]

    def test_an_account_that_is_its_own_parent(self, crm: CrmPort, organization) -> None:
        organization.update("Account", ACCOUNT, {"ParentId": ACCOUNT})

        assert len(crm.get_opportunity(DEAL, hierarchy_depth=50).accounts) == 2


class TestIncomplete:
    @pytest.mark.parametrize(
        ("sobject", "changes", "problem"),
        [
            ("Opportunity", {"AccountId": None}, "opportunity: AccountId is empty"),
            (
                "Opportunity",
                {"Contract_Start_Date__c": None},
                "opportunity: Contract_Start_Date__c is empty",
            ),
            (
                "Opportunity",
                {"Contract_Term_Months__c": Decimal("12.5")},
                "opportunity: Contract_Term_Months__c: ",
            ),
            ("Account", {"BillingCountryCode": None}, "ISO 3166 code"),
            ("Product2", {"ProductCode": None}, "line item 1: Product2.ProductCode is empty"),
            ("Product2", {"Charge_Type__c": "Usage"}, "choose Recurring or Service"),
        ],
    )
    def test_the_field_to_fill_in_is_named(
        self, crm: CrmPort, organization, sobject: str, changes: dict, problem: str
    ) -> None:
        product = organization.matching("Product2", "ProductCode", "PLATFORM-ANNUAL")[0]["Id"]
        ids = {"Opportunity": USD_DEAL.record_id, "Account": ACCOUNT, "Product2": product}
        organization.update(sobject, ids[sobject], changes)

        with pytest.raises(ContractViolation) as violation:
            crm.get_opportunity(DEAL, hierarchy_depth=5)

        assert problem in str(violation.value)

    def test_every_problem_is_named_at_once(self, crm: CrmPort, organization) -> None:
        changes = {"Contract_Start_Date__c": None, "AccountId": None}
        organization.update("Opportunity", USD_DEAL.record_id, changes)

        with pytest.raises(ContractViolation, match=r"AccountId is empty; .*_Start_Date__c is"):
            crm.get_opportunity(DEAL, hierarchy_depth=5)

    def test_a_price_beyond_reason(self, crm: CrmPort, organization) -> None:
        [line, *_] = organization.matching(
            "OpportunityLineItem", "OpportunityId", JPY_DEAL.record_id
        )
        organization.update("OpportunityLineItem", line["Id"], {"UnitPrice": Decimal(10**12)})

        with pytest.raises(ContractViolation, match=r"line item 1: UnitPrice: .*below 10\^12"):
            crm.get_opportunity(f"salesforce:{JPY_DEAL.record_id}", hierarchy_depth=5)


class TestWriteBack:
    def test_it_reads_back(self, crm: CrmPort) -> None:
        assert crm.write_back(ORDER) == ORDER
        assert crm.read_write_back(DEAL) == ORDER

    def test_a_deal_that_was_never_written_to(self, crm: CrmPort) -> None:
        empty = {"status": None, "order_number": None, "subscription_id": None}
        assert crm.read_write_back(DEAL) == WriteBack(
            opportunity_id=DEAL, correlation_id=None, **empty
        )

    def test_the_same_again_and_a_cancellation(self, crm: CrmPort) -> None:
        crm.write_back(ORDER)
        crm.write_back(ORDER)
        cancelled = ORDER.model_copy(
            update={"status": OrderStatus.CANCELLED, "subscription_id": None}
        )
        crm.write_back(cancelled)

        assert crm.read_write_back(DEAL) == cancelled

    def test_an_order_belongs_to_one_deal(self, crm: CrmPort) -> None:
        crm.write_back(ORDER)
        other = ORDER.model_copy(update={"opportunity_id": f"salesforce:{EUR_DEAL.record_id}"})

        with pytest.raises(RecordConflict):
            crm.write_back(other)

    def test_a_status_that_is_not_ours(self, crm: CrmPort, organization) -> None:
        changes = {"Interlock_Order_Status__c": "Shipped"}
        organization.update("Opportunity", USD_DEAL.record_id, changes)

        with pytest.raises(ContractViolation, match="Interlock_Order_Status__c"):
            crm.read_write_back(DEAL)


class TestDunning:
    @pytest.mark.parametrize(
        "overdue",
        [Money.of("0.01", "USD"), Money.of("123456789012345.67", "EUR"), Money.of(1250, "JPY")],
        ids=str,
    )
    @pytest.mark.parametrize("status", [DunningStatus.PAST_DUE, DunningStatus.ON_HOLD])
    def test_it_reads_back_to_the_cent(
        self, crm: CrmPort, status: DunningStatus, overdue: Money
    ) -> None:
        flag = FLAG.model_copy(update={"status": status, "overdue": overdue})

        assert crm.write_dunning(flag) == flag
        assert crm.read_dunning(FLAG.account_id) == flag

    def test_an_account_without_a_flag(self, crm: CrmPort) -> None:
        assert crm.read_dunning(FLAG.account_id) == NO_FLAG

    def test_the_same_again_and_its_removal(self, crm: CrmPort, organization) -> None:
        before = organization.get("Account", ACCOUNT)
        crm.write_dunning(FLAG)
        crm.write_dunning(FLAG)
        crm.write_dunning(NO_FLAG)

        assert crm.read_dunning(FLAG.account_id) == NO_FLAG
        after = organization.get("Account", ACCOUNT)
        assert {n for n in after if after[n] != before[n]} <= {
            "LastModifiedById",
            "LastModifiedDate",
            "SystemModstamp",
        }

    def test_the_parent_has_no_flag_by_it(self, crm: CrmPort) -> None:
        crm.write_dunning(FLAG)

        assert crm.read_dunning(f"salesforce:{PARENT}").status is DunningStatus.NONE

    @pytest.mark.parametrize(
        ("field", "value", "named"),
        [
            ("Interlock_Dunning__c", "late", "status"),
            ("Interlock_Overdue_Amount__c", "36 thousand", "overdue"),
            ("Interlock_Overdue_Currency__c", None, "overdue"),
        ],
    )
    def test_what_people_entered_is_no_flag(
        self, crm: CrmPort, organization, field: str, value: str | None, named: str
    ) -> None:
        crm.write_dunning(FLAG)
        organization.update("Account", ACCOUNT, {field: value})

        with pytest.raises(ContractViolation, match=f"the {named} .* none of ours"):
            crm.read_dunning(FLAG.account_id)

    def test_a_write_that_may_have_been_applied(self, crm: CrmPort, sandbox) -> None:
        sandbox.fail("lost_answer", method="PATCH")

        with pytest.raises(OutcomeUnknown):
            crm.write_dunning(FLAG)

        assert crm.read_dunning(FLAG.account_id) == FLAG


ALWAYS = {
    "won_after": datetime(2000, 1, 1, tzinfo=UTC),
    "won_before": datetime(2100, 1, 1, tzinfo=UTC),
}


class TestCreditNotice:
    @pytest.mark.parametrize(
        "amount",
        [Money.of("0.01", "USD"), Money.of("123456789012345.67", "EUR"), Money.of(1250, "JPY")],
        ids=str,
    )
    @pytest.mark.parametrize("documents", [(), ("A-1",), NOTICE.documents], ids=len)
    def test_it_reads_back_to_the_cent(
        self, crm: CrmPort, amount: Money, documents: tuple[str, ...]
    ) -> None:
        notice = NOTICE.model_copy(update={"amount": amount, "documents": documents})

        assert crm.write_credit_notice(notice) == notice
        assert crm.read_credit_notice(FLAG.account_id) == notice

    def test_an_account_without_one(self, crm: CrmPort) -> None:
        assert crm.read_credit_notice(FLAG.account_id) is None

    def test_the_latest_one_is_shown_beside_a_flag(self, crm: CrmPort) -> None:
        latest = NOTICE.model_copy(update={"case_number": "4712", "documents": ("ACME-3",)})
        crm.write_dunning(FLAG)
        crm.write_credit_notice(NOTICE)
        crm.write_credit_notice(latest)
        crm.write_credit_notice(latest)

        assert crm.read_credit_notice(FLAG.account_id) == latest
        assert crm.read_dunning(FLAG.account_id) == FLAG

    @pytest.mark.parametrize(
        ("field", "value", "named"),
        [
            ("Interlock_Credit_Case__c", None, "case_number"),
            ("Interlock_Credit_Amount__c", "much", "amount"),
            ("Interlock_Credit_Currency__c", None, "amount"),
            ("Interlock_Credit_Day__c", None, "granted_on"),
        ],
    )
    def test_what_people_entered_is_no_notice(
        self, crm: CrmPort, organization, field: str, value: str | None, named: str
    ) -> None:
        crm.write_credit_notice(NOTICE)
        organization.update("Account", ACCOUNT, {field: value})

        with pytest.raises(ContractViolation, match=f"the {named} in .* credit .* none of ours"):
            crm.read_credit_notice(FLAG.account_id)

    def test_an_unknown_account(self, crm: CrmPort) -> None:
        unknown = "salesforce:001Hs00000NobodyAA"
        with pytest.raises(RecordNotFound):
            crm.read_credit_notice(unknown)
        with pytest.raises(RecordNotFound):
            crm.write_credit_notice(NOTICE.model_copy(update={"account_id": unknown}))


def found(crm: CrmPort, **window: datetime) -> list[str]:
    """The record ids of the won deals without an order, in the order in which they come."""
    deals = crm.won_without_order(**(ALWAYS | window))
    return [deal.id.removeprefix("salesforce:") for deal in deals]


class TestWonWithoutOrder:
    def test_won_deals_the_last_first(self, crm: CrmPort, organization, clock) -> None:
        for deal in (USD_DEAL, JPY_DEAL, EUR_DEAL):
            clock.move(hours=1)
            close_won(organization, deal.record_id)

        assert found(crm) == [deal.record_id for deal in (EUR_DEAL, JPY_DEAL, USD_DEAL)]
        first = next(iter(crm.won_without_order(**ALWAYS)))
        assert first.id == f"salesforce:{EUR_DEAL.record_id}"
        assert abs(first.won_at - clock.now) < timedelta(milliseconds=1)

    def test_neither_open_nor_lost_nor_deleted_nor_reopened(
        self, crm: CrmPort, organization
    ) -> None:
        organization.update("Opportunity", EUR_DEAL.record_id, {"StageName": LOST_STAGE})
        close_won(organization, USD_DEAL.record_id)
        organization.update("Opportunity", USD_DEAL.record_id, {"StageName": OPEN_STAGE})
        close_won(organization, JPY_DEAL.record_id)
        organization.delete("Opportunity", JPY_DEAL.record_id)

        assert found(crm) == []

    def test_an_order_that_was_cancelled_is_none(self, crm: CrmPort, organization) -> None:
        close_won(organization, USD_DEAL.record_id)
        crm.write_back(ORDER)
        assert found(crm) == []

        crm.write_back(ORDER.model_copy(update={"status": OrderStatus.CANCELLED}))
        assert found(crm) == [USD_DEAL.record_id]

    def test_within_the_time_both_ends_included(self, crm: CrmPort, organization, clock) -> None:
        clock.now = clock.now.replace(microsecond=0)
        close_won(organization, USD_DEAL.record_id)
        second = timedelta(seconds=1)

        assert found(crm, won_after=clock.now, won_before=clock.now) == [USD_DEAL.record_id]
        assert found(crm, won_after=clock.now + second) == []
        assert found(crm, won_before=clock.now - second) == []

    def test_when_it_was_won_is_not_when_it_was_edited(
        self, crm: CrmPort, organization, clock
    ) -> None:
        close_won(organization, USD_DEAL.record_id)
        won_at = clock.now
        clock.move(days=3)
        organization.update("Opportunity", USD_DEAL.record_id, {"Description": "Call them"})

        [deal] = crm.won_without_order(**ALWAYS)

        assert abs(deal.won_at - won_at) < timedelta(milliseconds=1)

    def test_one_that_was_entered_as_won(self, crm: CrmPort, organization, clock) -> None:
        """Its stage was never changed."""
        clock.move(hours=1)
        fields = {"Name": "Walk-in", "StageName": WON_STAGE, "CloseDate": "2026-12-24"}
        deal_id = organization.insert("Opportunity", fields)

        [deal] = crm.won_without_order(**ALWAYS)

        assert deal.id == f"salesforce:{deal_id}"
        assert abs(deal.won_at - clock.now) < timedelta(milliseconds=1)
        assert found(crm, won_after=clock.now + timedelta(seconds=1)) == []

    def test_pages_are_read_when_they_are_needed(self, crm: CrmPort, organization, sandbox) -> None:
        ids = [create_deal(organization, USD_DEAL, suffix=f"N{n}") for n in range(5)]
        for deal_id in ids:
            close_won(organization, deal_id)

        deals = crm.won_without_order(**ALWAYS)
        assert not sandbox.requests
        first = [next(deals).id, next(deals).id]
        assert sent(sandbox, "GET", "/query") == 1
        rest = [deal.id for deal in deals]

        assert sent(sandbox, "GET", "/query") == 3
        assert sorted(first + rest) == sorted(f"salesforce:{deal_id}" for deal_id in ids)


def operations(crm: CrmPort, opportunity_id: str = DEAL, account_id: str = "") -> dict:
    """Every operation of the port, on one deal or account."""
    flag = FLAG.model_copy(update={"account_id": account_id or FLAG.account_id})
    order = ORDER.model_copy(update={"opportunity_id": opportunity_id})
    return {
        "get_opportunity": lambda: crm.get_opportunity(opportunity_id, hierarchy_depth=5),
        "write_back": lambda: crm.write_back(order),
        "read_write_back": lambda: crm.read_write_back(opportunity_id),
        "write_dunning": lambda: crm.write_dunning(flag),
        "read_dunning": lambda: crm.read_dunning(flag.account_id),
        "read_quote": lambda: crm.read_quote(opportunity_id),
        "get_relationship": lambda: crm.get_relationship(flag.account_id),
        "write_service": lambda: crm.write_service(
            Service(account_id=flag.account_id, state=ServiceState.ENDED)
        ),
        "read_service": lambda: crm.read_service(flag.account_id),
        "won_without_order": lambda: list(crm.won_without_order(**ALWAYS)),
    }


OF_ONE_RECORD = [
    "get_opportunity",
    "write_back",
    "read_write_back",
    "write_dunning",
    "read_dunning",
    "read_quote",
    "get_relationship",
    "write_service",
    "read_service",
]
EVERY = pytest.mark.parametrize("operation", [*OF_ONE_RECORD, "won_without_order"])
ONE_RECORD = pytest.mark.parametrize("operation", OF_ONE_RECORD)
PREFIXES = ("006", "001")  # of the ids of deals and of accounts
READS = pytest.mark.parametrize(
    "operation",
    [
        "get_opportunity",
        "read_write_back",
        "read_dunning",
        "read_quote",
        "get_relationship",
        "read_service",
        "won_without_order",
    ],
)


class TestMissing:
    @ONE_RECORD
    def test_a_record_that_never_was(self, crm: CrmPort, operation: str) -> None:
        deal, account = (f"salesforce:{full_id(f'{prefix}Hs0000099999')}" for prefix in PREFIXES)

        with pytest.raises(RecordNotFound):
            operations(crm, deal, account)[operation]()

    @ONE_RECORD
    def test_a_record_that_was_deleted(self, crm: CrmPort, organization, operation: str) -> None:
        organization.delete("Opportunity", USD_DEAL.record_id)
        organization.delete("Account", ACCOUNT)

        with pytest.raises(RecordNotFound):
            operations(crm)[operation]()

    @ONE_RECORD
    @pytest.mark.parametrize(
        "wrong", ["hubspot:123", "salesforce:006", "salesforce:006Hs00000/DealUI"]
    )
    def test_an_id_that_is_none_of_theirs(
        self, crm: CrmPort, sandbox, operation: str, wrong: str
    ) -> None:
        with pytest.raises(ContractViolation):
            operations(crm, wrong, wrong)[operation]()
        assert not sandbox.requests


class TestFaults:
    @EVERY
    def test_too_many_requests(self, crm: CrmPort, sandbox, operation: str) -> None:
        sandbox.fail("throttle", path="/services/data")

        with pytest.raises(VendorThrottled):
            operations(crm)[operation]()
        operations(crm)[operation]()

    @READS
    @pytest.mark.parametrize("kind", ["unavailable", "unavailable_after_write", "lost_answer"])
    def test_a_read_that_fails_is_unavailable(
        self, crm: CrmPort, sandbox, operation: str, kind: str
    ) -> None:
        sandbox.fail(kind, path="/services/data")

        with pytest.raises(VendorUnavailable):
            operations(crm)[operation]()
        operations(crm)[operation]()

    @pytest.mark.parametrize(
        ("kind", "applied"),
        [("unavailable", False), ("unavailable_after_write", True), ("lost_answer", True)],
    )
    def test_a_write_that_may_have_been_applied(
        self, crm: CrmPort, sandbox, kind: str, applied: bool
    ) -> None:
        sandbox.fail(kind, method="PATCH")

        with pytest.raises(OutcomeUnknown):
            crm.write_back(ORDER)

        assert (crm.read_write_back(DEAL) == ORDER) is applied
        crm.write_back(ORDER)
        assert crm.read_write_back(DEAL) == ORDER

    @EVERY
    def test_an_expired_token_is_renewed_exactly_once(
        self, crm: CrmPort, sandbox, operation: str
    ) -> None:
        crm.read_write_back(DEAL)
        sandbox.fail("expired_token", path="/services/data")

        operations(crm)[operation]()

        assert sent(sandbox, "POST", "/services/oauth2/token") == 2
        assert [r.status for r in sandbox.requests].count(401) == 1

    @EVERY
    def test_a_token_that_is_always_refused(self, crm: CrmPort, sandbox, operation: str) -> None:
        sandbox.fail("expired_token", path="/services/data", times=None)

        with pytest.raises(CredentialsRejected) as rejected:
            operations(crm)[operation]()

        assert rejected.value.code == "INVALID_SESSION_ID"
        assert sent(sandbox, "POST", "/services/oauth2/token") == 2
        assert [r.status for r in sandbox.requests].count(401) == 2

    @EVERY
    def test_a_wrong_secret(self, connect, sandbox, operation: str) -> None:
        crm = connect(sandbox, client_secret="rotated-away")  # noqa: S106

        with pytest.raises(CredentialsRejected) as rejected:
            operations(crm)[operation]()

        assert "rotated-away" not in str(rejected.value)
        assert sent(sandbox, "GET", "/services/data") == 0

    @EVERY
    def test_no_token_because_the_vendor_is_down(
        self, crm: CrmPort, sandbox, operation: str
    ) -> None:
        sandbox.fail("unavailable", path="/services/oauth2/token")

        with pytest.raises(VendorUnavailable):
            operations(crm)[operation]()

    @EVERY
    def test_no_connection_at_all(self, connect, sandbox, operation: str) -> None:
        with unreachable(sandbox), pytest.raises(VendorUnavailable):
            operations(connect(sandbox))[operation]()

    def test_a_locked_row_is_written_next_time(self, crm: CrmPort, organization) -> None:
        organization.lock(USD_DEAL.record_id)

        with pytest.raises(VendorUnavailable) as locked:
            crm.write_back(ORDER)
        crm.write_back(ORDER)

        assert locked.value.code == "UNABLE_TO_LOCK_ROW"
        assert crm.read_write_back(DEAL) == ORDER

    @EVERY
    def test_the_limit_of_the_day(
        self, connect, organization, authorization, operation: str
    ) -> None:
        used_up = salesforce_sandbox(organization, authorization, daily_limit=0).serve()

        with pytest.raises(VendorThrottled) as throttled:
            operations(connect(used_up))[operation]()
        used_up.close()

        assert throttled.value.retry_after is None

    def test_an_error_has_no_secret_and_no_body(self, crm: CrmPort, sandbox) -> None:
        sandbox.fail("unavailable", path="/services/data")

        with pytest.raises(InterlockError) as failed:
            crm.read_write_back(DEAL)

        text = repr(failed.value) + str(vars(failed.value))
        assert CONSUMER_SECRET not in text
        assert "The server is unavailable" not in text
        assert failed.value.operation == "read_write_back"


def test_an_organisation_with_one_currency(connect) -> None:
    organization = Organization(multi_currency=False)
    authorization = Authorization(organization)
    register_interlock(authorization)
    populate(organization, deals=())
    deal_id = create_deal(organization, USD_DEAL)
    sandbox = salesforce_sandbox(organization, authorization).serve()

    deal = connect(sandbox, default_currency="USD").get_opportunity(
        f"salesforce:{deal_id}", hierarchy_depth=5
    )
    sandbox.close()

    assert deal.amount == Money.of("52000.00", "USD")

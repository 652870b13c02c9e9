"""The Salesforce adapter over answers written down here: errors and values that are seldom seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest
from interlock.canonical import Money, Opportunity, OrderStatus, WriteBack
from interlock.canonical.contracts import QuotedDeal, RenewalQuote
from interlock.canonical.dunning import DunningFlag, DunningStatus
from interlock.connections import Connection
from interlock.connectors.crm import salesforce_records as records
from interlock.connectors.crm.salesforce import Salesforce
from interlock.connectors.crm.salesforce_accounts import DUNNING_FIELDS
from interlock.connectors.crm.salesforce_requests import literal
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

DEAL = "salesforce:006000000000001AAA"
ORDER = WriteBack(
    opportunity_id=DEAL,
    status=OrderStatus.ACCEPTED,
    order_number="SO-1",
    subscription_id=None,
    correlation_id="c-1",
)
LINE = {
    "Quantity": 1.0,
    "UnitPrice": 1.25e7,
    "Discount": None,
    "TotalPrice": 1.25e7,
    "Description": None,
    "Ramp_From_Month__c": None,
    "Product2": {"Name": "Seat", "ProductCode": "SEAT", "Charge_Type__c": "Recurring"},
}
ROW = dict.fromkeys(records.OPPORTUNITY_FIELDS) | {
    "Id": "006000000000001AAA",
    "Name": "Deal",
    "IsWon": True,
    "IsClosed": True,
    "Amount": 1.25e7,
    "CurrencyIsoCode": "JPY",
    "CloseDate": "2026-11-20",
    "AccountId": "001000000000001AAA",
    "Owner": {"Email": "seller@tessaline.example"},
    "LastModifiedDate": "2026-11-20T10:11:12.000+0000",
    "Contract_Start_Date__c": "2026-12-01",
    "Contract_Term_Months__c": 12.0,
    "Selling_Entity__c": "TESSALINE-JP",
    "Payment_Terms__c": "NET30",
    "OpportunityLineItems": {"totalSize": 1, "done": True, "records": [LINE]},
}
ACCOUNT = {
    "Id": "001000000000001AAA",
    "Name": "Hoshimi Seiki KK",
    "ParentId": None,
    "Website": None,
    "BillingAddress": None,
    "Tax_Id__c": None,
    "Billing_Email__c": None,
}

Answer = Callable[[httpx.Request], httpx.Response]


def adapter(answer: Answer) -> Salesforce:
    """An adapter whose requests get these answers; tokens are always given."""

    class OfflineConnection(Connection):
        """A connection whose secret needs no Secrets Manager."""

        def secret(self) -> dict[str, str]:
            """Any secret does."""
            return {"client_id": "id", "client_secret": "secret"}

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/services/oauth2/token":
            return httpx.Response(200, json={"access_token": "token"})
        return answer(request)

    connection = OfflineConnection(
        name="salesforce",
        vendor="salesforce",
        base_url="https://tessaline.my.salesforce.com",
        secret_id="unused",  # noqa: S106
    )
    return Salesforce(connection, transport=httpx.MockTransport(respond))


def records_answer(*rows: dict[str, Any]) -> httpx.Response:
    page = {"totalSize": len(rows), "done": True, "records": list(rows)}
    return httpx.Response(200, json=page)


def by_object(**rows: httpx.Response) -> Answer:
    """Answers to queries by the object they select from."""

    def answer(request: httpx.Request) -> httpx.Response:
        source = request.url.params["q"].split(" FROM ")[-1].split()[0]
        return rows[source]

    return answer


def refusal(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json=[{"message": "private detail", "errorCode": code}])


@pytest.mark.parametrize(
    ("status", "code", "read", "write"),
    [
        (400, "UNABLE_TO_LOCK_ROW", VendorUnavailable, VendorUnavailable),
        (500, "UNABLE_TO_LOCK_ROW", VendorUnavailable, VendorUnavailable),
        (400, "QUERY_TIMEOUT", VendorUnavailable, VendorUnavailable),
        (403, "REQUEST_LIMIT_EXCEEDED", VendorThrottled, VendorThrottled),
        (503, "REQUEST_LIMIT_EXCEEDED", VendorThrottled, VendorThrottled),
        (401, "INVALID_SESSION_ID", CredentialsRejected, CredentialsRejected),
        (403, "API_DISABLED_FOR_ORG", CredentialsRejected, CredentialsRejected),
        (400, "INSUFFICIENT_ACCESS_OR_READONLY", CredentialsRejected, CredentialsRejected),
        (400, "INVALID_FIELD_FOR_INSERT_UPDATE", CredentialsRejected, CredentialsRejected),
        (400, "INVALID_FIELD", VendorRejected, VendorRejected),
        (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", VendorRejected, VendorRejected),
        (404, "NOT_FOUND", RecordNotFound, RecordNotFound),
        (400, "ENTITY_IS_DELETED", RecordNotFound, RecordNotFound),
        (400, "DUPLICATE_VALUE", RecordConflict, RecordConflict),
        (500, "UNKNOWN_EXCEPTION", VendorUnavailable, OutcomeUnknown),
        (503, "SERVER_UNAVAILABLE", VendorUnavailable, OutcomeUnknown),
    ],
)
def test_status_and_code_to_error(
    status: int, code: str, read: type[InterlockError], write: type[InterlockError]
) -> None:
    crm = adapter(lambda request: refusal(status, code))

    with pytest.raises(InterlockError) as failed_read:
        crm.read_write_back(DEAL)
    with pytest.raises(InterlockError) as failed_write:
        crm.write_back(ORDER)

    assert (type(failed_read.value), type(failed_write.value)) == (read, write)
    assert (failed_write.value.status, failed_write.value.code) == (status, code)
    assert "private detail" not in str(failed_write.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(502, text="<html>Bad gateway</html>"), VendorUnavailable),
        (httpx.Response(403, text="<html>Forbidden</html>"), CredentialsRejected),
        (httpx.Response(200, text="<html>Log in</html>"), ContractViolation),
        (httpx.Response(200, json=[1, 2]), ContractViolation),
        (httpx.Response(200, json={"records": None}), ContractViolation),
    ],
)
def test_an_answer_that_is_not_the_vendors(
    answer: httpx.Response, error: type[InterlockError]
) -> None:
    with pytest.raises(error):
        adapter(lambda request: answer).read_write_back(DEAL)


def test_a_write_is_marked_as_ours_and_names_each_field() -> None:
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(204)

    adapter(answer).write_back(ORDER)

    [request] = requests
    assert request.url.path == "/services/data/v66.0/sobjects/Opportunity/006000000000001AAA"
    assert request.headers["Sforce-Call-Options"] == "client=interlock"
    assert json.loads(request.content) == {
        "Interlock_Order_Status__c": "accepted",
        "Interlock_Order_Number__c": "SO-1",
        "Interlock_Subscription__c": None,
        "Interlock_Correlation__c": "c-1",
    }


@pytest.mark.parametrize(
    ("flag", "written"),
    [
        (
            {
                "status": DunningStatus.ON_HOLD,
                "overdue": Money.of("1250.50", "USD"),
                "since": date(2026, 11, 2),
            },
            ["on hold", "1250.50", "USD", "2026-11-02"],
        ),
        ({"status": DunningStatus.NONE}, [None] * 4),
    ],
)
def test_a_flag_is_text_and_never_a_number(flag: dict[str, Any], written: list[Any]) -> None:
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(204)

    adapter(answer).write_dunning(DunningFlag(account_id="salesforce:001000000000001AAA", **flag))

    [request] = requests
    assert request.url.path == "/services/data/v66.0/sobjects/Account/001000000000001AAA"
    assert request.headers["Sforce-Call-Options"] == "client=interlock"
    assert json.loads(request.content) == dict(zip(DUNNING_FIELDS, written, strict=True))


def test_large_numbers_in_scientific_notation_stay_exact() -> None:
    text = json.dumps(ROW).replace("12500000.0", "1.25E7")
    assert "1.25E7" in text
    page = f'{{"totalSize": 1, "done": true, "records": [{text}]}}'
    crm = adapter(
        by_object(
            Opportunity=httpx.Response(200, text=page),
            OpportunitySplit=records_answer(),
            Account=records_answer(ACCOUNT),
        )
    )

    deal = crm.get_opportunity(DEAL, hierarchy_depth=1)

    assert deal.amount == Money.of("12500000", "JPY")
    assert str(deal.lines[0].quantity) == "1"
    assert deal.lines[0].description == "Seat"
    assert deal.accounts[0].billing_address is None


def test_an_organisation_without_splits() -> None:
    rows = {"Opportunity": records_answer(ROW), "Account": records_answer(ACCOUNT)}
    disabled = by_object(OpportunitySplit=refusal(400, "INVALID_TYPE"), **rows)
    broken = by_object(OpportunitySplit=refusal(400, "INVALID_FIELD"), **rows)

    assert adapter(disabled).get_opportunity(DEAL, hierarchy_depth=1).splits == ()
    with pytest.raises(VendorRejected):
        adapter(broken).get_opportunity(DEAL, hierarchy_depth=1)


def test_an_account_that_the_user_may_not_see() -> None:
    parent = ACCOUNT | {"ParentId": "001000000000002AAA"}

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params["q"]
        if "FROM Opportunity WHERE" in query:
            return records_answer(ROW)
        readable = "FROM Account WHERE Id = '001000000000001AAA'" in query
        return records_answer(parent) if readable else records_answer()

    with pytest.raises(ContractViolation, match="share it"):
        adapter(answer).get_opportunity(DEAL, hierarchy_depth=3)


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.Acme.example/about", "acme.example"),
        ("acme.example", "acme.example"),
        ("http://shop.acme.example:8080", "shop.acme.example"),
        (" www.acme.example ", "acme.example"),
        ("https://[broken", None),
        ("", None),
        (None, None),
    ],
)
def test_the_domain_of_a_web_site(website: str | None, domain: str | None) -> None:
    assert records._domain(website) == domain


@pytest.mark.parametrize(
    ("country_code", "country", "expected"),
    [("DE", "Germany", "DE"), (None, "de", "DE"), (None, "Germany", None), (None, None, None)],
)
def test_the_country_of_an_address(
    country_code: str | None, country: str | None, expected: str | None
) -> None:
    address = {
        "street": "Speicherallee 7",
        "city": "Hamburg",
        "state": None,
        "stateCode": None,
        "postalCode": "20457",
        "country": country,
        "countryCode": country_code,
    }
    crm = adapter(
        by_object(
            Opportunity=records_answer(ROW),
            OpportunitySplit=records_answer(),
            Account=records_answer(ACCOUNT | {"BillingAddress": address}),
        )
    )

    if expected is None:
        with pytest.raises(ContractViolation, match=r"BillingAddress: .*ISO 3166"):
            crm.get_opportunity(DEAL, hierarchy_depth=1)
    else:
        found = crm.get_opportunity(DEAL, hierarchy_depth=1).account.billing_address
        assert found
        assert found.country == expected


def deal_of(amount: float, *lines: dict[str, Any]) -> Opportunity:
    """The snapshot of an opportunity with this amount and these line items."""
    items = {"totalSize": len(lines), "done": True, "records": [LINE | line for line in lines]}
    crm = adapter(
        by_object(
            Opportunity=records_answer(ROW | {"Amount": amount, "OpportunityLineItems": items}),
            OpportunitySplit=records_answer(),
            Account=records_answer(ACCOUNT),
        )
    )
    return crm.get_opportunity(DEAL, hierarchy_depth=1)


@pytest.mark.parametrize(
    ("price", "discount", "net"),
    [
        (99.99, 15.0, "84.9915"),
        (480.0, 12.5, "420"),
        (480.0, None, "480"),
        (480.0, 100.0, "0"),
        (1800.77777778, 27.77777777777778, "1300.561728396667"),  # 1300.56172839666662827…
    ],
)
def test_the_unit_price_after_a_discount(price: float, discount: float | None, net: str) -> None:
    line = {"Quantity": 1.0, "UnitPrice": price, "Discount": discount, "TotalPrice": 1.0}

    assert deal_of(1.0, line).lines[0].unit_price.amount == Decimal(net)


def test_lines_and_amount_are_rounded_to_what_can_be_invoiced() -> None:
    half = {"Quantity": 1.0, "UnitPrice": 100.5, "TotalPrice": 100.5}

    deal = deal_of(301.5, half, half, half)

    assert [line.amount.amount for line in deal.lines] == [101, 101, 101]
    assert deal.amount.amount == 303


def test_an_amount_that_is_not_the_sum_of_the_lines_is_left() -> None:
    line = {"Quantity": 1.0, "UnitPrice": 100.0, "TotalPrice": 100.0}

    assert deal_of(101.0, line).amount.amount == 101
    assert deal_of(99.4, line).amount.amount == 100
    assert deal_of(98.4, line).amount.amount == 98


def quoting(*parts: dict[str, Any]) -> Salesforce:
    """An adapter on a deal without lines, whose writes are answered so."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            row = {"Id": "006000000000001AAA", "IsClosed": False, "Pricebook2Id": None}
            return records_answer(row | {"OpportunityLineItems": None})
        response = {"compositeResponse": list(parts)}
        failed = any(part["httpStatusCode"] >= 300 for part in parts)
        graph = {"graphId": "g", "graphResponse": response, "isSuccessful": not failed}
        return httpx.Response(200, json={"graphs": [graph]})

    return adapter(answer)


def part(status: int, code: str = "") -> dict[str, Any]:
    """What one of several writes is answered."""
    body = [{"message": "private detail", "errorCode": code}] if code else None
    return {"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": "n"}


QUOTED = QuotedDeal(
    deal_id=DEAL,
    quote=RenewalQuote(
        contract_id=DEAL,
        revision=1,
        starts_on=date(2027, 12, 1),
        ends_on=date(2028, 12, 1),
        lines=(),
        by_terms=Money.of(0, "USD"),
        total=Money.of(0, "USD"),
        discount=Decimal(0),
        working=(),
    ),
    summary="",
)
HALTED = part(400, "PROCESSING_HALTED")


@pytest.mark.parametrize(
    ("parts", "error", "code"),
    [
        ([HALTED, part(400, "UNABLE_TO_LOCK_ROW")], VendorUnavailable, "UNABLE_TO_LOCK_ROW"),
        ([part(404, "NOT_FOUND"), HALTED], VendorUnavailable, None),
        ([part(400, "ENTITY_IS_DELETED"), HALTED], VendorUnavailable, None),
        ([HALTED, part(400, "INVALID_FIELD"), HALTED], VendorRejected, "INVALID_FIELD"),
        ([part(500, "UNKNOWN_EXCEPTION"), HALTED], OutcomeUnknown, "UNKNOWN_EXCEPTION"),
        ([HALTED, HALTED], VendorRejected, "PROCESSING_HALTED"),
    ],
)
def test_of_several_writes_the_one_that_failed_is_told(
    parts: list[dict[str, Any]], error: type[InterlockError], code: str | None
) -> None:
    with pytest.raises(InterlockError) as failed:
        quoting(*parts).quote_renewal(QUOTED)

    assert (type(failed.value), failed.value.code) == (error, code)
    assert failed.value.record == DEAL
    assert "private detail" not in str(failed.value)


def test_several_writes_are_made_at_once() -> None:
    assert quoting(part(204)).quote_renewal(QUOTED) == QUOTED.told


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("SEAT", "'SEAT'"),
        ("it's", r"'it\'s'"),
        ("a\\", r"'a\\'"),
        ("' OR Id != '", r"'\' OR Id != \''"),
    ],
)
def test_a_text_in_a_query_ends_where_it_should(text: str, written: str) -> None:
    assert literal(text) == written

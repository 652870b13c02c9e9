"""simple-salesforce, a widely used client, drives the Salesforce sandbox: logins and records."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

from local.sandboxes.salesforce_oauth import ExternalClientApp
from local.sandboxes.salesforce_schema import full_id
from local.sandboxes.salesforce_seed import (
    EUR_DEAL,
    INTEGRATION_USER,
    USD_DEAL,
)
from local.sandboxes.salesforce_store import SalesforceError
from tests.contracts.crm.clients import APP, NEW_DEAL, code_of

ACCOUNT = USD_DEAL.accounts[0].record_id


# Logging in


def test_client_credentials_with_a_wrong_secret_are_refused(login):
    with pytest.raises(SalesforceAuthenticationFailed) as error:
        login(**APP | {"consumer_secret": "wrong"})
    assert error.value.code == "invalid_client"


def test_an_unknown_app_is_refused(login):
    with pytest.raises(SalesforceAuthenticationFailed) as error:
        login(**APP | {"consumer_key": "unknown"})
    assert error.value.code == "invalid_client_id"


@pytest.fixture(scope="module")
def signing_keys() -> tuple[str, bytes, str]:
    """A private key, its public key, and another private key."""
    key, other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in "12")
    private = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return key.private_bytes(*private).decode(), public, other.private_bytes(*private).decode()


def test_jwt_bearer_is_verified_with_the_registered_key(login, authorization, signing_keys):
    key, public, other = signing_keys
    app = ExternalClientApp("jwt-app", "unused", INTEGRATION_USER, public_key=public)
    authorization.register(app)
    user = {"username": "interlock@tessaline.example", "consumer_key": "jwt-app"}
    assert login(**user, privatekey=key).query("SELECT Id FROM Organization")["totalSize"] == 1
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid assertion"):
        login(**user, privatekey=other)
    with pytest.raises(SalesforceAuthenticationFailed, match="audience"):
        login(**user, privatekey=key, domain="elsewhere")


def test_an_expired_assertion_is_refused(login, authorization, signing_keys, clock):
    key, public, _ = signing_keys
    app = ExternalClientApp("jwt-app", "unused", INTEGRATION_USER, public_key=public)
    authorization.register(app)
    clock.move(minutes=30)
    with pytest.raises(SalesforceAuthenticationFailed, match="expired"):
        login(username="interlock@tessaline.example", consumer_key="jwt-app", privatekey=key)


def test_username_and_password(login, authorization):
    authorization.passwords["interlock@tessaline.example"] = "right"
    user = APP | {"username": "interlock@tessaline.example"}
    assert login(password="right", **user).session_id  # noqa: S106
    with pytest.raises(SalesforceAuthenticationFailed, match="authentication failure"):
        login(password="wrong", **user)  # noqa: S106


def test_a_session_ends_after_two_hours_without_use(client, login, clock):
    client = login(session_id=client.session_id, instance_url="https://tessaline.my")
    clock.move(minutes=119)
    client.query("SELECT Id FROM Account")
    clock.move(minutes=119)
    client.query("SELECT Id FROM Account")
    clock.move(minutes=121)
    with pytest.raises(SalesforceExpiredSession) as error:
        client.query("SELECT Id FROM Account")
    assert code_of(error) == "INVALID_SESSION_ID"


def test_the_client_logs_in_again_when_its_session_has_ended(client, sandbox):
    sandbox.fail("expired_token", path="/query")
    assert client.query("SELECT Id FROM Organization")["totalSize"] == 1
    assert sum(request.path == "/services/oauth2/token" for request in sandbox.requests) == 2


# Records


def test_create_read_update_delete(client, clock):
    created = client.Account.create({"Name": "Halvard Optics", "BillingCountryCode": "NO"})
    assert created["success"]
    record_id = created["id"]
    assert record_id == full_id(record_id)
    clock.move(seconds=1)
    assert client.Account.update(record_id, {"Website": "halvard.example"}) == 204
    account = client.Account.get(record_id)
    assert account["Website"] == "halvard.example"
    assert account["BillingAddress"]["countryCode"] == "NO"
    assert account["CreatedDate"] < account["LastModifiedDate"]
    assert account["LastModifiedById"] == INTEGRATION_USER
    assert client.Account.get(record_id[:15])["Id"] == record_id
    assert client.Account.delete(record_id) == 204
    with pytest.raises(SalesforceResourceNotFound) as error:
        client.Account.update(record_id, {"Website": None})
    assert code_of(error) == "ENTITY_IS_DELETED"
    with pytest.raises(SalesforceResourceNotFound) as error:
        client.Account.get(record_id)
    assert code_of(error) == "NOT_FOUND"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"StageName": "Prospecting", "CloseDate": "2026-12-24"}, "REQUIRED_FIELD_MISSING"),
        (NEW_DEAL | {"Colour__c": "blue"}, "INVALID_FIELD"),
        (NEW_DEAL | {"IsWon": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (NEW_DEAL | {"Amount": "much"}, "JSON_PARSER_ERROR"),
        (NEW_DEAL | {"AccountId": "not an id"}, "MALFORMED_ID"),
        (NEW_DEAL | {"AccountId": full_id("001Hs0000000000")}, "INVALID_CROSS_REFERENCE_KEY"),
        (NEW_DEAL | {"CurrencyIsoCode": "XTS"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(client, fields, code):
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.Opportunity.create(fields)
    assert code_of(error) == code


def test_the_amount_is_the_sum_of_the_line_items(client):
    assert client.Opportunity.get(USD_DEAL.record_id)["Amount"] == 52000.0
    lines = client.query_all(
        f"SELECT Id, TotalPrice FROM OpportunityLineItem WHERE OpportunityId = "
        f"'{USD_DEAL.record_id}' AND Product2.ProductCode = 'SEAT-ANNUAL'"
    )["records"]
    client.OpportunityLineItem.update(lines[0]["Id"], {"Quantity": 30, "Discount": 10})
    client.Opportunity.update(USD_DEAL.record_id, {"Amount": 1})
    assert client.Opportunity.get(USD_DEAL.record_id)["Amount"] == 24000 + 30 * 432 + 16000


def an_entry(client, organization, **fields) -> str:
    """A price of seats in dollars, in the standard price book."""
    [product] = organization.matching("Product2", "ProductCode", "SEAT-ANNUAL")
    entry = {"Pricebook2Id": organization.standard_price_book, "Product2Id": product["Id"]}
    entry |= {"UnitPrice": 500, "IsActive": True, "CurrencyIsoCode": "USD"}
    return client.PricebookEntry.create(entry | fields)["id"]


def test_a_line_item_sells_an_entry_of_a_price_book(client, organization):
    deal_id = client.Opportunity.create(NEW_DEAL)["id"]
    line = {"OpportunityId": deal_id, "Quantity": 2, "UnitPrice": 480}
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.OpportunityLineItem.create(line)
    assert code_of(error) == "FIELD_INTEGRITY_EXCEPTION"
    assert client.Opportunity.get(deal_id)["Pricebook2Id"] is None
    entry = an_entry(client, organization)
    created = client.OpportunityLineItem.create(line | {"PricebookEntryId": entry})
    item = client.OpportunityLineItem.get(created["id"])
    assert (item["ProductCode"], item["TotalPrice"]) == ("SEAT-ANNUAL", 960.0)
    assert client.Opportunity.get(deal_id)["Pricebook2Id"] == organization.standard_price_book


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"IsActive": False}, "pricebook entry is inactive"),
        ({"CurrencyIsoCode": "EUR"}, "currency code does not match"),
        ({"Pricebook2Id": None}, "different pricebook"),
    ],
)
def test_an_entry_that_the_deal_cannot_have(client, organization, fields, problem):
    if "Pricebook2Id" in fields:
        fields = {"Pricebook2Id": client.Pricebook2.create({"Name": "Partners"})["id"]}
    deal_id = client.Opportunity.create(NEW_DEAL)["id"]
    own = {"Pricebook2Id": organization.standard_price_book}
    client.Opportunity.update(deal_id, own)
    line = {"OpportunityId": deal_id, "Quantity": 2, "UnitPrice": 480}
    line["PricebookEntryId"] = an_entry(client, organization, **fields)
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.OpportunityLineItem.create(line)
    assert code_of(error) == "FIELD_INTEGRITY_EXCEPTION"
    assert problem in error.value.content[0]["message"]
    assert client.Opportunity.get(deal_id)["HasOpportunityLineItem"] is False


def test_a_renewals_id_is_unique_and_may_be_freed(client):
    renewal = "Interlock_Renewal__c/salesforce%3A006X%402027-12-01"
    assert client.Opportunity.upsert(renewal, NEW_DEAL) == 201
    assert client.Opportunity.upsert(renewal, NEW_DEAL) == 200
    value = "salesforce:006X@2027-12-01"
    [deal] = client.query(f"SELECT Id FROM Opportunity WHERE Interlock_Renewal__c = '{value}'")[
        "records"
    ]
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.Opportunity.update(EUR_DEAL.record_id, {"Interlock_Renewal__c": value})
    assert code_of(error) == "DUPLICATE_VALUE"
    client.Opportunity.update(deal["Id"], {"Interlock_Renewal__c": None})
    client.Opportunity.update(EUR_DEAL.record_id, {"Interlock_Renewal__c": value})


def test_upsert_by_external_id_creates_once_and_then_updates(client, organization):
    body = NEW_DEAL | {"Interlock_Order_Status__c": "accepted"}
    assert client.Opportunity.upsert("Interlock_Order_Number__c/SO-7", body) == 201
    assert client.Opportunity.upsert("Interlock_Order_Number__c/SO-7", body) == 200
    found = client.Opportunity.get_by_custom_id("Interlock_Order_Number__c", "SO-7")
    assert found["Interlock_Order_Status__c"] == "accepted"
    assert len(organization.matching("Opportunity", "Name", "New deal")) == 1


def test_upsert_with_an_external_id_that_is_not_unique(client):
    for name in ("One", "Two"):
        client.Account.create({"Name": name, "Tax_Id__c": "98-1111111"})
    with pytest.raises(SalesforceMoreThanOneRecord) as error:
        client.Account.upsert("Tax_Id__c/98-1111111", {"Name": "Three"})
    assert len(error.value.content) == 2
    with pytest.raises(SalesforceResourceNotFound):
        client.Account.upsert("Website/a.example", {"Name": "Three"})


def test_a_unique_value_cannot_be_used_twice(client):
    for deal in (USD_DEAL, EUR_DEAL):
        fields = {"Interlock_Order_Number__c": f"SO-{deal.currency}"}
        client.Opportunity.update(deal.record_id, fields)
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.Opportunity.update(EUR_DEAL.record_id, {"Interlock_Order_Number__c": "so-usd"})
    assert code_of(error) == "DUPLICATE_VALUE"


def test_a_locked_row_refuses_one_write(client, organization):
    organization.lock(ACCOUNT)
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.Account.update(ACCOUNT, {"Phone": "1"})
    assert code_of(error) == "UNABLE_TO_LOCK_ROW"
    assert client.Account.update(ACCOUNT, {"Phone": "1"}) == 204


def test_the_fields_of_a_flag_on_an_account(client):
    flag = {
        "Interlock_Dunning__c": "past due",
        "Interlock_Overdue_Amount__c": "36000.00",
        "Interlock_Overdue_Currency__c": "USD",
        "Interlock_Overdue_Since__c": "2026-11-02",
    }
    client.Account.update(ACCOUNT, flag)
    account = client.Account.get(ACCOUNT)
    assert {name: account[name] for name in flag} == flag
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.Account.update(ACCOUNT, {"Interlock_Overdue_Since__c": "yesterday"})
    assert code_of(error) == "JSON_PARSER_ERROR"
    client.Account.update(ACCOUNT, dict.fromkeys(flag))
    assert not any(client.Account.get(ACCOUNT)[name] for name in flag)


def test_describe(client):
    fields = {field["name"]: field for field in client.Opportunity.describe()["fields"]}
    assert fields["Interlock_Order_Number__c"]["externalId"]
    assert not fields["IsWon"]["updateable"]
    account = {field["name"]: field for field in client.Account.describe()["fields"]}
    assert account["Interlock_Overdue_Since__c"]["type"] == "date"
    assert account["Interlock_Dunning__c"]["updateable"]
    assert fields["AccountId"]["relationshipName"] == "Account"
    assert "Product2" in {kind["name"] for kind in client.describe()["sobjects"]}
    with pytest.raises(SalesforceResourceNotFound):
        client.Colour__c.describe()


def test_a_transaction_that_fails_does_not_undo_the_write_of_another_thread(organization):
    begun, give_up = threading.Event(), threading.Event()

    def fail() -> None:
        with suppress(SalesforceError), organization.transaction():
            begun.set()
            give_up.wait(5)
            raise SalesforceError(400, "UNKNOWN_EXCEPTION", "gives up")

    with ThreadPoolExecutor(2) as pool:
        failure = pool.submit(fail)
        assert begun.wait(5)
        write = pool.submit(organization.insert, "Account", {"Name": "Written meanwhile"})
        with suppress(TimeoutError):
            write.result(timeout=0.05)
        give_up.set()
        failure.result()
        assert organization.find("Account", write.result())

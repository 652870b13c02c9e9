"""simple-salesforce drives the Salesforce sandbox: queries, limits and composite requests."""

from __future__ import annotations

import pytest
from simple_salesforce.exceptions import (
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
)

from local.sandboxes.salesforce import salesforce_sandbox
from local.sandboxes.salesforce_seed import (
    EUR_DEAL,
    USD_DEAL,
)
from tests.contracts.crm.clients import NEW_DEAL, code_of

# Queries


def test_a_query_with_parents_children_and_order(client):
    [deal] = client.query(
        "SELECT Name, account.name, Account.Parent.Name, Owner.Email, "
        "(SELECT Product2.ProductCode, Quantity FROM OpportunityLineItems ORDER BY Quantity DESC) "
        f"FROM Opportunity WHERE Id = '{USD_DEAL.record_id[:15]}'"
    )["records"]
    assert deal["Account"]["Name"] == "Larkspur Robotics Inc."
    assert deal["Account"]["Parent"]["Name"] == "Larkspur Holdings LLC"
    assert deal["Owner"]["Email"] == "mara.osei@tessaline.example"
    lines = deal["OpportunityLineItems"]
    assert [line["Quantity"] for line in lines["records"]] == [25.0, 10.0]
    assert (lines["totalSize"], lines["done"]) == (3, False)
    assert client.query_more(lines["nextRecordsUrl"], True)["records"][0]["Quantity"] == 1.0


def test_a_parent_that_is_not_there_and_children_that_are_not_there_are_null(client):
    [account] = client.query(
        "SELECT Parent.Name, (SELECT Id FROM ChildAccounts) FROM Account "
        f"WHERE Id = '{EUR_DEAL.accounts[0].record_id}'"
    )["records"]
    assert account["Parent"] is None
    assert account["ChildAccounts"] is None


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("Name = 'b''", None),
        (r"Name = 'b\'s'", ["b's"]),
        ("Name IN ('a', 'C') AND Description = null", ["a", "c"]),
        ("Name NOT IN ('a') AND Phone != '3'", ["b's"]),
        ("Phone = '1' OR (Phone > '1' AND Phone <= '2')", ["a", "b's"]),
        ("Phone = '1' OR Phone = '2' AND Phone = '3'", None),
        ("Name LIKE 'a%'", None),
        ("Name = a", None),
        ("CreatedDate > 2099-01-01T00:00:00Z", []),
    ],
)
def test_conditions(client, condition, names):
    for name, phone in (("a", "1"), ("b's", "2"), ("c", "3")):
        client.Account.create({"Name": name, "Phone": phone, "Type": "Test"})
    query = f"SELECT Name FROM Account WHERE Type = 'Test' AND ({condition}) ORDER BY Phone"
    if names is None:
        with pytest.raises(SalesforceMalformedRequest) as error:
            client.query(query)
        assert code_of(error) == "MALFORMED_QUERY"
    else:
        assert [row["Name"] for row in client.query_all(query)["records"]] == names


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT Colour__c FROM Account", "INVALID_FIELD"),
        ("SELECT Account.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Colour__c", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE CreatedDate > 'yesterday'", "INVALID_FIELD"),
        ("SELECT Id FROM Account LIMIT", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account GROUP BY Id", "MALFORMED_QUERY"),
    ],
)
def test_a_wrong_query_is_refused(client, query, code):
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.query(query)
    assert code_of(error) == code


def test_pages_order_and_limit(client):
    query = "SELECT Name, Tax_Id__c FROM Account ORDER BY Name"
    first = client.query(query)
    assert (first["totalSize"], first["done"], len(first["records"])) == (4, False, 2)
    names = [row["Name"] for row in client.query_all(query)["records"]]
    assert names == sorted(names)
    assert len(names) == 4
    client.Account.create({"Name": "No tax registration"})
    by_tax = "SELECT Name FROM Account ORDER BY Tax_Id__c {} LIMIT 1"
    [first] = client.query(by_tax.format("NULLS FIRST"))["records"]
    [last] = client.query(by_tax.format("DESC NULLS LAST"))["records"]
    assert first["Name"] == "No tax registration"
    assert last["Name"] == "Nordlicht Messtechnik GmbH"
    assert client.query("SELECT COUNT() FROM Account")["totalSize"] == 5


def test_the_stage_that_was_never_changed_has_no_date_of_change(client, organization):
    """As in Salesforce's own example of a creation; a deal that is entered is not changed."""
    query = f"SELECT LastStageChangeDate FROM Opportunity WHERE Id = '{USD_DEAL.record_id}'"
    assert client.query(query)["records"][0]["LastStageChangeDate"] is None
    client.Opportunity.update(USD_DEAL.record_id, {"Description": "x"})
    assert client.query(query)["records"][0]["LastStageChangeDate"] is None
    client.Opportunity.update(USD_DEAL.record_id, {"StageName": "Closed Won"})
    changed = client.query(query)["records"][0]["LastStageChangeDate"]
    assert changed.startswith(f"{organization.clock():%Y-%m-%dT%H:%M:%S}")


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("Interlock_Order_Status__c = null", ["none"]),
        ("Interlock_Order_Status__c != 'accepted'", ["none", "cancelled"]),
        ("IsWon = FALSE AND LastStageChangeDate = null", ["none", "accepted", "cancelled"]),
        ("LastStageChangeDate <= 2099-01-01T00:00:00Z", []),
    ],
)
def test_what_is_empty_is_unequal_to_everything_and_neither_more_nor_less(client, condition, found):
    for name in ("none", "accepted", "cancelled"):
        status = None if name == "none" else name
        client.Opportunity.create(
            NEW_DEAL | {"Name": name, "Type": "T", "Interlock_Order_Status__c": status}
        )
    query = f"SELECT Name FROM Opportunity WHERE Type = 'T' AND ({condition}) ORDER BY CreatedDate"
    assert [row["Name"] for row in client.query_all(query)["records"]] == found


def test_a_client_may_ask_for_smaller_pages_of_at_least_200(organization, authorization, login):
    for number in range(201):
        organization.insert("Account", {"Name": f"Account {number}"})
    unbounded = salesforce_sandbox(organization, authorization).serve()
    client = login(unbounded)
    options = {"Sforce-Query-Options": "batchSize=50"}
    page = client.query("SELECT Id FROM Account", headers=options)
    assert (page["totalSize"], len(page["records"])) == (205, 200)
    assert len(client.query("SELECT Id FROM Account")["records"]) == 205
    unbounded.close()


# Limits, composite, change events


def test_the_daily_limit(organization, authorization, login):
    limited = salesforce_sandbox(organization, authorization, daily_limit=2).serve()
    client = login(limited)
    assert client.limits()["DailyApiRequests"] == {"Max": 2, "Remaining": 1}
    client.query("SELECT Id FROM Account")
    assert client.api_usage["api-usage"].used == 2
    with pytest.raises(SalesforceRefusedRequest) as error:
        client.query("SELECT Id FROM Account")
    limited.close()
    assert code_of(error) == "REQUEST_LIMIT_EXCEEDED"


def composite(client, all_or_none: bool, line: dict) -> list[dict]:
    base = "/services/data/v66.0/sobjects"
    parts = [
        {"method": "POST", "url": f"{base}/Account", "referenceId": "account", "body": line},
        {
            "method": "POST",
            "url": f"{base}/Opportunity",
            "referenceId": "deal",
            "body": NEW_DEAL | {"AccountId": "@{account.id}"},
        },
        {"method": "GET", "url": f"{base}/Opportunity/@{{deal.id}}", "referenceId": "read"},
    ]
    body = {"allOrNone": all_or_none, "compositeRequest": parts}
    answer = client.restful("composite", method="POST", json=body)
    return answer["compositeResponse"]


def test_composite_refers_to_earlier_parts(client):
    account, deal, read = composite(client, True, {"Name": "Composite"})
    assert [part["httpStatusCode"] for part in (account, deal, read)] == [201, 201, 200]
    assert read["body"]["AccountId"] == account["body"]["id"]


def test_composite_all_or_none_undoes_everything(client, organization, events):
    base = "/services/data/v66.0/sobjects"
    parts = [
        {
            "method": "POST",
            "url": f"{base}/Opportunity",
            "referenceId": "a",
            "body": NEW_DEAL,
        },
        {"method": "POST", "url": f"{base}/Account", "referenceId": "b", "body": {}},
    ]
    body = {"allOrNone": True, "compositeRequest": parts}
    answer = client.restful("composite", method="POST", json=body)["compositeResponse"]
    assert [part["httpStatusCode"] for part in answer] == [400, 400]
    codes = [part["body"][0]["errorCode"] for part in answer]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert not organization.matching("Opportunity", "Name", "New deal")
    assert events == []


def test_composite_without_all_or_none_keeps_what_worked(client, organization):
    account, deal, read = composite(client, False, {"Website": "nameless.example"})
    assert account["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert deal["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert read["httpStatusCode"] == 400


SOBJECTS = "/services/data/v66.0/sobjects"


def graph(client, *nodes: dict, **headers: str) -> dict:
    """The answer to one graph of nodes."""
    nodes = [node | {"referenceId": f"n{number}"} for number, node in enumerate(nodes)]
    body = {"graphs": [{"graphId": "g", "compositeRequest": nodes}]}
    [answer] = client.restful("composite/graph", method="POST", json=body, headers=headers)[
        "graphs"
    ]
    assert answer["graphId"] == "g"
    return answer


def test_a_graph_replaces_a_deals_lines_at_once(client, organization, events):
    lines = organization.matching("OpportunityLineItem", "OpportunityId", USD_DEAL.record_id)
    [entry, *_] = client.query(
        "SELECT Id FROM PricebookEntry WHERE Pricebook2.IsStandard = TRUE"
        " AND Product2.ProductCode = 'SEAT-ANNUAL' AND CurrencyIsoCode = 'USD'"
    )["records"]
    sold = {"OpportunityId": USD_DEAL.record_id, "PricebookEntryId": entry["Id"]}
    sold |= {"Quantity": 2, "UnitPrice": 9.5, "Ramp_From_Month__c": 6}
    answer = graph(
        client,
        *(
            {"method": "DELETE", "url": f"{SOBJECTS}/OpportunityLineItem/{line['Id']}"}
            for line in lines
        ),
        {"method": "POST", "url": f"{SOBJECTS}/OpportunityLineItem", "body": sold},
        {"method": "GET", "url": f"{SOBJECTS}/OpportunityLineItem/@{{n3.id}}"},
    )
    assert answer["isSuccessful"]
    *deleted, created, read = answer["graphResponse"]["compositeResponse"]
    assert [part["httpStatusCode"] for part in deleted] == [204] * 3
    assert (created["httpStatusCode"], read["body"]["TotalPrice"]) == (201, 19.0)
    [event] = events
    assert event["detail"]["payload"]["Amount"] == 19.0


def test_a_graph_takes_effect_as_a_whole_or_not_at_all(client, organization, events):
    answer = graph(
        client,
        {"method": "POST", "url": f"{SOBJECTS}/Opportunity", "body": NEW_DEAL},
        {"method": "POST", "url": f"{SOBJECTS}/Account", "body": {}},
    )
    assert not answer["isSuccessful"]
    parts = answer["graphResponse"]["compositeResponse"]
    codes = [part["body"][0]["errorCode"] for part in parts]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert not organization.matching("Opportunity", "Name", "New deal")
    assert events == []


def test_a_part_has_the_headers_of_its_own_alone(client, events):
    options = {"Sforce-Call-Options": "client=interlock"}
    node = {"method": "PATCH", "url": f"{SOBJECTS}/Opportunity/{USD_DEAL.record_id}"}
    graph(client, node | {"body": {"Description": "a"}}, **options)
    graph(client, node | {"body": {"Description": "b"}, "httpHeaders": options})
    headers = [event["detail"]["payload"]["ChangeEventHeader"] for event in events]
    assert [header["changeOrigin"] for header in headers] == [
        "com/salesforce/api/rest/66.0",
        "com/salesforce/api/rest/66.0;client=interlock",
    ]


@pytest.mark.parametrize(
    ("graphs", "code"),
    [
        ([], "LIMIT_EXCEEDED"),
        ([{"graphId": "g", "compositeRequest": []}], "LIMIT_EXCEEDED"),
        ([{"graphId": "g", "compositeRequest": [{}] * 501}], "LIMIT_EXCEEDED"),
        (
            [
                {
                    "graphId": "g",
                    "compositeRequest": [
                        {"method": "GET", "url": "/services/data/v66.0/query", "referenceId": "q"}
                    ],
                }
            ],
            "INVALID_INPUT",
        ),
    ],
)
def test_a_graph_has_records_for_nodes_and_not_too_many(client, graphs, code):
    with pytest.raises(SalesforceMalformedRequest) as error:
        client.restful("composite/graph", method="POST", json={"graphs": graphs})
    assert code_of(error) == code

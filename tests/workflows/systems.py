"""What each system holds, read from the system itself, and what people do there by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from local.environment import ZENDESK_CLIENT, LocalEnvironment
from local.sandboxes.salesforce_store import Organization
from tests.workflows.billing import HOMES, Customer
from tests.workflows.erp import Erp


@dataclass(frozen=True)
class Footprint:
    """How many live records each system has for a deal; `told` is what the CRM was told."""

    orders: int = 0
    projects: int = 0
    customers: int = 0
    billing_customers: int = 0
    subscriptions: int = 0
    tickets: int = 0
    told: str | None = None


NOTHING = Footprint()


class Systems:
    """The four systems of an environment."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self.crm = Crm(environment.organization)
        self.erp = Erp(environment.tryton)
        self.billing = Billing(environment.stripe)
        self.support = Support(environment.zendesk.url)

    def footprint(self, deal: str) -> Footprint:
        """What there is for a deal, and for its account and that account's parents."""
        accounts = self.crm.accounts(deal)
        return Footprint(
            orders=sum(order["state"] == "confirmed" for order in self.erp.orders(deal)),
            projects=sum((p["progress"] or 0) < 1 for p in self.erp.projects(deal)),
            customers=sum(
                party["active"] for account in accounts for party in self.erp.customers(account)
            ),
            billing_customers=sum(len(self.billing.customers(account)) for account in accounts),
            subscriptions=sum(s["status"] != "canceled" for s in self.billing.schedules(deal)),
            tickets=sum(ticket["status"] != "solved" for ticket in self.support.tickets(deal)),
            told=self.crm.opportunity(deal)["Interlock_Order_Status__c"],
        )

    def customer(self, account: str, subsidiary: str) -> Customer:
        """An account that is a customer of every system already."""
        [billed] = self.billing.customers(account)
        [party] = self.erp.customers(account)
        currency, _ = HOMES[subsidiary]
        return Customer(f"salesforce:{account}", billed["id"], party["id"], subsidiary, currency)

    def of_others(self, deal: str) -> str:
        """Everything that is not this deal's: equal texts mean that nothing of it was touched."""
        accounts = {f"salesforce:{account}" for account in self.crm.accounts(deal)}
        records = {
            "orders": [o for o in self.erp.orders() if deal not in (o["reference"] or "")],
            "projects": [p for p in self.erp.projects() if deal not in p["name"]],
            "customers": [c for c in self.erp.customers() if c["code"] not in accounts],
            "billing": self.billing.of_others(deal, accounts),
            "tickets": [t for t in self.support.tickets() if deal not in (t["external_id"] or "")],
            "crm": self.crm.opportunities_but(deal),
        }
        return json.dumps(records, sort_keys=True, default=str)

    def close(self) -> None:
        """Close the connections to the systems."""
        self.erp.close()
        self.support.close()


class Crm:
    """Salesforce's records."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization

    def opportunity(self, deal: str) -> dict[str, Any]:
        """The deal with all its fields."""
        return self._organization.get("Opportunity", deal)

    def change(self, deal: str, **fields: Any) -> None:
        """A seller edits the deal."""
        self._organization.update("Opportunity", deal, fields)

    def account(self, deal: str) -> str:
        """The id of the deal's account."""
        return self.opportunity(deal)["AccountId"]

    def accounts(self, deal: str) -> list[str]:
        """The ids of the deal's account and its parents, upwards; each once."""
        found: list[str] = []
        current = self.account(deal)
        while current and current not in found:
            found.append(current)
            current = self._organization.get("Account", current)["ParentId"]
        return found

    def name(self, account: str) -> str:
        """An account's name."""
        return self._organization.get("Account", account)["Name"]

    def website(self, account: str) -> str:
        """An account's web site."""
        return self._organization.get("Account", account)["Website"]

    def change_account(self, account: str, **fields: Any) -> None:
        """Someone edits the account."""
        self._organization.update("Account", account, fields)

    def dunning(self, account: str) -> tuple[Any, ...]:
        """What sales see of overdue invoices: status, amount, currency, since when."""
        fields = ("Dunning", "Overdue_Amount", "Overdue_Currency", "Overdue_Since")
        row = self._organization.get("Account", account)
        return tuple(row[f"Interlock_{field}__c"] for field in fields)

    def credit(self, account: str) -> tuple[Any, ...]:
        """What sales see of an account's latest credit: case, amount, currency, credit notes."""
        fields = ("Case", "Amount", "Currency", "Documents")
        row = self._organization.get("Account", account.removeprefix("salesforce:"))
        return tuple(row[f"Interlock_Credit_{field}__c"] for field in fields)

    def lines(self, deal: str) -> list[dict[str, Any]]:
        """The line items."""
        return self._organization.matching("OpportunityLineItem", "OpportunityId", deal)

    def change_line(self, deal: str, number: int, **fields: Any) -> None:
        """A seller edits a line item, counted from 1."""
        line = self.lines(deal)[number - 1]
        self._organization.update("OpportunityLineItem", line["Id"], fields)

    def enter_product(self, code: str) -> str:
        """Someone enters a product: its id."""
        fields = {"ProductCode": code, "Name": code, "IsActive": True}
        return self._organization.insert("Product2", fields | {"Charge_Type__c": "Recurring"})

    def add_line(self, deal: str, product: str, *, price: int) -> str:
        """A seller adds one of a product: the line item's id."""
        fields = {"OpportunityId": deal, "Product2Id": product, "Quantity": 1, "UnitPrice": price}
        return self._organization.insert("OpportunityLineItem", fields)

    def delete_line(self, line: str) -> None:
        """A seller removes a line item."""
        self._organization.delete("OpportunityLineItem", line)

    def overwrite_amount(self, deal: str, amount: Decimal) -> None:
        """What no user can do while there are line items: a defect in the CRM's own data."""
        self.opportunity(deal)["Amount"] = amount

    def set_split(self, deal: str, percent: int) -> str:
        """A seller changes the first share of the revenue: its id."""
        split = self._organization.matching("OpportunitySplit", "OpportunityId", deal)[0]
        self.change_split(split["Id"], percent)
        return split["Id"]

    def change_split(self, split: str, percent: int) -> None:
        """A seller changes a share of the revenue."""
        self._organization.update("OpportunitySplit", split, {"SplitPercentage": percent})

    def clear_address(self, account: str) -> dict[str, Any]:
        """Someone empties the billing address: the fields that it had."""
        row = self._organization.get("Account", account)
        parts = ("Street", "City", "State", "StateCode", "PostalCode", "Country", "CountryCode")
        kept = {f"Billing{part}": row[f"Billing{part}"] for part in parts}
        self.change_account(account, **dict.fromkeys(kept))
        return kept

    def opportunities_but(self, deal: str) -> list[dict[str, Any]]:
        """Every other deal."""
        return [row for row in self._organization.rows("Opportunity") if row["Id"] != deal]


class Billing:
    """Stripe's objects."""

    def __init__(self, sandbox: Any) -> None:
        self._account = sandbox.account

    def customers(self, account: str) -> list[dict[str, Any]]:
        """The customers that stand for an account and are not deleted."""
        return [
            customer
            for customer in self._account.customers.values()
            if customer.get("metadata", {}).get("interlock_account_id") == f"salesforce:{account}"
        ]

    def schedules(self, deal: str) -> list[dict[str, Any]]:
        """The subscription schedules of a deal, in every status."""
        return [
            schedule
            for schedule in self._account.schedules.values()
            if schedule["metadata"].get("interlock_order_id") == f"salesforce:{deal}"
        ]

    def items(self, schedule: dict[str, Any]) -> list[tuple[str, int, int]]:
        """What a schedule charges: product, quantity, and the price of one in minor units."""
        prices = self._account.prices
        return [
            (prices[i["price"]]["product"], i["quantity"], prices[i["price"]]["unit_amount"])
            for i in schedule["phases"][0]["items"]
        ]

    def set_active(self, product: str, active: bool) -> None:
        """Someone (de)activates a product in the catalogue."""
        self._account.products[product]["active"] = active

    def of_others(self, deal: str, accounts: set[str]) -> list[Any]:
        """Every schedule, and every customer that is not deleted, of other accounts."""
        return [
            row
            for row in (*self._account.customers.values(), *self._account.schedules.values())
            if "metadata" in row and row["metadata"].get("interlock_account_id") not in accounts
        ]


class Support:
    """Zendesk's tickets, as an agent reads them over its API."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url)

    def close(self) -> None:
        """Close the network connections."""
        self._client.close()

    def tickets(self, deal: str | None = None) -> list[dict[str, Any]]:
        """The tickets of a deal's tasks in every status, or all."""
        found = self._pages("tickets", "tickets")
        ours = f"salesforce:{deal}/" if deal else ""
        return [ticket for ticket in found if (ticket["external_id"] or "").startswith(ours)]

    def notes(self, ticket: dict[str, Any]) -> list[str]:
        """What was written in a ticket, oldest first."""
        comments = self._pages(f"tickets/{ticket['id']}/comments", "comments")
        return [comment["body"] for comment in comments]

    def open_ticket(self, external_id: str) -> int:
        """An agent opens a ticket by hand: its number."""
        ticket = {"external_id": external_id, "subject": "By hand", "comment": {"body": "By hand"}}
        return self._call("POST", "tickets", {"ticket": ticket})["ticket"]["id"]

    def solve(self, number: int) -> None:
        """An agent solves a ticket."""
        self._call("PUT", f"tickets/{number}", {"ticket": {"status": "solved"}})

    def organization(self, account: str) -> int:
        """The number of a customer."""
        found = self._call("GET", f"organizations/search?external_id={account}")
        return found["organizations"][0]["id"]

    def tags(self, organization: int) -> list[str]:
        """The tags of an organization."""
        return sorted(self._call("GET", f"organizations/{organization}")["organization"]["tags"])

    def _pages(self, path: str, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        number = 1
        while True:
            page = self._call("GET", f"{path}?page={number}")
            found += page[name]
            if page["next_page"] is None:
                return found
            number += 1

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """With a token of its own: a test may let those given out expire."""
        form = {"grant_type": "client_credentials", "scope": "read write", **ZENDESK_CLIENT}
        token = self._client.post("/oauth/tokens", data=form).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._client.request(method, f"/api/v2/{path}", json=body, headers=headers)
        return answer.raise_for_status().json()

"""What each system holds, read from the system itself, and what people do there by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
from interlock.canonical import Order
from interlock.connections import Connection
from interlock.connectors.erp.tryton import Tryton
from interlock.connectors.erp.tryton_rest import TrytonRest
from interlock.errors import InterlockError

from local.environment import ZENDESK_CLIENT, LocalEnvironment
from local.sandboxes.salesforce_store import Organization
from local.tryton import TrytonServer

ORDER_FIELDS = ["number", "reference", "state", "company", "party.code", "write_date"]
PROJECT_FIELDS = ["name", "progress", "party.code", "children.name", "children.progress"]
PARTY_FIELDS = ["name", "code", "active", "write_date"]
EVERY = ["active", "in", [True, False]]


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

    def delete(self, deal: str) -> None:
        """A seller deletes the deal."""
        self._organization.delete("Opportunity", deal)

    def opportunities_but(self, deal: str) -> list[dict[str, Any]]:
        """Every other deal."""
        return [row for row in self._organization.rows("Opportunity") if row["Id"] != deal]


class Erp:
    """Tryton, as its finance team sees it; the proxy before it is not in the way."""

    def __init__(self, server: TrytonServer) -> None:
        self._transport = httpx.HTTPTransport()
        connection = _connection(server, "finance")
        self._rest = TrytonRest(connection, transport=self._transport)
        self._tryton = Tryton(connection, transport=self._transport)
        # Finance has no access to projects, the integration's user has.
        self._delivery = TrytonRest(_connection(server, "interlock"), transport=self._transport)

    def order(self, deal: str) -> Order:
        """The one confirmed order of a deal."""
        order = self._tryton.find_order(f"salesforce:{deal}")
        assert order, f"no order for {deal}"
        return order

    def orders(self, deal: str | None = None) -> list[dict[str, Any]]:
        """A deal's orders in every state, or all."""
        domain = [["reference", "=", f"salesforce:{deal}"]] if deal else []
        return self._rest.search("sale.sale", domain, ORDER_FIELDS)

    def order_states(self, deal: str) -> list[str]:
        """The states of a deal's orders, oldest first."""
        return [order["state"] for order in self.orders(deal)]

    def taxes(self, order: Order) -> set[str]:
        """The names of the taxes on an order's lines."""
        fields = ["lines.taxes.name"]
        sale = self._rest.read("sale.sale", order.remote_id, fields)
        return {tax["name"] for line in sale["lines"] for tax in line["taxes"]}

    def projects(self, deal: str | None = None) -> list[dict[str, Any]]:
        """A deal's projects, open or complete, or all."""
        named = [["name", "=", f"Services of order salesforce:{deal}"]] if deal else []
        domain = [["type", "=", "project"], *named]
        return self._rest.search("project.work", domain, PROJECT_FIELDS)

    def customers(self, account: str | None = None) -> list[dict[str, Any]]:
        """The customers that carry an account's id, or all; active or not."""
        coded = [["code", "=", f"salesforce:{account}"]] if account else []
        return self._rest.search("party.party", [EVERY, *coded], PARTY_FIELDS)

    def customer(self, customer: str) -> dict[str, Any]:
        """One customer by its id there."""
        return self._rest.read("party.party", customer, PARTY_FIELDS)

    def parents(self, account: str) -> list[str]:
        """The codes of a customer's parents."""
        domain = [["from_.code", "=", f"salesforce:{account}"], ["type.name", "=", "Parent"]]
        relations = self._rest.search("party.relation.all", domain, ["to.code"])
        return [relation["to"]["code"] for relation in relations]

    # What people do there by hand

    def enter_customer(self, name: str, *, vat: str = "", website: str = "") -> str:
        """Finance enters a customer, perhaps with a European VAT number: its id there."""
        identifiers = [{"type": "eu_vat", "code": vat}] if vat else []
        contacts = [{"type": "website", "value": website}] if website else []
        values = {
            "name": name,
            "addresses": [["create", [{"city": "Portland"}]]],
            "identifiers": [["create", identifiers]],
            "contact_mechanisms": [["create", contacts]],
        }
        return str(self._rest.create("party.party", values, ["id"], record=name)["id"])

    def enter_order(self, order: Order, customer: str) -> str:
        """Finance enters an order: its id there."""
        entered = self._tryton.create_order(order, customer_remote_id=customer)
        assert entered.remote_id
        return entered.remote_id

    def set_active(self, customer: str, active: bool) -> None:
        """Finance (de)activates a customer."""
        self._rest.write("party.party", customer, {"active": active}, ["id"])

    def set_credit_limit(self, customer: str, amount: int | None, subsidiary: str) -> None:
        """Finance decides how much a customer may owe; None for as much as it likes."""
        limit = None if amount is None else Decimal(amount)
        self._write(f"party.party/{customer}", {"credit_limit_amount": limit}, subsidiary)

    def enter_payment_terms(self, name: str) -> None:
        """Finance enters new payment terms."""
        line = {"type": "remainder", "relativedeltas": [["create", [{"days": 7}]]]}
        values = {"name": name, "lines": [["create", [line]]]}
        self._rest.create("account.invoice.payment_term", values, ["id"], record=name)

    def period(self, day: date, subsidiary: str, button: str) -> None:
        """Finance presses "close" or "reopen" on the month of a day."""
        domain = [
            ["company", "=", self._company(subsidiary)],
            ["type", "=", "standard"],
            ["start_date", "<=", day],
            ["end_date", ">=", day],
        ]
        [period] = self._rest.search("account.period", domain, ["id"])
        self._press("account.period", period["id"], button, subsidiary)

    def invoice(self, order: Order) -> None:
        """Finance processes and invoices an order."""
        for button in ("process", "manual_invoice"):
            self._press("sale.sale", order.remote_id, button, order.subsidiary)

    def try_to_cancel(self, order: Order) -> bool:
        """Finance takes an order back to a draft and cancels it; False if Tryton refuses."""
        try:
            for button in ("draft", "cancel"):
                self._press("sale.sale", order.remote_id, button, order.subsidiary)
        except InterlockError:
            return False
        return True

    def open_project(self, deal: str, subsidiary: str) -> str:
        """Someone opens a project for a deal: its id."""
        [status] = self._delivery.search("project.work.status", [["default", "=", True]], ["id"])
        values = {
            "type": "project",
            "name": f"Services of order salesforce:{deal}",
            "company": self._company(subsidiary),
            "status": status["id"],
        }
        return str(self._delivery.create("project.work", values, ["id"], record=deal)["id"])

    def rename_project(self, project: str, name: str) -> None:
        """Someone gives a project another name."""
        self._delivery.write("project.work", project, {"name": name}, ["id"])

    def close(self) -> None:
        """Close the network connections."""
        self._transport.close()

    def _company(self, code: str) -> int:
        [company] = self._rest.search("company.company", [["party.code", "=", code]], ["id"])
        return company["id"]

    def _press(self, model: str, record: Any, button: str, subsidiary: str) -> None:
        self._rest.press(model, record, button, ["id"], company=self._company(subsidiary))

    def _write(self, path: str, values: dict[str, Any], subsidiary: str) -> None:
        model, record = path.split("/")
        self._rest.write(model, record, values, ["id"])


def _connection(server: TrytonServer, user: str) -> Connection:
    class OfUser(Connection):
        """A connection whose secret is the user's key."""

        def secret(self) -> dict[str, str]:
            return {"key": server.key(user)}

    return OfUser(name="tryton", vendor="tryton", base_url=server.url, secret_id=user)


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

"""What Tryton holds, and what finance and delivery do there by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import httpx
from interlock.canonical import Order
from interlock.connections import Connection
from interlock.connectors.erp.tryton import Tryton
from interlock.connectors.erp.tryton_rest import TrytonRest

from local.tryton import TrytonServer

ORDER_FIELDS = ["number", "reference", "state", "company", "party.code", "write_date"]
PROJECT_FIELDS = ["name", "progress", "party.code", "children.name", "children.progress"]
PARTY_FIELDS = ["name", "code", "active", "write_date"]
EVERY = ["active", "in", [True, False]]


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

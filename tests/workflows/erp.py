"""What Tryton holds, and what finance and delivery do there by hand."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
from interlock.canonical import Money, Order
from interlock.canonical.billing import Payment
from interlock.canonical.books import PostedDocument, PostedEntry
from interlock.connections import Connection
from interlock.connectors.erp.tryton import Tryton
from interlock.connectors.erp.tryton_rest import TrytonRest

from local.tryton import TrytonServer
from local.tryton.database import BOOKS

ORDER_FIELDS = ["number", "reference", "state", "company", "party.code", "write_date"]
PROJECT_FIELDS = ["name", "progress", "party.code", "children.name", "children.progress"]
PARTY_FIELDS = ["name", "code", "active", "write_date"]
ROLES = tomllib.loads(BOOKS.read_text())["account_roles"]
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

    def document(self, record: str) -> PostedDocument | None:
        """The one invoice or credit memo of a document of Stripe, posted and not reversed."""
        return self._tryton.find_invoice(f"stripe:{record}")

    def status(self, document: PostedDocument | None) -> str:
        """How a document that was posted stands."""
        assert document
        return self._tryton.get_document(document.remote_id).status

    def entry(self, record: str) -> PostedEntry | None:
        """The one payment or journal entry of a record of Stripe, posted and not reversed."""
        return self._tryton.find_entry(f"stripe:{record}")

    def months(self, record: str) -> list[Decimal]:
        """What is recognised of a document, month by month."""
        document = self.document(record)
        assert document
        schedule = self._tryton.schedule_service_periods(document.remote_id)
        return [amount.amount for amount in schedule.months.values()]

    def booked(self, *records: str) -> dict[str, Decimal]:
        """What documents and entries, with what undoes them, put on each account: by its role.

        The books of the deferrals are not among them; what comes to nothing is left out.
        """
        lines = [
            line
            for record in records
            for move in self._moves(f"stripe:{record}")
            for line in move["lines"]
            if move["state"] == "posted"
        ]
        balances: dict[str, Decimal] = defaultdict(Decimal)
        for line in lines:
            balances[ROLES[line["account"]["code"]]] += line["debit"] - line["credit"]
        return {role: amount for role, amount in balances.items() if amount}

    def traces(self, *records: str) -> int:
        """How many invoices and moves of these records there are, in any state: drafts too."""
        keys = [f"stripe:{record}" for record in records]
        invoices = self._rest.search("account.invoice", [["reference", "in", keys]], ["id"])
        moves = self._rest.search("account.move", [["description", "in", keys]], ["id"])
        return len(invoices) + len(moves)

    def party(self, record: str) -> str:
        """The customer of a document: its id there."""
        document = self.document(record)
        assert document
        return str(self._rest.read("account.invoice", document.remote_id, ["party"])["party"])

    def lines(self, record: str) -> list[tuple[str, Decimal]]:
        """The lines of a document: what is on each, and its amount."""
        document = self.document(record)
        assert document
        fields = ["lines.description", "lines.amount"]
        invoice = self._rest.read("account.invoice", document.remote_id, fields)
        return [(line["description"], line["amount"]) for line in invoice["lines"]]

    def _moves(self, key: str) -> list[dict[str, Any]]:
        """Of the record, its reversals, and what is applied; not of a dispute's decision."""
        fields = ["state", "lines.account.code", "lines.debit", "lines.credit"]

        def named(field: str) -> list[Any]:
            derived = [
                [field, "like", f"{key}/{end}%"] for end in ("applied", "credit", "reversed")
            ]
            return [["OR", [field, "=", key], *derived]]

        invoices = self._rest.search(
            "account.invoice", named("reference"), [f"move.{field}" for field in fields]
        )
        moves = self._rest.search("account.move", named("description"), fields)
        return [*moves, *(invoice["move"] for invoice in invoices if invoice["move"])]

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

    def enter_receipt(self, record: str, amount: str) -> str:
        """Finance enters what a customer paid by bank transfer of an invoice: its id there."""
        document = self.document(record)
        assert document
        now = datetime.now(UTC)
        paid = Payment(
            id=f"finance:receipt-{record}",
            invoice_id=document.id,
            customer_id=None,
            amount=Money.of(amount, document.total.currency),
            paid_at=now,
            is_confirmed=True,
            settled=None,
        )
        return self._tryton.apply_payment(
            paid, posting_date=now.date(), invoice_remote_id=document.remote_id
        ).remote_id

    def set_active(self, customer: str, active: bool) -> None:
        """Finance (de)activates a customer."""
        self._rest.write("party.party", customer, {"active": active}, ["id"])

    def set_credit_limit(self, customer: str, amount: int | None, subsidiary: str) -> None:
        """Finance decides how much a customer may owe; None for as much as it likes."""
        limit = None if amount is None else Decimal(amount)
        self._write(f"party.party/{customer}", {"credit_limit_amount": limit}, subsidiary)

    def period(self, day: date, subsidiary: str, button: str) -> None:
        """Finance presses "close", "reopen" or "lock_" on the month of a day."""
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

"""The ERPs that must fulfil the contract of the ERP port, each with people of finance beside it.

Another ERP joins by a class like `TrytonUnderTest` and its name in `ERPS`.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from interlock.canonical import Order
from interlock.connections import Connection
from interlock.connectors.erp.port import ErpPort
from interlock.connectors.erp.tryton import Tryton
from interlock.errors import OutcomeUnknown

from local.tryton import TrytonServer, build_database
from tests.contracts.erp.accounts import account
from tests.contracts.erp.postings import Ledger
from tests.contracts.erp.tryton_ledger import TrytonLedger

REPOSITORY = Path(__file__).parents[3]

ERPS = ["tryton"]


@dataclass(frozen=True)
class Subsidiary:
    """A company of the ERP's fixture books, and the tax rate of its sales."""

    code: str
    currency: str
    country: str
    tax_rate: Decimal


class LosesAnswers(httpx.BaseTransport):
    """The network; the answers of those requests are lost whose path has `part` in it."""

    def __init__(self) -> None:
        self.part: str | None = None
        self._network = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """What was asked for is done all the same; a refusal is not lost."""
        response = self._network.handle_request(request)
        lost = request.method != "GET" and self.part
        if lost and lost in request.url.path and response.is_success:
            response.read()
            raise httpx.ReadError("the answer was lost", request=request)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._network.close()


class TrytonUnderTest(TrytonLedger):
    """The real Tryton, and what its people do by hand."""

    subsidiaries = (
        Subsidiary("TESSALINE-US", "USD", "US", Decimal("0.0825")),
        Subsidiary("TESSALINE-DE", "EUR", "DE", Decimal("0.19")),
        Subsidiary("TESSALINE-JP", "JPY", "JP", Decimal("0.10")),
    )
    tax_ids = {"US": "12-3456789", "DE": "DE136695976", "JP": "5835678256246"}

    def __init__(self, server: TrytonServer) -> None:
        self._server = server
        self._transport = LosesAnswers()
        self.port: ErpPort = self.connect(server.key())

    def connect(self, key: str, transport: httpx.BaseTransport | None = None) -> ErpPort:
        """The port, with this key as its secret; the German company has books in GBP too."""

        class LocalConnection(Connection):
            """A connection whose secret needs no Secrets Manager."""

            def secret(self) -> dict[str, str]:
                return {"key": key}

        address = {"base_url": self._server.url, "secret_id": "tryton"}
        options = {"currencies": json.dumps({"TESSALINE-DE": ["GBP"]})}
        connection = LocalConnection(name="tryton", vendor="tryton", **address, options=options)
        return Tryton(connection, transport=transport or self._transport)

    def leave_draft(self, order: Order, customer: str) -> None:
        """An attempt to enter an order dies before it is more than a draft."""
        with self.dies_before("/quote") as port, pytest.raises(OutcomeUnknown):
            port.create_order(order, customer_remote_id=customer)

    @contextmanager
    def dies_before(self, part: str) -> Iterator[ErpPort]:
        """A port whose process dies instead of sending a change to such a path."""

        def die(request: httpx.Request) -> httpx.Response:
            if request.method != "GET" and part in request.url.path:
                raise httpx.ReadError("died")
            return self._transport.handle_request(request)

        yield self.connect(self._server.key(), httpx.MockTransport(die))

    def dies_before_posting(self) -> AbstractContextManager[ErpPort]:
        """A port whose process dies with a draft in the books."""
        return self.dies_before("/post")

    def dies_before_applying(self) -> AbstractContextManager[ErpPort]:
        """A port whose process dies when a credit memo is posted, and before it is applied."""
        return self.dies_before("/account.move")

    @contextmanager
    def answer_lost(self, *, to: str) -> Iterator[None]:
        """The answers to what makes a "customer", an "order", a "document" and so on are lost."""
        self._transport.part = self._MAKING[to]
        yield
        self._transport.part = None

    def edit_customer(self, remote_id: str) -> None:
        """Finance corrects the name, the address and the web site."""
        fields = ["addresses", "contact_mechanisms"]
        party = self._finance("GET", f"party.party/{remote_id}", fields=fields)
        values = {
            "name": "Corrected SE",
            "addresses": [["write", party["addresses"], {"city": "Dallas"}]],
            "contact_mechanisms": [["delete", party["contact_mechanisms"]]],
        }
        self._finance("PUT", f"party.party/{remote_id}", values)

    def edit_order(self, remote_id: str) -> None:
        """Sales notes something about a confirmed order."""
        self._finance("PUT", f"sale.sale/{remote_id}", {"comment": "Call before you deliver"})

    def edit_project(self, remote_id: str) -> None:
        """Delivery gives the project a name that people use."""
        self._call("PUT", f"project.work/{remote_id}", {"name": "Rollout at Acme"}, by="interlock")

    def kill(self) -> None:
        """The ERP is gone, without a word."""
        self._server.kill()

    def start(self) -> None:
        """The ERP is back, at the same address."""
        self._server.start()

    def close(self) -> None:
        """Close the network connections."""
        self._transport.close()

    def enter_customer_with_code(self, code: str) -> bool:
        """A customer made by hand with a code that may be taken: False when it is refused."""
        values = {"name": "By hand", "code": code}
        return self._call("POST", "party.party", values).status_code == 200

    def enter_customer(self, name: str, *, tax_id: str, website: str) -> str:
        """A customer made by hand: with a code of the ERP's own."""
        values = {
            "name": name,
            "addresses": [["create", [{"city": "Austin"}]]],
            "identifiers": [["create", [{"code": tax_id}]]],
            "contact_mechanisms": [["create", [{"type": "website", "value": website}]]],
        }
        return str(self._finance("POST", "party.party", values)["id"])

    def parents(self, remote_id: str) -> list[str]:
        """The remote ids of a customer's parents."""
        domain = [["from_", "=", int(remote_id)], ["type.name", "=", "Parent"]]
        relations = self._finance("GET", "party.relation.all", domain=domain, fields=["to"])
        return [str(relation["to"]) for relation in relations]

    def addresses(self, remote_id: str) -> list[str]:
        """A customer's addresses as they are printed."""
        fields = ["addresses.full_address"]
        party = self._finance("GET", f"party.party/{remote_id}", fields=fields)
        return [address["full_address"] for address in party["addresses"]]

    def customers_with(self, name: str) -> int:
        """How many customers have this name, active or not."""
        domain = [["name", "=", name], ["active", "in", [True, False]]]
        return len(self._finance("GET", "party.party", domain=domain, fields=["id"]))

    def set_credit_limit(self, remote_id: str, amount: str, subsidiary: str) -> None:
        """Finance decides how much the customer may owe the subsidiary."""
        limit = {"__class__": "Decimal", "decimal": amount}
        values = {"credit_limit_amount": limit}
        self._finance("PUT", f"party.party/{remote_id}", values, company=self._company(subsidiary))

    def close_period(self, day: date, subsidiary: str) -> None:
        """Finance closes the month."""
        self._finance("POST", f"account.period/{self._period(day, subsidiary)}/close", {})

    def enter_payment_terms(self, *instalments: list[dict[str, int]]) -> str:
        """Finance agrees on new terms: halves, then the rest, each after its steps; their name."""
        name = f"TERMS-{uuid.uuid4().hex}"
        lines = [
            {
                "sequence": number,
                "type": "remainder" if number == len(instalments) else "percent",
                "relativedeltas": [["create", steps]],
            }
            | ({} if number == len(instalments) else self._HALF)
            for number, steps in enumerate(instalments, start=1)
        ]
        values = {"name": name, "lines": [["create", lines]]}
        self._finance("POST", "account.invoice.payment_term", values)
        return name

    def invoice(self, order_remote_id: str, subsidiary: str) -> None:
        """Finance processes and invoices the order."""
        for button in ("process", "manual_invoice"):
            path = f"sale.sale/{order_remote_id}/{button}"
            self._finance("POST", path, {}, company=self._company(subsidiary))

    def draft_copy(self, order_remote_id: str, *, confirmed: bool = False, **changes: str) -> None:
        """An order with the same business key, as a crashed attempt or a person leaves it."""
        order = self._sale(order_remote_id)
        company = order["company"]
        line = {"quantity": 1, "unit": 1, "product": 1, "unit_price": {"__class__": "Decimal"}}
        line["unit_price"]["decimal"] = "1"
        values = {key: order[key] for key in self._COPIED} | changes
        values["lines"] = [["create", [line]]]
        copy = self._finance("POST", "sale.sale", values, company=company)
        for button in ("quote", "confirm") if confirmed else ():
            self._finance("POST", f"sale.sale/{copy['id']}/{button}", {}, company=company)

    def order_states(self, order_id: str) -> list[str]:
        """The states of all orders with this business key, as the ERP calls them."""
        domain = [["reference", "=", order_id]]
        orders = self._finance("GET", "sale.sale", domain=domain, fields=["state"])
        return sorted(order["state"] for order in orders)

    def task_names(self, project_remote_id: str) -> list[str]:
        """The pieces of work of a project."""
        work = self._finance("GET", f"project.work/{project_remote_id}", fields=["children.name"])
        return [task["name"] for task in work["children"]]

    _MAKING = {
        "customer": "/party.party",
        "order": "/confirm",
        "project": "/project.work",
        "document": "/post",
        "credit memo": "/account.invoice.line/",
        "entry": "/post",
        "customer credit": "/account.move/",
    }
    _HALF = {
        "ratio": {"__class__": "Decimal", "decimal": "0.5"},
        "divisor": {"__class__": "Decimal", "decimal": "2"},
    }
    _COPIED = ("company", "party", "currency", "reference", "description", "invoice_address")

    def _sale(self, remote_id: str) -> dict[str, Any]:
        return self._finance("GET", f"sale.sale/{remote_id}", fields=list(self._COPIED))

    def _company(self, code: str) -> int:
        domain = [["party.code", "=", code]]
        (company,) = self._finance("GET", "company.company", domain=domain, fields=["id"])
        return company["id"]

    def _finance(self, *arguments: Any, **options: Any) -> Any:
        """What finance does, which it may."""
        answer = self._call(*arguments, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _call(
        self,
        method: str,
        path: str,
        values: dict[str, Any] | None = None,
        *,
        domain: list | None = None,
        fields: list[str] | None = None,
        company: int | None = None,
        context: dict[str, Any] | None = None,
        by: str = "finance",
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._server.key(by)}"}
        context = {**(context or {}), **({"company": company} if company else {})}
        if context:
            headers["X-Tryton-Context"] = _base64(context)
        return httpx.request(
            method,
            f"{self._server.url}/rest/model/{path}",
            params={"f": fields or ["id"], **({"d": _base64(domain)} if domain else {})},
            headers=headers,
            json=values,
        )


def _base64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.fixture(scope="session")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonUnderTest]:
    """The real Tryton on a copy of the built database."""
    database = build_database(REPOSITORY / ".interlock" / "tryton")
    with TrytonServer(database.copy_to(tmp_path_factory.mktemp("tryton"))) as server:
        under_test = TrytonUnderTest(server)
        yield under_test
        under_test.close()


@pytest.fixture(params=ERPS)
def erp(request: pytest.FixtureRequest) -> TrytonUnderTest:
    """Each ERP in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def customer(erp) -> str:
    """The remote id of a new customer."""
    return erp.port.create_customer(account(), parent_remote_id=None).remote_id


@pytest.fixture
def ledger(erp) -> Ledger:
    """The American books, as they are now."""
    return Ledger(erp)

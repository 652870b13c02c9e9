"""What every system holds under our business keys, asked of the systems themselves.

Nothing of what our own tables say is believed here. ERP: Tryton, over its REST API as its finance
team sees it. Support: the sandbox's API. CRM and billing: the records of the sandboxes.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
from interlock.canonical import Money
from interlock.canonical.credits import CreditStatus
from interlock.connections import Connection
from interlock.connectors.billing.stripe_objects import REVISION
from interlock.connectors.erp.tryton_rest import TrytonRest
from interlock.connectors.support.zendesk_notices import TAGS as NOTICE
from interlock.connectors.support.zendesk_notices import WITHDRAWN

from local.environment import ZENDESK_CLIENT, LocalEnvironment
from local.tryton.server import TrytonServer

EVERY = ["active", "in", [True, False]]
BOOKED = ("posted", "paid")
REVERSED = "/reversed/"
CREDIT = "/credit"
APPLIED = "/applied"
LEFT_OVER = "/deferral/"
DOCUMENT_FIELDS = ["reference", "state", "untaxed_amount"]
PROJECT = "Services of order "
CUSTOMER_USER = "interlock-customer-"
TOLD = re.compile(r"Credit: (?P<status>[^\n]+)\n.*Transaction: (?P<transaction>\S+)", re.DOTALL)
"""What a case is told of its request for a credit, in a note."""


@dataclass(frozen=True)
class Remote:
    """A record in a system that carries a business key of ours; `live` until it is taken back.

    `net` is what a credit gives, before tax.
    """

    id: str
    live: bool
    state: str
    net: Decimal = Decimal(0)


Key = tuple[str, str, str]
"""System, entity and record, as in the effect ledger: tryton, order, salesforce:006…"""

Census = dict[Key, list[Remote]]


class Systems:
    """The systems of an environment, asked directly: no proxy and no fault is in the way."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self._environment = environment
        self._transport = httpx.HTTPTransport()
        self.erp = TrytonRest(_Finance.of(environment.tryton), transport=self._transport)
        self._support = httpx.Client(base_url=environment.zendesk.url)

    def census(self) -> Census:
        """Everything that carries one of our keys."""
        found: Census = defaultdict(list)
        readers = (
            *(self._crm, self._orders, self._customers, self._projects),
            *(self._documents, self._entries, self._billing, self._tickets),
            *(self._credits, self._outcomes, self._notices),
            *(self._renewals, self._contracts, self._services),
        )
        for read in readers:
            for key, remote in read():
                found[key].append(remote)
        return dict(found)

    def close(self) -> None:
        """Close the network connections."""
        self._transport.close()
        self._support.close()

    def _crm(self) -> Iterator[tuple[Key, Remote]]:
        for row in self._environment.organization.rows("Opportunity"):
            status = row.get("Interlock_Order_Status__c")
            if status:
                record = f"salesforce:{row['Id']}"
                live = status == "accepted"
                yield ("salesforce", "write_back", record), Remote(record, live, status)

    def _orders(self) -> Iterator[tuple[Key, Remote]]:
        for row in self.erp.search("sale.sale", [], ["reference", "state"]):
            remote = Remote(str(row["id"]), row["state"] != "cancelled", row["state"])
            yield ("tryton", "order", row["reference"] or ""), remote

    def _customers(self) -> Iterator[tuple[Key, Remote]]:
        for row in self.erp.search("party.party", [EVERY], ["code", "active"]):
            state = "active" if row["active"] else "inactive"
            yield (
                ("tryton", "customer", row["code"] or ""),
                Remote(str(row["id"]), row["active"], state),
            )

    def _projects(self) -> Iterator[tuple[Key, Remote]]:
        for row in self.erp.search(
            "project.work", [["type", "=", "project"]], ["name", "progress"]
        ):
            if row["name"].startswith(PROJECT):
                open_ = row["progress"] != 1
                state = "open" if open_ else "complete"
                key = ("tryton", "project", row["name"].removeprefix(PROJECT))
                yield key, Remote(str(row["id"]), open_, state)

    def _documents(self) -> Iterator[tuple[Key, Remote]]:
        """Invoices and credit memos, by the id that billing gave them, and what voids them; one
        that was reversed is live no more."""
        rows = self.erp.search("account.invoice", [["type", "=", "out"]], DOCUMENT_FIELDS)
        booked = [row["reference"] or "" for row in rows if row["state"] in BOOKED]
        reversed_ = {
            reference.rpartition(REVERSED)[2] for reference in booked if REVERSED in reference
        }
        left_over = self._left_over()
        for row in rows:
            record, undone = row["reference"] or "", str(row["id"]) in reversed_
            if REVERSED in record:
                voided = record.partition(REVERSED)[0]
                remote = Remote(str(row["id"]), row["state"] in BOOKED, row["state"])
                yield ("tryton", "void", voided), remote
                continue
            entity = "credit_note" if row["untaxed_amount"] < 0 else "invoice"
            live = row["state"] in BOOKED and not undone
            remote = Remote(str(row["id"]), live, row["state"])
            yield ("tryton", entity, record), remote
            spread = [
                deferral["state"] != "draft"
                and left_over[f"{record}{LEFT_OVER}{deferral['id']}"] <= 1
                for deferral in self._deferrals(row["id"])
            ]
            state = "spread" if all(spread) else "not spread, or twice"
            schedule = ("tryton", "service_schedule", f"{record}/{row['id']}")
            yield schedule, Remote(str(row["id"]), all(spread), state)

    def _deferrals(self, invoice: int) -> list[dict[str, Any]]:
        domain = [["invoice_line.invoice", "=", invoice]]
        return self.erp.search("account.invoice.deferred", domain, ["state"])

    def _left_over(self) -> Counter[str]:
        """What a schedule's last month takes of a rounding: at most one entry of a deferral."""
        domain = [["description", "like", f"%{LEFT_OVER}%"]]
        moves = self.erp.search("account.move", domain, ["description"])
        return Counter(move["description"] for move in moves)

    def _entries(self) -> Iterator[tuple[Key, Remote]]:
        """Payments, journal entries, and credit that pays an invoice; one that another undoes is
        live no more."""
        domain = [["description", "like", "stripe:%"]]
        rows = self.erp.search("account.move", domain, ["description", "state", "origin"])
        undone = {row["origin"] for row in rows}
        for row in rows:
            if (row["origin"] or "").startswith("account.move,"):
                continue
            record = row["description"]
            if record.endswith(APPLIED) or LEFT_OVER in record:
                continue
            entity = "payment" if ":ch_" in record else "entry"
            if record.endswith(CREDIT):
                invoice = row["origin"].removeprefix("account.invoice,")
                entity, record = "customer_credit", f"{record.removesuffix(CREDIT)}/{invoice}"
            live = f"account.move,{row['id']}" not in undone
            yield ("tryton", entity, record), Remote(str(row["id"]), live, row["state"])

    def _billing(self) -> Iterator[tuple[Key, Remote]]:
        account = self._environment.stripe.account
        for customer in list(account.customers.values()):
            record = customer.get("metadata", {}).get("interlock_account_id")
            if record:
                yield ("stripe", "customer", record), Remote(customer["id"], True, "active")
        for schedule in list(account.schedules.values()):
            record = schedule["metadata"].get("interlock_order_id")
            if record:
                live = schedule["status"] in ("not_started", "active", "completed")
                remote = Remote(schedule["id"], live, schedule["status"])
                yield ("stripe", "subscription", record), remote
        for event in list(account.meter_events):
            yield ("stripe", "usage", event["identifier"]), Remote(event["identifier"], True, "in")

    def _tickets(self) -> Iterator[tuple[Key, Remote]]:
        for ticket in self._pages("tickets"):
            kind, live = "task", ticket["status"] not in ("solved", "closed")
            if set(NOTICE) <= set(ticket["tags"]):
                kind, live = "notice", WITHDRAWN not in ticket["tags"]
            if ticket["external_id"]:
                remote = Remote(str(ticket["id"]), live, ticket["status"])
                yield ("zendesk", kind, ticket["external_id"]), remote
        for organization in self._pages("organizations"):
            if organization["external_id"]:
                key = ("zendesk", "organization", organization["external_id"])
                yield key, Remote(str(organization["id"]), True, "there")

    def _credits(self) -> Iterator[tuple[Key, Remote]]:
        """Credit notes for cases, and the debits that counter those which cannot be voided."""
        account = self._environment.stripe.account
        ours: dict[str, str] = {}
        for note in list(account.credit_notes.values()):
            if record := (note["metadata"] or {}).get("interlock_credit_id"):
                ours[note["id"]] = record
                countered = "interlock_countered_by" in note["metadata"]
                state = "countered" if countered else note["status"]
                net = Money.from_minor_units(note["subtotal"], note["currency"].upper()).amount
                remote = Remote(note["id"], state == "issued", state, net)
                yield ("stripe", "credit", record), remote
        for entry in list(account.customer_balance_transactions.values()):
            if record := ours.get(entry["metadata"].get("interlock_counters")):
                yield ("stripe", "counter", record), Remote(entry["id"], True, "there")

    def _outcomes(self) -> Iterator[tuple[Key, Remote]]:
        """What cases were told, each time."""
        desk = self._environment.desk
        for number in list(self._environment.zendesk.account.tickets):
            for told in filter(None, map(TOLD.fullmatch, desk.notes(number))):
                case, status = f"zendesk:{number}", CreditStatus(told["status"]).name.lower()
                key = ("zendesk", "credit_outcome", f"{case}/{told['transaction']}/{status}")
                yield key, Remote(case, True, status)

    def _notices(self) -> Iterator[tuple[Key, Remote]]:
        """The latest credit on each account."""
        for row in self._environment.organization.rows("Account"):
            if number := row.get("Interlock_Credit_Case__c"):
                account = f"salesforce:{row['Id']}"
                transaction = self._environment.desk.entered(int(number))["transaction"]
                key = ("salesforce", "credit_notice", f"{account}/{transaction}")
                yield key, Remote(account, True, "shown")

    def _renewals(self) -> Iterator[tuple[Key, Remote]]:
        """The deals that carry a renewal's id: opened by us, or sales' own that we have taken."""
        for row in self._environment.organization.rows("Opportunity"):
            if record := row.get("Interlock_Renewal__c"):
                remote = Remote(row["Id"], True, row["StageName"])
                yield ("salesforce", "renewal_deal", record), remote
                yield ("salesforce", "renewal_deal", f"{record}/{row['Id']}"), remote

    def _contracts(self) -> Iterator[tuple[Key, Remote]]:
        """What subscriptions were told of contracts, up to which revision, and the terms that they
        charge, by their first days."""
        for schedule in list(self._environment.stripe.account.schedules.values()):
            told = schedule["metadata"]
            contract, revision = told.get("interlock_order_id"), int(told.get(REVISION, 0))
            for number in range(1, revision + 1):
                remote = Remote(schedule["id"], True, "told")
                yield ("stripe", "billed_contract", f"{contract}/{number}"), remote
            live = schedule["status"] != "canceled"
            for phase in schedule["phases"] if contract else ():
                record = f"{contract}/{phase['start_date']}"
                yield ("stripe", "term", record), Remote(schedule["id"], live, schedule["status"])

    def _services(self) -> Iterator[tuple[Key, Remote]]:
        """What sales and support see that customers are entitled to."""
        for row in self._environment.organization.rows("Account"):
            account = f"salesforce:{row['Id']}"
            shown = _shown(row, "Interlock_{}__c", ("Service", "Entitlements"))
            yield ("salesforce", "service", account), Remote(account, True, shown)
        for organization in self._pages("organizations"):
            shown = _shown(
                organization["organization_fields"], "interlock_{}", ("service", "entitlements")
            )
            account = organization["external_id"] or ""
            yield ("zendesk", "service", account), Remote(account, True, shown)

    def _pages(self, name: str) -> Iterator[dict[str, Any]]:
        form = {"grant_type": "client_credentials", "scope": "read write", **ZENDESK_CLIENT}
        token = self._support.post("/oauth/tokens", data=form).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        address: str | None = f"/api/v2/{name}?per_page=100"
        while address:
            page = self._support.get(address, headers=headers).raise_for_status().json()
            yield from page[name]
            address = page["next_page"]


def _shown(fields: dict[str, Any], name: str, parts: tuple[str, ...]) -> str:
    return ", ".join(filter(None, (fields.get(name.format(part)) for part in parts))) or "nothing"


class _Finance(Connection):
    """A connection whose secret is the key of the ERP's finance team."""

    _server: TrytonServer

    @classmethod
    def of(cls, server: TrytonServer) -> _Finance:
        names = dict.fromkeys(("name", "vendor", "secret_id"), "tryton")
        connection = cls(base_url=server.url, **names)
        connection._server = server
        return connection

    def secret(self) -> dict[str, str]:
        return {"key": self._server.key("finance")}

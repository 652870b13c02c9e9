"""Tryton behind the ERP port, over its REST API (Tryton 8.2).

A connection:

    {"name": "tryton", "vendor": "tryton", "base_url": "https://erp.example.com/<database>",
     "secret_id": "interlock/tryton", "options": {"parent_relation": "Parent"}}

The secret is {"key": "…"}: the key of a validated user application for "rest" of a user in the
groups Sales, Accounting and Project Administration, with access to every company. None of them may
close a period.
https://docs.tryton.org/latest/server/topics/user_application.html

| canonical | Tryton |
| --- | --- |
| subsidiary | company; its code is the code of the company's own party |
| customer, external id | party.party, `code`: unique, and fixed once the party is made |
| customer's parent | a party relation from the child, of the type that the option names |
| domain | a contact mechanism of type website |
| order, external id | sale.sale, `reference`: not unique |
| kind of a line | the first word of the line's note |
| payment terms | a payment term, by name; a month counts as 31 days, a certain day is refused |
| services project | project.work, by its name or comment, with one task per services line |
| credit hold | the party's credit limit in the company is used up (module sale_credit_limit) |

**Unit prices** have as many decimals as `price_decimal` says in the section `product` of Tryton's
configuration, 4 if it says nothing; 8 are enough after discounts, for quantities below a million.
It can be raised later, never lowered. A line that comes to its amount with no such price is refused
before anything is entered. https://docs.tryton.org/latest/modules-product/

**Confirmed orders.** Tryton processes an order after the grace period of its sales configuration
(`sale_process_after`, with a worker); until then the order can be cancelled, after that it cannot.
https://docs.tryton.org/latest/modules-sale/

**Nothing twice.** Tryton has no idempotency keys. The unique `code` refuses a second customer. An
order is first made as a draft, which commits nobody, and confirmed only when no other attempt's
order is in its way: see `tryton_drafts`. Two projects made at once are seen and reported as a
conflict. What carries the key is left as it is by people: the code of a party, which Tryton fixes,
and the reference of an order, which it does not. A project may be given another name, since the key
is in its comment too.

What is posted is described in `tryton_documents` and `tryton_entries`, in which accounts in
`tryton_books`, what a customer owes in `tryton_receivables`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from interlock.canonical import Account, Customer, LineKind, Order, Project
from interlock.connectors.erp import tryton_mapping as mapping
from interlock.connectors.erp.port import (
    CustomerCandidate,
    CustomerCriteria,
    OrderContext,
    OrderContextQuery,
    PostingContext,
    PostingContextQuery,
)
from interlock.connectors.erp.tryton_books import TrytonBooks
from interlock.connectors.erp.tryton_credits import TrytonCredits
from interlock.connectors.erp.tryton_drafts import keep_one, other_attempt
from interlock.connectors.erp.tryton_facts import TrytonFacts
from interlock.connectors.erp.tryton_listing import TrytonListing
from interlock.connectors.erp.tryton_receivables import TrytonReceivables
from interlock.connectors.erp.tryton_rest import VENDOR, TrytonRest
from interlock.errors import (
    BusinessRuleViolation,
    OutcomeUnknown,
    RecordConflict,
    VendorRejected,
)

if TYPE_CHECKING:
    from interlock.connections import Connection

PARENT_RELATION = "Parent"

WHOLE_HISTORY = ["active", "in", [True, False]]


class Tryton(TrytonCredits, TrytonListing, TrytonReceivables):
    """The ERP port on Tryton; `transport` replaces the network in tests."""

    def __init__(
        self, connection: Connection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._name = connection.name
        self._rest = TrytonRest(connection, transport=transport)
        parent_relation = connection.options.get("parent_relation", PARENT_RELATION)
        self._facts = TrytonFacts(self._rest, parent_relation=parent_relation)
        self._books = TrytonBooks(self._rest, connection.options)

    def get_order_context(
        self, query: OrderContextQuery, *, customer_remote_id: str | None
    ) -> OrderContext:
        """The facts for the validation of an order, in the company that the order names."""
        companies = self._books.companies()
        company = companies.get(query.subsidiary)
        company_id = company["id"] if company else None
        products = self._facts.products(query.skus, company_id)
        credit_hold = None
        if company and customer_remote_id:
            credit_hold = self._facts.credit_hold(customer_remote_id, company_id)
        return OrderContext(
            subsidiary_currency=company["currency"]["code"] if company else None,
            subsidiaries=tuple(sorted(companies)),
            sellable_skus=tuple(sorted(products)),
            taxed_skus=tuple(sorted(sku for sku in products if mapping.taxes(products[sku]))),
            payment_days=self._facts.payment_days(query.payment_terms),
            period_open=bool(company)
            and self._facts.period_is_open(company_id, query.posting_date),
            credit_hold=credit_hold,
        )

    def get_posting_context(self, query: PostingContextQuery) -> PostingContext:
        """The facts for the posting of a document, in the company that the document names."""
        return self._books.context(query)

    # -- customers ---------------------------------------------------------------------------

    def find_customer_candidates(self, criteria: CustomerCriteria) -> tuple[CustomerCandidate, ...]:
        """Customers by code, else by tax identifier, else by website."""
        searches = (
            ("external_id", lambda: self._parties([["code", "=", criteria.account_id]])),
            ("tax_id", lambda: self._parties_by_tax_id(criteria.tax_id)),
            ("domain", lambda: self._parties_by_domain(criteria.domain)),
        )
        for by, search in searches:
            if found := search():
                return tuple(
                    CustomerCandidate(remote_id=str(party["id"]), name=party["name"], by=by)
                    for party in found
                )
        return ()

    def get_customer(self, remote_id: str) -> Customer:
        """An inactive customer is returned too."""
        party = self._rest.read("party.party", remote_id, mapping.PARTY_FIELDS)
        return mapping.customer(party, self._name)

    def find_customer(self, account_id: str) -> Customer | None:
        """The active party with this code."""
        party = _only(
            self._parties([["code", "=", account_id]]), "customers for one account", account_id
        )
        return mapping.customer(party, self._name) if party else None

    def create_customer(self, account: Account, *, parent_remote_id: str | None) -> Customer:
        """Enter a customer.

        A party with this code may be there already, since Tryton never gives a code twice: made by
        another attempt a moment ago, it is the result; deactivated earlier, it is made current and
        active again.
        """
        values = mapping.party_values(
            account,
            country_id=self._facts.country(account),
            parent=self._facts.parent(parent_remote_id),
        )
        try:
            party = self._rest.create(
                "party.party", values, mapping.PARTY_FIELDS, record=account.id
            )
        except VendorRejected as rejected:
            party = self._existing_party(account, values, rejected)
        return mapping.customer(party, self._name)

    def deactivate_customer(self, remote_id: str) -> Customer:
        """Deactivate a party that has no order, invoice or posting; a cancelled one is none."""
        customer = self.get_customer(remote_id)
        if not customer.active:
            return customer
        used = [
            what
            for what, model, condition in (
                ("orders", "sale.sale", [["state", "!=", "cancelled"]]),
                ("invoices", "account.invoice", [["state", "!=", "cancelled"]]),
                ("postings", "account.move.line", []),
            )
            if self._rest.exists(model, [["party", "=", int(remote_id)], *condition])
        ]
        if used:
            problem = f"the customer has {' and '.join(used)}: it cannot be deactivated"
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=customer.id)
        party = self._rest.write("party.party", remote_id, {"active": False}, mapping.PARTY_FIELDS)
        return mapping.customer(party, self._name)

    def _existing_party(
        self, account: Account, values: dict[str, Any], rejected: VendorRejected
    ) -> dict[str, Any]:
        found = self._parties([["code", "=", account.id], WHOLE_HISTORY])
        if not found:
            raise VendorRejected(
                "refuses the customer: check that its tax id is a valid one of its country",
                vendor=VENDOR,
                operation="create_customer",
                record=account.id,
                status=rejected.status,
            ) from None
        return self._made_current(found[0], values)

    def _made_current(self, party: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Reactivate a party with today's details; repeating it after a failure is harmless.

        Tryton does not let an inactive party be renamed: the name comes last.
        """
        party_id = party["id"]
        steps = []
        if not party["active"]:
            steps += [mapping.replaced_details(party, values), {"active": True}]
        if party["name"] != values["name"]:
            steps.append({"name": values["name"]})
        for changes in steps:
            self._rest.write("party.party", party_id, changes, ["id"])
        return self._rest.read("party.party", party_id, mapping.PARTY_FIELDS)

    def _parties(self, domain: list) -> list[dict[str, Any]]:
        return self._rest.search("party.party", domain, mapping.PARTY_FIELDS)

    def _parties_by_tax_id(self, tax_id: str | None) -> list[dict[str, Any]]:
        if not tax_id:
            return []
        spellings = sorted({tax_id, mapping.compact(tax_id)})
        return self._parties([["identifiers.code_compact", "in", spellings]])

    def _parties_by_domain(self, domain: str | None) -> list[dict[str, Any]]:
        if not domain:
            return []
        condition = [["type", "=", "website"], ["value", "ilike", f"%{domain}%"]]
        found = self._parties([["contact_mechanisms", "where", condition]])
        return [party for party in found if domain.lower() in mapping.domains(party)]

    # -- orders ------------------------------------------------------------------------------

    def get_order(self, remote_id: str) -> Order:
        """An order in any state."""
        sale = self._rest.read("sale.sale", remote_id, mapping.SALE_FIELDS)
        return mapping.order(sale, self._name)

    def find_order(self, order_id: str) -> Order | None:
        """The confirmed order; a draft or quotation commits nobody and is no order yet."""
        confirmed = [sale for sale in self._sales(order_id) if sale["state"] in mapping.CONFIRMED]
        sale = _only(confirmed, "orders for one deal", order_id)
        return mapping.order(sale, self._name) if sale else None

    def find_order_or_draft(self, order_id: str) -> Order | None:
        """The confirmed order, else the first draft or quotation."""
        drafts = self._sales(order_id)
        return self.find_order(order_id) or (
            mapping.order(drafts[0], self._name) if drafts else None
        )

    def create_order(self, order: Order, *, customer_remote_id: str) -> Order:
        """Enter a draft, make sure that it is the only one, and confirm it."""
        company = self._facts.company(order)
        values = self._sale_values(order, company, customer_remote_id)
        sale = self._rest.create(
            "sale.sale", values, mapping.SALE_FIELDS, record=order.id, company=company
        )
        self._check_amounts(order, sale)
        keep_one(sale, self._sales(order.id), self._withdraw, key=order.id)
        return mapping.order(self._confirm(order, sale), self._name)

    def cancel_order(self, remote_id: str) -> Order:
        """Cancel an order that Tryton has not processed yet, and what attempts left beside it."""
        sale = self._rest.read("sale.sale", remote_id, mapping.SALE_FIELDS)
        if sale["state"] in mapping.PROCESSED:
            what = "is already invoiced" if sale["invoices"] else "has already been processed"
            problem = f"order {sale['number']} {what} and can no longer be cancelled in the ERP"
            advice = f"{problem}: Finance has to credit or close it"
            raise BusinessRuleViolation([advice], vendor=VENDOR, record=sale["reference"])
        cancelled = mapping.order(self._cancel(sale), self._name)
        for other in self._sales(cancelled.id):
            if other["state"] not in mapping.CONFIRMED:
                self._withdraw(other)
        return cancelled

    def _sales(self, order_id: str) -> list[dict[str, Any]]:
        domain = [["reference", "=", order_id], ["state", "!=", "cancelled"]]
        return self._rest.search("sale.sale", domain, mapping.SALE_FIELDS)

    def _sale_values(self, order: Order, company: int, customer_remote_id: str) -> dict[str, Any]:
        party = self._rest.read("party.party", customer_remote_id, mapping.PARTY_FIELDS)
        products = self._facts.products(tuple(line.sku for line in order.lines), company)
        facts = {"products": products, "price_decimals": self._facts.price_decimals()}
        if problems := [*mapping.sale_problems(order, party=party, **facts)]:
            raise BusinessRuleViolation(problems, vendor=VENDOR, record=order.id)
        return mapping.sale_values(
            order,
            company=company,
            party=party,
            currency=self._facts.currency(order),
            payment_term=self._facts.payment_term(order),
            **facts,
        )

    def _check_amounts(self, order: Order, sale: dict[str, Any]) -> None:
        """The ERP computes the amounts itself: it must come to what was agreed."""
        entered = mapping.order(sale, self._name)
        if entered.net != order.net:
            self._press(sale, "cancel")
            problem = f"the ERP comes to {entered.net} net of tax where {order.net} was agreed"
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=order.id)

    def _withdraw(self, sale: dict[str, Any]) -> bool:
        """Cancel a draft or quotation; False when it was confirmed meanwhile."""
        try:
            self._press(sale, "cancel")
        except VendorRejected:  # its state no longer offers it
            now = self._rest.read("sale.sale", sale["id"], ["state"])
            return now["state"] == "cancelled"
        return True

    def _confirm(self, order: Order, sale: dict[str, Any]) -> dict[str, Any]:
        try:
            self._press(sale, "quote")
            return self._press(sale, "confirm")
        except VendorRejected:
            now = self._rest.read("sale.sale", sale["id"], mapping.SALE_FIELDS)
            if now["state"] == "cancelled":
                raise other_attempt(order.id) from None
            self._cancel(now)
            party, company = now["party"]["id"], now["company"]["id"]
            if hold := self._facts.credit_hold(party, company, order):
                raise BusinessRuleViolation([hold], vendor=VENDOR, record=order.id) from None
            raise

    def _cancel(self, sale: dict[str, Any]) -> dict[str, Any]:
        if sale["state"] == "cancelled":
            return sale
        if sale["state"] == "confirmed":
            self._press(sale, "draft")
        return self._press(sale, "cancel")

    def _press(self, sale: dict[str, Any], button: str) -> dict[str, Any]:
        company = sale["company"]["id"]
        return self._rest.press(
            "sale.sale", sale["id"], button, mapping.SALE_FIELDS, company=company
        )

    # -- projects ----------------------------------------------------------------------------

    def get_project(self, remote_id: str) -> Project:
        """A project in any status."""
        work = self._rest.read("project.work", remote_id, mapping.PROJECT_FIELDS)
        return mapping.project(work, self._name)

    def find_project(self, order_id: str) -> Project | None:
        """The project that carries the order's id in its name or comment and is not complete."""
        named = ["name", "=", mapping.project_name(order_id)]
        commented = ["comment", "ilike", f"{mapping.project_comment(order_id)}%"]
        found = self._rest.search(
            "project.work",
            [
                ["OR", named, commented],
                ["type", "=", "project"],
                ["OR", ["progress", "=", None], ["progress", "<", 1]],
            ],
            mapping.PROJECT_FIELDS,
        )
        ours = [work for work in found if order_id in mapping.orders_of(work)]
        work = _only(ours, "projects for one deal", order_id)
        return mapping.project(work, self._name) if work else None

    def create_project(self, order: Order, *, customer_remote_id: str) -> Project:
        """Open a project of the customer with a task per services line."""
        company = self._facts.company(order)
        values = mapping.project_values(
            order,
            order.lines_of(LineKind.SERVICE),
            company=company,
            party=int(customer_remote_id),
            status=self._facts.project_status(closed=False),
        )
        self._rest.create(
            "project.work", values, mapping.PROJECT_FIELDS, record=order.id, company=company
        )
        created = self.find_project(order.id)
        if created is None:
            raise OutcomeUnknown(
                "does not show the project it has just made", vendor=VENDOR, record=order.id
            )
        return created

    def close_project(self, remote_id: str) -> Project:
        """Complete the project and its tasks, which Tryton demands to be complete first."""
        work = self._rest.read("project.work", remote_id, mapping.PROJECT_FIELDS)
        if not mapping.is_closed(work):
            done = {"status": self._facts.project_status(closed=True), "progress": 1}
            tasks = [task["id"] for task in work["children"]]
            values = {**done, "children": [["write", tasks, done]]} if tasks else done
            work = self._rest.write("project.work", remote_id, values, mapping.PROJECT_FIELDS)
        return mapping.project(work, self._name)


def _only(found: list[dict[str, Any]], what: str, key: str) -> dict[str, Any] | None:
    if len(found) > 1:
        numbers = ", ".join(str(record.get("number", record["id"])) for record in found)
        raise RecordConflict(
            f"has several {what}: {numbers}; keep one and cancel the others",
            vendor=VENDOR,
            record=key,
        )
    return found[0] if found else None

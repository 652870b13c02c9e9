"""What people of finance see and do in Tryton's ledger, and what crashed attempts leave there."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from local.tryton import TrytonServer
from local.tryton.trial_balance import trial_balance

LAST_DAY = date(2027, 12, 31)


class TrytonLedger:
    """For `TrytonUnderTest`, which sends the requests."""

    _server: TrytonServer
    _finance: Any
    _company: Any

    def balances(self, subsidiary: str, as_of: date = LAST_DAY) -> dict[str, Decimal]:
        """The trial balance by what the accounts are for; those of no role under their code."""
        balances = trial_balance(self._server, subsidiary, as_of)
        return {balance.role or balance.code: balance.amount for balance in balances}

    def lock_period(self, day: date, subsidiary: str) -> None:
        """The auditors are done with the month."""
        self._finance("POST", f"account.period/{self._period(day, subsidiary)}/lock_", {})

    def reopen_period(self, day: date, subsidiary: str) -> None:
        """Finance has forgotten something."""
        self._finance("POST", f"account.period/{self._period(day, subsidiary)}/reopen", {})

    def due_dates(self, document_remote_id: str) -> list[str]:
        """When a document is to be paid."""
        path = f"account.invoice/{document_remote_id}"
        invoice = self._finance("GET", path, fields=["lines_to_pay.maturity_date"])
        days = [line["maturity_date"] for line in invoice["lines_to_pay"]]
        return [f"{day['year']}-{day['month']:02}-{day['day']:02}" for day in days]

    def line_quantities(self, document_remote_id: str) -> list[tuple[str, str]]:
        """The quantities and unit prices of a document's lines."""
        path = f"account.invoice/{document_remote_id}"
        invoice = self._finance("GET", path, fields=["lines.quantity", "lines.unit_price"])
        return [(str(line["quantity"]), line["unit_price"]["decimal"]) for line in invoice["lines"]]

    def drafts(self, key: str) -> int:
        """How many drafts with this business key there are, of invoices and moves."""
        draft = ["state", "=", "draft"]
        invoices = [["reference", "=", key], draft]
        moves = [["description", "=", key], draft]
        return sum(
            len(self._finance("GET", model, domain=domain))
            for model, domain in (("account.invoice", invoices), ("account.move", moves))
        )

    def enter_document(self, key: str, customer: str, *, posted: bool, credits: bool) -> None:
        """An invoice or credit memo with this business key, made by hand or left as a draft."""
        company = self._company("TESSALINE-US")
        party = self._finance("GET", f"party.party/{customer}", fields=["addresses"])
        line = {
            "type": "line",
            "company": company,
            "currency": self._id("currency.currency", ["code", "=", "USD"]),
            "quantity": 1,
            "unit_price": {"__class__": "Decimal", "decimal": "1"},
            "account": self._account("4.1.1", company),
        }
        values = {
            "company": company,
            "type": "out",
            "reference": key,
            "description": "Credit memo of somebody" if credits else "By hand",
            "party": int(customer),
            "invoice_address": party["addresses"][0],
            "currency": line["currency"],
            "account": self._account("1.2.1", company),
            "journal": self._id("account.journal", ["type", "=", "revenue"]),
            "invoice_date": _encoded(LAST_DAY),
            "accounting_date": _encoded(date(2026, 5, 2)),
            "lines": [["create", [line]]],
        }
        made = self._finance("POST", "account.invoice", values, company=company)
        if posted:
            path = f"account.invoice/{made['id']}/post"
            context = {"_skip_warnings": True}
            self._finance("POST", path, {}, company=company, context=context)

    def enter_entry(self, key: str, *, posted: bool) -> None:
        """A move with this business key, made by hand or left as a draft."""
        company = self._company("TESSALINE-US")
        day = date(2026, 5, 2)
        one = {"__class__": "Decimal", "decimal": "1"}
        zero = {"__class__": "Decimal", "decimal": "0"}
        lines = [
            {"account": self._account("1.1.1", company), "debit": one, "credit": zero},
            {"account": self._account("4.3.3.1", company), "debit": zero, "credit": one},
        ]
        values = {
            "company": company,
            "journal": self._id("account.journal", ["type", "=", "cash"]),
            "period": self._period(day, "TESSALINE-US"),
            "date": _encoded(day),
            "description": key,
            "lines": [["create", lines]],
        }
        made = self._finance("POST", "account.move", values, company=company)
        if posted:
            self._finance("POST", f"account.move/{made['id']}/post", {}, company=company)

    def edit_document(self, remote_id: str) -> None:
        """Finance notes something about a posted document: all that can be changed of it."""
        path = f"account.invoice/{remote_id}"
        for line in self._finance("GET", path, fields=["lines"])["lines"]:
            self._finance("PUT", f"account.invoice.line/{line}", {"note": "Ask Ann"})

    def edit_entry(self, remote_id: str) -> None:
        """Finance decides when a line is to be paid: all that can be changed of a posted move."""
        move = self._finance("GET", f"account.move/{remote_id}", fields=["lines"])
        values = {"maturity_date": _encoded(LAST_DAY)}
        self._finance("PUT", f"account.move.line/{move['lines'][0]}", values)

    def may(self, what: str, day: date, subsidiary: str) -> bool:
        """Whether the integration's own user may "close", "reopen" or "lock_" a period."""
        path = f"account.period/{self._period(day, subsidiary)}/{what}"
        return self._call("POST", path, {}, by="interlock").status_code == 200

    def _period(self, day: date, subsidiary: str) -> int:
        return self._id(
            "account.period",
            ["company", "=", self._company(subsidiary)],
            ["start_date", "<=", _encoded(day)],
            ["end_date", ">=", _encoded(day)],
        )

    def _account(self, code: str, company: int) -> int:
        return self._id("account.account", ["code", "=", code], ["company", "=", company])

    def _id(self, model: str, *domain: list) -> int:
        return self._finance("GET", model, domain=list(domain))[0]["id"]


def _encoded(day: date) -> dict[str, Any]:
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}

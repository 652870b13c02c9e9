"""What the adapter looks up in Tryton's own records: customers, products, terms, periods."""

from __future__ import annotations

from datetime import date
from typing import Any

from interlock.canonical import Account, Order
from interlock.connectors.erp import tryton_mapping as mapping
from interlock.connectors.erp.tryton_rest import VENDOR, TrytonRest
from interlock.errors import BusinessRuleViolation


class TrytonFacts:
    """Reads only. What an order or account needs and Tryton lacks is a BusinessRuleViolation."""

    def __init__(self, rest: TrytonRest, *, parent_relation: str) -> None:
        self._rest = rest
        self._parent_relation = parent_relation

    def company(self, order: Order) -> int:
        """The id of the order's subsidiary."""
        return self._id("company.company", "party.code", order.subsidiary, record=order.id)

    def currency(self, order: Order) -> int:
        """The id of the order's currency."""
        return self._id("currency.currency", "code", order.currency, record=order.id)

    def payment_term(self, order: Order) -> int:
        """The id of the order's payment terms."""
        model = "account.invoice.payment_term"
        return self._id(model, "name", order.payment_terms, record=order.id)

    def payment_days(self, name: str) -> int | None:
        """How long payment terms leave a customer to pay; None when there are none of this name."""
        fields = mapping.PAYMENT_TERM_FIELDS
        found = self._rest.search("account.invoice.payment_term", [["name", "=", name]], fields)
        if not found:
            return None
        days = mapping.payment_days(found[0])
        if days is None:
            problem = (
                f"the payment terms {name!r} end on a certain day of a calendar, so billing cannot"
                " apply them: choose terms of a number of days, weeks or months"
            )
            raise BusinessRuleViolation([problem], vendor=VENDOR)
        return days

    def price_decimals(self) -> int:
        """How many decimals a unit price may have."""
        field = mapping.PRICE_DECIMALS_FIELD
        return self._rest.read("ir.configuration", 1, [field])[field]

    def products(self, skus: tuple[str, ...], company: int | None) -> dict[str, dict[str, Any]]:
        """The salable products by code, with the taxes that they have in the company."""
        domain = [["code", "in", sorted(set(skus))], ["salable", "=", True]]
        fields = mapping.PRODUCT_FIELDS
        found = self._rest.search("product.product", domain, fields, company=company)
        return {product["code"]: product for product in found}

    def period_is_open(self, company: int, day: date) -> bool:
        """Whether the company may post on this day."""
        domain = [
            ["company", "=", company],
            ["type", "=", "standard"],
            ["start_date", "<=", day],
            ["end_date", ">=", day],
            ["state", "=", "open"],
            ["fiscalyear.state", "=", "open"],
        ]
        return self._rest.exists("account.period", domain)

    def credit_hold(
        self, party_id: str | int, company: int, order: Order | None = None
    ) -> str | None:
        """Why the customer is on credit hold in the company, or would be with this order."""
        fields = mapping.CREDIT_FIELDS
        party = self._rest.read("party.party", party_id, fields, company=company)
        return mapping.credit_hold(party, order)

    def country(self, account: Account) -> int | None:
        """The id of the country of the account's address."""
        if account.billing_address is None:
            return None
        code = account.billing_address.country
        return self._id("country.country", "code", code, record=account.id)

    def parent(self, parent_remote_id: str | None) -> dict[str, int] | None:
        """The relation from a customer to its parent."""
        if parent_remote_id is None:
            return None
        relation = self._id("party.relation.type", "name", self._parent_relation)
        return {"to": int(parent_remote_id), "type": relation}

    def project_status(self, *, closed: bool) -> int:
        """The id of the status that a project is opened or closed with."""
        statuses = self._rest.search("project.work.status", [], mapping.STATUS_FIELDS)
        return mapping.project_status(statuses, closed=closed)

    def _id(self, model: str, field: str, value: str, *, record: str | None = None) -> int:
        found = self._rest.search(model, [[field, "=", value]], ["id"])
        if not found:
            problem = f"the ERP has no {model} {value!r}: enter it there, or correct the record"
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=record)
        return found[0]["id"]

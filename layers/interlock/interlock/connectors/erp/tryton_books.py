"""How a company of Tryton keeps its books: accounts by role, taxes, periods, journals.

What the options of the connection may say, as JSON text:

| option | says | default |
| --- | --- | --- |
| accounts | the code of the account of a role | `ACCOUNTS`, the local ERP's |
| currencies | in which others a company keeps books too: {"ACME-DE": ["GBP"]} | none |

The receivable account is the party's, or the company's default; a product's revenue account is its
accounting category's, or that of the category's parent where it uses that; the accounts for gains
and losses on exchange are those of the accounting configuration. The rounding account
must be of a type for revenue: no other may be on a line of an invoice.

**Currencies.** Tryton can invoice in every currency that it has a rate of, and knows no currency of
a company but one. In which ones Finance wants books is therefore said in the option. The rate is
Tryton's, of the day of the invoice. https://docs.tryton.org/latest/modules-currency/

**Periods.** A day's period is the standard one. A closed period can be opened again, a locked one
cannot; neither takes a posting. https://docs.tryton.org/latest/modules-account/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from interlock.connectors.erp.port import PeriodState, PostingContext, PostingContextQuery
from interlock.connectors.erp.tryton_rest import VENDOR, TrytonRest
from interlock.errors import BusinessRuleViolation, ContractViolation

ROUNDING = "rounding"
ACCOUNTS = {
    "clearing": "1.1.3.1",
    "bank": "1.1.1",
    "fees": "5.2.2.1",
    "disputed": "1.1.4.1",
    "dispute losses": "5.2.3.1",
    ROUNDING: "4.3.3.1",
}

COMPANY_FIELDS = ["party.code", "currency.code"]
CATEGORY = "template.account_category"
PRODUCT_FIELDS = [
    "code",
    "sale_uom.digits",
    "template.type",
    f"{CATEGORY}.account_parent",
    f"{CATEGORY}.account_revenue",
    f"{CATEGORY}.parent.account_revenue",
]
TAX_FIELDS = ["rate", "invoice_account", "credit_note_account"]
PERIOD_FIELDS = ["state", "start_date", "fiscalyear"]


class TrytonBooks:
    """Reads only. Accounts, currencies and journals are read once per process."""

    def __init__(self, rest: TrytonRest, options: Mapping[str, str]) -> None:
        self._rest = rest
        self._codes = ACCOUNTS | _option(options, "accounts")
        self._currencies = _option(options, "currencies")
        self._known: dict[tuple[Any, ...], int] = {}

    def context(self, query: PostingContextQuery) -> PostingContext:
        """The facts for the posting of a document in the company that it names."""
        companies = self.companies()
        company = companies.get(query.subsidiary)
        facts: dict[str, Any] = {
            "subsidiary": query.subsidiary,
            "subsidiaries": tuple(sorted(companies)),
        }
        if company is None:
            nothing = {"kept_currencies": (), "known_skus": (), "known_tax_percents": ()}
            missing = {"period": PeriodState.MISSING, "next_open_day": None}
            return PostingContext(**facts, **nothing, **missing)
        own = company["currency"]["code"]
        day = query.posting_date
        return PostingContext(
            **facts,
            kept_currencies=(own, *self._currencies.get(query.subsidiary, ())),
            known_skus=tuple(sorted(self.products(query.skus, company["id"]))),
            known_tax_percents=tuple(
                percent
                for percent in query.tax_percents
                if len(self._taxes(percent, company["id"], day)) == 1
            ),
            period=self.period_state(company["id"], day),
            next_open_day=self._next_open_day(company["id"], day),
        )

    def companies(self) -> dict[str, dict[str, Any]]:
        """The companies by the code of their own party."""
        found = self._rest.search("company.company", [], COMPANY_FIELDS)
        return {company["party"]["code"]: company for company in found}

    def company(self, code: str, *, record: str) -> dict[str, Any]:
        """Raises BusinessRuleViolation where there is none."""
        company = self.companies().get(code)
        if company is None:
            problem = f"the ERP has no subsidiary {code}: correct the record"
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=record)
        return company

    def products(self, skus: tuple[str, ...], company: int) -> dict[str, dict[str, Any]]:
        """The products by code that have a revenue account in the company, as `account`."""
        domain = [["code", "in", sorted(set(skus))]]
        found = self._rest.search("product.product", domain, PRODUCT_FIELDS, company=company)
        with_account = {p["code"]: p | {"account": _revenue_account(p)} for p in found}
        return {code: product for code, product in with_account.items() if product["account"]}

    def tax(self, percent: Decimal, company: int, day: date, *, record: str) -> dict[str, Any]:
        """The one tax of this rate on sales. Raises BusinessRuleViolation for none or several."""
        found = self._taxes(percent, company, day)
        if len(found) != 1:
            problem = (
                f"the ERP has {len(found) or 'no'} taxes of {percent} % on sales on {day}: leave"
                " exactly one"
            )
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=record)
        return found[0]

    def period_state(self, company: int, day: date) -> PeriodState:
        """Whether the company may post on this day."""
        period = self._period(company, day)
        return PeriodState(period["state"]) if period else PeriodState.MISSING

    def open_period(self, company: int, day: date, *, record: str) -> dict[str, Any]:
        """The period to post in. Raises BusinessRuleViolation when it takes no posting."""
        period = self._period(company, day)
        if period is None or period["state"] != PeriodState.OPEN:
            state = period["state"] if period else "missing"
            problem = (
                f"the ERP's period of {day} is {state}, so {record} cannot be posted on that day:"
                " open the period, or choose another posting date"
            )
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=record)
        return period

    def account(self, role: str, company: int) -> int:
        """The account of a role. Raises ContractViolation where the company has none."""
        code = self._codes[role]
        domain = [["company", "=", company], ["code", "=", code]]
        return self._one("account.account", domain, f"the account {code} for {role}")

    def receivable(self, party: str | int, company: int) -> int:
        """The receivable account of a party. Raises ContractViolation where it has none."""
        fields = ["account_receivable"]
        account = self._rest.read("party.party", party, fields, company=company)[fields[0]]
        return account or self._setting("default_account_receivable", company)

    def exchange_account(self, company: int, *, gain: bool) -> int:
        """Where gains or losses on exchange go. Raises ContractViolation where none is set."""
        side = "credit" if gain else "debit"
        return self._setting(f"currency_exchange_{side}_account", company)

    def journal(self, kind: str) -> int:
        """The first journal of a type of Tryton's."""
        return self._one("account.journal", [["type", "=", kind]], f"a journal of type {kind}")

    def currency(self, code: str) -> int:
        """The id of a currency. Raises ContractViolation where there is none."""
        return self._one("currency.currency", [["code", "=", code]], f"the currency {code}")

    def _taxes(self, percent: Decimal, company: int, day: date) -> list[dict[str, Any]]:
        domain = [
            ["company", "=", company],
            ["parent", "=", None],
            ["type", "=", "percentage"],
            ["rate", "=", percent.scaleb(-2)],
            ["OR", ["group", "=", None], ["group.kind", "in", ["sale", "both"]]],
            ["OR", ["start_date", "=", None], ["start_date", "<=", day]],
            ["OR", ["end_date", "=", None], ["end_date", ">=", day]],
        ]
        return self._rest.search("account.tax", domain, TAX_FIELDS, company=company)

    def _period(self, company: int, day: date) -> dict[str, Any] | None:
        domain = [
            ["company", "=", company],
            ["type", "=", "standard"],
            ["start_date", "<=", day],
            ["end_date", ">=", day],
        ]
        return next(iter(self._rest.search("account.period", domain, PERIOD_FIELDS)), None)

    def _next_open_day(self, company: int, day: date) -> date | None:
        domain = [
            ["company", "=", company],
            ["type", "=", "standard"],
            ["start_date", ">", day],
            ["state", "=", "open"],
        ]
        found = self._rest.search("account.period", domain, PERIOD_FIELDS)
        return min((period["start_date"] for period in found), default=None)

    def _setting(self, name: str, company: int) -> int:
        key = (name, company)
        if key not in self._known:
            settings = self._rest.read("account.configuration", 1, [name], company=company)
            if settings[name] is None:
                raise _lacks(f"the setting {name} of its accounting configuration")
            self._known[key] = settings[name]
        return self._known[key]

    def _one(self, model: str, domain: list, what: str) -> int:
        key = (model, str(domain))
        if key not in self._known:
            found = self._rest.search(model, domain, ["id"])
            if not found:
                raise _lacks(what)
            self._known[key] = found[0]["id"]
        return self._known[key]


def _revenue_account(product: dict[str, Any]) -> int | None:
    category = product["template"]["account_category"]
    if category and category["account_parent"]:
        category = category["parent"]
    return category and category["account_revenue"]


def _option(options: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(options.get(name, "{}")))
    except (ValueError, TypeError):
        raise ContractViolation(
            f"the connection's option {name!r} is no JSON object: correct it", vendor=VENDOR
        ) from None


def _lacks(what: str) -> ContractViolation:
    return ContractViolation(
        f"lacks {what}: enter it there, or correct the connection's options", vendor=VENDOR
    )

"""Enters the books of books.toml into a new Tryton database.

Set-up only, and run in a process of its own: it imports Tryton, which is licensed under the
GPL, while the rest of the project reaches Tryton over its REST API alone.

    python create_books.py DATABASE BOOKS KEYS_FILE

The environment says where the database file is (TRYTOND_DATABASE__PATH). Each step is announced by
one line on standard output. The new REST keys, by user, go into KEYS_FILE as JSON.

Documentation: https://docs.tryton.org/latest/client-library/
"""

import datetime
import json
import os
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from proteus import Model, Wizard
from proteus import config as proteus_config

CHART_OF_ACCOUNTS = "account.account_template_root_en"
TAX_ACCOUNT_CODE = "6.3.6"
EXCHANGE_JOURNAL = "account.journal_currency_exchange"


class Books:
    """Enters one section of the books after another; later sections use the earlier ones."""

    def __init__(self, database: str, books: dict[str, Any]) -> None:
        self.books = books
        self.config = proteus_config.set_trytond(database, user="admin")
        self.currencies: dict[str, Any] = {}
        self.countries: dict[str, Any] = {}
        self.companies: dict[str, Any] = {}
        self.taxes: list[Any] = []

    def enter(self) -> dict[str, str]:
        """Enter everything and return each user's key."""
        announce("currencies and countries")
        self.enter_currencies()
        self.enter_countries()
        for company in self.books["companies"]:
            announce(f"company {company['code']}")
            self.enter_company(company)
        announce("parties, payment terms and products")
        self.use_all_companies()
        self.enter_party_settings()
        self.enter_payment_terms()
        self.enter_products()
        self.enter_sales_settings()
        announce("users")
        return {entry["login"]: self.enter_user(entry) for entry in self.books["users"]}

    def enter_currencies(self) -> None:
        currency_model = Model.get("currency.currency")
        for entry in self.books["currencies"]:
            currency = currency_model(
                name=entry["name"],
                code=entry["code"],
                numeric_code=entry["numeric_code"],
                digits=entry["digits"],
                rounding=Decimal(1).scaleb(-entry["digits"]),
            )
            first_day = datetime.date(min(self.books["fiscal_years"]), 1, 1)
            currency.rates.new(date=first_day, rate=Decimal(entry["rate"]))
            currency.save()
            self.currencies[entry["code"]] = currency

    def enter_countries(self) -> None:
        country_model = Model.get("country.country")
        for code, name in self.books["countries"].items():
            country = country_model(code=code, name=name)
            country.save()
            self.countries[code] = country

    def enter_company(self, entry: dict[str, Any]) -> None:
        party = Model.get("party.party")(name=entry["name"], code=entry["code"])
        party.addresses[0].country = self.countries[entry["country"]]
        party.save()
        company = Model.get("company.company")(
            party=party, currency=self.currencies[entry["currency"]]
        )
        company.save()
        self.companies[entry["code"]] = company
        self.work_in(company)
        self.enter_chart_of_accounts(company)
        for year in self.books["fiscal_years"]:
            self.enter_fiscal_year(company, year)
        self.enter_tax(company, entry["tax"])
        self.enter_accounts(company)

    def work_in(self, company: Any) -> None:
        """What follows is seen and done as a member of this company."""
        user = Model.get("res.user")(self.config.user)
        user.companies.append(Model.get("company.company")(company.id))
        user.company = company
        user.company_filter = "one"
        user.save()
        self.refresh_context()

    def use_all_companies(self) -> None:
        user = Model.get("res.user")(self.config.user)
        user.company_filter = "all"
        user.save()
        self.refresh_context()

    def refresh_context(self) -> None:
        self.config._context = Model.get("res.user").get_preferences(True, {})

    def enter_chart_of_accounts(self, company: Any) -> None:
        template_id = self.get_id(CHART_OF_ACCOUNTS)
        wizard = Wizard("account.create_chart")
        wizard.execute("account")
        wizard.form.account_template = Model.get("account.account.template")(template_id)
        wizard.form.company = company
        wizard.execute("create_account")
        wizard.form.account_receivable = self.account(company, "receivable")
        wizard.form.account_payable = self.account(company, "payable")
        wizard.form.category_account_expense = self.account(company, "expense")
        wizard.form.category_account_revenue = self.account(company, "revenue")
        wizard.execute("create_properties")

    def account(self, company: Any, kind: str) -> Any:
        accounts = Model.get("account.account").find(
            [(f"type.{kind}", "=", True), ("company", "=", company.id), ("closed", "!=", True)],
            limit=1,
        )
        return accounts[0]

    def enter_fiscal_year(self, company: Any, year: int) -> None:
        fiscal_year = Model.get("account.fiscalyear")(
            name=str(year),
            company=company,
            start_date=datetime.date(year, 1, 1),
            end_date=datetime.date(year, 12, 31),
        )
        fiscal_year.move_sequence = self.sequence(company, year, "Account Move")
        sequences = fiscal_year.invoice_sequences[0]
        sequences.out_invoice_sequence = self.sequence(company, year, "Invoice")
        sequences.out_credit_note_sequence = self.sequence(company, year, "Invoice")
        sequences.in_invoice_sequence = self.sequence(company, year, "Invoice")
        sequences.in_credit_note_sequence = self.sequence(company, year, "Invoice")
        fiscal_year.save()
        fiscal_year.click("create_period")

    def sequence(self, company: Any, year: int, kind: str) -> Any:
        sequence_type = Model.get("ir.sequence.type").find([("name", "=", kind)])[0]
        sequence = Model.get("ir.sequence.strict")(
            name=f"{kind} {year}", sequence_type=sequence_type, company=company
        )
        sequence.save()
        return sequence

    def enter_tax(self, company: Any, entry: dict[str, str]) -> None:
        account = self.account_of_code(company, TAX_ACCOUNT_CODE)
        tax = Model.get("account.tax")(
            name=entry["name"],
            description=entry["description"],
            company=company,
            type="percentage",
            rate=Decimal(entry["rate"]),
            invoice_account=account,
            credit_note_account=account,
        )
        tax.save()
        self.taxes.append(tax)

    def enter_accounts(self, company: Any) -> None:
        for entry in self.books["accounts"]:
            parent = self.account_of_code(company, entry["parent"])
            account = Model.get("account.account")(
                name=entry["name"],
                code=entry["code"],
                company=company,
                parent=parent,
                type=parent.type,
            )
            account.save()
        settings = Model.get("account.configuration")(1)
        for setting, code in self.books["account_settings"].items():
            setattr(settings, setting, self.account_of_code(company, code))
        settings.currency_exchange_journal = Model.get("account.journal")(
            self.get_id(EXCHANGE_JOURNAL)
        )
        settings.save()

    def account_of_code(self, company: Any, code: str) -> Any:
        (account,) = Model.get("account.account").find(
            [("code", "=", code), ("company", "=", company.id)]
        )
        return account

    def enter_party_settings(self) -> None:
        settings = Model.get("party.configuration")(1)
        settings.identifier_types = self.books["identifier_types"]
        settings.save()
        relation_model = Model.get("party.relation.type")
        parent = relation_model(name=self.books["parent_relation"])
        parent.save()
        child = relation_model(name=self.books["child_relation"], reverse=parent)
        child.save()
        parent.reverse = child
        parent.save()

    def enter_payment_terms(self) -> None:
        for entry in self.books["payment_terms"]:
            term = Model.get("account.invoice.payment_term")(name=entry["name"])
            line = term.lines.new(type="remainder")
            line.relativedeltas.new(days=entry["days"])
            term.save()
            if entry["name"] == self.books["customer_payment_term"]:
                for company in self.companies.values():
                    with self.config.set_context(company=company.id):
                        settings = Model.get("account.configuration")(1)
                        settings.default_customer_payment_term = term
                        settings.save()

    def enter_products(self) -> None:
        categories = {
            entry["name"]: self.enter_category(entry["name"]) for entry in self.books["categories"]
        }
        for entry in self.books["products"]:
            template = Model.get("product.template")(
                name=entry["name"],
                type="service",
                salable=True,
                default_uom=Model.get("product.uom")(self.get_id(entry["unit"])),
                account_category=categories[entry["category"]],
            )
            template.products[0].suffix_code = entry["code"]
            for company in self.companies.values():
                with self.config.set_context(company=company.id):
                    template.list_price = Decimal(entry["list_price"])
                    template.save()

    def enter_category(self, name: str) -> Any:
        category = Model.get("product.category")(name=name, accounting=True)
        category.save()
        for company in self.companies.values():
            with self.config.set_context(company=company.id):
                of_company = Model.get("product.category")(category.id)
                of_company.account_revenue = self.account(company, "revenue")
                of_company.account_expense = self.account(company, "expense")
                of_company.save()
        category.reload()
        category.customer_taxes.extend(Model.get("account.tax")(tax.id) for tax in self.taxes)
        category.save()
        return category

    def enter_sales_settings(self) -> None:
        """Invoices come from the billing system, so an order makes none by itself.

        Services are fulfilled when ordered; this is also when Tryton checks the credit limit.
        """
        settings = Model.get("sale.configuration")(1)
        settings.sale_process_after = datetime.timedelta(days=self.books["order_grace_days"])
        settings.save()
        for company in self.companies.values():
            with self.config.set_context(company=company.id):
                settings = Model.get("sale.configuration")(1)
                settings.sale_invoice_method = "manual"
                settings.sale_shipment_method = "order"
                settings.save()
        for kind, prefix in self.books["number_prefixes"].items():
            sequence = Model.get("ir.sequence").find([("sequence_type.name", "=", kind)])[0]
            sequence.prefix = prefix
            sequence.padding = 5
            sequence.save()

    def get_id(self, xml_id: str) -> int:
        """The id of a record that comes with Tryton's modules."""
        return Model.get("ir.model.data").get_id(xml_id, self.config.context)

    def enter_user(self, entry: dict[str, Any]) -> str:
        """A user of the REST API, with access to all companies; returns the key."""
        user = Model.get("res.user")(name=entry["name"], login=entry["login"])
        for group in entry["groups"]:
            user.groups.append(Model.get("res.group")(self.get_id(group)))
        for company in self.companies.values():
            user.companies.append(Model.get("company.company")(company.id))
        user.company = next(iter(self.companies.values()))
        user.company_filter = "all"
        user.save()
        application = Model.get("res.user.application")(user=user, application="rest")
        application.save()
        return application.key


def announce(step: str) -> None:
    """One line per step, read by whoever started this process."""
    print(step, flush=True)


def main() -> None:
    database, books_file, keys_file = sys.argv[1:]
    books = tomllib.loads(Path(books_file).read_text())
    keys = Books(database, books).enter()
    descriptor = os.open(keys_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(keys, file)


if __name__ == "__main__":
    main()

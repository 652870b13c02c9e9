"""What people do in the systems by hand, while a transaction is under way."""

from __future__ import annotations

from datetime import date
from typing import Any

from interlock.connectors.erp.tryton_rest import TrytonRest

from local.environment import LocalEnvironment
from local.sandboxes.salesforce_seed import OPEN_STAGE
from local.sandboxes.stripe import customers

EVERY = ["active", "in", [True, False]]
DEAL_FIELDS = (
    *("Name", "CloseDate", "AccountId", "CurrencyIsoCode", "Selling_Entity__c"),
    *("Payment_Terms__c", "Contract_Start_Date__c", "Contract_Term_Months__c"),
)
LINE_FIELDS = ("Product2Id", "Quantity", "UnitPrice")


class Finance:
    """The finance team in the ERP; `rest` has its key. Codes are canonical ids of accounts."""

    def __init__(self, rest: TrytonRest) -> None:
        self._rest = rest

    def period(self, day: date, subsidiary: str, button: str) -> None:
        """Press "close" or "reopen" on the month of a day."""
        company = self.company(subsidiary)
        domain = [
            ["company", "=", company],
            ["type", "=", "standard"],
            ["start_date", "<=", day],
            ["end_date", ">=", day],
        ]
        [period] = self._rest.search("account.period", domain, ["id"])
        self._rest.press("account.period", period["id"], button, ["id"], company=company)

    def company(self, code: str) -> int:
        """The id of a subsidiary."""
        [company] = self._rest.search("company.company", [["party.code", "=", code]], ["id"])
        return company["id"]

    def customer(self, code: str) -> str | None:
        """The id of a customer, active or not."""
        found = self._rest.search("party.party", [EVERY, ["code", "=", code]], ["id"])
        return str(found[0]["id"]) if found else None

    def set_active(self, customer: str, active: bool) -> None:
        """(De)activate a customer."""
        self._rest.write("party.party", customer, {"active": active}, ["id"])


class Sellers:
    """The people of the CRM."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self._organization = environment.organization

    def deal(self, deal: str) -> dict[str, Any] | None:
        """The opportunity with its fields; None when it is deleted."""
        return self._organization.find("Opportunity", deal)

    def change(self, deal: str, **fields: Any) -> None:
        """Edit the opportunity."""
        self._organization.update("Opportunity", deal, fields)

    def reopen(self, deal: str) -> None:
        """Take the win back."""
        self.change(deal, StageName=OPEN_STAGE)

    def sell_one_more(self, deal: str) -> None:
        """One more of the first line."""
        [line, *_] = self._organization.matching("OpportunityLineItem", "OpportunityId", deal)
        quantity = {"Quantity": line["Quantity"] + 1}
        self._organization.update("OpportunityLineItem", line["Id"], quantity)

    def enter_deal_like(self, deal: str) -> str:
        """Enter another deal of the same account, with the same lines: its id."""
        organization = self._organization
        with organization.transaction():
            known = organization.get("Opportunity", deal)
            row = {name: _as_sent(known[name]) for name in DEAL_FIELDS}
            copy = organization.insert("Opportunity", row | {"StageName": OPEN_STAGE})
            for line in organization.matching("OpportunityLineItem", "OpportunityId", deal):
                fields = {name: line[name] for name in LINE_FIELDS}
                organization.insert("OpportunityLineItem", fields | {"OpportunityId": copy})
        return copy

    def delete_deal(self, deal: str) -> None:
        """Delete the opportunity."""
        self._organization.delete("Opportunity", deal)

    def enter_account_like(self, account: str) -> str:
        """Enter the same company a second time: the new account's id."""
        fields = ("Name", "Website", "Billing_Email__c", "BillingCountryCode", "BillingCity")
        row = self._organization.get("Account", account)
        return self._organization.insert("Account", {name: row[name] for name in fields})

    def merge_account(self, account: str, into: str) -> None:
        """Merge one account into another: what belonged to it moves, and it is deleted.

        https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm
        """
        for deal in self._organization.matching("Opportunity", "AccountId", account):
            self.change(deal["Id"], AccountId=into)
        for child in self._organization.matching("Account", "ParentId", account):
            self._organization.update("Account", child["Id"], {"ParentId": into})
        self._organization.delete("Account", account)


class Billing:
    """The people of the billing system."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self._account = environment.stripe.account

    def delete_customer(self, account_id: str) -> bool:
        """Delete the customer that stands for an account, with its subscriptions, for good."""
        for customer in list(self._account.customers.values()):
            if customer.get("metadata", {}).get("interlock_account_id") == account_id:
                customers.delete(self._account, customer["id"], {})
                return True
        return False


def _as_sent(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value

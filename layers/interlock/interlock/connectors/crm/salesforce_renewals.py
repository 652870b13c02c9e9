"""Renewals at Salesforce: the deal of each, and the price that we tell on it.

- A deal carries the renewal's id in an external id field, which is unique: it is made once.
  https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm
- A line item sells an entry of a price book, in the deal's currency: of the deal's own price book,
  or of the standard one, which the first line item makes the deal's own. The deal's amount is the
  sum of its line items.
  https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunitylineitem.htm
  https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_pricebookentry.htm
- A price is replaced at once: the lines of before, the new ones, and what is told about them.

Unconfirmed: how many decimals UnitPrice keeps (two, unless the administrator allows more). The
offer is known by its fingerprint, and its price is the quote's: the line items only show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from pydantic import ValidationError

from interlock.canonical.contracts import (
    ContractLine,
    Quoted,
    QuotedDeal,
    RenewalDeal,
)
from interlock.connections import Connection
from interlock.connectors.crm.salesforce_accounts import SalesforceAccounts
from interlock.connectors.crm.salesforce_records import RENEWAL
from interlock.connectors.crm.salesforce_requests import VENDOR, Requests, Row, checked, literal
from interlock.errors import (
    BusinessRuleViolation,
    ContractViolation,
    RecordConflict,
    RecordNotFound,
    VendorUnavailable,
)

RENEWAL_ID = "Interlock_Renewal__c"
OFFER = "Interlock_Offer__c"
WORKING = "Interlock_Quote_Working__c"
# Where the values of a renewal's deal are on the opportunity.
DEAL_FIELDS = {
    "contract_id": "Interlock_Contract__c",
    "account_id": "AccountId",
    "name": "Name",
    "currency": "CurrencyIsoCode",
    "subsidiary": "Selling_Entity__c",
    "payment_terms": "Payment_Terms__c",
    "starts_on": "Contract_Start_Date__c",
    "term_months": "Contract_Term_Months__c",
}
NAME_LENGTH = 120


class SalesforceRenewals(SalesforceAccounts):
    """The part of the CRM port on Salesforce that is about renewals: see this module.

    Stages are the organisation's own: `open_stage` is where a renewal begins, `lost_stage` where
    one goes that is given up.
    """

    def __init__(self, connection: Connection, requests: Requests) -> None:
        super().__init__(connection, requests)
        self._default_currency = connection.options.get("default_currency")
        self._open_stage = connection.options.get("open_stage", "Prospecting")
        self._lost_stage = connection.options.get("lost_stage", "Closed Lost")

    def get_renewal(self, remote_id: str) -> RenewalDeal:
        """The deal as it is now. Raises ContractViolation that names what is to be filled in."""
        return self._deal(self._renewal_row(remote_id, "get_renewal"))

    def find_renewal(self, renewal_id: str, *, contract_id: str) -> RenewalDeal | None:
        """One query; of several deals that sales made, a won one or else the oldest."""
        ours, theirs = self._candidates(renewal_id, contract_id, operation="find_renewal")
        found = theirs or ours
        return self._deal(found) if found else None

    def open_renewal(self, renewal: RenewalDeal) -> RenewalDeal:
        """Upsert by the renewal's id, unless there is a deal already.

        It is the account's owner's, if that is an active user; it closes with the running term.
        """
        operation = "open_renewal"
        ours, theirs = self._candidates(renewal.id, renewal.contract_id, operation=operation)
        if theirs:
            writes = [_update(theirs, {RENEWAL_ID: renewal.id})]
            if ours:
                writes.insert(0, _update(ours, self._given_up(ours)))
            self._requests.write_together(*writes, operation=operation, record=renewal.id)
            return self._deal(theirs).model_copy(update={"id": renewal.id})
        if ours is None:
            fields = self._opened(renewal)
            record_id = self._requests.upsert(
                "Opportunity", RENEWAL_ID, renewal.id, fields, operation=operation
            )
            deal_id = self._connection.canonical_id(record_id)
            return renewal.model_copy(update={"remote_id": record_id, "deal_id": deal_id})
        return self._deal(ours)

    def close_renewal(self, remote_id: str) -> None:
        """One write; a deal that is closed and carries no renewal's id is not written to again."""
        operation = "close_renewal"
        row = self._renewal_row(remote_id, operation)
        if fields := self._given_up(row):
            self._requests.update("Opportunity", row["Id"], fields, operation=operation)

    def read_quote(self, deal_id: str) -> Quoted:
        """The offer's fingerprint as it is on the opportunity now."""
        record_id = self._requests.record_id(deal_id)
        row = self._requests.row("Opportunity", record_id, (OFFER,), operation="read_quote")
        return Quoted(deal_id=deal_id, offer=row[OFFER])

    def quote_renewal(self, quoted: QuotedDeal) -> Quoted:
        """All writes in one request, of which none is made if one of them is refused.

        Raises BusinessRuleViolation for a closed deal, and for products without a price book entry.
        """
        operation = "quote_renewal"
        where = {"vendor": VENDOR, "operation": operation, "record": quoted.deal_id}
        fields = ("Id", "IsClosed", "Pricebook2Id", "(SELECT Id FROM OpportunityLineItems)")
        record_id = self._requests.record_id(quoted.deal_id)
        row = self._requests.row("Opportunity", record_id, fields, operation=operation)
        if row["IsClosed"]:
            problem = "the deal is closed: open it again, or let the renewal be decided anew"
            raise BusinessRuleViolation([problem], **where)
        entries = self._price_book_entries(quoted, row["Pricebook2Id"])
        lines = self._requests.records(row["OpportunityLineItems"], operation=operation)
        writes = _replacing(row["Id"], [line["Id"] for line in lines], quoted, entries)
        try:
            self._requests.write_together(*writes, operation=operation, record=quoted.deal_id)
        except RecordNotFound:
            problem = "somebody changes the deal's lines at this moment"
            raise VendorUnavailable(problem, **where) from None
        return quoted.told

    def _deal_fields(self) -> tuple[str, ...]:
        fields = [*DEAL_FIELDS.values()]
        if self._default_currency is not None:
            fields.remove(DEAL_FIELDS["currency"])
        return ("Id", "IsClosed", "IsWon", "Contract_Change__c", RENEWAL_ID, *fields)

    def _candidates(
        self, renewal_id: str, contract_id: str, *, operation: str
    ) -> tuple[Row | None, Row | None]:
        """The deal that carries the renewal's id, and the one of sales to be taken instead."""
        query = (
            f"SELECT {', '.join(self._deal_fields())} FROM Opportunity"
            f" WHERE {RENEWAL_ID} = {literal(renewal_id)}"
            f" OR (Contract_Change__c = '{RENEWAL}'"
            f" AND Interlock_Contract__c = {literal(contract_id)} AND {RENEWAL_ID} = null"
            " AND (IsClosed = FALSE OR IsWon = TRUE)) ORDER BY IsWon DESC, CreatedDate, Id"
        )
        rows = list(self._requests.rows(query, operation=operation, record=renewal_id))
        ours = next((row for row in rows if row[RENEWAL_ID]), None)
        starts_on = DEAL_FIELDS["starts_on"]
        instead = [
            row
            for row in rows
            if not row[RENEWAL_ID]
            and (
                ours is None
                or (row["IsWon"] and not ours["IsWon"] and row[starts_on] == ours[starts_on])
            )
        ]
        return ours, instead[0] if instead else None

    def _given_up(self, row: Row) -> Row:
        """What a deal that is no renewal of ours any more is told; nothing, where it is not."""
        fields: Row = {RENEWAL_ID: None} if row[RENEWAL_ID] else {}
        if not row["IsClosed"]:
            fields["StageName"] = self._lost_stage
        return fields

    def _renewal_row(self, remote_id: str, operation: str) -> Row:
        """Raises RecordNotFound, and RecordConflict for a deal that renews no contract."""
        row = self._requests.row(
            "Opportunity", checked(remote_id), self._deal_fields(), operation=operation
        )
        if row["Contract_Change__c"] == RENEWAL and row[DEAL_FIELDS["contract_id"]]:
            return row
        raise RecordConflict(
            f"this deal renews no contract: its Contract_Change__c is to be {RENEWAL}, and"
            f" {DEAL_FIELDS['contract_id']} the contract's id",
            vendor=VENDOR,
            operation=operation,
            record=remote_id,
        )

    def _deal(self, row: Row) -> RenewalDeal:
        deal_id = self._connection.canonical_id(row["Id"])
        values = {name: row.get(field) for name, field in DEAL_FIELDS.items()}
        values |= {"id": row[RENEWAL_ID] or deal_id, "deal_id": deal_id, "remote_id": row["Id"]}
        values["currency"] = self._default_currency or values["currency"]
        if values["account_id"]:
            values["account_id"] = self._connection.canonical_id(values["account_id"])
        try:
            return RenewalDeal.model_validate(values)
        except ValidationError as error:
            names = [str(detail["loc"][0]) for detail in error.errors()]
            fields = ", ".join(DEAL_FIELDS.get(name, name) for name in names)
            raise ContractViolation(
                f"the renewal's deal has no usable {fields}: fill that in",
                vendor=VENDOR,
                operation="get_renewal",
                record=deal_id,
            ) from None

    def _opened(self, renewal: RenewalDeal) -> Row:
        """The fields of the deal that we open."""
        account_id = self._requests.record_id(renewal.account_id)
        fields = {
            "AccountId": account_id,
            "Name": renewal.name[:NAME_LENGTH],
            "StageName": self._open_stage,
            "CloseDate": (renewal.starts_on - timedelta(days=1)).isoformat(),
            "Contract_Change__c": RENEWAL,
            "Interlock_Contract__c": renewal.contract_id,
            "Contract_Start_Date__c": renewal.starts_on.isoformat(),
            "Contract_Term_Months__c": renewal.term_months,
            "Selling_Entity__c": renewal.subsidiary,
            "Payment_Terms__c": renewal.payment_terms,
        }
        if self._default_currency is None:
            fields["CurrencyIsoCode"] = renewal.currency
        row = self._account_row(renewal.account_id, ("OwnerId", "Owner.IsActive"), "open_renewal")
        if (row["Owner"] or {}).get("IsActive"):
            fields["OwnerId"] = row["OwnerId"]
        return fields

    def _price_book_entries(self, quoted: QuotedDeal, price_book: str | None) -> dict[str, str]:
        """The id of each product's entry in the deal's price book, or in the standard one."""
        where = {"operation": "quote_renewal", "record": quoted.deal_id}
        currency = quoted.quote.total.currency
        skus = dict.fromkeys(line.sku for line in quoted.quote.lines)
        if not skus:
            return {}
        book = f"Pricebook2Id = '{price_book}'" if price_book else "Pricebook2.IsStandard = TRUE"
        query = (
            "SELECT Id, Product2.ProductCode FROM PricebookEntry WHERE IsActive = TRUE"
            f" AND {book} AND Product2.ProductCode IN ({', '.join(map(literal, skus))})"
        )
        if self._default_currency is None:
            query += f" AND CurrencyIsoCode = {literal(currency)}"
        rows = self._requests.rows(query, **where)
        entries = {row["Product2"]["ProductCode"]: row["Id"] for row in rows}
        if missing := ", ".join(sku for sku in skus if sku not in entries):
            problem = f"the deal's price book has no active entry in {currency} for {missing}"
            raise BusinessRuleViolation([f"{problem}: add what is missing"], vendor=VENDOR, **where)
        return entries


def _update(row: Row, fields: Row) -> Row:
    return {"method": "PATCH", "path": f"Opportunity/{row['Id']}", "body": fields}


def _replacing(
    deal_id: str, replaced: list[str], quoted: QuotedDeal, entries: dict[str, str]
) -> Iterator[Row]:
    """The writes of a quote: what is told about it, the lines of before, and the new ones."""
    told = {OFFER: quoted.told.offer, WORKING: _working(quoted)}
    yield _update({"Id": deal_id}, told)
    for line_id in replaced:
        yield {"method": "DELETE", "path": f"OpportunityLineItem/{line_id}"}
    for line in quoted.quote.lines:
        sold = {"OpportunityId": deal_id, "PricebookEntryId": entries[line.sku]}
        sold |= _sold(line, quoted.quote.starts_on)
        yield {"method": "POST", "path": "OpportunityLineItem", "body": sold}


def _sold(line: ContractLine, term_starts_on: date) -> Row:
    """The fields of a line item; a ramp's line counts from a later month of the term."""
    later = line.starts_on
    months = (later.year - term_starts_on.year) * 12 + later.month - term_starts_on.month
    return {
        "Quantity": line.quantity,
        "UnitPrice": line.unit_price.amount,
        "Description": line.description or None,
        "Ramp_From_Month__c": months or None,
    }


def _working(quoted: QuotedDeal) -> str:
    """What sales read: about the customer, and how the price comes about, a sentence a line."""
    return "\n".join([quoted.summary, "", *quoted.quote.working])

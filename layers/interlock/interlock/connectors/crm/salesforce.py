"""Salesforce behind the CRM port, over its REST API.

The secret is `{"client_id", "client_secret"}` of an external client app with the client credentials
flow; its run-as user needs the API, read access to the objects below and write access to the
Interlock fields. Options of the connection:

- `api_version`: such as "v66.0", which is the default.
- `default_currency`: ISO 4217 code of an organisation without multiple currencies (there a record
  has no CurrencyIsoCode). Leave it out where multiple currencies are enabled.

Custom fields that an administrator creates:

- Opportunity: Contract_Start_Date__c (date), Contract_Term_Months__c (number), Selling_Entity__c
  (the ERP's code of the selling company), Payment_Terms__c (the ERP's code), and for what we write
  Interlock_Order_Number__c (text, unique), Interlock_Order_Status__c, Interlock_Subscription__c,
  Interlock_Correlation__c (text of 255).
- Account: Tax_Id__c (text), Billing_Email__c (email), and for what we write Interlock_Dunning__c,
  Interlock_Overdue_Amount__c, Interlock_Overdue_Currency__c (text of 255), and
  Interlock_Overdue_Since__c (date); of the latest credit for a case, Interlock_Credit_Case__c,
  Interlock_Credit_Amount__c, Interlock_Credit_Currency__c (text of 255),
  Interlock_Credit_Documents__c (long text area, a credit note's number a line) and
  Interlock_Credit_Day__c (date). An amount is text since it is exact, and in the currency of the
  invoices: a currency field would show it in the account's.
- Product2: Charge_Type__c (picklist "Recurring" or "Service").

Documentation, below https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/ :

- Queries: dome_query.htm, resources_query_more_results.htm
- Updates: dome_update_fields.htm
- Call options, which name the client of a change: headers_calloptions.htm
- Errors, which it lists with no status for each code: errorcodes.htm
- Tokens: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_client_credentials_flow.htm

Unconfirmed, and why being wrong is harmless: with which status UNABLE_TO_LOCK_ROW comes (clients
have seen 500, others tell of 400) and ENTITY_IS_DELETED (404 is likely, as for what is not found).
Each code means the same with every status that the page has. With one that it does not have, a
write is a VendorRejected, or of unknown outcome if it is a 5xx: then it is looked up before it is
written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx

from interlock.canonical import Opportunity, WonDeal, WriteBack
from interlock.canonical.credits import CreditNotice
from interlock.canonical.dunning import DunningFlag
from interlock.connections import Connection
from interlock.connectors.crm import salesforce_records as records
from interlock.connectors.crm.salesforce_events import CLIENT
from interlock.credentials import OAuthClientCredentials
from interlock.errors import (
    ContractViolation,
    CredentialsRejected,
    InterlockError,
    RecordConflict,
    RecordNotFound,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from interlock.http import ErrorTable, VendorClient

API_VERSION = "v66.0"
_RECORD_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")

_BY_CODE: dict[str, type[InterlockError]] = {
    "REQUEST_LIMIT_EXCEEDED": VendorThrottled,
    # Another transaction holds the row, or the query took too long: nothing was applied.
    "UNABLE_TO_LOCK_ROW": VendorUnavailable,
    "QUERY_TIMEOUT": VendorUnavailable,
    "ENTITY_IS_DELETED": RecordNotFound,
    "DUPLICATE_VALUE": RecordConflict,
    "DUPLICATES_DETECTED": RecordConflict,
    # The integration's user lacks a permission on an object, a record or a field.
    "INSUFFICIENT_ACCESS": CredentialsRejected,
    "INSUFFICIENT_ACCESS_OR_READONLY": CredentialsRejected,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": CredentialsRejected,
    "INVALID_FIELD_FOR_INSERT_UPDATE": CredentialsRejected,
}
# Those of an error in the documentation of errors.
_STATUSES = (400, 403, 404, 409, 429, 500, 503)

ERRORS = ErrorTable(
    code=lambda response: response.json()[0]["errorCode"],
    errors={(status, code): error for code, error in _BY_CODE.items() for status in _STATUSES},
)


class Salesforce:
    """A Salesforce org; implements `CrmPort`. `transport` replaces the network in tests."""

    def __init__(
        self, connection: Connection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._connection = connection
        self._default_currency = connection.options.get("default_currency")
        self._base = f"/services/data/{connection.options.get('api_version', API_VERSION)}"
        self._client = VendorClient(
            connection,
            auth=OAuthClientCredentials(
                connection.secret,
                f"{connection.url}/services/oauth2/token",
                vendor="salesforce",
            ),
            errors=ERRORS,
            headers={"Accept": "application/json", "Sforce-Call-Options": f"client={CLIENT}"},
            transport=transport,
        )

    def get_opportunity(self, opportunity_id: str, *, hierarchy_depth: int) -> Opportunity:
        """The deal with its lines, read in one query, and its accounts, read one by one.

        An amount is what Salesforce computed: quantity times sales price less discount. The splits
        are those of the oldest split type that must add up to 100 %, which is Salesforce's own
        revenue split; an organisation without splits has none.
        Raises RecordNotFound, and ContractViolation that names every field to fill in.
        """
        record_id = self._record_id(opportunity_id)
        fields = records.OPPORTUNITY_FIELDS
        if self._default_currency is None:
            fields = (*fields, "CurrencyIsoCode")
        lines = f"(SELECT {', '.join(records.LINE_FIELDS)} FROM OpportunityLineItems"
        row = self._row(
            "Opportunity",
            record_id,
            (*fields, f"{lines} ORDER BY CreatedDate, Id)"),
            operation="get_opportunity",
        )
        return records.opportunity(
            row,
            lines=list(self._records(row["OpportunityLineItems"], operation="get_opportunity")),
            splits=self._splits(record_id),
            accounts=self._accounts(row["AccountId"], hierarchy_depth),
            currency=self._default_currency or row["CurrencyIsoCode"],
            connection=self._connection,
        )

    def write_back(self, write_back: WriteBack) -> WriteBack:
        """Set the order's fields on the opportunity; the same again changes nothing."""
        deal = write_back.opportunity_id
        self._update("Opportunity", deal, records.written(write_back), operation="write_back")
        return write_back

    def read_write_back(self, opportunity_id: str) -> WriteBack:
        """The order's fields as they are on the opportunity now."""
        row = self._row(
            "Opportunity",
            self._record_id(opportunity_id),
            records.WRITE_BACK_FIELDS,
            operation="read_write_back",
        )
        return records.write_back(row, opportunity_id=opportunity_id)

    def won_without_order(self, *, won_after: datetime, won_before: datetime) -> Iterator[WonDeal]:
        """By the time of the last change of the stage, to the second: see `records.won_deal`."""
        ends = {">=": won_after, "<=": won_before}
        literals = {sign: f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for sign, at in ends.items()}
        changed, created = (
            " AND ".join(f"{field} {sign} {literal}" for sign, literal in literals.items())
            for field in ("LastStageChangeDate", "CreatedDate")
        )
        query = (
            f"SELECT {', '.join(records.WON_FIELDS)} FROM Opportunity WHERE IsWon = TRUE"
            f" AND ({records.ORDER_STATUS} = null OR {records.ORDER_STATUS} != 'accepted')"
            f" AND (({changed}) OR (LastStageChangeDate = null AND {created}))"
            " ORDER BY LastStageChangeDate DESC NULLS LAST, Id"
        )
        for row in self._rows(query, operation="won_without_order", record=None):
            yield records.won_deal(row, connection=self._connection)

    def read_dunning(self, account_id: str) -> DunningFlag:
        """The flag's fields as they are on the account now.

        Raises RecordNotFound, and ContractViolation where people entered something else there.
        """
        record_id = self._record_id(account_id)
        row = self._row("Account", record_id, records.DUNNING_FIELDS, operation="read_dunning")
        return records.dunning_flag(row, account_id=account_id)

    def write_dunning(self, flag: DunningFlag) -> DunningFlag:
        """Set the flag's fields on the account, or empty them; the same again changes nothing."""
        fields = records.flagged(flag)
        self._update("Account", flag.account_id, fields, operation="write_dunning")
        return flag

    def read_credit_notice(self, account_id: str) -> CreditNotice | None:
        """The latest credit's fields as they are on the account now.

        Raises RecordNotFound, and ContractViolation where people entered something else there.
        """
        operation = "read_credit_notice"
        record_id = self._record_id(account_id)
        row = self._row("Account", record_id, records.CREDIT_FIELDS, operation=operation)
        return records.credit_notice(row, account_id=account_id)

    def write_credit_notice(self, notice: CreditNotice) -> CreditNotice:
        """Set the latest credit's fields on the account; the same again changes nothing."""
        fields = records.noticed(notice)
        self._update("Account", notice.account_id, fields, operation="write_credit_notice")
        return notice

    def _record_id(self, canonical_id: str) -> str:
        """The id there; checked, since it becomes a part of queries and addresses."""
        record_id = self._connection.remote_id(canonical_id)
        if not _RECORD_ID.fullmatch(record_id):
            raise ContractViolation(
                "a Salesforce record id has 15 or 18 letters and digits",
                vendor="salesforce",
                record=canonical_id,
            )
        return record_id

    def _update(
        self, sobject: str, canonical_id: str, fields: records.Row, *, operation: str
    ) -> None:
        """Set fields of a record.

        The change event of this write names us in its changeOrigin, by the call options.
        """
        self._client.request(
            "PATCH",
            f"{self._base}/sobjects/{sobject}/{self._record_id(canonical_id)}",
            operation=operation,
            record=canonical_id,
            json=fields,
        )

    def _row(
        self, sobject: str, record_id: str, fields: tuple[str, ...], *, operation: str
    ) -> records.Row:
        query = f"SELECT {', '.join(fields)} FROM {sobject} WHERE Id = '{record_id}'"
        rows = self._query(query, operation=operation, record=record_id)
        if not rows:
            raise RecordNotFound(
                f"there is no such {sobject.lower()}, or the integration's user may not see it",
                vendor="salesforce",
                operation=operation,
                record=record_id,
            )
        return rows[0]

    def _accounts(self, account_id: str | None, depth: int) -> list[dict[str, Any]]:
        """The account and at most `depth` parents upwards; one seen before ends the walk."""
        rows: list[dict[str, Any]] = []
        known: dict[str, dict[str, Any]] = {}
        while account_id and len(rows) <= depth:
            if account_id in known:
                rows.append(known[account_id])
                break
            known[account_id] = self._account(account_id)
            rows.append(known[account_id])
            account_id = rows[-1]["ParentId"]
        return rows

    def _account(self, account_id: str) -> dict[str, Any]:
        query = f"SELECT {', '.join(records.ACCOUNT_FIELDS)} FROM Account WHERE Id = '{account_id}'"
        rows = self._query(query, operation="get_opportunity", record=account_id)
        if not rows:
            raise ContractViolation(
                "this account cannot be read: share it with the integration's user",
                vendor="salesforce",
                operation="get_opportunity",
                record=account_id,
            )
        return rows[0]

    def _splits(self, record_id: str) -> list[dict[str, Any]]:
        query = (
            f"SELECT {', '.join(records.SPLIT_FIELDS)} FROM OpportunitySplit"
            f" WHERE OpportunityId = '{record_id}' AND SplitType.IsTotalValidated = TRUE"
            " ORDER BY SplitType.CreatedDate, CreatedDate, Id"
        )
        try:
            rows = self._query(query, operation="get_opportunity", record=record_id)
        except VendorRejected as error:
            if error.code == "INVALID_TYPE":  # opportunity splits are not enabled there
                return []
            raise
        return [row for row in rows if row["SplitTypeId"] == rows[0]["SplitTypeId"]]

    def _query(self, query: str, *, operation: str, record: str) -> list[dict[str, Any]]:
        return list(self._rows(query, operation=operation, record=record))

    def _rows(self, query: str, *, operation: str, record: str | None) -> Iterator[dict[str, Any]]:
        page = self._get(f"{self._base}/query", operation, record, params={"q": query})
        yield from self._records(page, operation=operation)

    def _records(self, page: dict[str, Any] | None, *, operation: str) -> Iterator[dict[str, Any]]:
        """The records of a page and of those that follow; null stands for no child records."""
        while page:
            yield from page["records"]
            following = page.get("nextRecordsUrl")
            page = self._get(following, operation, None) if following else None

    def _get(self, path: str, operation: str, record: str | None, **request: Any) -> dict[str, Any]:
        response = self._client.request("GET", path, operation=operation, record=record, **request)
        try:
            page = json.loads(response.content, parse_float=Decimal)
        except ValueError:
            page = None
        if not isinstance(page, dict) or not isinstance(page.get("records"), list):
            raise ContractViolation(
                "answered a query with something else than records: check the base_url",
                vendor="salesforce",
                operation=operation,
                record=record,
            )
        return page

"""Salesforce behind the CRM port, over its REST API.

The secret is `{"client_id", "client_secret"}` of an external client app with the client credentials
flow; its run-as user needs the API, read access to the objects below and to price books, write
access to the Interlock fields, and may create and edit opportunities with their products. Options
of the connection:

- `api_version`: such as "v66.0", which is the default.
- `default_currency`: ISO 4217 code of an organisation without multiple currencies (there a record
  has no CurrencyIsoCode). Leave it out where multiple currencies are enabled.
- `open_stage`, `lost_stage`: the stage in which a renewal's deal is opened, and the one of a deal
  that is given up; "Prospecting" and "Closed Lost" unless the organisation calls them otherwise.

Custom fields that an administrator creates:

- Opportunity: Contract_Start_Date__c (date), Contract_Term_Months__c (number), Selling_Entity__c
  (the ERP's code of the selling company), Payment_Terms__c (the ERP's code), and for what we write
  Interlock_Order_Number__c (text, unique), Interlock_Order_Status__c, Interlock_Subscription__c,
  Interlock_Correlation__c (text of 255).
- Opportunity, about contracts: Contract_Change__c (picklist "Renewal" or "Amendment", empty for a
  new sale), Interlock_Contract__c and Consolidates_Into__c (text of 255: a contract's id, which is
  "salesforce:" and the id of the opportunity that it began with), Renewal_Discount__c (percent);
  what is agreed about the renewal, Auto_Renews__c (picklist "Yes" or "No"), Notice_Days__c,
  Renewal_Months__c (number), Uplift_Percent__c, Uplift_Cap__c (percent), Uplift_Index__c (text);
  and for what we write Interlock_Renewal__c (text of 255, external id, unique), Interlock_Offer__c
  (text of 255) and Interlock_Quote_Working__c (long text area of 131,072).
- OpportunityLineItem: Ramp_From_Month__c (number).
- Account: Tax_Id__c (text), Billing_Email__c (email), and for what we write Interlock_Dunning__c,
  Interlock_Overdue_Amount__c, Interlock_Overdue_Currency__c (text of 255), and
  Interlock_Overdue_Since__c (date); of the latest credit for a case, Interlock_Credit_Case__c,
  Interlock_Credit_Amount__c, Interlock_Credit_Currency__c (text of 255),
  Interlock_Credit_Documents__c (long text area, a credit note's number a line) and
  Interlock_Credit_Day__c (date). An amount is text since it is exact, and in the currency of the
  invoices: a currency field would show it in the account's. Of what the customer is entitled to,
  Interlock_Service__c (text of 255), Interlock_Entitlements__c, Interlock_Service_Reason__c (long
  text area) and Interlock_Service_Until__c (date).
- Product2: Charge_Type__c (picklist "Recurring" or "Service").

How it is asked, with the documentation: `salesforce_requests`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx

from interlock.canonical import Opportunity, WonDeal, WriteBack
from interlock.connections import Connection
from interlock.connectors.crm import salesforce_records as records
from interlock.connectors.crm.salesforce_renewals import SalesforceRenewals
from interlock.connectors.crm.salesforce_requests import VENDOR, Requests, Row
from interlock.errors import ContractViolation, VendorRejected


class Salesforce(SalesforceRenewals):
    """A Salesforce org; implements `CrmPort`. `transport` replaces the network in tests.

    Here is what is sold, and the order that came of it; what we tell about a customer is in
    `salesforce_accounts`, what becomes of its contracts in `salesforce_renewals`.
    """

    def __init__(
        self, connection: Connection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        super().__init__(connection, Requests(connection, transport))

    def get_opportunity(self, opportunity_id: str, *, hierarchy_depth: int) -> Opportunity:
        """The deal with its lines, read in one query, and its accounts, read one by one.

        An amount is what Salesforce computed: quantity times sales price less discount. The splits
        are those of the oldest split type that must add up to 100 %, which is Salesforce's own
        revenue split; an organisation without splits has none.
        Raises RecordNotFound, and ContractViolation that names every field to fill in.
        """
        record_id = self._requests.record_id(opportunity_id)
        fields = records.OPPORTUNITY_FIELDS
        if self._default_currency is None:
            fields = (*fields, "CurrencyIsoCode")
        lines = f"(SELECT {', '.join(records.LINE_FIELDS)} FROM OpportunityLineItems"
        row = self._requests.row(
            "Opportunity",
            record_id,
            (*fields, f"{lines} ORDER BY CreatedDate, Id)"),
            operation="get_opportunity",
        )
        return records.opportunity(
            row,
            lines=list(
                self._requests.records(row["OpportunityLineItems"], operation="get_opportunity")
            ),
            splits=self._splits(record_id),
            accounts=self._accounts(row["AccountId"], hierarchy_depth),
            currency=self._default_currency or row["CurrencyIsoCode"],
            connection=self._connection,
        )

    def write_back(self, write_back: WriteBack) -> WriteBack:
        """Set the order's fields on the opportunity; the same again changes nothing."""
        record_id = self._requests.record_id(write_back.opportunity_id)
        fields = records.written(write_back)
        self._requests.update("Opportunity", record_id, fields, operation="write_back")
        return write_back

    def read_write_back(self, opportunity_id: str) -> WriteBack:
        """The order's fields as they are on the opportunity now."""
        row = self._requests.row(
            "Opportunity",
            self._requests.record_id(opportunity_id),
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
        for row in self._requests.rows(query, operation="won_without_order", record=None):
            yield records.won_deal(row, connection=self._connection)

    def _accounts(self, account_id: str | None, depth: int) -> list[Row]:
        """The account and at most `depth` parents upwards; one seen before ends the walk."""
        rows: list[Row] = []
        known: dict[str, Row] = {}
        while account_id and len(rows) <= depth:
            if account_id in known:
                rows.append(known[account_id])
                break
            known[account_id] = self._account(account_id)
            rows.append(known[account_id])
            account_id = rows[-1]["ParentId"]
        return rows

    def _account(self, account_id: str) -> Row:
        query = f"SELECT {', '.join(records.ACCOUNT_FIELDS)} FROM Account WHERE Id = '{account_id}'"
        rows = self._query(query, operation="get_opportunity", record=account_id)
        if not rows:
            raise ContractViolation(
                "this account cannot be read: share it with the integration's user",
                vendor=VENDOR,
                operation="get_opportunity",
                record=account_id,
            )
        return rows[0]

    def _splits(self, record_id: str) -> list[Row]:
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

    def _query(self, query: str, *, operation: str, record: str) -> list[Row]:
        return list(self._requests.rows(query, operation=operation, record=record))

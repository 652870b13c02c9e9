"""What sales know about a customer at Salesforce, and what we tell them on its account.

Only we write the fields that begin with Interlock_; they are texts where a value has to be exact.
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_account.htm
"""

from __future__ import annotations

from pydantic import ValidationError

from interlock.canonical.credits import CreditNotice
from interlock.canonical.customer_view import Relationship
from interlock.canonical.dunning import DunningFlag
from interlock.canonical.services import Service
from interlock.connections import Connection
from interlock.connectors.crm.salesforce_requests import VENDOR, Requests, Row
from interlock.errors import ContractViolation

DUNNING_FIELDS = (
    "Interlock_Dunning__c",
    "Interlock_Overdue_Amount__c",
    "Interlock_Overdue_Currency__c",
    "Interlock_Overdue_Since__c",
)
CREDIT_FIELDS = (
    "Interlock_Credit_Case__c",
    "Interlock_Credit_Amount__c",
    "Interlock_Credit_Currency__c",
    "Interlock_Credit_Documents__c",
    "Interlock_Credit_Day__c",
)
SERVICE_FIELDS = (
    "Interlock_Service__c",
    "Interlock_Entitlements__c",
    "Interlock_Service_Until__c",
    "Interlock_Service_Reason__c",
)
# The account's owner, and the deals with it that are neither won nor lost, the oldest first.
RELATIONSHIP_FIELDS = (
    "Owner.Email",
    "(SELECT Name FROM Opportunities WHERE IsClosed = FALSE ORDER BY CreatedDate, Id)",
)


class SalesforceAccounts:
    """The part of the CRM port on Salesforce that is about accounts: see this module."""

    def __init__(self, connection: Connection, requests: Requests) -> None:
        self._connection = connection
        self._requests = requests

    def get_relationship(self, account_id: str) -> Relationship:
        """The account's owner, and the names of its open opportunities."""
        operation = "get_relationship"
        row = self._account_row(account_id, RELATIONSHIP_FIELDS, operation)
        deals = self._requests.records(row["Opportunities"], operation=operation)
        return Relationship(
            owner=(row["Owner"] or {}).get("Email"),
            open_deals=tuple(deal["Name"] for deal in deals),
        )

    def read_dunning(self, account_id: str) -> DunningFlag:
        """The flag's fields as they are on the account now.

        Raises RecordNotFound, and ContractViolation where people entered something else there.
        """
        row = self._account_row(account_id, DUNNING_FIELDS, "read_dunning")
        return dunning_flag(row, account_id=account_id)

    def write_dunning(self, flag: DunningFlag) -> DunningFlag:
        """Set the flag's fields on the account, or empty them; the same again changes nothing."""
        self._tell(flag.account_id, flagged(flag), "write_dunning")
        return flag

    def read_credit_notice(self, account_id: str) -> CreditNotice | None:
        """The latest credit's fields as they are on the account now.

        Raises RecordNotFound, and ContractViolation where people entered something else there.
        """
        row = self._account_row(account_id, CREDIT_FIELDS, "read_credit_notice")
        return credit_notice(row, account_id=account_id)

    def write_credit_notice(self, notice: CreditNotice) -> CreditNotice:
        """Set the latest credit's fields on the account; the same again changes nothing."""
        self._tell(notice.account_id, noticed(notice), "write_credit_notice")
        return notice

    def read_service(self, account_id: str) -> Service | None:
        """The entitlements' fields as they are on the account now.

        Raises RecordNotFound, and ContractViolation where people entered something else there.
        """
        row = self._account_row(account_id, SERVICE_FIELDS, "read_service")
        return service(row, account_id=account_id)

    def write_service(self, service: Service) -> Service:
        """Set the entitlements' fields on the account; the same again changes nothing."""
        self._tell(service.account_id, entitled(service), "write_service")
        return service

    def _account_row(self, account_id: str, fields: tuple[str, ...], operation: str) -> Row:
        record_id = self._requests.record_id(account_id)
        return self._requests.row("Account", record_id, fields, operation=operation)

    def _tell(self, account_id: str, fields: Row, operation: str) -> None:
        record_id = self._requests.record_id(account_id)
        self._requests.update("Account", record_id, fields, operation=operation)


def dunning_flag(row: Row, *, account_id: str) -> DunningFlag:
    """The flag of an account; empty fields are none.

    Raises ContractViolation for what people entered there.
    """
    try:
        return DunningFlag.from_texts(account_id, (row[name] for name in DUNNING_FIELDS))
    except ValidationError as error:
        raise _none_of_ours(error, "dunning", "read_dunning", account_id) from None


def flagged(flag: DunningFlag) -> Row:
    """The fields of an account that say what `flag` says: all empty without one."""
    return dict(zip(DUNNING_FIELDS, flag.as_texts(), strict=True))


def credit_notice(row: Row, *, account_id: str) -> CreditNotice | None:
    """What an account says of its latest credit; None where all fields are empty.

    Raises ContractViolation for what people entered there.
    """
    case, amount, currency, documents, day = told = [row[name] for name in CREDIT_FIELDS]
    if not any(told):
        return None
    notice = {
        "account_id": account_id,
        "case_number": case,
        "amount": {"amount": amount, "currency": currency},
        "documents": tuple((documents or "").splitlines()),
        "granted_on": day,
    }
    try:
        return CreditNotice.model_validate(notice)
    except ValidationError as error:
        raise _none_of_ours(error, "credit", "read_credit_notice", account_id) from None


def noticed(notice: CreditNotice) -> Row:
    """The fields of an account that say what `notice` says; the amount is text, which is exact."""
    told = (
        notice.case_number,
        f"{notice.amount.amount:f}",
        notice.amount.currency,
        "\n".join(notice.documents) or None,
        notice.granted_on.isoformat(),
    )
    return dict(zip(CREDIT_FIELDS, told, strict=True))


def service(row: Row, *, account_id: str) -> Service | None:
    """What an account says of its entitlements; None where all fields are empty.

    Raises ContractViolation for what people entered there.
    """
    state, entitlements, until, reason = told = [row[name] for name in SERVICE_FIELDS]
    if not any(told):
        return None
    entries = (line.partition(" ") for line in (entitlements or "").splitlines())
    shown = {
        "account_id": account_id,
        "state": state,
        "entitlements": [{"quantity": quantity, "sku": sku} for quantity, _, sku in entries],
        "until": until,
        "reason": reason,
    }
    try:
        return Service.model_validate(shown)
    except ValidationError as error:
        raise _none_of_ours(error, "service", "read_service", account_id) from None


def entitled(service: Service) -> Row:
    """The fields of an account that say what `service` says: a quantity and its SKU a line."""
    lines = (f"{entry.quantity:f} {entry.sku}" for entry in service.entitlements)
    told = (
        service.state,
        "\n".join(lines) or None,
        service.until and service.until.isoformat(),
        service.reason,
    )
    return dict(zip(SERVICE_FIELDS, told, strict=True))


def _none_of_ours(
    error: ValidationError, kind: str, operation: str, account_id: str
) -> ContractViolation:
    """What people entered in fields that only we write."""
    parts = ", ".join(dict.fromkeys(str(detail["loc"][0]) for detail in error.errors()))
    return ContractViolation(
        f"the {parts} in the account's {kind} fields is none of ours: empty the fields that"
        " begin with Interlock_, only the integration may write them",
        vendor=VENDOR,
        operation=operation,
        record=account_id,
    )

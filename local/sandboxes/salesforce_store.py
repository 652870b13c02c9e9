"""The records of the Salesforce sandbox: the rules of a save, transactions, and change events.

Our own stand-in for an organisation, in memory. What a save does follows the object reference
(https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/);
validation rules, flows and sharing, which each organisation makes for itself, are not here.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from local.sandboxes import salesforce_events as events
from local.sandboxes.salesforce_schema import (
    LOST_STAGE,
    RECORD_ID,
    WON_STAGE,
    Field,
    Schema,
    SObject,
    full_id,
)
from local.sandboxes.salesforce_values import Fields, address, converted, folded

ORGANIZATION_ID = full_id("00DHs00000ILock")
CURRENCIES = ("USD", "EUR", "JPY", "GBP")
# A line's total is not rounded to its currency, and the opportunity's amount is the sum of totals
# as they are: https://help.salesforce.com/s/articleView?id=000385918. Unconfirmed: after how many
# decimals it ends; users report eight.
TOTAL_PRICE_STEP = Decimal("1E-8")


class SalesforceError(Exception):
    """What the API answers with instead of a result: a status and one error of its array."""

    def __init__(self, status: int, code: str, message: str, fields: list[str] | None = None):
        super().__init__(message)
        self.status = status
        self.body: Any = [{"message": message, "errorCode": code}]
        if fields is not None:
            self.body[0]["fields"] = fields


@dataclass(frozen=True)
class Actor:
    """Who saves: a user, and the origin of the change (empty when made in the user interface)."""

    user_id: str
    origin: str = ""


class Organization:
    """One Salesforce organisation.

    `on_change` is called with each change event of a captured object once its transaction is
    committed: an EventBridge event as an event relay sends it. It must neither call the sandbox nor
    wait for something that does. Records may be written here (as in the user interface) while the
    sandbox is served.
    """

    def __init__(
        self,
        *,
        multi_currency: bool = True,
        currency: str = "USD",
        on_change: Callable[[Fields], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.id = ORGANIZATION_ID
        self.schema = Schema(multi_currency)
        self.currency = currency
        self.on_change = on_change
        self.clock = clock
        self._rows: dict[str, dict[str, Fields]] = {s.name: {} for s in self.schema}
        self._numbers: Counter[str] = Counter()
        self._locks: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._commits = 0
        self._depth = 0
        self._changes: list[events.Change] = []
        self.admin = self._first_user()
        self.insert("Organization", {"Name": "Interlock sandbox", "IsSandbox": True}, id=self.id)
        self.revenue_split = self._split_type("Revenue", validated=True)
        self.overlay_split = self._split_type("Overlay", validated=False)
        book = {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True}
        self.standard_price_book = self.insert("Pricebook2", book)

    def _first_user(self) -> Actor:
        user_id = full_id("005Hs00000Admin")
        name = {"LastName": "Administrator", "Username": "admin@interlock.example"}
        self.insert("User", name | {"IsActive": True}, Actor(user_id), id=user_id)
        return Actor(user_id)

    def _split_type(self, name: str, *, validated: bool) -> str:
        fields = {"DeveloperName": name, "MasterLabel": name, "IsTotalValidated": validated}
        return self.insert("OpportunitySplitType", fields)

    # Reading

    def rows(self, sobject: str) -> list[Fields]:
        """Every record of an object that is not deleted, in the order of creation."""
        with self._lock:
            return [row for row in self._rows[sobject].values() if not row["IsDeleted"]]

    def find(self, sobject: str, record_id: str | None) -> Fields | None:
        """One record with all its fields, None when it is not there."""
        row = self._rows[sobject].get(full_id(record_id)) if record_id else None
        return None if row is None or row["IsDeleted"] else row

    def get(self, sobject: str, record_id: str) -> Fields:
        """One record with all its fields. Raises SalesforceError NOT_FOUND."""
        row = self.find(sobject, record_id)
        if row is None:
            raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
        return row

    def matching(self, sobject: str, field: str, value: Any) -> list[Fields]:
        """The records whose field has that value; case does not matter in an external id."""
        return [r for r in self.rows(sobject) if folded(r[field]) == folded(value)]

    # Writing

    def insert(
        self, sobject: str, fields: Fields, by: Actor | None = None, *, id: str | None = None
    ) -> str:
        """Create a record; its new id, 18 characters. Raises SalesforceError."""
        kind = self.schema[sobject]
        by = by or self.admin
        now = self.clock()
        with self.transaction():
            values = self._checked(kind, fields)
            missing = [f.name for f in kind.fields if f.required and values.get(f.name) is None]
            if missing:
                message = f"Required fields are missing: [{', '.join(missing)}]"
                raise SalesforceError(400, "REQUIRED_FIELD_MISSING", message, missing)
            row: Fields = {f.name: False if f.type == "boolean" else None for f in kind.fields}
            row |= {"CreatedDate": now, "CreatedById": by.user_id, "Id": id or self._new_id(kind)}
            if kind.field("CurrencyIsoCode"):
                row["CurrencyIsoCode"] = self.currency
            if kind.field("OwnerId"):
                row["OwnerId"] = by.user_id
            self._save(kind, row, values, by, "CREATE")
        return row["Id"]

    def update(self, sobject: str, record_id: str, fields: Fields, by: Actor | None = None) -> None:
        """Change fields of a record. Raises SalesforceError."""
        kind = self.schema[sobject]
        with self.transaction():
            row = self._writable(kind, record_id)
            values = self._checked(kind, fields)
            emptied = [f.name for f in kind.fields if f.required and _is_cleared(values, f.name)]
            if emptied:
                message = f"Required fields are missing: [{', '.join(emptied)}]"
                raise SalesforceError(400, "REQUIRED_FIELD_MISSING", message, emptied)
            if sobject == "Opportunity" and row["HasOpportunityLineItem"]:
                values.pop("Amount", None)  # the sum of the line items: such an update is ignored
            self._save(kind, dict(row), values, by or self.admin, "UPDATE")

    def delete(self, sobject: str, record_id: str, by: Actor | None = None) -> None:
        """Move a record to the recycle bin. Raises SalesforceError."""
        kind = self.schema[sobject]
        with self.transaction():
            row = self._writable(kind, record_id) | {"IsDeleted": True}
            self._rows[sobject][row["Id"]] = row
            self._record(kind, row, {}, by or self.admin, "DELETE")
            self._derive(kind, row, by or self.admin)

    def lock(self, record_id: str, times: int = 1) -> None:
        """Let that many writes to a record fail, as when another transaction holds its row."""
        self._locks[full_id(record_id)] += times

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one thread at a time; may be nested.

        Change events leave when the outermost one ends.
        """
        with self._lock:
            rows = {name: dict(table) for name, table in self._rows.items()}
            changes = len(self._changes)
            self._depth += 1
            try:
                yield
            except BaseException:
                self._rows = rows
                del self._changes[changes:]
                raise
            finally:
                self._depth -= 1
            if self._depth == 0:
                self._publish()

    # What a save does

    def _writable(self, kind: SObject, record_id: str) -> Fields:
        record_id = full_id(record_id)
        row = self._rows[kind.name].get(record_id)
        if row is None:
            raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
        if row["IsDeleted"]:
            raise SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted", [])
        if self._locks[record_id]:
            self._locks[record_id] -= 1
            message = "unable to obtain exclusive access to this record or 1 records: "
            raise SalesforceError(400, "UNABLE_TO_LOCK_ROW", message + record_id, [])
        return row

    def _save(self, kind: SObject, row: Fields, values: Fields, by: Actor, change: str) -> None:
        before = dict(row)
        self._refuse_duplicates(kind, row["Id"], values)
        row |= values
        row |= {"LastModifiedById": by.user_id, "LastModifiedDate": self.clock()}
        row["SystemModstamp"] = row["LastModifiedDate"]
        self._complete(kind, row, before)
        self._rows[kind.name][row["Id"]] = row
        changed = {n: v for n, v in row.items() if change == "CREATE" or before.get(n) != v}
        self._record(kind, row, changed, by, change)
        self._derive(kind, row, by)

    def _complete(self, kind: SObject, row: Fields, before: Fields) -> None:
        """The fields that Salesforce fills in by itself, from this record and those it names."""
        if kind.name == "Opportunity":
            row["IsWon"] = row["StageName"] == WON_STAGE
            row["IsClosed"] = row["StageName"] in (WON_STAGE, LOST_STAGE)
            # A record that is created has none: its stage was never changed.
            if before["StageName"] not in (None, row["StageName"]):
                row["LastStageChangeDate"] = row["LastModifiedDate"]
        if kind.name == "OpportunityLineItem":
            opportunity = self._rows["Opportunity"][row["OpportunityId"]]
            if row["PricebookEntryId"]:
                row["Product2Id"] = self._entry(row, opportunity)["Product2Id"]
            elif not row["Product2Id"]:
                raise _field_integrity("PricebookEntryId", "unknown (must specify pricebook entry)")
            product = self._rows["Product2"][row["Product2Id"]]
            row["ProductCode"] = product["ProductCode"]
            row["Name"] = f"{opportunity['Name']} {product['Name']}"
            share = 1 - (row["Discount"] or Decimal(0)) / 100
            price = row["Quantity"] * row["UnitPrice"] * share
            row["TotalPrice"] = price.quantize(TOTAL_PRICE_STEP)
            if "CurrencyIsoCode" in row:
                row["CurrencyIsoCode"] = opportunity["CurrencyIsoCode"]
        if kind.name == "OpportunitySplit":
            amount = self._rows["Opportunity"][row["OpportunityId"]]["Amount"] or Decimal(0)
            row["SplitTypeId"] = row["SplitTypeId"] or self.revenue_split
            row["SplitAmount"] = amount * row["SplitPercentage"] / 100
        if kind.name == "Account":
            row["BillingAddress"] = address(row)
        if kind.name == "User":
            row["Name"] = " ".join(filter(None, (row["FirstName"], row["LastName"])))

    def _entry(self, line: Fields, opportunity: Fields) -> Fields:
        """What a line item sells: an active entry of the opportunity's price book and currency."""
        entry = self._rows["PricebookEntry"][line["PricebookEntryId"]]
        if not entry["IsActive"]:
            raise _field_integrity("PricebookEntryId", "pricebook entry is inactive")
        if opportunity["Pricebook2Id"] not in (None, entry["Pricebook2Id"]):
            message = "pricebook entry is in a different pricebook than the one assigned to the"
            raise _field_integrity("PricebookEntryId", f"{message} opportunity")
        if entry.get("CurrencyIsoCode") != opportunity.get("CurrencyIsoCode"):
            message = "pricebook entry currency code does not match opportunity currency code"
            raise _field_integrity("PricebookEntryId", message)
        return entry

    def _derive(self, kind: SObject, row: Fields, by: Actor) -> None:
        """The opportunity's amount is the sum of its line items, while it has any.

        Its price book is that of its first line item, unless it was chosen before.
        """
        if kind.name != "OpportunityLineItem":
            return
        opportunity_id = row["OpportunityId"]
        lines = self.matching("OpportunityLineItem", "OpportunityId", opportunity_id)
        opportunity = dict(self._rows["Opportunity"][opportunity_id])
        values: Fields = {"HasOpportunityLineItem": bool(lines)}
        if lines:
            values["Amount"] = sum(line["TotalPrice"] for line in lines)
        if row["PricebookEntryId"]:
            values["Pricebook2Id"] = self._rows["PricebookEntry"][row["PricebookEntryId"]][
                "Pricebook2Id"
            ]
        self._save(self.schema["Opportunity"], opportunity, values, by, "UPDATE")

    def _refuse_duplicates(self, kind: SObject, record_id: str, values: Fields) -> None:
        for name, value in values.items():
            field = kind.field(name)
            if value is None or field is None or not field.unique:
                continue
            for other in self.matching(kind.name, name, value):
                if other["Id"] != record_id:
                    raise SalesforceError(
                        400,
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {name} duplicates value on record with id: "
                        f"{other['Id']}",
                        [],
                    )

    def _checked(self, kind: SObject, fields: Fields) -> Fields:
        """The values under their exact field names and in their types."""
        values = {}
        for name, value in fields.items():
            if name == "attributes":
                continue
            field = kind.field(name)
            if field is None:
                message = f"No such column '{name}' on sobject of type {kind.name}"
                raise SalesforceError(400, "INVALID_FIELD", message)
            if not field.writable:
                message = (
                    f"Unable to create/update fields: {field.name}. Please check the security "
                    "settings of this field and verify that it is read/write for your profile or "
                    "permission set."
                )
                raise SalesforceError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, [field.name])
            values[field.name] = None if value in (None, "") else self._typed(field, value)
        return values

    def _typed(self, field: Field, value: Any) -> Any:
        if field.type == "reference":
            return self._reference(field, value)
        if field.name == "CurrencyIsoCode" and value not in CURRENCIES:
            message = f"Currency ISO Code: bad value for restricted picklist field: {value}"
            code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
            raise SalesforceError(400, code, message, [field.name])
        try:
            return converted(field.type, value)
        except (ValueError, ArithmeticError) as error:
            message = f"Cannot deserialize instance of {field.type} from {value!r}"
            raise SalesforceError(400, "JSON_PARSER_ERROR", message) from error

    def _reference(self, field: Field, value: Any) -> str:
        if not isinstance(value, str) or not RECORD_ID.fullmatch(value):
            message = f"{field.name}: id value of incorrect type: {value}"
            raise SalesforceError(400, "MALFORMED_ID", message, [field.name])
        if self.find(field.refers_to, value) is None:
            message = "invalid cross reference id"
            raise SalesforceError(400, "INVALID_CROSS_REFERENCE_KEY", message, [field.name])
        return full_id(value)

    def _new_id(self, kind: SObject) -> str:
        self._numbers[kind.name] += 1
        return full_id(f"{kind.prefix}Hs0000{self._numbers[kind.name]:06d}")

    # Change data capture

    def _record(self, kind: SObject, row: Fields, changed: Fields, by: Actor, change: str) -> None:
        if kind.name in events.CAPTURED:
            self._changes.append(
                events.Change(kind.name, row["Id"], change, changed, by.user_id, by.origin)
            )

    def _publish(self) -> None:
        changes = events.merged(self._changes)
        self._changes.clear()
        if not changes or self.on_change is None:
            return
        self._commits += 1
        commit = events.Commit(self.id, str(uuid.uuid4()), self._commits, self.clock())
        for sequence, change in enumerate(changes, start=1):
            self.on_change(events.relayed(change, commit, sequence))


def _field_integrity(field: str, message: str) -> SalesforceError:
    problem = f"field integrity exception: {field}, {message}"
    return SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", problem, [field])


def _is_cleared(values: Fields, name: str) -> bool:
    return name in values and values[name] is None

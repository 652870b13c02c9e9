"""The objects, fields and record ids of the Salesforce sandbox.

Standard names are Salesforce's; every name that ends in `__c` is a custom field which an
administrator creates in a real organisation. Reference:
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunity.htm
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

CHECKSUM_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
RECORD_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")

WON_STAGE = "Closed Won"
LOST_STAGE = "Closed Lost"


def full_id(record_id: str) -> str:
    """The 18-character form of a 15- or 18-character record id.

    The suffix has a character per five: its bits say which of the five are upper case, so that
    ids stay different where case is ignored.
    https://help.salesforce.com/s/articleView?id=000385585&type=1
    """
    base = record_id[:15]
    suffix = ""
    for start in range(0, 15, 5):
        chunk = base[start : start + 5]
        bits = sum(1 << position for position, letter in enumerate(chunk) if letter.isupper())
        suffix += CHECKSUM_ALPHABET[bits]
    return base + suffix


@dataclass(frozen=True)
class Field:
    """One field of an object; `type` is a name as the describe resource gives it."""

    name: str
    type: str = "string"
    required: bool = False
    writable: bool = True
    external_id: bool = False
    unique: bool = False
    refers_to: str = ""

    @property
    def relationship(self) -> str:
        """Under which name the record it refers to is reached: AccountId → Account."""
        if not self.refers_to:
            return ""
        if self.name.endswith("__c"):
            return self.name.removesuffix("__c") + "__r"
        return self.name.removesuffix("Id")


@dataclass(frozen=True)
class SObject:
    """An object: its name, the three characters its ids begin with, and its fields."""

    name: str
    prefix: str
    fields: tuple[Field, ...]
    children: tuple[tuple[str, str, str], ...] = ()
    """Child relationships: name, the child's object, the child's field that points here."""

    def field(self, name: str) -> Field | None:
        """The field of that name; case does not matter in Salesforce."""
        return next((f for f in self.fields if f.name.lower() == name.lower()), None)

    def related(self, relationship: str) -> Field | None:
        """The reference field whose relationship has that name."""
        wanted = relationship.lower()
        return next((f for f in self.fields if f.relationship.lower() == wanted), None)


def _texts(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name) for name in names)


def _reference(name: str, refers_to: str, required: bool = False) -> Field:
    return Field(name, "reference", required=required, refers_to=refers_to)


def _read_only(name: str, type_name: str) -> Field:
    return Field(name, type_name, writable=False)


_SYSTEM = (
    _read_only("Id", "id"),
    _read_only("IsDeleted", "boolean"),
    _read_only("CreatedDate", "datetime"),
    replace(_reference("CreatedById", "User"), writable=False),
    _read_only("LastModifiedDate", "datetime"),
    replace(_reference("LastModifiedById", "User"), writable=False),
    _read_only("SystemModstamp", "datetime"),
)
_CURRENCY = Field("CurrencyIsoCode", "picklist")
_NAME = Field("Name", required=True)

_ORGANIZATION = SObject(
    "Organization", "00D", (*_SYSTEM, _NAME, Field("IsSandbox", "boolean"), *_texts("InstanceName"))
)
_USER = SObject(
    "User",
    "005",
    (
        *_SYSTEM,
        Field("Username", required=True, unique=True),
        Field("LastName", required=True),
        *_texts("FirstName", "Name", "Email"),
        Field("IsActive", "boolean"),
    ),
)
_ACCOUNT = SObject(
    "Account",
    "001",
    (
        *_SYSTEM,
        _CURRENCY,
        _NAME,
        _reference("ParentId", "Account"),
        _reference("OwnerId", "User"),
        Field("Type", "picklist"),
        Field("Website", "url"),
        *_texts("AccountNumber", "Phone", "Description"),
        *_texts("BillingStreet", "BillingCity", "BillingState", "BillingPostalCode"),
        *_texts("BillingCountry", "BillingStateCode", "BillingCountryCode"),
        _read_only("BillingAddress", "address"),
        Field("Tax_Id__c", external_id=True),
        Field("Billing_Email__c", "email"),
        *_texts("Interlock_Dunning__c", "Interlock_Overdue_Amount__c"),
        *_texts("Interlock_Overdue_Currency__c"),
        Field("Interlock_Overdue_Since__c", "date"),
        *_texts("Interlock_Credit_Case__c", "Interlock_Credit_Amount__c"),
        *_texts("Interlock_Credit_Currency__c"),
        Field("Interlock_Credit_Documents__c", "textarea"),
        Field("Interlock_Credit_Day__c", "date"),
        Field("Interlock_Service__c"),
        Field("Interlock_Entitlements__c", "textarea"),
        Field("Interlock_Service_Until__c", "date"),
        Field("Interlock_Service_Reason__c", "textarea"),
    ),
    children=(
        ("ChildAccounts", "Account", "ParentId"),
        ("Opportunities", "Opportunity", "AccountId"),
    ),
)
_OPPORTUNITY = SObject(
    "Opportunity",
    "006",
    (
        *_SYSTEM,
        _CURRENCY,
        _NAME,
        Field("StageName", "picklist", required=True),
        Field("CloseDate", "date", required=True),
        _reference("AccountId", "Account"),
        _reference("OwnerId", "User"),
        _reference("Pricebook2Id", "Pricebook2"),
        Field("Amount", "currency"),
        Field("Type", "picklist"),
        Field("Description"),
        _read_only("IsWon", "boolean"),
        _read_only("IsClosed", "boolean"),
        _read_only("HasOpportunityLineItem", "boolean"),
        _read_only("LastStageChangeDate", "datetime"),
        Field("Contract_Start_Date__c", "date"),
        Field("Contract_Term_Months__c", "double"),
        Field("Selling_Entity__c", "picklist"),
        Field("Payment_Terms__c", "picklist"),
        Field("Contract_Change__c", "picklist"),
        *_texts("Interlock_Contract__c", "Consolidates_Into__c"),
        Field("Renewal_Discount__c", "percent"),
        Field("Auto_Renews__c", "picklist"),
        Field("Notice_Days__c", "double"),
        Field("Renewal_Months__c", "double"),
        Field("Uplift_Percent__c", "percent"),
        Field("Uplift_Index__c"),
        Field("Uplift_Cap__c", "percent"),
        Field("Interlock_Order_Number__c", external_id=True, unique=True),
        *_texts("Interlock_Order_Status__c", "Interlock_Subscription__c"),
        *_texts("Interlock_Correlation__c"),
        Field("Interlock_Renewal__c", external_id=True, unique=True),
        Field("Interlock_Offer__c"),
        Field("Interlock_Quote_Working__c", "textarea"),
    ),
    children=(
        ("OpportunityLineItems", "OpportunityLineItem", "OpportunityId"),
        ("OpportunitySplits", "OpportunitySplit", "OpportunityId"),
    ),
)
_LINE_ITEM = SObject(
    "OpportunityLineItem",
    "00k",
    (
        *_SYSTEM,
        replace(_CURRENCY, writable=False),
        _reference("OpportunityId", "Opportunity", required=True),
        _reference("PricebookEntryId", "PricebookEntry"),
        _reference("Product2Id", "Product2"),
        Field("Quantity", "double", required=True),
        Field("UnitPrice", "currency", required=True),
        Field("Discount", "percent"),
        _read_only("TotalPrice", "currency"),
        _read_only("ProductCode", "string"),
        _read_only("Name", "string"),
        Field("ServiceDate", "date"),
        Field("Description"),
        Field("SortOrder", "int"),
        Field("Ramp_From_Month__c", "double"),
    ),
)
_SPLIT = SObject(
    "OpportunitySplit",
    "1Q8",
    (
        *_SYSTEM,
        _reference("OpportunityId", "Opportunity", required=True),
        _reference("SplitOwnerId", "User", required=True),
        Field("SplitPercentage", "percent", required=True),
        _reference("SplitTypeId", "OpportunitySplitType"),
        _read_only("SplitAmount", "currency"),
        Field("SplitNote"),
    ),
)
# The prefixes of the two split objects are not documented: nothing depends on them.
_SPLIT_TYPE = SObject(
    "OpportunitySplitType",
    "1Q9",
    (*_SYSTEM, *_texts("DeveloperName", "MasterLabel"), Field("IsTotalValidated", "boolean")),
)
_PRODUCT = SObject(
    "Product2",
    "01t",
    (
        *_SYSTEM,
        _CURRENCY,
        _NAME,
        Field("ProductCode"),
        Field("Family", "picklist"),
        Field("IsActive", "boolean"),
        Field("Description"),
        Field("Charge_Type__c", "picklist"),
    ),
)
_PRICE_BOOK = SObject(
    "Pricebook2",
    "01s",
    (*_SYSTEM, _NAME, Field("IsActive", "boolean"), Field("IsStandard", "boolean")),
)
_PRICE_BOOK_ENTRY = SObject(
    "PricebookEntry",
    "01u",
    (
        *_SYSTEM,
        _CURRENCY,
        _reference("Pricebook2Id", "Pricebook2", required=True),
        _reference("Product2Id", "Product2", required=True),
        Field("UnitPrice", "currency", required=True),
        Field("IsActive", "boolean"),
    ),
)

SOBJECTS = (
    _ORGANIZATION,
    _USER,
    _ACCOUNT,
    _OPPORTUNITY,
    _LINE_ITEM,
    _SPLIT,
    _SPLIT_TYPE,
    _PRODUCT,
    _PRICE_BOOK,
    _PRICE_BOOK_ENTRY,
)


class Schema:
    """The objects of one organisation; without several currencies no record has a currency."""

    def __init__(self, multi_currency: bool) -> None:
        self._objects = {s.name.lower(): s for s in SOBJECTS}
        if not multi_currency:
            for key, sobject in self._objects.items():
                fields = tuple(f for f in sobject.fields if f.name != "CurrencyIsoCode")
                self._objects[key] = replace(sobject, fields=fields)

    def find(self, name: str) -> SObject | None:
        """The object of that name; case does not matter in Salesforce."""
        return self._objects.get(name.lower())

    def __getitem__(self, name: str) -> SObject:
        return self._objects[name.lower()]

    def __iter__(self) -> Iterator[SObject]:
        return iter(self._objects.values())

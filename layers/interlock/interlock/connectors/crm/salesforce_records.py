"""Salesforce records as JSON, to canonical records and back.

Field reference:
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunity.htm
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunitylineitem.htm
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/compound_fields_address.htm

Numbers arrive as doubles, so the JSON has to be parsed with Decimal. Salesforce does not round a
line's total (it was seen with eight decimals), and adds up an opportunity's amount from the totals
as they are (https://help.salesforce.com/s/articleView?id=000385918), so a discount leaves fractions
of a cent. What is sold here is what can be invoiced: each line's total is rounded to its currency,
and the amount is the sum of these. A snapshot that lacks
something is refused once, with every field that somebody has to fill in.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from interlock.canonical import (
    EXPONENTS,
    PRICE_DECIMALS,
    LineKind,
    Money,
    Opportunity,
    WonDeal,
    WriteBack,
)
from interlock.canonical.money import EXACTLY
from interlock.canonical.records import DealKind
from interlock.connections import Connection
from interlock.connectors.crm.salesforce_requests import VENDOR, Row
from interlock.errors import ContractViolation

# The terms of a renewal, by where they are on the opportunity of the contract.
RENEWAL_TERMS = {
    "auto_renews": "Auto_Renews__c",
    "notice_days": "Notice_Days__c",
    "renewal_months": "Renewal_Months__c",
    "uplift": "Uplift_Percent__c",
    "index": "Uplift_Index__c",
    "uplift_cap": "Uplift_Cap__c",
}
OPPORTUNITY_FIELDS = (
    "Id",
    "Name",
    "IsWon",
    "IsClosed",
    "Amount",
    "CloseDate",
    "AccountId",
    "Owner.Email",
    "LastModifiedDate",
    "Contract_Start_Date__c",
    "Contract_Term_Months__c",
    "Selling_Entity__c",
    "Payment_Terms__c",
    "Contract_Change__c",
    "Interlock_Contract__c",
    "Consolidates_Into__c",
    "Renewal_Discount__c",
    *RENEWAL_TERMS.values(),
)
LINE_FIELDS = (
    "Id",
    "Quantity",
    "UnitPrice",
    "Discount",
    "TotalPrice",
    "Description",
    "Ramp_From_Month__c",
    "Product2.Name",
    "Product2.ProductCode",
    "Product2.Charge_Type__c",
)
ACCOUNT_FIELDS = (
    "Id",
    "Name",
    "ParentId",
    "Website",
    "BillingAddress",
    "Tax_Id__c",
    "Billing_Email__c",
)
SPLIT_FIELDS = ("SplitTypeId", "SplitOwner.Email", "SplitPercentage")
ORDER_STATUS = "Interlock_Order_Status__c"
WRITE_BACK_FIELDS = (
    ORDER_STATUS,
    "Interlock_Order_Number__c",
    "Interlock_Subscription__c",
    "Interlock_Correlation__c",
)
WON_FIELDS = ("Id", "LastStageChangeDate", "CreatedDate")
_KINDS = {"Recurring": LineKind.RECURRING, "Service": LineKind.SERVICE}
RENEWAL = "Renewal"
_CHANGES = {None: DealKind.NEW, RENEWAL: DealKind.RENEWAL, "Amendment": DealKind.AMENDMENT}
_ANSWERS = {"Yes": True, "No": False}

# Where a canonical value comes from, for the messages to people who fill the fields in.
_OPPORTUNITY_SOURCES = {
    "name": "Name",
    "amount": "Amount",
    "currency": "CurrencyIsoCode",
    "close_date": "CloseDate",
    "start_date": "Contract_Start_Date__c",
    "term_months": "Contract_Term_Months__c",
    "payment_terms": "Payment_Terms__c",
    "subsidiary": "Selling_Entity__c",
    "modified_at": "LastModifiedDate",
    "kind": "Contract_Change__c",
    "contract_id": "Interlock_Contract__c",
    "consolidates_into": "Consolidates_Into__c",
    "discount": "Renewal_Discount__c",
}
_LINE_SOURCES = {
    "sku": "Product2.ProductCode",
    "kind": "Product2.Charge_Type__c",
    "quantity": "Quantity",
    "unit_price": "UnitPrice",
    "amount": "TotalPrice",
    "from_month": "Ramp_From_Month__c",
}
_ACCOUNT_SOURCES = {
    "name": "Name",
    "email": "Billing_Email__c",
    "tax_id": "Tax_Id__c",
    "billing_address": "BillingAddress",
}
_EXPECTED = {
    "Contract_Change__c": "choose Renewal or Amendment, or leave it empty",
    "Auto_Renews__c": "choose Yes or No",
    "Interlock_Contract__c": "give the contract's id, such as salesforce:006…",
    "Consolidates_Into__c": "give the contract's id, such as salesforce:006…",
    "Product2.Charge_Type__c": "choose Recurring or Service",
    "country": "give the country's ISO 3166 code, or enable state and country picklists",
}


def opportunity(
    row: Row,
    *,
    lines: list[Row],
    splits: list[Row],
    accounts: list[Row],
    currency: str,
    connection: Connection,
) -> Opportunity:
    """The snapshot made of these records; `accounts` begins with the opportunity's own.

    Raises ContractViolation that names every field which is empty or has no usable value.
    """
    data = {
        "id": connection.canonical_id(row["Id"]),
        "references": {connection.name: row["Id"]},
        "name": row["Name"],
        "is_won": row["IsWon"],
        "is_lost": row["IsClosed"] and not row["IsWon"],
        "kind": _CHANGES.get(row["Contract_Change__c"], row["Contract_Change__c"]),
        "contract_id": row["Interlock_Contract__c"],
        "consolidates_into": row["Consolidates_Into__c"],
        "discount": row["Renewal_Discount__c"],
        "renewal": _renewal(row),
        "currency": currency,
        "amount": {"amount": _amount(row, lines, currency), "currency": currency},
        "close_date": row["CloseDate"],
        "start_date": row["Contract_Start_Date__c"],
        "term_months": row["Contract_Term_Months__c"],
        "payment_terms": row["Payment_Terms__c"],
        "subsidiary": row["Selling_Entity__c"],
        "lines": [_line(number, line, currency) for number, line in enumerate(lines, start=1)],
        "splits": [_split(split) for split in splits],
        "accounts": [_account(account, connection) for account in accounts],
        "owner": (row["Owner"] or {}).get("Email"),
        "modified_at": row["LastModifiedDate"],
    }
    problems = [] if accounts else ["opportunity: AccountId is empty"]
    if row["Contract_Change__c"] and not row["Interlock_Contract__c"]:
        problems.append("opportunity: Interlock_Contract__c is empty")
    try:
        snapshot = Opportunity.model_validate(data)
    except ValidationError as error:
        # That there is no account, or none without a problem, is said already.
        details = [detail for detail in error.errors() if detail["loc"] != ("accounts",)]
        problems += [_problem(detail, accounts) for detail in details]
    if problems:
        raise ContractViolation(
            "the opportunity lacks what an order needs: " + "; ".join(dict.fromkeys(problems)),
            vendor=VENDOR,
            operation="get_opportunity",
            record=row["Id"],
        )
    return snapshot


def write_back(row: Row, *, opportunity_id: str) -> WriteBack:
    """The order's fields of an opportunity. Raises ContractViolation for an unknown status."""
    status, order_number, subscription, correlation = (row[name] for name in WRITE_BACK_FIELDS)
    try:
        return WriteBack(
            opportunity_id=opportunity_id,
            status=status,
            order_number=order_number,
            subscription_id=subscription,
            correlation_id=correlation,
        )
    except ValidationError:
        raise ContractViolation(
            "Interlock_Order_Status__c is none of ours: only the integration may write this field",
            vendor=VENDOR,
            operation="read_write_back",
            record=opportunity_id,
        ) from None


def won_deal(row: Row, *, connection: Connection) -> WonDeal:
    """When a won opportunity was won: when its stage was last changed.

    LastStageChangeDate says that, in API version 52.0 and later (the reference of Opportunity at
    the top of this module). It is null until the stage is changed for the first time, as the
    example of a creation shows under "Subscribe with Pub/Sub API" in
    https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/
    so what was entered as won was won when it was created. A change to another stage that means
    won as well counts as winning it again, as it does for the change event.
    """
    return WonDeal(
        id=connection.canonical_id(row["Id"]),
        won_at=row["LastStageChangeDate"] or row["CreatedDate"],
    )


def written(write_back: WriteBack) -> Row:
    """The fields of an opportunity that say what `write_back` says."""
    values = (
        write_back.status,
        write_back.order_number,
        write_back.subscription_id,
        write_back.correlation_id,
    )
    return dict(zip(WRITE_BACK_FIELDS, values, strict=True))


def _line(number: int, row: Row, currency: str) -> Row:
    product = row["Product2"] or {}
    charge_type = product.get("Charge_Type__c")
    return {
        "number": number,
        "sku": product.get("ProductCode"),
        "description": row["Description"] or product.get("Name") or "",
        "kind": _KINDS.get(charge_type, charge_type),
        "quantity": row["Quantity"],
        "unit_price": {"amount": _net_unit_price(row), "currency": currency},
        "amount": {"amount": _rounded(row["TotalPrice"], currency), "currency": currency},
        "from_month": row["Ramp_From_Month__c"] or 0,
    }


def _renewal(row: Row) -> Row | None:
    """The terms that are filled in; None where none is, and then nothing was agreed."""
    terms = {name: row[field] for name, field in RENEWAL_TERMS.items() if row[field] is not None}
    if not terms:
        return None
    answer = row[RENEWAL_TERMS["auto_renews"]]
    required = {"auto_renews": _ANSWERS.get(answer, answer), "notice_days": row["Notice_Days__c"]}
    return terms | required


def _net_unit_price(row: Row) -> Decimal | None:
    """The price of one after the line's discount in percent, which UnitPrice does not have in it.

    Exact, unless the discount is a number without end: then to as many decimals as a price has.
    """
    price, discount = row["UnitPrice"], row["Discount"]
    if price is None or not discount:
        return price
    net = EXACTLY.multiply(Decimal(price), 1 - Decimal(discount) / 100)
    return net.quantize(Decimal(1).scaleb(-PRICE_DECIMALS), context=EXACTLY)


def _amount(row: Row, lines: list[Row], currency: str) -> Decimal | None:
    """The sum of the rounded lines, where Amount is the sum of the lines; Amount where it is not.

    Amount and sum may differ by less than the currency's smallest amount, and mean the same. A
    renewal that nobody has priced yet has neither.
    """
    amount = row["Amount"]
    if amount is None and not lines and row["Contract_Change__c"] == RENEWAL:
        return Decimal(0)
    totals = [line["TotalPrice"] for line in lines]
    if amount is None or None in totals or currency not in EXPONENTS:
        return amount
    sold = Money.total((Money.rounded(Decimal(total), currency) for total in totals), currency)
    if lines and abs(amount - sum(totals)) < sold.quantum:
        return sold.amount
    return _rounded(amount, currency)


def _rounded(amount: Decimal | None, currency: str) -> Decimal | None:
    if amount is None or currency not in EXPONENTS:
        return amount
    return Money.rounded(Decimal(amount), currency).amount


def _split(row: Row) -> Row:
    return {"owner": row["SplitOwner"]["Email"], "percent": row["SplitPercentage"]}


def _account(row: Row, connection: Connection) -> Row:
    parent_id = row["ParentId"]
    return {
        "id": connection.canonical_id(row["Id"]),
        "references": {connection.name: row["Id"]},
        "name": row["Name"],
        "parent_id": connection.canonical_id(parent_id) if parent_id else None,
        "domain": _domain(row["Website"]),
        "tax_id": row["Tax_Id__c"],
        "email": row["Billing_Email__c"],
        "billing_address": _address(row["BillingAddress"]),
    }


def _address(compound: Row | None) -> Row | None:
    """The codes of state and country are there even where an organisation has no picklists."""
    if compound is None:
        return None
    country = compound["countryCode"] or compound["country"] or ""
    return {
        "street": compound["street"] or "",
        "city": compound["city"] or "",
        "region": compound["stateCode"] or compound["state"] or "",
        "postal_code": compound["postalCode"] or "",
        "country": country.strip().upper(),
    }


def _domain(website: str | None) -> str | None:
    """`https://www.acme.example/about` and `acme.example` are the same company."""
    address = (website or "").strip()
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname
    except ValueError:
        return None
    return host.removeprefix("www.") if host else None


def _problem(detail: Any, accounts: list[Row]) -> str:
    """One validation error in the words of Salesforce's fields."""
    place, *rest = detail["loc"]
    if place == "lines":
        number, *rest = rest
        where, sources = f"line item {number + 1}", _LINE_SOURCES
    elif place == "accounts":
        number, *rest = rest
        where, sources = f"account {accounts[number]['Id']}", _ACCOUNT_SOURCES
    elif place == "renewal":
        where, sources = "opportunity", RENEWAL_TERMS
    else:
        rest = detail["loc"]
        where, sources = "opportunity", _OPPORTUNITY_SOURCES
    source = "CurrencyIsoCode" if rest[-1] == "currency" else sources.get(rest[0], rest[0])
    if detail["input"] is None:
        return f"{where}: {source} is empty"
    expected = _EXPECTED.get(source) or _EXPECTED.get(rest[-1], detail["msg"])
    return f"{where}: {source}: {expected}"

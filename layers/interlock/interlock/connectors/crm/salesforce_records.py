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
from interlock.canonical.credits import CreditNotice
from interlock.canonical.dunning import DunningFlag
from interlock.canonical.money import EXACTLY
from interlock.connections import Connection
from interlock.errors import ContractViolation

Row = dict[str, Any]

OPPORTUNITY_FIELDS = (
    "Id",
    "Name",
    "IsWon",
    "Amount",
    "CloseDate",
    "AccountId",
    "Owner.Email",
    "LastModifiedDate",
    "Contract_Start_Date__c",
    "Contract_Term_Months__c",
    "Selling_Entity__c",
    "Payment_Terms__c",
)
LINE_FIELDS = (
    "Id",
    "Quantity",
    "UnitPrice",
    "Discount",
    "TotalPrice",
    "Description",
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
WON_FIELDS = ("Id", "LastStageChangeDate", "CreatedDate")
_KINDS = {"Recurring": LineKind.RECURRING, "Service": LineKind.SERVICE}

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
}
_LINE_SOURCES = {
    "sku": "Product2.ProductCode",
    "kind": "Product2.Charge_Type__c",
    "quantity": "Quantity",
    "unit_price": "UnitPrice",
    "amount": "TotalPrice",
}
_ACCOUNT_SOURCES = {
    "name": "Name",
    "email": "Billing_Email__c",
    "tax_id": "Tax_Id__c",
    "billing_address": "BillingAddress",
}
_EXPECTED = {
    "kind": "choose Recurring or Service",
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
    try:
        snapshot = Opportunity.model_validate(data)
    except ValidationError as error:
        # That there is no account, or none without a problem, is said already.
        details = [detail for detail in error.errors() if detail["loc"] != ("accounts",)]
        problems += [_problem(detail, accounts) for detail in details]
    if problems:
        raise ContractViolation(
            "the opportunity lacks what an order needs: " + "; ".join(dict.fromkeys(problems)),
            vendor="salesforce",
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
            vendor="salesforce",
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


def _none_of_ours(
    error: ValidationError, kind: str, operation: str, account_id: str
) -> ContractViolation:
    """What people entered in fields that only we write."""
    parts = ", ".join(dict.fromkeys(str(detail["loc"][0]) for detail in error.errors()))
    return ContractViolation(
        f"the {parts} in the account's {kind} fields is none of ours: empty the fields that"
        " begin with Interlock_, only the integration may write them",
        vendor="salesforce",
        operation=operation,
        record=account_id,
    )


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
    }


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

    Amount and sum may differ by less than the currency's smallest amount, and mean the same.
    """
    amount = row["Amount"]
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
    else:
        rest = detail["loc"]
        where, sources = "opportunity", _OPPORTUNITY_SOURCES
    source = "CurrencyIsoCode" if rest[-1] == "currency" else sources.get(rest[0], rest[0])
    if detail["input"] is None:
        return f"{where}: {source} is empty"
    return f"{where}: {source}: {_EXPECTED.get(rest[-1], detail['msg'])}"

"""Between canonical records and Tryton's: no request is made here.

A record made together with another one is a command in the field that holds it:
`[["create", [values]], ["add", ids], ["write", ids, values], ["delete", ids]]`
(https://docs.tryton.org/latest/server/ref/fields.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from interlock.canonical import (
    Account,
    Address,
    Customer,
    Line,
    LineKind,
    Money,
    Order,
    Project,
    UnitPrice,
)
from interlock.connectors.erp.tryton_rest import VENDOR
from interlock.errors import ContractViolation

CREDIT_FIELDS = ["name", "credit_amount", "credit_limit_amount", "currency.code"]
PARTY_FIELDS = [
    "name",
    "code",
    "active",
    "addresses",
    "relations",
    "identifiers.code",
    "contact_mechanisms.type",
    "contact_mechanisms.value",
]
CALENDAR = ("day", "weekday", "month")
PAYMENT_TERM_FIELDS = [
    f"lines.relativedeltas.{field}" for field in ("days", "weeks", "months", *CALENDAR)
]
PRODUCT_FIELDS = ["code", "sale_uom", "template.account_category.customer_taxes_used"]
PROJECT_FIELDS = ["name", "comment", "number", "progress", "children.id"]
SALE_FIELDS = [
    "number",
    "reference",
    "state",
    "description",
    "company.party.code",
    "party.code",
    "currency.code",
    "payment_term.name",
    *(f"payment_term.{field}" for field in PAYMENT_TERM_FIELDS),
    "untaxed_amount",
    "tax_amount",
    "total_amount",
    "invoices",
    "lines.sequence",
    "lines.product.code",
    "lines.description",
    "lines.note",
    "lines.quantity",
    "lines.unit_price",
    "lines.amount",
]
PRICE_DECIMALS_FIELD = "product_price_decimal"
STATUS_FIELDS = ["types", "default", "progress"]

PROCESSED = {"processing", "done"}
CONFIRMED = {"confirmed", *PROCESSED}

# The tax identifier types of https://docs.tryton.org/latest/modules-party/ by country. Tryton
# checks a number of a known type and refuses a wrong one; one without a type is only kept.
EUROPEAN_UNION = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
TAX_ID_TYPES = {
    "US": "us_ein",
    "GB": "gb_vat",
    "JP": "jp_vat",
    **dict.fromkeys(EUROPEAN_UNION.split(), "eu_vat"),
}

# The line's note says, to people too, who invoices it; its first word is the canonical kind.
NOTES = {
    LineKind.RECURRING: "Recurring: invoiced by the billing system",
    LineKind.SERVICE: "Service: delivered and invoiced as a project",
}
TERM = re.compile(r"Service from (\d{4}-\d\d-\d\d) for (\d+) months")
PROJECT_NAME = "Services of order "
PROJECT_COMMENT = "Order "
# The longest there is: nobody is reminded of an invoice before the ERP calls it due.
DAYS_OF_A_MONTH = 31


def taxes(product: dict[str, Any]) -> list[int]:
    """The ids of the customer taxes of a product in the company it was read in."""
    category = product["template"]["account_category"]
    return category["customer_taxes_used"] if category else []


def payment_days(term: dict[str, Any]) -> int | None:
    """How many days after an invoice the last instalment of payment terms is due.

    None for terms that end on a certain day of a month, a week or a year: how long that is depends
    on the invoice's date. https://docs.tryton.org/latest/modules-account_invoice/
    """
    instalments = [line["relativedeltas"] for line in term["lines"]]
    if any(delta[name] for each in instalments for delta in each for name in CALENDAR):
        return None
    return max(sum(map(_days, each)) for each in instalments)


def _days(delta: dict[str, Any]) -> int:
    return delta["days"] + 7 * delta["weeks"] + DAYS_OF_A_MONTH * delta["months"]


def compact(tax_id: str) -> str:
    """A registration number without its punctuation."""
    return re.sub(r"[^0-9A-Za-z]", "", tax_id).upper()


def domains(party: dict[str, Any]) -> set[str]:
    """The host names of a party's websites, without "www."."""
    values = [c["value"] for c in party["contact_mechanisms"] if c["type"] == "website"]
    hosts = [urlsplit(v if "//" in v else f"//{v}").hostname or "" for v in values if v]
    return {host.removeprefix("www.") for host in hosts}


def credit_hold(party: dict[str, Any], order: Order | None = None) -> str | None:
    """Why the customer is on hold, or would be with this order; None when it is not."""
    limit = party["credit_limit_amount"]
    used = party["credit_amount"]
    if limit is None:
        return None
    exceeded = used + order.net.amount > limit if order else used >= limit
    if not exceeded:
        return None
    currency = party["currency"]["code"]
    return f"{party['name']} is on credit hold: {used} of {limit} {currency} are in use"


def customer(party: dict[str, Any], connection: str) -> Customer:
    """A party made by hand has a code of its own; its canonical id is then this ERP's."""
    remote_id = str(party["id"])
    identifiers = party["identifiers"]
    return Customer(
        id=customer_id(party, connection),
        references={connection: remote_id},
        remote_id=remote_id,
        number=party["code"],
        name=party["name"],
        active=bool(party["active"]),
        tax_id=identifiers[0]["code"] if identifiers else None,
        domain=min(domains(party), default=None),
    )


def customer_id(party: dict[str, Any], connection: str) -> str:
    """The canonical id of a party, of which `code` and `id` are known."""
    code = party["code"] or ""
    return code if ":" in code else f"{connection}:{party['id']}"


def party_values(
    account: Account, *, country_id: int | None, parent: dict[str, int] | None
) -> dict[str, Any]:
    """What is entered for a new customer; an order needs an address, even an empty one."""
    contacts = []
    if account.domain:
        contacts.append({"type": "website", "value": f"https://{account.domain}"})
    if account.email:
        contacts.append({"type": "email", "value": account.email})
    country = account.billing_address.country if account.billing_address else ""
    identifiers = []
    if account.tax_id:
        identifiers.append({"type": TAX_ID_TYPES.get(country), "code": account.tax_id})
    return {
        "name": account.name,
        "code": account.id,
        "addresses": [["create", [_address_values(account.billing_address, country_id)]]],
        "contact_mechanisms": [["create", contacts]],
        "identifiers": [["create", identifiers]],
        "relations": [["create", [parent] if parent else []]],
    }


def replaced_details(party: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The changes that give a party new details: the old ones are put aside, not lost."""
    changes = {"relations": [["delete", party["relations"]], *values["relations"]]}
    for field in ("addresses", "contact_mechanisms", "identifiers"):
        old = [entry if isinstance(entry, int) else entry["id"] for entry in party[field]]
        changes[field] = [["write", old, {"active": False}], *values[field]]
    return changes


def _address_values(address: Address | None, country_id: int | None) -> dict[str, Any]:
    if address is None:
        return {}
    # Regions are written as people write them, not as ISO codes: they stay with the city.
    city = ", ".join(part for part in (address.city, address.region) if part)
    return {
        "street": address.street,
        "city": city,
        "postal_code": address.postal_code,
        "country": country_id,
    }


def sale_problems(
    order: Order, *, party: dict[str, Any], products: dict[str, dict[str, Any]], price_decimals: int
) -> Iterator[str]:
    """What keeps Tryton from an order, and what to do about it."""
    for line in order.lines:
        if line.sku not in products:
            yield (
                f"the ERP does not sell the product {line.sku}: enter it there, or change the line"
            )
        elif _price(line, price_decimals) is None:
            yield (
                f"line {line.number} ({line.sku}): the ERP's prices have {price_decimals} decimals,"
                f" with which {line.quantity} cannot come to {line.amount}: change the line, or"
                " raise price_decimal in the ERP's configuration"
            )
    if not party["active"]:
        yield f"customer {party['code']} is inactive in the ERP: activate it, or compensate"
    if not party["addresses"]:
        yield f"customer {party['code']} has no address in the ERP: enter one"


def sale_values(
    order: Order,
    *,
    company: int,
    party: dict[str, Any],
    currency: int,
    payment_term: int,
    products: dict[str, dict[str, Any]],
    price_decimals: int,
) -> dict[str, Any]:
    """A draft order, for one that has no `sale_problems`.

    Over REST nothing is filled in by itself, so taxes go with each line.
    """
    address = party["addresses"][0]
    lines = [_line_values(line, products[line.sku], price_decimals) for line in order.lines]
    return {
        "company": company,
        "party": party["id"],
        "invoice_address": address,
        "shipment_address": address,
        "currency": currency,
        "payment_term": payment_term,
        "reference": order.id,
        "description": f"Service from {order.start_date} for {order.term_months} months",
        "lines": [["create", lines]],
    }


def _line_values(line: Line, product: dict[str, Any], price_decimals: int) -> dict[str, Any]:
    return {
        "sequence": line.number,
        "product": product["id"],
        "unit": product["sale_uom"],
        # A quantity is a float in Tryton, money is not; its shortest spelling is exact here.
        "quantity": float(line.quantity),
        "unit_price": _price(line, price_decimals),
        "description": line.description,
        "note": NOTES[line.kind],
        "taxes": [["add", taxes(product)]],
    }


def _price(line: Line, decimals: int) -> Decimal | None:
    """Tryton takes no price of more decimals, and rounds the halves of an amount to even."""
    return line.price_in(decimals, line.amount.quantum)


def order(sale: dict[str, Any], connection: str) -> Order:
    """Raises ContractViolation for an order that the integration did not enter."""
    currency = sale["currency"]["code"]
    term = TERM.match(sale["description"] or "")
    try:
        return Order(
            id=sale["reference"],
            references={connection: str(sale["id"])},
            remote_id=str(sale["id"]),
            bill_to=customer_id(sale["party"], connection),
            subsidiary=sale["company"]["party"]["code"],
            currency=currency,
            payment_terms=sale["payment_term"]["name"],
            payment_days=payment_days(sale["payment_term"]),
            start_date=date.fromisoformat(term[1]),
            term_months=int(term[2]),
            lines=tuple(_line(line, currency) for line in sale["lines"]),
            net=Money.of(sale["untaxed_amount"], currency),
            number=sale["number"],
            status=sale["state"],
            tax=Money.of(sale["tax_amount"], currency),
            total=Money.of(sale["total_amount"], currency),
        )
    except (ValidationError, TypeError, ValueError):
        raise ContractViolation(
            "has an order that the integration did not enter, or that was changed since",
            vendor=VENDOR,
            record=str(sale["id"]),
        ) from None


def _line(line: dict[str, Any], currency: str) -> Line:
    return Line(
        number=line["sequence"],
        sku=line["product"]["code"],
        description=line["description"] or "",
        kind=LineKind((line["note"] or "").partition(":")[0].lower()),
        quantity=line["quantity"],
        unit_price=UnitPrice.of(line["unit_price"], currency),
        amount=Money.of(line["amount"], currency),
    )


def project_name(order_id: str) -> str:
    """Tryton gives projects their numbers itself: the business key is in the name."""
    return f"{PROJECT_NAME}{order_id}"


def project_comment(order_id: str) -> str:
    """And in the first line of the comment, for when somebody gives it another name."""
    return f"{PROJECT_COMMENT}{order_id}"


def project_values(
    order: Order, lines: tuple[Line, ...], *, company: int, party: int, status: int
) -> dict[str, Any]:
    """An open project with a task per line."""
    tasks = [
        {
            "type": "task",
            "name": f"{line.description or line.sku} (quantity {line.quantity})",
            "company": company,
            "status": status,
        }
        for line in lines
    ]
    return {
        "type": "project",
        "name": project_name(order.id),
        "company": company,
        "party": party,
        "status": status,
        "comment": project_comment(order.id),
        "children": [["create", tasks]],
    }


def project_status(statuses: list[dict[str, Any]], *, closed: bool) -> int:
    """The status a project is opened with, or closed with. Raises ContractViolation."""
    for status in statuses:
        fits = status["progress"] == 1 if closed else status["default"]
        if fits and "project" in status["types"]:
            return status["id"]
    wanted = "one that means complete" if closed else "a default one"
    raise ContractViolation(f"has no status for projects: set {wanted}", vendor=VENDOR)


def is_closed(work: dict[str, Any]) -> bool:
    """Whether a project is complete."""
    return (work["progress"] or 0) >= 1


def orders_of(work: dict[str, Any]) -> list[str]:
    """The ids of orders that a project carries: in its name, and in its comment's first line."""
    comment = (work["comment"] or "").partition("\n")[0]
    texts = ((work["name"], PROJECT_NAME), (comment, PROJECT_COMMENT))
    found = [text.removeprefix(prefix) for text, prefix in texts if text.startswith(prefix)]
    return [order_id for order_id in found if " " not in order_id]


def project(work: dict[str, Any], connection: str) -> Project:
    """Raises ContractViolation for a project that the integration did not open."""
    try:
        return Project(
            id=next(iter(orders_of(work)), ""),
            references={connection: str(work["id"])},
            remote_id=str(work["id"]),
            number=work["number"],
            status="closed" if is_closed(work) else "open",
        )
    except ValidationError:
        raise ContractViolation(
            "has a project that the integration did not open", vendor=VENDOR, record=str(work["id"])
        ) from None

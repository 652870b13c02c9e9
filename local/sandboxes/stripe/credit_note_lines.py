"""The lines of credit notes: https://docs.stripe.com/api/credit_notes/line_item

A line takes so much, or so many, off a line of the invoice, never more than earlier credit notes
have left of it, and always in the same way: by amount or by quantity.
https://docs.stripe.com/invoicing/integration/programmatic-credit-notes
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from local.sandboxes.stripe import taxes
from local.sandboxes.stripe.account import Account, StripeObject, existing
from local.sandboxes.stripe.amounts import rounded
from local.sandboxes.stripe.errors import invalid_parameter, missing_parameter
from local.sandboxes.stripe.parameters import (
    decimal,
    hash_of,
    integer,
    list_of,
    metadata,
    one_of,
    text,
)

TAX_AMOUNT = {"amount": integer(0), "tax_rate": text(), "taxable_amount": integer(0)}
LINE = hash_of(
    {
        "amount": integer(0),
        "description": text(),
        "invoice_line_item": text(),
        "metadata": metadata,
        "quantity": integer(0),
        "tax_amounts": list_of(hash_of(TAX_AMOUNT, required=tuple(TAX_AMOUNT))),
        "tax_rates": list_of(text()),
        "type": one_of("custom_line_item", "invoice_line_item"),
        "unit_amount": integer(0),
        "unit_amount_decimal": decimal,
    },
    required=("type",),
)


def make(account: Account, invoice: StripeObject, parameters: dict[str, Any]) -> list[StripeObject]:
    """The lines that a credit note of these parameters has. Raises ApiError."""
    given = parameters.get("lines")
    if ("amount" in parameters) == bool(given):
        raise missing_parameter("lines")
    if not given:
        return [_line(account, parameters["amount"], "Credit", [], type="custom_line_item")]
    made: list[StripeObject] = []
    for index, each in enumerate(given):
        param = f"lines[{index}]"
        if each["type"] == "invoice_line_item":
            made.append(_from_invoice(account, invoice, each, param, made))
        else:
            made.append(_custom(account, invoice, each, param))
    return made


def _from_invoice(
    account: Account,
    invoice: StripeObject,
    given: dict[str, Any],
    param: str,
    others: list[StripeObject],
) -> StripeObject:
    """So much, or so many, of a line of the invoice, with the taxes of that line.

    `others` are the lines of the same credit note before this one.
    """
    id = given.get("invoice_line_item")
    line = next((line for line in account.lines[invoice["id"]] if line["id"] == id), None)
    if line is None:
        raise invalid_parameter(f"{param}[invoice_line_item]", f"No such line item: '{id}'")
    if ("amount" in given) == ("quantity" in given):
        raise invalid_parameter(f"{param}[amount]", "Give either an amount or a quantity.")
    amount = given.get("amount")
    if amount is None:
        share = Fraction(given["quantity"], line["quantity"])
        amount = rounded(line["amount"] * share, invoice["currency"])
    taken = [
        each
        for each in (*_issued(account, invoice), *others)
        if each.get("invoice_line_item") == id
    ]
    if any((each["quantity"] is None) == ("quantity" in given) for each in taken):
        message = "The line was credited by quantity before, or by amount: go on in the same way."
        raise invalid_parameter(f"{param}[invoice_line_item]", message)
    if amount > line["amount"] - sum(each["amount"] for each in taken):
        message = "More than is left of the line of the invoice."
        raise invalid_parameter(f"{param}[amount]", message)
    rates = [account.tax_rates[each["tax_rate_details"]["tax_rate"]] for each in line["taxes"]]
    return _line(
        account,
        amount,
        given.get("description") or line["description"],
        _taxes(invoice, amount, rates, given),
        type="invoice_line_item",
        invoice_line_item=id,
        quantity=given.get("quantity"),
        metadata=given.get("metadata", {}),
    )


def _issued(account: Account, invoice: StripeObject) -> Iterator[StripeObject]:
    """The lines of the invoice's credit notes that are not void."""
    for note in account.credit_notes.values():
        if note["invoice"] == invoice["id"] and note["status"] == "issued":
            yield from account.lines[note["id"]]


def _custom(
    account: Account, invoice: StripeObject, given: dict[str, Any], param: str
) -> StripeObject:
    """Something of its own, at a price."""
    unit = given.get("unit_amount", given.get("unit_amount_decimal"))
    if unit is None or not given.get("description"):
        message = "A custom line has a unit amount and a description."
        raise invalid_parameter(f"{param}[unit_amount]", message)
    quantity = given.get("quantity", 1)
    amount = rounded(Fraction(unit) * quantity, invoice["currency"])
    name = f"{param}[tax_rates]"
    rates = [
        existing(account.tax_rates, rate, "tax rate", param=name, status=400)
        for rate in given.get("tax_rates", ())
    ]
    return _line(
        account,
        amount,
        given["description"],
        _taxes(invoice, amount, rates, given),
        type="custom_line_item",
        quantity=quantity,
        unit_amount=int(unit) if unit == int(unit) else None,
        unit_amount_decimal=f"{unit:f}" if not isinstance(unit, int) else str(unit),
        metadata=given.get("metadata", {}),
    )


def _taxes(
    invoice: StripeObject, amount: int, rates: list[StripeObject], given: dict[str, Any]
) -> list[StripeObject]:
    if "tax_amounts" in given:
        return [
            taxes.tax(each["amount"], each["taxable_amount"], each["tax_rate"])
            for each in given["tax_amounts"]
        ]
    return taxes.taxes_on(amount, rates, invoice["currency"])


def _line(
    account: Account,
    amount: int,
    description: str | None,
    line_taxes: list[StripeObject],
    **fields: Any,
) -> StripeObject:
    return {
        "id": account.new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": description,
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "tax_rates": [],
        "taxes": line_taxes,
        "unit_amount": None,
        "unit_amount_decimal": None,
        **fields,
    }

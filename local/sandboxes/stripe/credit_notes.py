"""Credit notes: https://docs.stripe.com/invoicing/integration/programmatic-credit-notes

A credit note first takes off what remains to be paid of its invoice. What it comes to beyond that
was paid, and goes back: as refunds, to the customer's balance, or outside Stripe, which together
must be exactly that much. https://docs.stripe.com/api/credit_notes/create

Unconfirmed: what the line of a credit note over a mere amount looks like (here a custom line
without tax), and in what order several payments of an invoice are refunded (here the latest first).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from local.sandboxes.stripe import (
    customer_balance,
    customers,
    events,
    invoice_payments,
    invoices,
    refunds,
    taxes,
)
from local.sandboxes.stripe.account import (
    EXPAND,
    Account,
    StripeObject,
    existing,
    first_lines,
    live_customer,
)
from local.sandboxes.stripe.amounts import rounded
from local.sandboxes.stripe.errors import ApiError, invalid_parameter, missing_parameter
from local.sandboxes.stripe.parameters import (
    decimal,
    hash_of,
    integer,
    list_of,
    metadata,
    one_of,
    read_all,
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
CREDIT_NOTE = {
    **EXPAND,
    "amount": integer(0),
    "credit_amount": integer(0),
    "effective_at": integer(0),
    "email_type": one_of("credit_note", "none"),
    "invoice": text(),
    "lines": list_of(LINE, 250),
    "memo": text(),
    "metadata": metadata,
    "out_of_band_amount": integer(0),
    "reason": one_of("duplicate", "fraudulent", "order_change", "product_unsatisfactory"),
    "refund_amount": integer(0),
    "refunds": list_of(
        hash_of({"amount_refunded": integer(1), "refund": text()}, required=("refund",))
    ),
}


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/credit_notes`"""
    parameters = read_all(raw, CREDIT_NOTE, required=("invoice",))
    invoice = existing(
        account.invoices, parameters["invoice"], "invoice", param="invoice", status=400
    )
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise ApiError(400, f"An invoice in status {invoice['status']} cannot be credited.")
    lines = _lines(account, invoice, parameters)
    total = sum(line["amount"] for line in lines)
    total += sum(tax["amount"] for line in lines for tax in line["taxes"])
    before = min(total, invoice["amount_remaining"])
    linked = [_linked(account, each) for each in parameters.get("refunds", ())]
    _check_sums(account, invoice, parameters, total, total - before, linked)
    if amount := parameters.get("refund_amount"):
        linked += _refund(account, invoice, amount)
    note = _note(account, invoice, parameters, lines, before)
    note["refunds"] = linked
    account.credit_notes[note["id"]] = note
    if amount := parameters.get("credit_amount"):
        moved = customer_balance.move(
            account,
            live_customer(account, invoice["customer"]),
            -amount,
            "credit_note",
            currency=invoice["currency"],
            invoice=invoice["id"],
            credit_note=note["id"],
        )
        note["customer_balance_transaction"] = moved["id"]
    events.emit(account, "credit_note.created", note)
    invoices.credit(account, invoice, before, total - before)
    invoice_payments.follow(account, invoice)
    return account.expanded(note, parameters)


def void(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/credit_notes/<id>/void`: only while its invoice is open."""
    parameters = read_all(raw, EXPAND)
    note = existing(account.credit_notes, id, "credit note")
    invoice = account.invoices[note["invoice"]]
    if note["status"] == "void" or note["post_payment_amount"] or invoice["status"] != "open":
        message = "Only a credit note that reduces what remains of an open invoice can be voided."
        raise ApiError(400, message)
    note.update(status="void", voided_at=account.now())
    events.emit(account, "credit_note.voided", note)
    invoices.credit(account, invoice, -note["pre_payment_amount"], 0)
    invoice_payments.follow(account, invoice)
    return account.expanded(note, parameters)


def update(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/credit_notes/<id>`: its memo and metadata."""
    parameters = read_all(raw, {**EXPAND, "memo": text(), "metadata": metadata})
    note = existing(account.credit_notes, id, "credit note")
    note["memo"] = parameters.get("memo", note["memo"])
    if "metadata" in parameters:
        note["metadata"] = customers.merged(note["metadata"], parameters["metadata"])
    events.emit(account, "credit_note.updated", note)
    return account.expanded(note, parameters)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/credit_notes/<id>`"""
    return account.retrieved(account.credit_notes, id, raw, "credit note")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/credit_notes`"""
    rows = account.credit_notes.values()
    return account.listed(rows, raw, "/v1/credit_notes", "customer", "invoice")


def list_lines(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/credit_notes/<id>/lines`"""
    existing(account.credit_notes, id, "credit note")
    return account.listed(account.lines[id][::-1], raw, f"/v1/credit_notes/{id}/lines")


def _lines(
    account: Account, invoice: StripeObject, parameters: dict[str, Any]
) -> list[StripeObject]:
    given = parameters.get("lines")
    if ("amount" in parameters) == bool(given):
        raise missing_parameter("lines")
    if not given:
        return [_line(account, parameters["amount"], "Credit", [], type="custom_line_item")]
    return [
        _from_invoice(account, invoice, each, f"lines[{index}]")
        if each["type"] == "invoice_line_item"
        else _custom(account, invoice, each, f"lines[{index}]")
        for index, each in enumerate(given)
    ]


def _from_invoice(
    account: Account, invoice: StripeObject, given: dict[str, Any], param: str
) -> StripeObject:
    """So much, or so many, of a line of the invoice, with the taxes of that line."""
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
    if amount > line["amount"]:
        raise invalid_parameter(f"{param}[amount]", "More than the line of the invoice.")
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


def _linked(account: Account, given: dict[str, Any]) -> StripeObject:
    """A refund that was made before, as the part of it that belongs to this credit note."""
    name = "refunds[refund]"
    refund = existing(account.refunds, given["refund"], "refund", param=name, status=400)
    taken = sum(
        each["amount_refunded"]
        for note in account.credit_notes.values()
        for each in note["refunds"]
        if each["refund"] == refund["id"]
    )
    amount = given.get("amount_refunded", refund["amount"] - taken)
    if amount > refund["amount"] - taken:
        raise invalid_parameter(name, "The refund is linked to other credit notes already.")
    return _refund_link(refund["id"], amount)


def _refund_link(refund: str, amount: int) -> StripeObject:
    return {
        "amount_refunded": amount,
        "payment_record_refund": None,
        "refund": refund,
        "type": "refund",
    }


def _check_sums(
    account: Account,
    invoice: StripeObject,
    parameters: dict[str, Any],
    total: int,
    after: int,
    linked: list[StripeObject],
) -> None:
    others = account.credit_notes.values()
    credited = sum(
        note["total"]
        for note in others
        if note["invoice"] == invoice["id"] and note["status"] == "issued"
    )
    if total <= 0 or credited + total > invoice["total"]:
        message = "The credit note comes to nothing, or to more than is left of the invoice."
        raise ApiError(400, message, param="amount")
    names = ("refund_amount", "credit_amount", "out_of_band_amount")
    sums = sum(parameters.get(name, 0) for name in names)
    sums += sum(each["amount_refunded"] for each in linked)
    if sums != after:
        message = (
            f"The sum of refunds, credit amount and out of band amount ({sums}) must equal the "
            f"post payment amount ({after})."
        )
        raise ApiError(400, message)


def _refund(account: Account, invoice: StripeObject, amount: int) -> list[StripeObject]:
    """Refund so much of the payments of the invoice. Raises ApiError if they are not that much."""
    charges = [
        account.charges[account.payment_intents[id]["latest_charge"]]
        for payment in reversed(account.payments[invoice["id"]])
        if payment["status"] == "paid" and (id := payment["payment"].get("payment_intent"))
    ]
    parts = []
    for charge in charges:
        part = min(amount, charge["amount"] - charge["amount_refunded"])
        if part and not charge["disputed"]:
            parts.append((charge, part))
            amount -= part
    if amount:
        raise ApiError(400, "The refund amount is more than what can be refunded of the invoice.")
    return [_refund_link(refunds.make(account, *part)["id"], part[1]) for part in parts]


def _note(
    account: Account,
    invoice: StripeObject,
    parameters: dict[str, Any],
    lines: list[StripeObject],
    before: int,
) -> StripeObject:
    id = account.new_id("cn")
    account.lines[id] = lines
    number = sum(note["invoice"] == invoice["id"] for note in account.credit_notes.values()) + 1
    subtotal = sum(line["amount"] for line in lines)
    total_taxes = taxes.summed(lines)
    total = subtotal + sum(each["amount"] for each in total_taxes)
    kinds = {(True, False): "pre_payment", (False, True): "post_payment"}
    return {
        "id": id,
        "object": "credit_note",
        "amount": total,
        "amount_shipping": 0,
        "created": account.now(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": parameters.get("effective_at", account.now()),
        "invoice": invoice["id"],
        "lines": first_lines(lines, f"/v1/credit_notes/{id}/lines"),
        "livemode": False,
        "memo": parameters.get("memo"),
        "metadata": parameters.get("metadata", {}),
        "number": f"{invoice['number']}-CN-{number:02d}",
        "out_of_band_amount": parameters.get("out_of_band_amount"),
        "pdf": f"https://pay.stripe.com/credit_notes/acct_sandbox/{id}/pdf",
        "post_payment_amount": total - before,
        "pre_payment_amount": before,
        "pretax_credit_amounts": [],
        "reason": parameters.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": subtotal,
        "total_taxes": total_taxes,
        "type": kinds.get((before > 0, total > before), "mixed"),
        "voided_at": None,
    }

"""Credit notes: https://docs.stripe.com/invoicing/integration/programmatic-credit-notes

A credit note first takes off what remains to be paid of its invoice. What it comes to beyond that
was paid, and goes back: as refunds, to the customer's balance, or outside Stripe, which together
must be exactly that much. https://docs.stripe.com/api/credit_notes/create

Unconfirmed: what the line of a credit note over a mere amount looks like (here a custom line
without tax), and in what order several payments of an invoice are refunded (here the latest first).
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import (
    credit_note_lines,
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
from local.sandboxes.stripe.errors import ApiError, invalid_parameter
from local.sandboxes.stripe.parameters import (
    hash_of,
    integer,
    list_of,
    metadata,
    one_of,
    read_all,
    text,
)

# Where it goes what a credit note comes to beyond what was still to be paid.
GIVEN_BACK = ("refund_amount", "credit_amount", "out_of_band_amount")
CREDIT_NOTE = {
    **EXPAND,
    "amount": integer(0),
    "credit_amount": integer(0),
    "effective_at": integer(0),
    "email_type": one_of("credit_note", "none"),
    "invoice": text(),
    "lines": list_of(credit_note_lines.LINE, 250),
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
    invoice, lines, linked = _wanted(account, parameters)
    before, after = _divided(invoice, lines)
    _check_sums(parameters, after, linked)
    if amount := parameters.get("refund_amount"):
        linked += _refund(account, invoice, amount)
    note = _note(account, invoice, parameters, lines)
    note["refunds"] = linked
    account.credit_notes[note["id"]] = note
    account.lines[note["id"]] = lines
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
    invoices.credit(account, invoice, before, after)
    invoice_payments.follow(account, invoice)
    return account.expanded(note, parameters)


def preview(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/credit_notes/preview`: what it would be; where it goes may be left open."""
    parameters = read_all(raw, CREDIT_NOTE, required=("invoice",))
    invoice, lines, linked = _wanted(account, parameters)
    if linked or any(name in parameters for name in GIVEN_BACK):
        _check_sums(parameters, _divided(invoice, lines)[1], linked)
    note = _note(account, invoice, parameters, lines)
    note["refunds"] = linked
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


def _wanted(
    account: Account, parameters: dict[str, Any]
) -> tuple[StripeObject, list[StripeObject], list[StripeObject]]:
    """The invoice, the lines, and the refunds that are linked. Raises ApiError."""
    invoice = existing(
        account.invoices, parameters["invoice"], "invoice", param="invoice", status=400
    )
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise ApiError(400, f"An invoice in status {invoice['status']} cannot be credited.")
    lines = credit_note_lines.make(account, invoice, parameters)
    linked = [_linked(account, each) for each in parameters.get("refunds", ())]
    _check_left(account, invoice, sum(_divided(invoice, lines)), linked)
    return invoice, lines, linked


def _divided(invoice: StripeObject, lines: list[StripeObject]) -> tuple[int, int]:
    """What lines and their taxes take off what is still to be paid, and what is beyond that."""
    total = sum(line["amount"] for line in lines)
    total += sum(tax["amount"] for line in lines for tax in line["taxes"])
    before = min(total, invoice["amount_remaining"])
    return before, total - before


def _check_left(
    account: Account, invoice: StripeObject, total: int, linked: list[StripeObject]
) -> None:
    """Refunds that no credit note is linked to have taken of the invoice too."""
    notes = [
        note
        for note in account.credit_notes.values()
        if note["invoice"] == invoice["id"] and note["status"] == "issued"
    ]
    refunded = sum(charge["amount_refunded"] for charge in _charges(account, invoice))
    refunded -= sum(
        each["amount_refunded"]
        for links in (linked, *(n["refunds"] for n in notes))
        for each in links
    )
    credited = sum(note["total"] for note in notes)
    if total <= 0 or credited + max(refunded, 0) + total > invoice["total"]:
        message = "The credit note comes to nothing, or to more than is left of the invoice."
        raise ApiError(400, message, param="amount")


def _check_sums(parameters: dict[str, Any], after: int, linked: list[StripeObject]) -> None:
    sums = sum(parameters.get(name, 0) for name in GIVEN_BACK)
    sums += sum(each["amount_refunded"] for each in linked)
    if sums != after:
        message = (
            f"The sum of refunds, credit amount and out of band amount ({sums}) must equal the "
            f"post payment amount ({after})."
        )
        raise ApiError(400, message)


def _charges(account: Account, invoice: StripeObject) -> list[StripeObject]:
    """What paid the invoice through Stripe, latest first."""
    return [
        account.charges[account.payment_intents[id]["latest_charge"]]
        for payment in reversed(account.payments[invoice["id"]])
        if payment["status"] == "paid" and (id := payment["payment"].get("payment_intent"))
    ]


def _refund(account: Account, invoice: StripeObject, amount: int) -> list[StripeObject]:
    """Refund so much of the payments of the invoice. Raises ApiError if they are not that much."""
    parts = []
    for charge in _charges(account, invoice):
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
) -> StripeObject:
    id = account.new_id("cn")
    number = sum(note["invoice"] == invoice["id"] for note in account.credit_notes.values()) + 1
    subtotal = sum(line["amount"] for line in lines)
    total_taxes = taxes.summed(lines)
    before, after = _divided(invoice, lines)
    total = before + after
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
        "post_payment_amount": after,
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
        "type": kinds.get((before > 0, after > 0), "mixed"),
        "voided_at": None,
    }

"""Between canonical invoices and credit memos and Tryton's: no request is made here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

from pydantic import ValidationError

from interlock.canonical import Money
from interlock.canonical.billing import DocumentLine
from interlock.canonical.books import PostedDocument, Posting, ServiceSchedule
from interlock.canonical.money import EXACTLY
from interlock.connectors.erp.tryton_moves import move_line
from interlock.connectors.erp.tryton_rest import VENDOR
from interlock.errors import ContractViolation

INVOICE_FIELDS = [
    "reference",
    "number",
    "state",
    "description",
    "company.party.code",
    "currency.code",
    "invoice_date",
    "accounting_date",
    "untaxed_amount",
    "tax_amount",
    "total_amount",
    "amount_to_pay",
    "lines.note",
    "payment_lines.move.number",
]
LINE_FIELDS = [
    "sequence",
    "description",
    "product",
    "unit",
    "quantity",
    "unit_price",
    "account",
    "defer_from",
    "defer_to",
]
TAX_FIELDS = ["tax", "account", "base", "amount", "description"]
COPIED_FIELDS = [
    "reference",
    "party",
    "invoice_address",
    "currency",
    "account",
    "journal",
    "description",
    *(f"lines.{field}" for field in LINE_FIELDS),
    *(f"taxes.{field}" for field in TAX_FIELDS),
]
DEFERRED_FIELDS = [
    "state",
    "amount",
    "start_date",
    "currency.code",
    "invoice_line.account",
    "moves.period.start_date",
    "moves.lines.account",
    "moves.lines.debit",
    "moves.lines.credit",
]

POSTED = {"posted", "paid"}

# The description says what it is, to people too: Tryton lets it be no longer changed once posted.
MEMO = "Credit memo "
REVERSAL = "Reversal of "
# As long as a line's note says so, a credit memo is posted, but not done. A note can be changed.
UNDONE = "To be applied to invoice "


def description(posting: Posting) -> str:
    """The customer's number and day of a document: Tryton has a number of its own."""
    return f"{MEMO if posting.credits else ''}{posting.number} of {posting.issued_on}"


def reversal_of(invoice: dict[str, Any]) -> str:
    """The reference of what undoes an invoice; another one may be entered in its place after it."""
    return f"{invoice['reference']}/reversed/{invoice['id']}"


def is_memo(invoice: dict[str, Any]) -> bool:
    """Whether it credits something, so that its amounts are negative in Tryton."""
    text = invoice["description"] or ""
    return text.startswith(REVERSAL) != text.removeprefix(REVERSAL).startswith(MEMO)


def undone_lines(invoice: dict[str, Any]) -> list[int]:
    """The lines whose note says that it is still to be applied."""
    return [line["id"] for line in invoice["lines"] if (line["note"] or "").startswith(UNDONE)]


def line_values(
    posting: Posting,
    *,
    products: dict[str, dict[str, Any]],
    rounding_account: int,
    price_decimals: int,
) -> Iterator[dict[str, Any]]:
    """The lines of a draft, each of which comes to its amount exactly, and the rounding."""
    sign = -1 if posting.credits else 1
    for line in posting.lines:
        product = products[line.sku]
        quantity, price = _quantity_and_price(line, product, price_decimals)
        whole = "" if quantity == line.quantity else f" (quantity {line.quantity})"
        yield {
            "sequence": line.number,
            "product": product["id"],
            "unit": product["sale_uom"]["id"],
            # A quantity is a float in Tryton, money is not; its shortest spelling is exact here.
            "quantity": float(sign * quantity),
            "unit_price": price,
            "account": product["account"],
            "description": f"{line.description}{whole}",
            **_deferral(line, product),
        }
    gap = posting.net.amount - sum(line.amount.amount for line in posting.lines)
    if gap:
        yield {
            "quantity": float(sign),
            "unit_price": gap,
            "account": rounding_account,
            "description": "Rounding",
        }


def _quantity_and_price(
    line: DocumentLine, product: dict[str, Any], price_decimals: int
) -> tuple[Decimal, Decimal]:
    """As in the billing system where the ERP can express it, else one at the whole amount."""
    amount, quantity = line.amount.amount, line.quantity
    step = Decimal(1).scaleb(-price_decimals)
    with localcontext(EXACTLY):
        countable = quantity == round(quantity, product["sale_uom"]["digits"])
        if quantity and countable:
            price = (amount / quantity).quantize(step)
            # No half to round: systems round halves in different ways.
            if abs(price * quantity - amount) < line.amount.quantum / 2:
                return quantity, price
    return Decimal(1), amount


def _deferral(line: DocumentLine, product: dict[str, Any]) -> dict[str, date]:
    """Tryton spreads the amounts of services over two days or more."""
    period = line.service_period
    spread = period and period.first_day < period.last_day and line.amount.amount
    if not spread or product["template"]["type"] != "service":
        return {}
    return {"defer_from": period.first_day, "defer_to": period.last_day}


def tax_values(
    posting: Posting, *, taxes: dict[Decimal, dict[str, Any]], rounding_account: int
) -> Iterator[dict[str, Any]]:
    """One manual tax line per rate, with the billing system's amounts, and their rounding."""
    sign = -1 if posting.credits else 1
    bases: dict[Decimal, Decimal] = defaultdict(Decimal)
    amounts: dict[Decimal, Decimal] = defaultdict(Decimal)
    names: dict[Decimal, str] = {}
    for line in posting.lines:
        for tax in line.taxes:
            bases[tax.percent] += tax.taxable.amount
            amounts[tax.percent] += tax.amount.amount
            names.setdefault(tax.percent, tax.name)
    for percent, base in bases.items():
        side = "invoice_account" if sign * base >= 0 else "credit_note_account"
        yield _manual_tax(
            names[percent],
            taxes[percent][side],
            sign * base,
            sign * amounts[percent],
            tax=taxes[percent]["id"],
        )
    if gap := posting.tax.amount - sum(amounts.values()):
        yield _manual_tax("Rounding of taxes", rounding_account, Decimal(0), sign * gap, tax=None)


def _manual_tax(
    description: str, account: int, base: Decimal, amount: Decimal, *, tax: int | None
) -> dict[str, Any]:
    """Tryton leaves a manual one as it is; over REST a tax line is manual unless told."""
    values = {"description": description, "account": account, "base": base, "amount": amount}
    return values | {"manual": True, "tax": tax}


def opposite_lines(original: dict[str, Any], *, deferred: bool) -> Iterator[dict[str, Any]]:
    """The lines that undo those of a document; `deferred` as the originals are, or at once."""
    for line in original["lines"]:
        values = {field: line[field] for field in LINE_FIELDS}
        if not deferred:
            values |= {"defer_from": None, "defer_to": None}
        yield values | {"quantity": -float(line["quantity"])}


def opposite_taxes(original: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tax lines that undo those of a document."""
    for tax in original["taxes"]:
        yield _manual_tax(
            tax["description"], tax["account"], -tax["base"], -tax["amount"], tax=tax["tax"]
        )


def document(invoice: dict[str, Any], connection: str) -> PostedDocument:
    """Raises ContractViolation for an invoice that the integration did not enter."""
    sign = -1 if is_memo(invoice) else 1
    currency = invoice["currency"]["code"]

    def money(field: str) -> Money:
        return Money.of(sign * invoice[field], currency)

    try:
        return PostedDocument(
            id=invoice["reference"],
            references={connection: str(invoice["id"])},
            remote_id=str(invoice["id"]),
            subsidiary=invoice["company"]["party"]["code"],
            number=invoice["number"],
            status=invoice["state"],
            posting_date=invoice["accounting_date"],
            net=money("untaxed_amount"),
            tax=money("tax_amount"),
            total=money("total_amount"),
            remaining=money("amount_to_pay"),
        )
    except (ValidationError, TypeError):
        raise ContractViolation(
            "has an invoice that the integration did not enter, or that was changed since",
            vendor=VENDOR,
            record=str(invoice["id"]),
        ) from None


def difference(posting: Posting, invoice: dict[str, Any]) -> str | None:
    """How the ERP's figures differ from those that are to be posted; None when they agree."""
    sign = -1 if posting.credits else 1
    ours = (posting.net, posting.tax, posting.total)
    fields = ("untaxed_amount", "tax_amount", "total_amount")
    theirs = tuple(Money.of(sign * invoice[field], posting.currency) for field in fields)
    if ours == theirs:
        return None

    def spelled(amounts: tuple[Money, ...]) -> str:
        net, tax, total = amounts
        return f"{total} ({net} and {tax} of tax)"

    return (
        f"{posting.number}: the ERP comes to {spelled(theirs)} where the billing system has"
        f" {spelled(ours)}: nothing was posted; tell the integration's team"
    )


def recognised(deferral: dict[str, Any]) -> dict[date, Decimal]:
    """The revenue of a deferral by the first day of its month, as Tryton has posted it."""
    months: dict[date, Decimal] = defaultdict(Decimal)
    for move in deferral["moves"]:
        amount = sum(
            line["credit"] - line["debit"]
            for line in move["lines"]
            if line["account"] == deferral["invoice_line"]["account"]
        )
        # The first move of all takes the whole amount off the revenue again.
        if amount and (amount > 0) == (deferral["amount"] > 0):
            months[move["period"]["start_date"]] += amount
    return dict(sorted(months.items()))


def left_over(deferral: dict[str, Any]) -> Decimal:
    """What a deferral that is through has recognised too little, or too much where negative."""
    if deferral["state"] != "closed":
        return Decimal(0)
    return deferral["amount"] - sum(recognised(deferral).values())


def last_day(deferral: dict[str, Any]) -> date:
    """The day of what is left over: that of the last month, the first day if all are too small."""
    return max(recognised(deferral), default=deferral["start_date"])


def left_over_lines(deferral: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """The lines that recognise what is left over."""
    revenue = deferral["invoice_line"]["account"]
    accounts = {line["account"] for move in deferral["moves"] for line in move["lines"]}
    (deferred,) = accounts - {revenue}
    amount = left_over(deferral)
    return [move_line(deferred, amount, text), move_line(revenue, -amount, text)]


def schedule(
    document_id: str, remote_id: str, deferrals: list[dict[str, Any]], connection: str
) -> ServiceSchedule:
    """What is recognised in which month, of all lines together, in the company's currency.

    What was left over of a line is in its last month.
    """
    months: dict[date, Money] = {}
    for deferral in deferrals:
        currency = deferral["currency"]["code"]
        by_month = recognised(deferral)
        if rest := left_over(deferral):
            month = last_day(deferral).replace(day=1)
            by_month[month] = by_month.get(month, Decimal(0)) + rest
        for first_day, amount in by_month.items():
            before = months.get(first_day, Money.of(0, currency))
            months[first_day] = before + Money.of(amount, currency)
    return ServiceSchedule(
        id=document_id,
        references={connection: remote_id},
        remote_id=remote_id,
        months=dict(sorted(months.items())),
    )

"""May an invoice or a credit note be posted as it is? Every problem is named, and what fixes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from interlock.canonical import Money
from interlock.canonical.billing import CreditNote, DocumentLine, Invoice
from interlock.canonical.books import Posting
from interlock.connectors.erp.port import PostingContext
from interlock.errors import BusinessRuleViolation

Document = Invoice | CreditNote


def prepare(document: Document, context: PostingContext, posting_date: date) -> Posting:
    """The document as the ERP is to enter it.

    Raises BusinessRuleViolation with every problem at once. They name the document by its number,
    which people of Finance know it by.
    """
    problems = [*_owner(document, context), *_lines(document, context), *_amounts(document)]
    if problems:
        problems = [f"{document.number}: {problem}" for problem in problems]
        raise BusinessRuleViolation(problems, operation="prepare_posting", record=document.id)
    is_invoice = isinstance(document, Invoice)
    return Posting(
        id=document.id,
        number=document.number,
        customer_id=document.customer_id,
        subsidiary=document.subsidiary,
        currency=document.currency,
        issued_on=document.issued_on,
        posting_date=posting_date,
        due_on=(document.due_on if is_invoice else None) or document.issued_on,
        lines=document.lines,
        rounding=document.residue,
        net=document.net,
        tax=document.tax,
        total=document.total,
        credits=None if is_invoice else document.invoice_id,
    )


def _owner(document: Document, context: PostingContext) -> Iterator[str]:
    if document.customer_id is None:
        yield (
            "its customer is not linked to an account: enter the account's id in the billing"
            " system, and retry"
        )
    if document.subsidiary is None:
        known = ", ".join(context.subsidiaries)
        yield f"it does not say whose books it belongs to: set its subsidiary, one of {known}"
    elif document.subsidiary not in context.subsidiaries:
        known = ", ".join(context.subsidiaries)
        yield f"the ERP has no subsidiary {document.subsidiary}, but {known}: correct it"
    elif document.currency not in context.kept_currencies:
        kept = ", ".join(context.kept_currencies)
        yield (
            f"{document.subsidiary} keeps no books in {document.currency}, but in {kept}: void it"
            " and invoice from the subsidiary that does, or set the currency up in the ERP"
        )


def _lines(document: Document, context: PostingContext) -> Iterator[str]:
    if not document.lines:
        yield "it has no lines: void it"
    for line in document.lines:
        if line.sku is None:
            yield (
                f"line {line.number} ({line.description}) has no product: void it and invoice a"
                " product, or enter the invoice in the ERP by hand and link it"
            )
        elif line.sku not in context.known_skus:
            yield (
                f"line {line.number}: the ERP has no product {line.sku} with a revenue account:"
                " enter it there"
            )
        for tax in line.taxes:
            if tax.percent not in context.known_tax_percents:
                yield (
                    f"line {line.number}: the ERP has not exactly one tax of {tax.percent} % for"
                    f" {document.subsidiary} ({tax.name}): enter it there, or end the others"
                )


def _amounts(document: Document) -> Iterator[str]:
    currency = document.currency
    foreign = {money.currency for line in document.lines for money in _monies(line)} - {currency}
    if foreign:
        yield f"lines are in {', '.join(sorted(foreign))}, the document is in {currency}: void it"
        return
    if document.net + document.tax != document.total:
        yield (
            f"its net amount {document.net} and tax {document.tax} are not its total"
            f" {document.total}: void it and issue it anew"
        )
    # Each line may be rounded by itself, and the document once more.
    allowed = document.total.quantum * (len(document.lines) + 1)
    if abs(document.residue.amount) > allowed:
        yield (
            f"its lines and taxes add up to {document.residue} less than its total"
            f" {document.total}: void it and issue it anew"
        )
    for line in document.lines:
        for tax in line.taxes:
            expected = tax.taxable.times(tax.percent.scaleb(-2))
            if abs(expected.amount - tax.amount.amount) > expected.quantum:
                yield (
                    f"line {line.number}: {tax.percent} % of {tax.taxable} are {expected}, not"
                    f" {tax.amount}: correct the tax in the billing system and issue it anew"
                )


def _monies(line: DocumentLine) -> list[Money]:
    taxes = [money for tax in line.taxes for money in (tax.taxable, tax.amount)]
    return [line.amount, *taxes]

"""May this deal become an order? Strict: every problem is named, and what fixes it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from interlock.canonical import Line, LineKind, Money, Opportunity, Order, UnitPrice
from interlock.connectors.billing.port import Catalogue
from interlock.connectors.erp.port import OrderContext
from interlock.errors import BusinessRuleViolation


def validate(
    opportunity: Opportunity, context: OrderContext, catalogue: Catalogue, *, bill_to: str
) -> Order:
    """The order that this deal stands for, billed to the account `bill_to`.

    Raises BusinessRuleViolation with every problem at once, so that a person fixes them in one go.
    """
    problems = [
        *_amounts(opportunity),
        *_splits(opportunity),
        *_products(opportunity, context, catalogue),
        *_terms(opportunity, context),
        *_payer(opportunity, bill_to),
    ]
    if problems:
        raise BusinessRuleViolation(problems, operation="validate_order", record=opportunity.id)
    return Order(
        id=opportunity.id,
        bill_to=bill_to,
        subsidiary=opportunity.subsidiary,
        currency=opportunity.currency,
        payment_terms=opportunity.payment_terms,
        payment_days=context.payment_days,
        start_date=opportunity.start_date,
        term_months=opportunity.term_months,
        lines=opportunity.lines,
        net=opportunity.amount,
    )


def _amounts(opportunity: Opportunity) -> Iterator[str]:
    currency = opportunity.currency
    if not opportunity.lines:
        yield "the opportunity has no products: add them in the CRM"
        return
    amounts = [opportunity.amount, *(m for line in opportunity.lines for m in _monies(line))]
    if foreign := sorted({amount.currency for amount in amounts} - {currency}):
        yield (
            f"amounts are in {', '.join(foreign)}, the opportunity is in {currency}: correct them"
            " in the CRM"
        )
        return
    for line in opportunity.lines:
        if not line.adds_up:
            expected = line.unit_price.times(line.quantity)
            yield (
                f"line {line.number} ({line.sku}): {line.quantity} at {line.unit_price} are"
                f" {expected}, not {line.amount}: correct the line in the CRM"
            )
    total = Money.total((line.amount for line in opportunity.lines), currency)
    if total != opportunity.amount:
        yield (
            f"the lines add up to {total}, the opportunity says {opportunity.amount}:"
            " correct the amount or the lines in the CRM"
        )


def _monies(line: Line) -> tuple[UnitPrice, Money]:
    return line.unit_price, line.amount


def _splits(opportunity: Opportunity) -> Iterator[str]:
    shares = sum((split.percent for split in opportunity.splits), Decimal(0))
    if opportunity.splits and shares != 100:
        yield f"the revenue splits add up to {shares} %, not 100 %: correct them in the CRM"


def _products(
    opportunity: Opportunity, context: OrderContext, catalogue: Catalogue
) -> Iterator[str]:
    for line in opportunity.lines:
        if line.sku not in context.sellable_skus:
            yield (
                f"line {line.number}: product {line.sku} is not mapped: create a salable product"
                " with this code in the ERP, or correct the product code in the CRM"
            )
        elif line.sku not in context.taxed_skus:
            yield (
                f"line {line.number}: product {line.sku} has no customer tax in subsidiary"
                f" {opportunity.subsidiary}: set its taxes in the ERP"
            )
        if line.kind == LineKind.RECURRING and line.sku not in catalogue.billable_skus:
            yield (
                f"line {line.number}: product {line.sku} is not in the billing catalogue: create"
                " an active product with this id there"
            )


def _terms(opportunity: Opportunity, context: OrderContext) -> Iterator[str]:
    if not opportunity.subsidiary or context.subsidiary_currency is None:
        named = opportunity.subsidiary or "none"
        yield (
            f"the selling subsidiary ({named}) is not in the ERP: choose one of"
            f" {', '.join(context.subsidiaries)} on the opportunity"
        )
    elif context.subsidiary_currency != opportunity.currency:
        yield (
            f"subsidiary {opportunity.subsidiary} keeps its books in {context.subsidiary_currency},"
            f" the opportunity is in {opportunity.currency}: choose the subsidiary that sells in"
            f" {opportunity.currency}"
        )
    if not opportunity.payment_terms or context.payment_days is None:
        named = opportunity.payment_terms or "none"
        yield f"the payment terms ({named}) are not in the ERP: choose ones that are"
    if not context.period_open:
        yield (
            f"no accounting period is open on {opportunity.close_date}: ask Finance to open it, or"
            " correct the close date in the CRM"
        )
    if context.credit_hold:
        yield f"the customer is on credit hold ({context.credit_hold}): ask Finance to release it"


def _payer(opportunity: Opportunity, bill_to: str) -> Iterator[str]:
    payer = next((account for account in opportunity.accounts if account.id == bill_to), None)
    if payer is None:
        yield f"{bill_to} is to get the bill, but is no account of this deal"
        return
    recurring = any(line.kind == LineKind.RECURRING for line in opportunity.lines)
    if recurring and not payer.email:
        yield f"{payer.name} has no billing e-mail to send invoices to: enter one in the CRM"

"""What an account comes to, from its own objects: figures that other books are held against."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from local.sandboxes.stripe.account import Account, StripeObject


@dataclass
class Totals:
    """The figures of one currency, in its smallest unit; none is negative unless it says so.

    Invoices are those that were finalised and not voided, credit notes those not voided. `payments`
    came into the balance, `payments_outside` never did. `disputes_lost` is what was withdrawn for
    good. `receivable` is what remains to be paid, `uncollectible` the part of it that was given up;
    `customer_credit` is what customers have left for later invoices, less what they owe from
    earlier ones. `balance_gross` less `balance_fees` is what is not paid out yet: either can be
    negative.
    """

    invoiced_net: int = 0
    invoiced_tax: int = 0
    credited_net: int = 0
    credited_tax: int = 0
    payments: int = 0
    payments_outside: int = 0
    refunds: int = 0
    disputes_withdrawn: int = 0
    disputes_reinstated: int = 0
    disputes_lost: int = 0
    fees: int = 0
    payouts: int = 0
    receivable: int = 0
    uncollectible: int = 0
    customer_credit: int = 0
    balance_gross: int = 0
    balance_fees: int = 0


def totals(account: Account) -> dict[str, Totals]:
    """The figures by currency, written as Stripe writes it ("usd")."""
    found: dict[str, Totals] = defaultdict(Totals)
    for invoice in account.invoices.values():
        if invoice["status"] not in ("draft", "void"):
            _add_invoice(found[invoice["currency"]], invoice)
    for note in account.credit_notes.values():
        if note["status"] == "issued":
            figures = found[note["currency"]]
            figures.credited_net += note["subtotal"]
            figures.credited_tax += note["total"] - note["subtotal"]
    for dispute in account.disputes.values():
        if dispute["status"] == "lost":
            found[dispute["currency"]].disputes_lost += dispute["amount"]
    for (_customer, currency), balance in account.credit.items():
        found[currency].customer_credit -= balance
    for transaction in account.balance_transactions.values():
        _add_movement(found[transaction["currency"]], transaction)
    for currency, rows in account.balance.items():
        found[currency].balance_gross = sum(row["amount"] for row in rows)
        found[currency].balance_fees = sum(row["fee"] for row in rows)
    return dict(found)


def customer_balances(account: Account) -> dict[tuple[str, str], int]:
    """By customer and currency: what remains of its invoices, less its credit; none is zero."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for invoice in account.invoices.values():
        if invoice["status"] not in ("draft", "void"):
            found[invoice["customer"], invoice["currency"]] += invoice["amount_remaining"]
    for owner, balance in account.credit.items():
        found[owner] += balance
    return {owner: amount for owner, amount in found.items() if amount}


def _add_invoice(figures: Totals, invoice: StripeObject) -> None:
    figures.invoiced_net += invoice["subtotal"]
    figures.invoiced_tax += invoice["total"] - invoice["subtotal"]
    figures.payments_outside += invoice["amount_paid_off_stripe"]
    figures.receivable += invoice["amount_remaining"]
    if invoice["status"] == "uncollectible":
        figures.uncollectible += invoice["amount_remaining"]


def _add_movement(figures: Totals, transaction: StripeObject) -> None:
    amount = transaction["amount"]
    figures.fees += transaction["fee"]
    match transaction["reporting_category"]:
        case "charge":
            figures.payments += amount
        case "refund" | "refund_failure":
            figures.refunds -= amount
        case "dispute":
            figures.disputes_withdrawn -= amount
        case "dispute_reversal":
            figures.disputes_reinstated += amount
        case "payout" | "payout_reversal":
            figures.payouts -= amount

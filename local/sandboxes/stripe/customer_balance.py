"""A customer's credit balance: https://docs.stripe.com/billing/customer/balance

Below zero the customer has credit, which the next invoice takes. There is one balance for each
currency; the customer shows that in the currency of its first invoice.
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe.account import EXPAND, Account, StripeObject, live_customer
from local.sandboxes.stripe.parameters import integer, metadata, read_all, text


def of(account: Account, customer: StripeObject, currency: str) -> int:
    """The balance in a currency."""
    return account.credit.get((customer["id"], currency), 0)


def move(
    account: Account,
    customer: StripeObject,
    amount: int,
    type: str,
    *,
    currency: str,
    invoice: str | None = None,
    credit_note: str | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> StripeObject:
    """Change the balance; a negative amount is a credit."""
    customer["currency"] = customer["currency"] or currency
    account.credit[customer["id"], currency] += amount
    customer["balance"] = of(account, customer, customer["currency"])
    transaction = {
        "id": account.new_id("cbtxn"),
        "object": "customer_balance_transaction",
        "amount": amount,
        "created": account.now(),
        "credit_note": credit_note,
        "currency": currency,
        "customer": customer["id"],
        "description": description,
        "ending_balance": of(account, customer, currency),
        "invoice": invoice,
        "livemode": False,
        "metadata": metadata or {},
        "type": type,
    }
    account.customer_balance_transactions[transaction["id"]] = transaction
    return transaction


def create(account: Account, customer: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/customers/<id>/balance_transactions`: an adjustment by hand."""
    fields = {"amount": integer(), "currency": text(3), "description": text(350)}
    parameters = read_all(
        raw, {**EXPAND, **fields, "metadata": metadata}, required=("amount", "currency")
    )
    owner = live_customer(account, customer, status=404)
    currency = parameters["currency"].lower()
    rest = {name: parameters[name] for name in ("description", "metadata") if name in parameters}
    made = move(account, owner, parameters["amount"], "adjustment", currency=currency, **rest)
    return account.expanded(made, parameters)


def list_all(account: Account, customer: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/customers/<id>/balance_transactions`"""
    rows = [
        row for row in account.customer_balance_transactions.values() if row["customer"] == customer
    ]
    return account.listed(rows, raw, f"/v1/customers/{customer}/balance_transactions")

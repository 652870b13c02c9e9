"""The account's balance, which payouts are made from.

Every movement is a balance transaction, before and after its fee: the net of a payment becomes
available two days later, everything else at once. Each currency has a balance of its own, unless
the account says into which one it is converted.

- https://docs.stripe.com/api/balance_transactions
- https://docs.stripe.com/reports/balance-transaction-types and
  https://docs.stripe.com/reports/reporting-categories
- https://stripe.com/pricing: the fees here are like Stripe's, for every card the same.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from local.sandboxes.stripe.account import Account, StripeObject, existing
from local.sandboxes.stripe.agenda import DAY
from local.sandboxes.stripe.amounts import rounded

AVAILABLE_AFTER = 2 * DAY
# What a payment costs, by currency: a share of it, and so much more.
FEES = {
    "eur": (Fraction(15, 1000), 25),
    "gbp": (Fraction(15, 1000), 20),
    "jpy": (Fraction(36, 1000), 0),
    "usd": (Fraction(29, 1000), 30),
}
OTHER_FEE = (Fraction(29, 1000), 0)


def payment_fee(amount: int, currency: str) -> int:
    """What Stripe keeps of a payment."""
    share, fixed = FEES.get(currency, OTHER_FEE)
    return rounded(amount * share, currency) + fixed


def move(
    account: Account,
    amount: int,
    *,
    currency: str,
    source: str,
    type: str,
    category: str,
    description: str,
    fee: int = 0,
    fee_description: str = "Stripe processing fees",
    available_after: int = 0,
) -> StripeObject:
    """Record a movement; what leaves the balance is negative.

    https://docs.stripe.com/payouts/multicurrency-settlement: what the account does not settle in
    its own currency is converted, and its fee is taken after that.
    """
    now = account.now()
    exchange_rate = None
    if currency in account.settles:
        currency, rate = account.settles[currency]
        amount, fee = (rounded(each * Fraction(rate), currency) for each in (amount, fee))
        exchange_rate = float(rate)
    available_on = (now + available_after) // DAY * DAY if available_after else now
    fee_details = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": fee_description,
        "type": "stripe_fee",
    }
    transaction = {
        "id": account.new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": description,
        "exchange_rate": exchange_rate,
        "fee": fee,
        "fee_details": [fee_details] if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending" if available_after else "available",
        "type": type,
    }
    account.balance_transactions[transaction["id"]] = transaction
    if available_after:
        account.agenda.at(available_on, lambda: transaction.update(status="available"))
    return transaction


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/balance_transactions/<id>`"""
    return account.retrieved(account.balance_transactions, id, raw, "balance transaction")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/balance_transactions`; with `payout`, what an automatic payout paid out.

    Unconfirmed: that the movement of the payout itself is among them.
    """
    wanted = dict(raw)
    payout = wanted.pop("payout", None)
    if payout is None:
        rows = list(account.balance_transactions.values())
    else:
        existing(account.payouts, payout, "payout", param="payout", status=400)
        rows = account.payout_lines[payout]
    names = ("currency", "source", "type")
    return account.listed(rows, wanted, "/v1/balance_transactions", *names)


def summary(account: Account, _raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/balance`"""
    sums = {"available": {}, "pending": {}}
    for currency, rows in account.balance.items():
        for amounts in sums.values():
            amounts[currency] = 0
        for row in rows:
            sums[row["status"]][currency] += row["net"]
    return {
        "object": "balance",
        "livemode": False,
        **{
            status: [
                {"amount": amount, "currency": currency, "source_types": {"card": amount}}
                for currency, amount in amounts.items()
            ]
            for status, amounts in sums.items()
        },
    }

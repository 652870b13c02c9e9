"""Automatic payouts: https://docs.stripe.com/payouts and https://docs.stripe.com/api/payouts

In the morning of every day (or every Monday) what is available in a currency is paid out, if it is
more than nothing. Two hours later the payout's lines are complete, and the next day the money is at
the bank: https://docs.stripe.com/payouts/reconciliation

Unconfirmed: how long Stripe takes for each of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from local.sandboxes.stripe import balance, events
from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.agenda import DAY, HOUR

HOUR_OF_DAY = 6
COMPLETE_AFTER = 2 * HOUR
ARRIVES_AFTER = DAY
BANK_ACCOUNT = "ba_00000000000001"


def collect(account: Account, transaction: StripeObject) -> None:
    """Put a movement into the balance, to be paid out as soon as it is available."""
    currency = transaction["currency"]
    account.balance[currency].append(transaction)
    account.agenda.at(
        _payout_time(account, transaction["available_on"]), lambda: _pay_out(account, currency)
    )


def fail(account: Account, payout: StripeObject) -> None:
    """The bank refuses a payout: its money is in the balance again."""
    back = balance.move(
        account,
        payout["amount"],
        currency=payout["currency"],
        source=payout["id"],
        type="payout_failure",
        category="payout_reversal",
        description="STRIPE PAYOUT FAILURE",
    )
    collect(account, back)
    payout.update(
        failure_balance_transaction=back["id"],
        failure_code="account_closed",
        failure_message="The bank account has been closed.",
        status="failed",
    )
    events.emit(account, "payout.failed", payout)


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/payouts/<id>`"""
    return account.retrieved(account.payouts, id, raw, "payout")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/payouts`"""
    rows = account.payouts.values()
    return account.listed(rows, raw, "/v1/payouts", "status", ranges=("arrival_date",))


def _payout_time(account: Account, available_on: int) -> int:
    moment = available_on // DAY * DAY + HOUR_OF_DAY * HOUR
    if moment < available_on:
        moment += DAY
    if account.payouts_weekly:
        moment += -datetime.fromtimestamp(moment, UTC).weekday() % 7 * DAY
    return moment


def _pay_out(account: Account, currency: str) -> None:
    rows = account.balance[currency]
    included = [row for row in rows if row["available_on"] <= account.now()]
    amount = sum(row["net"] for row in included)
    if amount <= 0:
        return
    account.balance[currency] = [row for row in rows if row["available_on"] > account.now()]
    payout = _payout(account, amount, currency)
    account.payouts[payout["id"]] = payout
    own = balance.move(
        account,
        -amount,
        currency=currency,
        source=payout["id"],
        type="payout",
        category="payout",
        description="STRIPE PAYOUT",
    )
    payout["balance_transaction"] = own["id"]
    account.payout_lines[payout["id"]] = [*included, own]
    events.emit(account, "payout.created", payout)
    account.agenda.at(account.now() + COMPLETE_AFTER, lambda: _complete(account, payout))
    account.agenda.at(payout["arrival_date"], lambda: _arrive(account, payout))


def _payout(account: Account, amount: int, currency: str) -> StripeObject:
    return {
        "id": account.new_id("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": account.now() // DAY * DAY + ARRIVES_AFTER,
        "automatic": True,
        "balance_transaction": None,
        "created": account.now(),
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": BANK_ACCOUNT,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }


def _complete(account: Account, payout: StripeObject) -> None:
    payout["reconciliation_status"] = "completed"
    events.emit(account, "payout.reconciliation_completed", payout)


def _arrive(account: Account, payout: StripeObject) -> None:
    if payout["status"] == "in_transit":
        payout["status"] = "paid"
        events.emit(account, "payout.paid", payout)

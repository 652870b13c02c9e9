"""The trial balance of a company, as its finance team sees it.

Read from the posted lines over the REST API: https://docs.tryton.org/latest/modules-account/
"""

from __future__ import annotations

import base64
import json
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

from local.tryton.database import BOOKS
from local.tryton.server import TrytonServer

FINANCE = "finance"
FIELDS = ["account.code", "account.name", "party.code", "move.date", "debit", "credit"]


@dataclass(frozen=True)
class Balance:
    """What is on one account: debits less credits, in the company's currency.

    `role` is what the account is for, None for one that no posting of the integration goes to.
    """

    code: str
    name: str
    role: str | None
    amount: Decimal


def trial_balance(server: TrytonServer, company: str, as_of: date) -> list[Balance]:
    """The accounts with postings up to and with a day, by code; their amounts add up to zero."""
    roles = account_roles()
    amounts: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in _posted_lines(server, company, ["move.date", "<=", _json(as_of)]):
        account = line["account"]
        amounts[account["code"], account["name"]] += _debit(line)
    return [
        Balance(code=code, name=name, role=roles.get(code), amount=amount)
        for (code, name), amount in sorted(amounts.items())
    ]


def monthly_balances(server: TrytonServer, company: str) -> dict[tuple[str, date], Decimal]:
    """By account and first day of the month: what was posted in it, debits less credits."""
    amounts: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    for line in _posted_lines(server, company):
        day = line["move"]["date"]
        month = date(day["year"], day["month"], 1)
        amounts[line["account"]["code"], month] += _debit(line)
    return dict(amounts)


def customer_balances(server: TrytonServer, company: str, as_of: date) -> dict[str, Decimal]:
    """By the customer's code, which is its external id: what it owes, less what it has as credit.

    A customer that is even is left out.
    """
    roles = account_roles()
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for line in _posted_lines(server, company, ["move.date", "<=", _json(as_of)]):
        if roles.get(line["account"]["code"]) == "receivable":
            amounts[line["party"]["code"]] += _debit(line)
    return {code: amount for code, amount in amounts.items() if amount}


def account_roles() -> dict[str, str]:
    """By account, what it is for; only of those that postings of the integration go to."""
    return tomllib.loads(BOOKS.read_text())["account_roles"]


def _posted_lines(server: TrytonServer, company: str, *further: list[Any]) -> list[dict[str, Any]]:
    domain = [["move.company.party.code", "=", company], ["move.state", "=", "posted"], *further]
    answer = httpx.get(
        f"{server.url}/rest/model/account.move.line",
        params={"d": base64.urlsafe_b64encode(json.dumps(domain).encode()).decode(), "f": FIELDS},
        headers={"Authorization": f"Bearer {server.key(FINANCE)}"},
        timeout=60,
    )
    return answer.raise_for_status().json()


def _debit(line: dict[str, Any]) -> Decimal:
    """Less its credit."""
    return Decimal(line["debit"]["decimal"]) - Decimal(line["credit"]["decimal"])


def _json(day: date) -> dict[str, Any]:
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}

"""What a row of the audit says, in plain words."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from interlock.audit import AuditRow
from interlock.canonical import Money
from interlock.canonical.credits import CreditStatus


def story(row: AuditRow) -> list[str]:
    """A sentence, and what belongs to it, a line each; the bare action, where it is another's."""
    try:
        return _told(row.action, json.loads(row.facts))
    except (ValueError, KeyError, TypeError, AttributeError):
        return [f"{row.action.capitalize()}."]


def _told(action: str, facts: dict[str, Any]) -> list[str]:
    match action:
        case "requested":
            return _request(facts["case"])
        case "computed":
            terms, credit = facts["terms"], facts["credit"]
            by = f"{terms['agreement']}, version {terms['version']}"
            return [f"Computed {_money(credit)} by the terms {by}:", *credit["working"]]
        case "approval requested":
            people = ", ".join(facts["people"])
            asked = f"Asked {facts['role']} ({people}) to approve {_money(facts)}, as {facts['id']}"
            return [f"{asked}:", facts["rule"]]
        case "discount requested":
            quote = facts["quote"]
            wish = f"{_money(facts)} a year, {quote['discount']} %, for {facts['title']}"
            return [f"Asked for a discount of {wish} from {quote['starts_on']}:", *facts["working"]]
        case "suspended" | "resumed":
            return [f"{action.capitalize()} the service of {facts['account_id']}:", facts["reason"]]
        case "link made":
            return [f"Made a link to {facts['approval']} for {facts['for']}."]
        case "approved" | "rejected":
            decision = facts["decision"]
            how = {"policy": "by policy", "api": "over the API", "link": "by a signed link"}
            sentence = f"{action.capitalize()} {_money(facts)} {how[decision['how']]}"
            return [f"{sentence}, as {facts['approval']}:", decision["reason"]]
    return _outcome(facts["outcome"], facts.get("issued") or [])


def _request(case: dict[str, Any]) -> list[str]:
    products = ", ".join(case["skus"]) or "all products"
    severity = case["severity"] or "no severity"
    since, until = _moment(case["started_at"]), _moment(case["ended_at"])
    return [
        f"Asked for a credit for case {case['number']}: {severity}, from {since} to {until},"
        f" {products}.",
        *case["problems"],
    ]


def _outcome(outcome: dict[str, Any], issued: list[dict[str, Any]]) -> list[str]:
    status = outcome["status"].capitalize()
    if outcome["status"] == CreditStatus.NOTHING_DUE:  # the computation has said why
        return [f"{status}."]
    if not outcome.get("amount"):
        return [f"{status}:", *outcome["reasons"]]
    return [f"{status} {_money(outcome)}, net of tax:", *map(_document, issued)]


def _document(credit: dict[str, Any]) -> str:
    total, tax = _money(credit, "total"), _money(credit, "tax")
    return f"Credit note {credit['number']} ({credit['credit_note_id']}): {total}, {tax} tax in it."


def _money(told: dict[str, Any], name: str = "amount") -> str:
    return str(Money.model_validate(told[name]))


def _moment(text: str | None) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC" if text else "an unknown time"

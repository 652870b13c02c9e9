"""What of each month's cap is used: a conditional counter, so that parallel runs never exceed it.

Rows of the table, keyed by `allowance`:

    salesforce:001…#EUR#2026-11   revision 3, granted 123450, content …   a customer's month
    transaction#zendesk-4711      revision 1, months […]                  where it has grants

A computation reads the months' allowances, and its reservation is written only on condition that
they are still at the revisions which it read. The counter (`granted`, in minor units of the
currency) is held against the cap by the condition itself. All months of a reservation are one
DynamoDB transaction, together with the row that says where the transaction has its grants: so what
is computed anew for other months takes the place of what was reserved before. No row expires.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from interlock import aws
from interlock.canonical.base import Canonical
from interlock.canonical.credits import ComputedCredit, MonthCredit
from interlock.canonical.money import Money
from interlock.errors import BusinessRuleViolation, OutcomeUnknown
from interlock.rules.allowance import Allowance, Grant
from interlock.settings import Settings


class AllowancesSettings(Settings):
    """The allowances' table."""

    allowances_table: str


class Released(Canonical):
    """What a transaction had of a month's cap, and gave back."""

    account_id: str
    month: date
    amount: Money


@dataclass
class Allowances:
    """The allowances in their DynamoDB table."""

    table: str
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> Allowances:
        """The allowances of this function's environment."""
        return cls(AllowancesSettings.load().allowances_table)

    def read(self, account_id: str, currency: str, months: Iterable[date]) -> tuple[Allowance, ...]:
        """The allowances of these months, as they are now; an empty one where nothing was granted.

        Several are not read at one moment: a reservation holds each to its own revision.
        """
        return tuple(self._read(_key(account_id, currency, month)) for month in months)

    def reserve(self, transaction: str, credit: ComputedCredit) -> bool:
        """Take the credit's amounts from the caps of its months, all of them or none.

        False when another transaction was faster: compute again. The same reservation again is
        harmless; another one of the same transaction takes the place of its earlier one. Raises
        BusinessRuleViolation for more than the cap by the very allowances that were computed with.
        """
        wanted = {
            _key(credit.account_id, credit.amount.currency, month.month): month
            for month in credit.months
        }
        granted = {
            key: Grant(transaction=transaction, amount=month.amount, incident=credit.incident)
            for key, month in wanted.items()
        }
        marker = self._marker(transaction)
        found = {key: self._read(key) for key in {*marker["months"], *wanted}}
        own = {key: _own(allowance, transaction) for key, allowance in found.items()}
        if own == {key: granted.get(key) for key in found}:
            return True
        if any(found[key].revision != month.revision for key, month in wanted.items()):
            return False
        after = {
            key: _with(allowance, transaction, granted.get(key)) for key, allowance in found.items()
        }
        _check(after, wanted)
        puts = [
            self._put(allowance, before=found[key], cap=wanted.get(key))
            for key, allowance in after.items()
        ]
        return aws.transact(self._client, *puts, self._put_marker(marker, sorted(wanted)))

    def release(self, transaction: str) -> tuple[Released, ...]:
        """Give back what this transaction has of any cap; nothing, when it has nothing any more.

        Raises OutcomeUnknown when another transaction changes one of the allowances right now.
        """
        marker = self._marker(transaction)
        found = {key: self._read(key) for key in marker["months"]}
        if not found:
            return ()
        puts = [
            self._put(_with(allowance, transaction, None), before=allowance, cap=None)
            for allowance in found.values()
        ]
        if not aws.transact(self._client, *puts, self._put_marker(marker, [])):
            raise OutcomeUnknown(
                "another run is changing the customer's allowance",
                vendor="dynamodb",
                operation="release_cap",
                record=transaction,
            )
        return tuple(
            Released(account_id=allowance.account_id, month=allowance.month, amount=grant.amount)
            for allowance in found.values()
            for grant in allowance.grants
            if grant.transaction == transaction
        )

    def _read(self, key: str) -> Allowance:
        row = self._row(key)
        if row is None:
            account_id, currency, month = key.split("#")
            first_day = date.fromisoformat(f"{month}-01")
            return Allowance(account_id=account_id, currency=currency, month=first_day)
        return Allowance.model_validate(json.loads(row["content"]))

    def _marker(self, transaction: str) -> dict[str, Any]:
        """The row that says in which months the transaction has grants."""
        key = f"transaction#{transaction}"
        return self._row(key) or {"allowance": key, "revision": 0, "months": []}

    def _row(self, key: str) -> dict[str, Any] | None:
        answer = self._client.get_item(
            TableName=self.table, Key={"allowance": key}, ConsistentRead=True
        )
        return answer.get("Item")

    def _put(
        self, allowance: Allowance, *, before: Allowance, cap: MonthCredit | None
    ) -> dict[str, Any]:
        """The put of an allowance, on condition that nobody changed it, and that its cap holds.

        A cap that was lowered below what is granted already holds for what is added alone.
        """
        granted = allowance.granted.minor_units
        added = granted - before.granted.minor_units
        item = {
            "allowance": _key(allowance.account_id, allowance.currency, allowance.month),
            "revision": allowance.revision,
            "granted": granted,
            "content": allowance.model_dump_json(),
        }
        room = cap.cap.minor_units - added if cap and added > 0 else None
        return self._conditional(item, before.revision, room)

    def _put_marker(self, marker: dict[str, Any], months: list[str]) -> dict[str, Any]:
        revision = int(marker["revision"])
        return self._conditional(marker | {"revision": revision + 1, "months": months}, revision)

    def _conditional(
        self, item: dict[str, Any], revision: int, room: int | None = None
    ) -> dict[str, Any]:
        """A put over this revision, of which no more than `room` is granted."""
        put: dict[str, Any] = {"TableName": self.table, "Item": item}
        if revision == 0:
            return {"Put": put | {"ConditionExpression": "attribute_not_exists(allowance)"}}
        condition, values = "revision = :revision", {":revision": revision}
        if room is not None:
            condition += " AND granted <= :room"
            values[":room"] = room
        return {
            "Put": put | {"ConditionExpression": condition, "ExpressionAttributeValues": values}
        }


def _key(account_id: str, currency: str, month: date) -> str:
    return f"{account_id}#{currency}#{month:%Y-%m}"


def _own(allowance: Allowance, transaction: str) -> Grant | None:
    return next((g for g in allowance.grants if g.transaction == transaction), None)


def _with(allowance: Allowance, transaction: str, grant: Grant | None) -> Allowance:
    """The next revision, in which the transaction has this grant, or none."""
    others = tuple(each for each in allowance.grants if each.transaction != transaction)
    grants = (*others, grant) if grant else others
    return allowance.model_copy(update={"revision": allowance.revision + 1, "grants": grants})


def _check(after: dict[str, Allowance], wanted: dict[str, MonthCredit]) -> None:
    """The rule caps what it computes: an amount beyond the cap would never be reserved."""
    problems = [
        f"{month.month:%Y-%m} would be credited {after[key].granted} of at most {month.cap}:"
        " compute the credit again"
        for key, month in wanted.items()
        if month.amount.minor_units > 0 and after[key].granted.amount > month.cap.amount
    ]
    if problems:
        raise BusinessRuleViolation(problems)

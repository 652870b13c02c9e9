"""The contracts: our own record of what customers have signed, as it is now.

A change is written only over the revision that it was decided by: of two runs that decide at once
one goes on, and the other one decides anew. A row remembers which transaction made each of its
revisions, so a run whose answer got lost finds its change done, whatever has happened since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.conditions import Attr, Key

from interlock import aws
from interlock.canonical.contracts import Contract, ContractChange, ContractStatus
from interlock.errors import RecordConflict, RecordNotFound
from interlock.rules.contract_change import retired, reverted, to_be_renewed_by_another
from interlock.settings import Settings

# What is added to the name of a transaction that takes its own change back.
REVERTED = "-reverted"


class ContractsSettings(Settings):
    """The contracts' table."""

    contracts_table: str


@dataclass
class Contracts:
    """The store in its DynamoDB table."""

    table: str
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> Contracts:
        """The store of this function's environment."""
        return cls(ContractsSettings.load().contracts_table)

    def get(self, id: str) -> Contract | None:
        """A contract as it is now; None when there is no such one."""
        row = self._row(id)
        return _parse(row) if row else None

    def record(self, contract: Contract, transaction: str) -> Contract:
        """Record what was signed, once; returns the contract as it is now.

        One that was taken back can be signed again: that is its next revision. Raises
        RecordConflict when another contract has the id.
        """
        row = self._row(contract.id)
        if row is None:
            written = self._put(contract, transaction, over=None)
            return contract if written else self.record(contract, transaction)
        known = _parse(row)
        if _is_taken_back(known):
            again = contract.model_copy(update={"revision": known.revision + 1})
            return self.change(again, transaction) or self.record(contract, transaction)
        content = known.model_copy(update={"revision": contract.revision})
        if content == contract or _has_part(transaction, row):
            return known
        raise RecordConflict(
            "a contract with other content was recorded before: amend it, or take it back",
            record=contract.id,
        )

    def take_back(self, id: str, transaction: str) -> Contract | None:
        """End a contract on the day that it began; it stays to be seen, with its lines.

        None for what the transaction has not recorded: that is left alone. Raises RecordConflict
        when somebody else has changed it since.
        """
        row = self._row(id)
        if row is None or not _has_part(transaction, row):
            return None
        known = _parse(row)
        if _is_taken_back(known):
            return known
        if _change(known.revision, transaction) in row["changes"]:
            taken_back = self.change(retired(known), transaction)
            if taken_back:
                return taken_back
        raise RecordConflict(
            "the contract was changed since it was recorded: end it with a deal, or skip this step",
            record=id,
        )

    def change(self, changed: Contract, transaction: str) -> Contract | None:
        """Write a contract over the revision before its own; returns it as it is now.

        The same change by the same transaction again finds it done. None when another transaction
        was faster: decide again. Raises RecordNotFound for a contract that was never recorded.
        """
        row = self._row(changed.id)
        if row is None:
            raise RecordNotFound("no such contract: nothing was recorded", record=changed.id)
        if _change(changed.revision, transaction) in row["changes"]:
            return _parse(row)
        if row["revision"] != changed.revision - 1:
            return None
        written = self._put(changed, transaction, over=row)
        return changed if written else self.change(changed, transaction)

    def change_back(
        self, change: ContractChange, transaction: str, *, dry_run: bool = False
    ) -> ContractChange | None:
        """Take a change of the transaction back, by a further revision; once.

        None for a change that the transaction did not make. Raises RecordConflict when the contract
        was changed again since. A dry run says what would be written.
        """
        row = self._row(change.after.id)
        revision = change.after.revision
        if row is None or _change(revision, transaction) not in row["changes"]:
            return None
        back = reverted(change, change.after)
        if dry_run and row["revision"] == revision:
            return back
        written = self.change(back.after, f"{transaction}{REVERTED}")
        if written is None:
            raise RecordConflict(
                "the contract was changed again since: amend it with a deal, or skip this step",
                record=change.after.id,
            )
        return back.model_copy(update={"after": written})

    def let_another_run_renew(self, id: str, transaction: str) -> Contract | None:
        """The transaction, which renews a contract, gives that up: another one can; once.

        None for a contract that was never recorded.
        """
        given_up = f"{transaction}{REVERTED}"
        while row := self._row(id):
            known = _parse(row)
            if _has_part(given_up, row):
                return known
            again = to_be_renewed_by_another(known)
            changed = again.model_copy(update={"revision": known.revision + 1})
            if written := self.change(changed, given_up):
                return written
        return None

    def of_account(self, account_id: str) -> tuple[Contract, ...]:
        """The contracts of an account, whatever their status.

        What was changed in this very moment may be as it was before.
        """
        return tuple(self._found("by_account", Key("account_id").eq(account_id)))

    def served(self) -> Iterator[Contract]:
        """The contracts that have not ended; one by one."""
        for status in (ContractStatus.ACTIVE, ContractStatus.ENDING):
            yield from self.by_status(status)

    def by_status(self, status: ContractStatus) -> Iterator[Contract]:
        """The contracts with a status, the first to end first; one by one."""
        return self._found("by_status", Key("status").eq(status))

    def _found(self, index: str, condition: Any) -> Iterator[Contract]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table, IndexName=index, KeyConditionExpression=condition
        )
        return (_parse(row) for page in pages for row in page["Items"])

    def _row(self, id: str) -> dict[str, Any] | None:
        answer = self._client.get_item(TableName=self.table, Key={"id": id}, ConsistentRead=True)
        return answer.get("Item")

    def _put(self, contract: Contract, transaction: str, *, over: dict[str, Any] | None) -> bool:
        """Write it over this row, if nobody has changed that; None: if there is none."""
        unchanged = Attr("revision").eq(over["revision"]) if over else Attr("id").not_exists()
        before = over["changes"] if over else set()
        try:
            self._client.put_item(
                TableName=self.table,
                Item=_item(contract, before | {_change(contract.revision, transaction)}),
                ConditionExpression=unchanged,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _is_taken_back(contract: Contract) -> bool:
    return contract.ends_on == contract.starts_on


def _has_part(transaction: str, row: dict[str, Any]) -> bool:
    """Whether the transaction made any revision of the contract."""
    return any(each.partition("#")[2] == transaction for each in row["changes"])


def _change(revision: int, transaction: str) -> str:
    return f"{revision}#{transaction}"


def _item(contract: Contract, changes: set[str]) -> dict[str, Any]:
    """What is queried by is a column; the whole is JSON, so that no number changes its type."""
    return {
        "id": contract.id,
        "account_id": contract.account_id,
        "status": contract.status,
        "ends_on": contract.ends_on.isoformat(),
        "revision": contract.revision,
        "changes": changes,
        "content": contract.model_dump_json(),
    }


def _parse(row: dict[str, Any]) -> Contract:
    return Contract.model_validate_json(row["content"])

"""The audit: who did what about a record, as rows that are added and never changed (OBS-3).

The rows of a transaction are numbered from one and chained: each holds the hash of the one before,
and a SHA-256 over all that it says in canonical JSON. Row number 0 is the head: how many rows there
are, and the last one's hash. A row and the head are written by one DynamoDB transaction, the row on
condition that there is none of its number, the head on condition that it is as it was read. So
`verify` finds each row that was changed, removed, put in or moved, and an end that was cut off.

Functions that append may query the table and put into it, and neither update nor delete. A policy
cannot ask for conditions, so a function that was taken over could still put a row in the place of
another, as anybody with full access to the table can: that breaks the chain, unless every row after
it and the head are computed anew. Such a forgery is whole in itself, and so is a transaction all of
whose rows were removed. What finds both is outside of the table: events tell of decisions and
outcomes with the place of their row in the chain (`audit`), the bus's archive and the timeline keep
these events, and `verify` holds the rows against such anchors. What was appended after the last
anchor has none. Nobody's hash proves that what was appended is true.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Key
from pydantic import JsonValue

from interlock import aws
from interlock.canonical.base import Canonical, RecordId, Text
from interlock.errors import OutcomeUnknown, RecordConflict
from interlock.settings import Settings

# Each means that another run has appended meanwhile, which is as many as a transaction has.
ATTEMPTS = 30


class AuditSettings(Settings):
    """The audit's table."""

    audit_table: str


class Entry(Canonical):
    """What is to be appended. The same entry is appended once, however often it is told.

    `id` says which entry it is in its transaction; one without an id is known by what it says.
    `subject` is the record that it is about: a case, a contract, an account. `actor` is a person's
    e-mail address or what acted, `facts` what is to be remembered.
    """

    transaction: RecordId
    subject: RecordId
    actor: Text
    action: Text
    facts: dict[str, JsonValue] = {}
    id: Text | None = None


class AuditRow(Canonical):
    """A row as it is stored. Its text is not interpreted: whoever changed it wrote what he liked.

    `facts` is canonical JSON, `at` ISO 8601 in UTC, `previous` the hash of the row before, empty
    for the first one.
    """

    transaction: str
    number: int
    id: str
    at: str
    actor: str
    action: str
    subject: str
    facts: str
    previous: str
    hash: str = ""

    def sealed(self) -> AuditRow:
        """The row with its hash."""
        return self.model_copy(update={"hash": self._hashed()})

    @property
    def is_intact(self) -> bool:
        """Whether it says what it said when it was appended, as far as its own hash tells."""
        return self.hash == self._hashed()

    def _hashed(self) -> str:
        return self.fingerprint(exclude={"hash"})


class AuditHead(Canonical):
    """A place in a chain: the row of this number, and its hash. At the end of it: all there is."""

    number: int
    hash: str


@dataclass(frozen=True)
class Chain:
    """The rows of a transaction in the order of their numbers, and the head, None without one."""

    transaction: str
    rows: tuple[AuditRow, ...]
    head: AuditHead | None

    def problems(self, anchors: Iterable[AuditHead] = ()) -> list[str]:
        """What `verify` finds."""
        return verify(self.rows, self.head, anchors)


@dataclass
class Audit:
    """The audit in its DynamoDB table; `clock` returns seconds since the epoch."""

    table: str
    clock: Callable[[], float] = time.time
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> Audit:
        """The audit of this function's environment."""
        return cls(AuditSettings.load().audit_table)

    def append(self, entry: Entry) -> AuditHead:
        """Append an entry, or find it appended; returns its place in the chain.

        When it was appended is the time of the first attempt, so a later one is the same entry.
        Raises RecordConflict when an entry with this id says something else, and OutcomeUnknown
        when others append all the time.
        """
        for _ in range(ATTEMPTS):
            chain = self._read(entry.transaction)
            head = chain.head or AuditHead(number=0, hash="")
            row = self._row(entry, head)
            if before := next((each for each in chain.rows if each.id == row.id), None):
                return _known(before, row)
            if aws.transact(self._client, *self._puts(row, chain.head)):
                return AuditHead(number=row.number, hash=row.hash)
        raise OutcomeUnknown(
            "others append all the time, or the chain is broken: see `interlock audit`",
            vendor="dynamodb",
            operation="append_audit",
            record=entry.transaction,
        )

    def of(self, transaction: str) -> Chain:
        """A transaction's chain, as it was at one moment: it is read until it stands still."""
        chain = self._read(transaction)
        while (again := self._read(transaction)) != chain:
            chain = again
        return chain

    def of_subject(self, subject: str) -> tuple[Chain, ...]:
        """The chains of a record, the oldest first.

        One that was begun in this very moment may still be missing, and one is that was removed.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName="by_subject",
            KeyConditionExpression=Key("subject").eq(subject),
        )
        found = {row["transaction"] for page in pages for row in page["Items"]}
        chains = (self.of(transaction) for transaction in found)
        return tuple(sorted(chains, key=lambda chain: [row.at for row in chain.rows]))

    def _read(self, transaction: str) -> Chain:
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression=Key("transaction").eq(transaction),
            ConsistentRead=True,
        )
        return chain_of(transaction, [item for page in pages for item in page["Items"]])

    def _row(self, entry: Entry, head: AuditHead) -> AuditRow:
        return AuditRow(
            transaction=entry.transaction,
            number=head.number + 1,
            id=entry.id or entry.fingerprint(),
            at=datetime.fromtimestamp(self.clock(), UTC).isoformat(),
            actor=entry.actor,
            action=entry.action,
            subject=entry.subject,
            facts=_canonical(entry.facts),
            previous=head.hash,
        ).sealed()

    def _puts(self, row: AuditRow, before: AuditHead | None) -> tuple[dict[str, Any], ...]:
        new = {
            "TableName": self.table,
            "Item": row.model_dump(),
            # Of an item with this key, that is: with this transaction and number.
            "ConditionExpression": "attribute_not_exists(id)",
        }
        head: dict[str, Any] = {
            "TableName": self.table,
            "Item": {
                "transaction": row.transaction,
                "number": 0,
                "count": row.number,
                "hash": row.hash,
            },
            "ConditionExpression": "attribute_not_exists(#hash)",
            "ExpressionAttributeNames": {"#hash": "hash"},
        }
        if before:
            head |= {
                "ConditionExpression": "#count = :count AND #hash = :hash",
                "ExpressionAttributeNames": {"#hash": "hash", "#count": "count"},
                "ExpressionAttributeValues": {":count": before.number, ":hash": before.hash},
            }
        return {"Put": new}, {"Put": head}


def chain_of(transaction: str, items: Iterable[dict[str, Any]]) -> Chain:
    """The chain that the items of a transaction are, whoever wrote them."""
    rows, head = [], None
    for item in items:
        if item["number"] == 0:
            head = AuditHead(number=_whole(item.get("count")), hash=str(item.get("hash")))
        else:
            texts = {name: str(item.get(name, "")) for name in AuditRow.model_fields}
            rows.append(AuditRow(**texts | {"number": int(item["number"])}))
    return Chain(transaction, tuple(sorted(rows, key=lambda row: row.number)), head)


def verify(
    rows: Iterable[AuditRow], head: AuditHead | None, anchors: Iterable[AuditHead] = ()
) -> list[str]:
    """What is wrong with a chain, a sentence each; nothing, if it is whole.

    `anchors` are places of the chain as they were told outside of the table.
    """
    rows = list(rows)
    problems: list[str] = []
    number, previous = 0, ""
    for row in rows:
        if row.number > number + 1:
            problems.append(f"{_rows(number + 1, row.number - 1)} missing.")
        elif row.number <= number:
            problems.append(
                f"Row {row.number} is there after row {number}: it was put in or moved."
            )
        if not row.is_intact:
            problems.append(f"Row {row.number} was changed: its hash is that of something else.")
        if row.number == number + 1 and row.previous != previous:
            problems.append(
                f"Row {row.number} does not follow the row before it: one of the two was replaced."
            )
        number, previous = max(number, row.number), row.hash
    problems += _wrong_end(rows, head)
    by_number = {row.number: row for row in rows}
    for anchor in anchors:
        known = by_number.get(anchor.number)
        if known is None:
            problems.append(f"Row {anchor.number} was told outside of the audit, and is not there.")
        elif known.hash != anchor.hash:
            problems.append(f"Row {anchor.number} is another one than the audit's outside told of.")
    return problems


def _wrong_end(rows: list[AuditRow], head: AuditHead | None) -> list[str]:
    if head is None:
        return ["The head is missing: how many rows there were is not known."] if rows else []
    last = rows[-1] if rows else AuditRow.model_construct(number=0, hash="")
    if last.number < head.number:
        return [f"The end was cut off: {_rows(last.number + 1, head.number)} missing."]
    if last.number > head.number:
        return [f"{_rows(head.number + 1, last.number)} added without the head knowing."]
    if last.hash != head.hash:
        return [f"The head was written for another row {head.number}."]
    return []


def _rows(first: int, last: int) -> str:
    return f"Row {first} is" if first == last else f"Rows {first} to {last} are"


def _whole(value: Any) -> int:
    """A number as it was stored; one that was made something else is none that a chain has."""
    return int(value) if isinstance(value, int | Decimal) and value == int(value) else -1


def _known(before: AuditRow, row: AuditRow) -> AuditHead:
    """The place of an entry that is there. When it was appended, and after what, is the first's."""
    told = {"at", "number", "previous", "hash"}
    if before.model_dump(exclude=told) != row.model_dump(exclude=told):
        raise RecordConflict(
            f"row {before.number} of the audit says something else of it: {before.action} by"
            f" {before.actor}",
            record=f"{row.transaction}/{row.id}",
        )
    return AuditHead(number=before.number, hash=before.hash)


def _canonical(facts: dict[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

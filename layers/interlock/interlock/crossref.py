"""The cross-reference store: one canonical id, each system's id for it (CAN-4).

Rows of the table, keyed by `canonical_id` and `system`:

    order#salesforce:006…   tryton       remote_id 42       what the order is in the ERP
    account#salesforce:001B ALIAS        of account#…001A   merged: 001B is now 001A
    account#salesforce:001C TOMBSTONE    at 1795…           deleted in its system of record

The index `by_remote` finds the canonical id of a system's record.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.conditions import Attr, Key

from interlock import aws
from interlock.errors import NotYetPosted, RecordConflict, RecordNotFound
from interlock.settings import Settings

ALIAS = "ALIAS"
TOMBSTONE = "TOMBSTONE"


class CrossReferenceSettings(Settings):
    """The store's table."""

    crossref_table: str


def reference(entity: str, record: str) -> str:
    """The store's key for a record: `order#salesforce:006…`."""
    return f"{entity}#{record}"


@dataclass
class CrossReferences:
    """The store in its DynamoDB table. `clock` returns seconds since the epoch."""

    table: str
    clock: Callable[[], float] = time.time
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> CrossReferences:
        """The store of this function's environment."""
        return cls(CrossReferenceSettings.load().crossref_table)

    def get(self, canonical_id: str, system: str) -> str | None:
        """The id in a system, of the surviving record if this one was merged away.

        Raises RecordNotFound when the record was deleted.
        """
        rows = self._rows(canonical_id)
        if TOMBSTONE in rows:
            raise RecordNotFound("was deleted in its system of record", record=canonical_id)
        if ALIAS in rows:
            return self.get(rows[ALIAS]["of"], system)
        return rows[system]["remote_id"] if system in rows else None

    def require(self, canonical_id: str, system: str) -> str:
        """The id in a system that must have it. Raises RecordNotFound."""
        remote_id = self.get(canonical_id, system)
        if remote_id is None:
            raise RecordNotFound(f"is not in {system} yet", record=canonical_id)
        return remote_id

    def awaited(self, canonical_id: str, system: str) -> str:
        """The id in a system that will have it. Raises NotYetPosted as long as it does not."""
        remote_id = self.get(canonical_id, system)
        if remote_id is None:
            raise NotYetPosted(f"is not in {system} yet", record=canonical_id)
        return remote_id

    def link(self, canonical_id: str, system: str, remote_id: str) -> None:
        """Remember the id in a system; the same again is harmless.

        Raises RecordConflict when another id is remembered: a team must say which is right.
        """
        try:
            self._client.put_item(
                **self.link_item(canonical_id, system, remote_id),
                ConditionExpression=Attr("remote_id").not_exists()
                | Attr("remote_id").eq(remote_id),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise RecordConflict(
                f"is linked to another record of {system} than {remote_id}", record=canonical_id
            ) from None

    def find(self, entity: str, system: str, remote_id: str) -> str | None:
        """The canonical id of a system's record; a system numbers each kind of record anew."""
        answer = self._client.query(
            TableName=self.table,
            IndexName="by_remote",
            KeyConditionExpression=Key("remote").eq(f"{system}#{remote_id}"),
            FilterExpression=Attr("canonical_id").begins_with(reference(entity, "")),
        )
        return answer["Items"][0]["canonical_id"] if answer["Items"] else None

    def merge(self, canonical_id: str, into: str) -> None:
        """From now on `canonical_id` is another name of `into`.

        Raises RecordConflict when `into` is itself merged into `canonical_id`.
        """
        if canonical_id in self._chain(into):
            raise RecordConflict(f"{into} is already merged into it", record=canonical_id)
        self._client.put_item(
            TableName=self.table, Item={"canonical_id": canonical_id, "system": ALIAS, "of": into}
        )

    def bury(self, canonical_id: str) -> None:
        """Remember that the record was deleted in its system of record."""
        self._client.put_item(
            TableName=self.table,
            Item={"canonical_id": canonical_id, "system": TOMBSTONE, "at": int(self.clock())},
        )

    def link_item(self, canonical_id: str, system: str, remote_id: str) -> dict[str, Any]:
        """The put of a link, for a transaction."""
        return {
            "TableName": self.table,
            "Item": {
                "canonical_id": canonical_id,
                "system": system,
                "remote_id": remote_id,
                "remote": f"{system}#{remote_id}",
            },
        }

    def unlink_item(self, canonical_id: str, system: str) -> dict[str, Any]:
        """The deletion of a link, for a transaction."""
        return {"TableName": self.table, "Key": {"canonical_id": canonical_id, "system": system}}

    def _chain(self, canonical_id: str) -> list[str]:
        chain = [canonical_id]
        while ALIAS in (rows := self._rows(chain[-1])):
            chain.append(rows[ALIAS]["of"])
        return chain

    def _rows(self, canonical_id: str) -> dict[str, dict[str, Any]]:
        answer = self._client.query(
            TableName=self.table,
            KeyConditionExpression=Key("canonical_id").eq(canonical_id),
            ConsistentRead=True,
        )
        return {row["system"]: row for row in answer["Items"]}

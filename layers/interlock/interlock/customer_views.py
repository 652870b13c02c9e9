"""What each system said last about a customer, for the time when it cannot be asked.

A row of the table for each account and system, with the part of the view and when it was read. A
part that was read later takes the place of an earlier one, and no row expires.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from boto3.dynamodb.conditions import Attr
from pydantic import ValidationError

from interlock import aws
from interlock.canonical.base import Canonical
from interlock.canonical.customer_view import CustomerView, Reading
from interlock.settings import Settings

# The systems, by the names of a view's parts.
SYSTEMS = tuple(name for name in CustomerView.model_fields if name != "account_id")


class CustomerViewsSettings(Settings):
    """The table of what was read last."""

    customer_views_table: str


@dataclass
class CustomerViews:
    """The store in its DynamoDB table."""

    table: str
    _client: Any = field(default_factory=aws.dynamodb)

    @classmethod
    def load(cls) -> CustomerViews:
        """The store of this function's environment."""
        return cls(CustomerViewsSettings.load().customer_views_table)

    def keep(self, view: CustomerView) -> None:
        """Remember what was read now, for another time; nothing that is stale."""
        for system in SYSTEMS:
            reading: Reading[Any] = getattr(view, system)
            if not reading.stale:
                self._put(_key(view.account_id, system), reading)

    def complete(
        self, account_id: str, parts: dict[str, Canonical], *, read_at: datetime
    ) -> CustomerView:
        """The view of a customer: these parts as they were read now, the others as they were last.

        Those are stale; one that could never be read has nothing in it.
        """
        readings: dict[str, Any] = {
            system: {"content": parts[system], "read_at": read_at}
            if system in parts
            else self._last(account_id, system)
            for system in SYSTEMS
        }
        return CustomerView(account_id=account_id, **readings)

    def _last(self, account_id: str, system: str) -> Reading[Any]:
        kind = CustomerView.model_fields[system].annotation
        answer = self._client.get_item(TableName=self.table, Key=_key(account_id, system))
        try:
            last = kind.model_validate_json(answer["Item"]["content"])
        except (KeyError, ValidationError):  # never read, or not since the model has changed
            last = kind()
        return last.model_copy(update={"stale": True})

    def _put(self, key: dict[str, str], reading: Reading[Any]) -> None:
        """Unless another run has read it later."""
        read_at = reading.read_at.isoformat()
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.put_item(
                TableName=self.table,
                Item=key | {"read_at": read_at, "content": reading.model_dump_json()},
                ConditionExpression=Attr("read_at").not_exists() | Attr("read_at").lt(read_at),
            )


def _key(account_id: str, system: str) -> dict[str, str]:
    return {"part": f"{account_id}#{system}"}

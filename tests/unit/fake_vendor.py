"""A vendor in memory that fails on demand, and a DynamoDB client that dies on demand.

The vendor keeps records that carry a business key, as an ERP's orders carry an external id. It
knows no idempotency key: what keeps it from making a record twice is the ledger alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from interlock.canonical import Record
from interlock.errors import (
    BudgetExhausted,
    OutcomeUnknown,
    RecordConflict,
    VendorRejected,
    VendorUnavailable,
)


class Note(Record):
    """The simplest record that the authority file knows: a task with a subject alone."""

    subject: str
    remote_id: str | None = None


class Crash(BaseException):
    """The process died here: no `except Exception` runs."""


class Fault(StrEnum):
    """How a call to the vendor may go wrong."""

    NONE = "none"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"
    NOT_SENT = "not sent"  # the step's first request, which our budget held back
    HELD_BACK = "held back"  # a later one
    FAILED = "failed"  # 5xx before it was applied
    ANSWER_LOST = "answer lost"  # 5xx or a timeout after it was applied
    DEATH_BEFORE = "death before"
    DEATH_AFTER = "death after"


_BEFORE = {
    Fault.REJECTED: VendorRejected("rejected"),
    Fault.UNAVAILABLE: VendorUnavailable("unavailable"),
    Fault.NOT_SENT: BudgetExhausted("not sent", untouched=True),
    Fault.HELD_BACK: BudgetExhausted("held back"),
    Fault.FAILED: OutcomeUnknown("failed"),
    Fault.DEATH_BEFORE: Crash(),
}
_AFTER = {Fault.ANSWER_LOST: OutcomeUnknown("answer lost"), Fault.DEATH_AFTER: Crash()}


@dataclass
class Vendor:
    """Notes by their id there. `owner` is the transaction that a record belongs to."""

    records: dict[str, Note] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    fault: Fault = Fault.NONE
    # What happens elsewhere while a write is on its way back.
    meanwhile: Callable[[], None] | None = None

    def live(self, key: str) -> list[Note]:
        """The records that carry this business key and are not cancelled."""
        return [t for i, t in self.records.items() if t.id == key and i not in self.cancelled]

    def create(self, note: Note, owner: str) -> Note:
        """Make a record, whether or not there is one with the key already."""
        self._fail(_BEFORE, "create")
        remote_id = str(len(self.records) + 1)
        made = note.model_copy(update={"remote_id": remote_id})
        self.records[remote_id] = made
        self.owner[remote_id] = owner
        self._fail(_AFTER, "")
        if meanwhile := self.meanwhile:
            self.meanwhile = None
            meanwhile()
        return made

    def find(self, key: str) -> Note | None:
        """The live record with this key."""
        self._fail(_BEFORE | _AFTER, "find")
        found = self.live(key)
        if len(found) > 1:
            raise RecordConflict("several records carry this key")
        return found[0] if found else None

    def read(self, remote_id: str) -> Note:
        """The record with this id there."""
        self._fail(_BEFORE | _AFTER, "read")
        return self.records[remote_id]

    def cancel(self, remote_id: str) -> None:
        """Cancel a record; a cancelled one stays as it is."""
        self._fail(_BEFORE, "cancel")
        self.cancelled.add(remote_id)
        self._fail(_AFTER, "")

    def _fail(self, faults: dict[Fault, BaseException], call: str) -> None:
        if call:
            self.calls.append(call)
        if self.fault in faults:
            fault, self.fault = self.fault, Fault.NONE
            raise faults[fault]


class MortalClient:
    """A DynamoDB client whose process dies at its n-th call, before it or after it is done."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.exceptions = client.exceptions
        self.dies_at: int | None = None
        self.dies_after = False

    def get_item(self, **request: Any) -> Any:
        """As DynamoDB's."""
        return self._call(self._client.get_item, request)

    def put_item(self, **request: Any) -> Any:
        """As DynamoDB's."""
        return self._call(self._client.put_item, request)

    def transact_write_items(self, **request: Any) -> Any:
        """As DynamoDB's."""
        return self._call(self._client.transact_write_items, request)

    def _call(self, call: Callable[..., Any], request: dict[str, Any]) -> Any:
        dies = self.dies_at == 0
        if self.dies_at is not None:
            self.dies_at = None if dies else self.dies_at - 1
        if dies and not self.dies_after:
            raise Crash
        answer = call(**request)
        if dies:
            raise Crash
        return answer

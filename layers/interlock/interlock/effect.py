"""One intended write to a vendor, and what makes it unique. What becomes of it: `effects`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from interlock.canonical.base import Canonical, Command


class RemoteRecord(Protocol):
    """What a vendor write returns: a canonical model that knows its id in the remote system."""

    @property
    def remote_id(self) -> str | None:
        """The id there."""

    def model_dump_json(self) -> str:
        """The record as JSON."""


R = TypeVar("R", bound=RemoteRecord)


@dataclass(frozen=True)
class EffectKey:
    """What makes an effect unique: the connection, the operation, and the record's canonical id."""

    connection: str
    operation: str
    record: str

    def __str__(self) -> str:
        return f"{self.connection}#{self.operation}#{self.record}"

    @property
    def where(self) -> dict[str, str]:
        """What an error tells of it."""
        return {"vendor": self.connection, "operation": self.operation, "record": self.record}


@dataclass(frozen=True)
class Effect(Generic[R]):
    """One intended write.

    `entity` names the record's kind in the authority file and in the cross-references; `content`
    is what is written; `origin` the system whose values they are; `command` what the function was
    told, with its transaction and a team's decision; `result` the type of what `perform` returns.
    `creates` is False for a write to a record that exists. `terms` is what was decided about this
    write beside its content; another attempt may come with others, and ask for the first.
    """

    key: EffectKey
    entity: str
    content: Canonical
    origin: str
    command: Command
    result: type[R]
    creates: bool = True
    terms: str = ""

    def fields(self) -> set[str]:
        """The fields that carry a value, by name: what the authority file decides on."""
        return set(self.content.model_dump(exclude={"id", "references"}, exclude_none=True))

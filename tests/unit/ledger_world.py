"""A ledger on the template's tables, and the vendor in memory that it writes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from interlock import aws
from interlock.canonical import Command
from interlock.crossref import CrossReferences
from interlock.effects import Effect, EffectKey, Ledger, Undone

from tests.unit import samples
from tests.unit.conftest import Clock, Cloud
from tests.unit.fake_vendor import MortalClient, Note, Vendor

KEY = EffectKey("zendesk", "create_task", "salesforce:1/kickoff")
REFERENCE = f"task#{KEY.record}"


def note(subject: str = "Kick off") -> Note:
    """What is written."""
    return Note(id=KEY.record, subject=subject)


def effect(subject: str = "Kick off", command: Command | None = None, **values: Any) -> Effect:
    """The write of a task for transaction T1."""
    given = {
        "key": KEY,
        "entity": "task",
        "content": note(subject),
        "origin": "integration",
        "command": command or samples.command("T1"),
        "result": Note,
    }
    return Effect(**(given | values))


@dataclass
class World:
    """A ledger on its own tables, and the vendor that it writes to."""

    ledger: Ledger
    crossref: CrossReferences
    client: MortalClient
    clock: Clock
    vendor: Vendor = field(default_factory=Vendor)
    keys: list[str] = field(default_factory=list)

    def write(self, effect: Effect) -> Note:
        """What a connector's function does."""

        def perform(idempotency_key: str) -> Note:
            self.keys.append(idempotency_key)
            return self.vendor.create(effect.content, effect.command.correlation_id)

        return self.ledger.once(
            effect,
            perform=perform,
            find=lambda: self.vendor.find(effect.key.record),
            read=self.vendor.read,
        )

    def undo(self, transaction: str = "T1", **command: Any) -> Undone:
        """What a compensation's function does; `command` is what it was told beside."""
        return self.ledger.undo(
            KEY,
            entity="task",
            command=samples.command(transaction, **command),
            find=lambda: self.vendor.find(KEY.record),
            cancel=self.vendor.cancel,
        )

    def row(self) -> dict[str, Any]:
        """The ledger's row."""
        return self.ledger._read(KEY)

    def linked(self) -> str | None:
        """What the cross-references say."""
        return self.crossref.get(REFERENCE, KEY.connection)


def new_world(cloud: Cloud, clock: Clock) -> World:
    """Nothing was written yet."""
    client = MortalClient(aws.dynamodb())
    crossref = CrossReferences(cloud.table("CrossReferencesTable"), clock)
    return World(
        Ledger(cloud.table("EffectsTable"), crossref, clock, _client=client),
        crossref,
        client,
        clock,
    )

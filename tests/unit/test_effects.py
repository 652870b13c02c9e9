"""The effect ledger, one behaviour at a time, on the template's tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from interlock import aws
from interlock.canonical import Command
from interlock.crossref import CrossReferences
from interlock.effects import LEASE_SECONDS, Effect, EffectKey, Ledger, Undone, ledger
from interlock.errors import (
    AuthorityViolation,
    OutcomeUnknown,
    RecordConflict,
    VendorRejected,
    VendorUnavailable,
)

from tests.unit import samples
from tests.unit.conftest import Clock, Cloud
from tests.unit.fake_vendor import Crash, Fault, MortalClient, Note, Vendor

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

    def undo(self, transaction: str = "T1") -> Undone:
        """What a compensation's function does."""
        return self.ledger.undo(
            KEY,
            entity="task",
            command=samples.command(transaction),
            find=lambda: self.vendor.find(KEY.record),
            cancel=self.vendor.cancel,
        )

    def row(self) -> dict[str, Any]:
        """The ledger's row."""
        return self.ledger._read(KEY)

    def linked(self) -> str | None:
        """What the cross-references say."""
        return self.crossref.get(REFERENCE, KEY.connection)


@pytest.fixture
def world(cloud: Cloud, clock: Clock) -> World:
    """Nothing was written yet."""
    client = MortalClient(aws.dynamodb())
    crossref = CrossReferences(cloud.table("CrossReferencesTable"), clock)
    return World(
        Ledger(cloud.table("EffectsTable"), crossref, clock, _client=client),
        crossref,
        client,
        clock,
    )


def test_a_write_happens_at_once_and_is_remembered(world: World) -> None:
    made = world.write(effect())

    assert world.vendor.calls == ["create"]
    assert made.remote_id == "1"
    assert world.linked() == "1"
    assert world.row()["state"] == "DONE"


def test_a_repeated_write_returns_what_was_made(world: World) -> None:
    made = world.write(effect())

    again = world.write(effect(command=samples.command("T2")))

    assert again == made
    assert world.vendor.calls == ["create"]


def test_another_content_for_the_same_record_is_a_conflict(world: World) -> None:
    world.write(effect())

    with pytest.raises(RecordConflict, match=r"by T1.*link it, or compensate") as conflict:
        world.write(effect("Kick off again", samples.command("T2")))

    assert conflict.value.record == KEY.record
    assert len(world.vendor.records) == 1


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.FAILED, Fault.UNAVAILABLE])
def test_after_a_failure_the_vendor_is_looked_at_first(world: World, fault: Fault) -> None:
    world.vendor.fault = fault
    with pytest.raises((OutcomeUnknown, VendorUnavailable)):
        world.write(effect())

    made = world.write(effect())

    assert [t.remote_id for t in world.vendor.live(KEY.record)] == [made.remote_id]
    assert world.vendor.calls[:2] == ["create", "find"]


def test_a_failure_gives_the_claim_back_at_once(world: World) -> None:
    world.vendor.fault = Fault.REJECTED
    with pytest.raises(VendorRejected):
        world.write(effect())

    assert world.write(effect()).remote_id == "1"


def test_a_dead_owner_keeps_its_claim_until_its_lease_is_over(world: World) -> None:
    world.vendor.fault = Fault.DEATH_AFTER
    with pytest.raises(Crash):
        world.write(effect())

    with pytest.raises(OutcomeUnknown, match="try again after 40 s"):
        world.write(effect())
    world.clock.advance(LEASE_SECONDS)
    made = world.write(effect())

    assert made.remote_id == "1"
    assert world.vendor.calls == ["create", "find"]


@pytest.mark.parametrize("dies_after", [False, True])
@pytest.mark.parametrize("dies_at", range(3))
def test_death_at_any_call_of_the_ledger_leaves_one_record(
    world: World, dies_at: int, dies_after: bool
) -> None:
    world.client.dies_at, world.client.dies_after = dies_at, dies_after
    with pytest.raises(Crash):
        world.write(effect())

    world.clock.advance(LEASE_SECONDS)
    made = world.write(effect())

    assert world.vendor.live(KEY.record) == [made]
    assert world.linked() == made.remote_id


def test_who_lost_its_lease_cannot_record(world: World) -> None:
    def overtake() -> None:
        world.clock.advance(LEASE_SECONDS)
        world.write(effect(command=samples.command("T2")))

    world.vendor.meanwhile = overtake

    with pytest.raises(OutcomeUnknown):
        world.write(effect())

    assert world.row()["transaction"] == "T2"
    assert len(world.vendor.records) == 1


def test_an_unfinished_write_of_another_content_is_a_conflict(world: World) -> None:
    world.vendor.fault = Fault.ANSWER_LOST
    with pytest.raises(OutcomeUnknown):
        world.write(effect("Kick off"))

    for _ in range(2):
        with pytest.raises(RecordConflict, match="an earlier attempt wrote this record"):
            world.write(effect("Kick off, edited"))

    assert len(world.vendor.records) == 1


def test_an_edited_write_that_was_never_applied_goes_ahead(world: World) -> None:
    world.vendor.fault = Fault.REJECTED
    with pytest.raises(VendorRejected):
        world.write(effect("Kick off"))

    assert world.write(effect("Kick off, edited")).subject == "Kick off, edited"


def test_an_edited_write_whose_answer_is_lost_is_adopted_as_edited(world: World) -> None:
    world.vendor.fault = Fault.REJECTED
    with pytest.raises(VendorRejected):
        world.write(effect("Kick off"))

    def lose_the_answer() -> None:
        raise OutcomeUnknown("answer lost")

    world.vendor.meanwhile = lose_the_answer
    with pytest.raises(OutcomeUnknown):
        world.write(effect("Kick off, edited"))

    assert world.write(effect("Kick off, edited")).subject == "Kick off, edited"
    with pytest.raises(RecordConflict):
        world.write(effect("Kick off"))


def test_a_value_from_a_system_that_does_not_own_it_is_never_written(world: World) -> None:
    with pytest.raises(AuthorityViolation, match="subject"):
        world.write(effect(origin="crm"))

    assert world.vendor.calls == []
    assert world.row() is None


def test_equal_attempts_have_an_equal_idempotency_key(world: World) -> None:
    world.vendor.fault = Fault.FAILED
    with pytest.raises(OutcomeUnknown):
        world.write(effect())
    world.write(effect())

    first, second = world.keys

    assert first == second
    assert len(first) <= 255


def test_another_content_or_generation_has_another_idempotency_key(world: World) -> None:
    world.vendor.fault = Fault.REJECTED
    with pytest.raises(VendorRejected):
        world.write(effect())
    world.write(effect("Kick off, edited"))
    world.undo()
    world.write(effect("Kick off, edited"))

    assert len(set(world.keys)) == 3


# ---- A team's link


def by_hand(world: World) -> str:
    """A record that people made, without our business key; returns its id there."""
    record = Note(id="by-hand", subject="Kick off")
    return world.vendor.create(record, owner="people").remote_id


def link(remote_id: str, transaction: str = "T1") -> Command:
    """A team's decision to link."""
    return samples.command(transaction, action="link", remote_id=remote_id)


def test_a_linked_record_is_recorded_and_nothing_written(world: World) -> None:
    existing = by_hand(world)
    world.vendor.calls.clear()

    linked = world.write(effect(command=link(existing)))

    assert world.vendor.calls == ["read"]
    assert linked.remote_id == world.linked() == existing


def test_a_linked_record_is_never_taken_back(world: World) -> None:
    existing = by_hand(world)
    world.write(effect(command=link(existing)))

    assert world.undo() == Undone(remote_id=None)
    assert world.vendor.cancelled == set()
    assert world.linked() == existing


def test_a_link_settles_a_conflict_of_contents(world: World) -> None:
    made = world.write(effect())

    world.write(effect("Amended", link(made.remote_id, "T2")))

    assert world.write(effect("Amended", samples.command("T2"))).remote_id == made.remote_id


@pytest.mark.parametrize("dies_after", [False, True])
@pytest.mark.parametrize("dies_at", range(2))
def test_an_unfinished_link_gives_nobody_elses_record_away(
    world: World, dies_at: int, dies_after: bool
) -> None:
    """T2's link of T1's record dies half-way; T2's compensation must leave it alone."""
    made = world.write(effect())
    world.client.dies_at, world.client.dies_after = dies_at, dies_after
    with pytest.raises(Crash):
        world.write(effect("Amended", link(made.remote_id, "T2")))
    world.clock.advance(LEASE_SECONDS)

    assert world.undo("T2") == Undone(remote_id=None)
    assert world.vendor.live(KEY.record) == [made]
    assert world.linked() == made.remote_id


# ---- Compensation


def test_undo_takes_back_what_the_transaction_made(world: World) -> None:
    made = world.write(effect())

    assert world.undo() == Undone(remote_id=made.remote_id)
    assert world.vendor.live(KEY.record) == []
    assert world.linked() is None


def test_undo_twice_is_harmless(world: World) -> None:
    world.write(effect())
    world.undo()

    assert world.undo() == Undone(remote_id=None)
    assert world.vendor.calls.count("cancel") == 1


def test_nothing_to_undo(world: World) -> None:
    assert world.undo() == Undone(remote_id=None)
    assert world.vendor.calls == []


def test_undo_leaves_another_transactions_record_alone(world: World) -> None:
    made = world.write(effect())
    world.write(effect(command=samples.command("T2")))

    assert world.undo("T2") == Undone(remote_id=None)
    assert world.vendor.live(KEY.record) == [made]


def test_undo_finds_a_record_whose_answer_was_lost(world: World) -> None:
    world.vendor.fault = Fault.ANSWER_LOST
    with pytest.raises(OutcomeUnknown):
        world.write(effect())

    assert world.undo() == Undone(remote_id="1")
    assert world.vendor.live(KEY.record) == []


def test_undo_of_a_write_that_never_happened_keeps_what_others_linked(world: World) -> None:
    world.vendor.fault = Fault.REJECTED
    with pytest.raises(VendorRejected):
        world.write(effect())
    world.crossref.link(REFERENCE, KEY.connection, "77")

    world.undo()

    assert world.linked() == "77"


def test_undo_waits_for_a_live_owner(world: World) -> None:
    world.vendor.fault = Fault.DEATH_AFTER
    with pytest.raises(Crash):
        world.write(effect())

    with pytest.raises(OutcomeUnknown):
        world.undo()
    world.clock.advance(LEASE_SECONDS)

    assert world.undo() == Undone(remote_id="1")


def test_nobody_relies_on_a_record_that_is_being_taken_back(world: World) -> None:
    world.write(effect())
    world.vendor.fault = Fault.ANSWER_LOST
    with pytest.raises(OutcomeUnknown):
        world.undo()

    with pytest.raises(OutcomeUnknown):
        world.write(effect(command=samples.command("T2")))
    assert world.undo() == Undone(remote_id="1")


def test_after_undo_the_record_is_made_anew(world: World) -> None:
    world.write(effect())
    world.undo()

    made = world.write(effect(command=samples.command("T2")))

    assert made.remote_id == "2"
    assert world.linked() == "2"
    assert world.row()["generation"] == 2
    assert world.undo("T1") == Undone(remote_id=None)


# ---- For an operator


def test_the_rows_of_a_transaction_in_order(world: World, clock: Clock) -> None:
    world.ledger._client = aws.dynamodb()
    for number in (2, 1, 3):
        clock.advance(10)
        key = EffectKey("zendesk", "create_task", f"salesforce:1/line-{number}")
        world.write(effect(key=key, content=note().model_copy(update={"id": key.record})))

    rows = world.ledger.of_transaction("T1")

    assert [row["record"][-1] for row in rows] == ["2", "1", "3"]
    assert world.ledger.of_transaction("T2") == []


def test_the_ledger_of_a_function(cloud: Cloud, environment: Any) -> None:
    environment(EFFECTS_TABLE="effects", CROSSREF_TABLE="crossref")

    assert ledger().table == "effects"
    assert ledger().crossref.table == "crossref"
    assert ledger().lease_seconds > 30

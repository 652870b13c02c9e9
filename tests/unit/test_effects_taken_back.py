"""The effect ledger's links and compensations: what is a transaction's own, and what is not."""

from __future__ import annotations

import pytest
from interlock.canonical import Command
from interlock.effects import LEASE_SECONDS, Undone
from interlock.errors import (
    OutcomeUnknown,
    RecordConflict,
    VendorRejected,
)

from tests.unit import samples
from tests.unit.conftest import Clock, Cloud
from tests.unit.fake_vendor import Crash, Fault, Note
from tests.unit.ledger_world import KEY, REFERENCE, World, effect, new_world


@pytest.fixture
def world(cloud: Cloud, clock: Clock) -> World:
    """Nothing was written yet."""
    return new_world(cloud, clock)


# ---- A team's link


def by_hand(world: World) -> str:
    """A record that people made, without our business key; returns its id there."""
    record = Note(id="by-hand", subject="Kick off")
    return world.vendor.create(record, owner="people").remote_id


def link(remote_id: str, transaction: str = "T1") -> Command:
    """A team's decision to link."""
    return samples.command(transaction, action="link", remote_id=remote_id, record=KEY.record)


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


@pytest.mark.parametrize("first", ["T1", "T2"])
def test_undo_leaves_alone_what_another_transaction_relies_on(world: World, first: str) -> None:
    """T2 was given T1's record as its own: T1 may not take it from under it, nor T2 from T1."""
    made = world.write(effect(command=samples.command("T1")))
    assert world.write(effect(command=samples.command("T2"))) == made

    assert world.undo(first) == world.undo(first) == Undone(remote_id=None)
    assert world.vendor.live(KEY.record) == [made]
    assert world.linked() == made.remote_id


@pytest.mark.parametrize(("first", "last"), [("T1", "T2"), ("T2", "T1")])
def test_the_last_that_relies_on_a_record_takes_it_back(
    world: World, first: str, last: str
) -> None:
    made = world.write(effect(command=samples.command("T1")))
    world.write(effect(command=samples.command("T2")))

    world.undo(first)

    assert world.undo(last) == Undone(remote_id=made.remote_id)
    assert world.vendor.live(KEY.record) == []
    assert world.linked() is None


def test_relying_on_what_was_found_keeps_it(world: World) -> None:
    """T2 found T1's record in the system, and did not write it."""
    made = world.write(effect())

    assert world.ledger.rely(KEY, samples.command("T2"))

    assert world.undo("T1") == Undone(remote_id=None)
    assert world.vendor.live(KEY.record) == [made]


def test_what_the_ledger_does_not_know_may_be_relied_on(world: World) -> None:
    assert world.ledger.rely(KEY, samples.command("T2"))
    assert world.row() is None


def test_what_was_taken_back_may_not_be_relied_on(world: World) -> None:
    world.write(effect())
    world.undo()

    assert not world.ledger.rely(KEY, samples.command("T2"))


def test_an_unfinished_write_may_not_be_relied_on(world: World) -> None:
    world.vendor.fault = Fault.ANSWER_LOST
    with pytest.raises(OutcomeUnknown):
        world.write(effect())

    assert not world.ledger.rely(KEY, samples.command("T2"))


def test_nobody_relies_on_what_somebody_works_on(world: World) -> None:
    world.write(effect())
    refused(world)

    with pytest.raises(OutcomeUnknown):
        world.ledger.rely(KEY, samples.command("T2"))


def test_a_dry_run_relies_on_nothing(world: World) -> None:
    world.write(effect())
    before = world.row()

    assert world.ledger.rely(KEY, samples.command("T2", dry_run="D1"))
    assert world.row() == before


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


# ---- A compensation that a team skips


def refused(world: World) -> None:
    """T1 compensates, and the vendor refuses."""
    world.vendor.fault = Fault.REJECTED
    with pytest.raises(VendorRejected):
        world.undo()


def test_what_people_took_back_by_hand_is_made_anew(world: World) -> None:
    made = world.write(effect())
    refused(world)
    world.vendor.cancelled.add(made.remote_id)

    assert world.undo(action="skip") == Undone(remote_id=None)
    assert world.linked() is None
    assert world.write(effect(command=samples.command("T2"))).remote_id == "2"
    first, second = world.keys
    assert first != second


def test_what_people_leave_there_is_theirs(world: World) -> None:
    """Nobody is given it unasked, nor makes a second one; a team's link settles it."""
    made = world.write(effect())
    refused(world)
    assert world.undo(action="skip") == Undone(remote_id=None)

    with pytest.raises(RecordConflict, match="a team left it there"):
        world.write(effect(command=samples.command("T2")))
    assert world.vendor.live(KEY.record) == [made]
    assert world.linked() == made.remote_id
    assert world.undo() == Undone(remote_id=None)
    assert world.write(effect(command=link(made.remote_id, "T2"))) == made


def test_what_a_vendor_refuses_to_tell_of_may_be_there(world: World) -> None:
    world.write(effect())
    refused(world)
    world.vendor.fault = Fault.REJECTED

    world.undo(action="skip")

    assert world.row()["state"] == "LEFT"


def test_skipping_leaves_another_transactions_record_alone(world: World) -> None:
    world.write(effect())

    assert world.undo("T2", action="skip") == Undone(remote_id=None)
    assert world.row()["state"] == "DONE"

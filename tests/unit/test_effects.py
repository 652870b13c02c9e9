"""The effect ledger's writes, one behaviour at a time."""

from __future__ import annotations

from typing import Any

import pytest
from interlock.effects import LEASE_SECONDS, ledger
from interlock.errors import (
    AuthorityViolation,
    BudgetExhausted,
    OutcomeUnknown,
    RecordConflict,
    VendorRejected,
    VendorUnavailable,
)

from tests.unit import samples
from tests.unit.conftest import Clock, Cloud
from tests.unit.fake_vendor import Crash, Fault
from tests.unit.ledger_world import KEY, World, effect, new_world


@pytest.fixture
def world(cloud: Cloud, clock: Clock) -> World:
    """Nothing was written yet."""
    return new_world(cloud, clock)


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


def test_what_was_never_sent_is_not_looked_for(world: World) -> None:
    """A crowd that waits for a vendor's budget would spend it on looking."""
    for _ in range(2):
        world.vendor.fault = Fault.NOT_SENT
        with pytest.raises(BudgetExhausted):
            world.write(effect())

    world.write(effect())

    assert world.vendor.calls == ["create"] * 3


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.HELD_BACK])
def test_what_may_have_been_sent_is_looked_for_whatever_came_after(
    world: World, fault: Fault
) -> None:
    for each in (fault, Fault.NOT_SENT, Fault.NOT_SENT):
        world.vendor.fault = each
        with pytest.raises((OutcomeUnknown, BudgetExhausted)):
            world.write(effect())

    made = world.write(effect())

    assert world.vendor.live(KEY.record) == [made]
    assert world.vendor.calls[:4] == ["create", "find", "find", "find"]


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


def test_the_ledger_of_a_function(cloud: Cloud, environment: Any) -> None:
    environment(EFFECTS_TABLE="effects", CROSSREF_TABLE="crossref")

    assert ledger().table == "effects"
    assert ledger().crossref.table == "crossref"
    assert ledger().lease_seconds > 30

"""Dry runs of the effect ledger: what would be written where, and nothing written anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from interlock import aws
from interlock.canonical import Customer, Order, OrderStatus, Project, Subscription, WriteBack
from interlock.canonical.base import Command
from interlock.canonical.books import PostedDocument, Posting, ServiceSchedule
from interlock.effects import Effect, EffectKey
from interlock.errors import AuthorityViolation, OutcomeUnknown, VendorRejected
from interlock.plans import KEPT_SECONDS, NEW, Difference, Plan, differences, placeholder

from local.paths import ROOT
from tests.unit import samples
from tests.unit.conftest import Clock, Cloud
from tests.unit.fake_vendor import Crash, Fault, Note
from tests.unit.ledger_world import KEY, World, effect, new_world, note

DRY = "T1-dry-run-1"


@pytest.fixture
def world(cloud: Cloud, clock: Clock) -> World:
    """Nothing was written yet."""
    return new_world(cloud, clock)


def dry(**decision: Any) -> Command:
    """What a function is told in a dry run."""
    return samples.command("T1", dry_run=DRY, **decision)


def rows() -> list[dict[str, Any]]:
    """Everything in the ledger's table."""
    return aws.dynamodb().scan(TableName="EffectsTable")["Items"]


def plan() -> Plan:
    """The only plan that was noted."""
    [row] = [row for row in rows() if "plan" in row]
    return Plan.model_validate_json(row["plan"])


def test_what_is_not_there_would_be_created(world: World) -> None:
    record = world.write(effect(command=dry()))

    assert plan() == Plan(
        system="zendesk",
        operation="create_task",
        entity="task",
        record=KEY.record,
        action="create",
        differences=(Difference(field="subject", held=None, wanted="Kick off"),),
    )
    assert record == note().model_copy(update={"remote_id": NEW})
    assert world.vendor.calls == ["find"]
    assert world.row() is None
    assert world.linked() is None


def test_what_is_done_would_stay_and_is_shown_as_the_system_holds_it(world: World) -> None:
    made = world.write(effect())
    world.vendor.records["1"] = note("Renamed by hand").model_copy(update={"remote_id": "1"})
    row = world.row()

    assert world.write(effect(command=dry())) == made
    [difference] = plan().differences
    assert (plan().action, plan().remote_id, plan().reason) == ("unchanged", "1", "")
    assert (difference.held, difference.wanted) == ("Renamed by hand", "Kick off")
    assert world.row() == row


def test_what_is_done_and_gone_is_told(world: World) -> None:
    made = world.write(effect())
    world.vendor.cancelled.add("1")

    assert world.write(effect(command=dry())) == made
    assert (plan().action, plan().differences) == ("unchanged", ())
    assert "shows it no more" in plan().reason


def test_what_is_done_is_no_failure_although_the_system_cannot_tell(world: World) -> None:
    """A run in earnest does not look either."""
    made = world.write(effect())
    world.vendor.fault = Fault.REJECTED

    assert world.write(effect(command=dry())) == made
    assert (plan().action, plan().reason) == ("unchanged", "rejected")


def test_another_content_is_a_conflict_with_its_differences(world: World) -> None:
    made = world.write(effect())

    assert world.write(effect("Kick off again", dry())) == made
    assert plan().action == "conflict"
    assert plan().differences == (
        Difference(field="subject", held="Kick off", wanted="Kick off again"),
    )


def test_an_attempt_whose_answer_was_lost_would_be_adopted(world: World) -> None:
    world.vendor.fault = Fault.ANSWER_LOST
    with pytest.raises(OutcomeUnknown):
        world.write(effect())
    row = world.row()

    assert world.write(effect(command=dry())).remote_id == "1"
    assert (plan().action, plan().remote_id) == ("adopt", "1")
    assert world.row() == row


def test_an_attempt_with_another_content_is_a_conflict(world: World) -> None:
    world.vendor.fault = Fault.ANSWER_LOST
    with pytest.raises(OutcomeUnknown):
        world.write(effect())

    world.write(effect("Kick off again", dry()))

    assert plan().action == "conflict"
    assert "another content" in plan().reason


def test_a_record_that_the_ledger_never_heard_of_is_told(world: World) -> None:
    """As after a table was restored from an older copy."""
    world.vendor.create(note(), "T1")

    assert world.write(effect(command=dry())).remote_id == "1"
    assert plan().action == "conflict"
    assert "the ledger knows nothing of it" in plan().reason


def test_a_link_would_be_recorded(world: World) -> None:
    world.vendor.create(note("By hand"), "people")
    command = dry(action="link", remote_id="1", record=KEY.record)

    assert world.write(effect(command=command)).subject == "By hand"
    assert (plan().action, plan().remote_id) == ("link", "1")
    assert (world.row(), world.linked()) == (None, None)


def test_a_live_run_is_waited_for(world: World) -> None:
    world.vendor.fault = Fault.DEATH_AFTER
    with pytest.raises(Crash):
        world.write(effect())

    with pytest.raises(OutcomeUnknown, match="another run is writing"):
        world.write(effect(command=dry()))


def test_what_would_be_refused_is_refused(world: World) -> None:
    with pytest.raises(AuthorityViolation):
        world.write(effect(command=dry(), origin="crm"))
    world.vendor.fault = Fault.REJECTED
    with pytest.raises(VendorRejected):
        world.write(effect(command=dry()))
    assert rows() == []


def test_an_update_is_held_against_the_record_as_it_is(world: World) -> None:
    wanted = WriteBack(
        opportunity_id=samples.DEAL,
        status=OrderStatus.ACCEPTED,
        order_number="SO-1",
        subscription_id=None,
        correlation_id=None,
    )
    now = wanted.model_copy(update={"order_number": None, "correlation_id": "T0"})
    update = Effect(
        key=EffectKey("salesforce", "write_back", samples.DEAL),
        entity="write_back",
        content=wanted,
        origin="integration",
        command=dry(),
        result=WriteBack,
        creates=False,
    )

    record = world.ledger.once(
        update, perform=lambda _: pytest.fail("written"), find=lambda: None, read=lambda _: now
    )

    assert record == wanted
    assert (plan().action, plan().remote_id) == ("update", samples.DEAL)
    assert plan().differences == (Difference(field="order_number", held=None, wanted="SO-1"),)


def test_what_the_transaction_wrote_would_be_taken_back(world: World) -> None:
    world.write(effect())
    row = world.row()

    assert world.undo(dry_run=DRY).remote_id == "1"
    assert (plan().action, plan().remote_id) == ("take back", "1")
    assert "cancel" not in world.vendor.calls
    assert (world.row(), world.linked()) == (row, "1")


def test_what_another_transaction_wrote_would_be_left_alone(world: World) -> None:
    world.write(effect(command=samples.command("T2")))

    assert world.undo(dry_run=DRY).remote_id is None
    assert len(rows()) == 1


def test_a_plan_expires_and_an_effect_never_does(world: World, clock: Clock) -> None:
    world.write(effect(command=dry()))
    world.write(effect())
    world.undo()

    expiring = {row["effect"]: row["expires_at"] for row in rows() if "expires_at" in row}
    assert expiring == {f"plan#{DRY}#{KEY}": int(clock.now + KEPT_SECONDS)}


def test_a_repeated_step_notes_its_plan_once(world: World) -> None:
    world.write(effect(command=dry()))
    world.write(effect("Kick off again", dry()))

    assert plan().differences[0].wanted == "Kick off again"


def test_differences_name_each_value_by_its_path() -> None:
    wanted = samples.order()
    line = samples.line(quantity="5")
    held = wanted.model_copy(update={"lines": (line, *wanted.lines[1:]), "number": "SO-1"})

    assert [(each.field, each.held, each.wanted) for each in differences(wanted, held)] == [
        ("lines.0.quantity", "5", "25"),
        ("lines.0.amount.amount", "2400.00", "12000.00"),
    ]


def test_a_line_too_many_is_a_difference() -> None:
    wanted = samples.order()
    held = wanted.model_copy(update={"lines": wanted.lines[:2]})

    found = differences(wanted, held)

    assert {each.field.rpartition(".")[0] for each in found} >= {"lines.2"}
    assert {each.held for each in found} == {None}


def test_only_what_both_records_know_is_compared() -> None:
    """A customer has no address of its own; an account that has no tax id asks for none."""
    account = samples.account(tax_id=None)
    held = Customer(
        id=account.id, remote_id="7", name="Calder", tax_id="DE8", domain=account.domain
    )

    assert [each.field for each in differences(account, held)] == ["name"]


@pytest.mark.parametrize(
    ("content", "result"),
    [
        (samples.account(), Customer),
        (samples.order(), Order),
        (samples.order(), Project),
        (Subscription.of(samples.order()), Subscription),
        (note(), Note),
    ],
)
def test_a_placeholder_stands_for_what_would_be_made(content: Any, result: Any) -> None:
    made = placeholder(content, result)

    assert isinstance(made, result)
    assert (made.id, made.remote_id) == (content.id, NEW)
    assert getattr(made, "number", NEW) == NEW


def test_a_posting_is_known_to_become_a_whole_document() -> None:
    """What it is to recognise is planned from it; what becomes of an entry, only the ERP knows."""
    command = json.loads((ROOT / "events/erp/post_invoice.json").read_text())
    posting = Posting.model_validate(command["posting"])

    document = PostedDocument.model_validate(placeholder(posting, PostedDocument).model_dump())
    schedule = placeholder(document, ServiceSchedule)

    assert (document.total, document.remaining) == (posting.total, posting.total)
    assert schedule.model_dump() == {"id": posting.id, "references": {}, "remote_id": NEW}

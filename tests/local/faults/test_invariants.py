"""Each promise is seen to be broken, from what the tables and the systems say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.faults.census import Remote
from local.faults.invariants import Expectation, violations
from local.faults.scenarios import Transaction
from local.faults.snapshot import Account

DEAL = "salesforce:006A"
ORDER = ("tryton", "order", DEAL)


def account() -> Account:
    """A transaction that went well: one order, told once."""
    run = {"name": "006A-1", "status": "SUCCEEDED", "output": '{"status": "accepted"}'}
    effect = {
        "effect": f"tryton#create_order#{DEAL}",
        "connection": "tryton",
        "entity": "order",
        "record": DEAL,
        "state": "DONE",
        "remote_id": "42",
    }
    return Account(
        Transaction("006A", (DEAL,), lambda: None),
        runs=[run],
        effects=[effect],
        references=[{"canonical_id": f"order#{DEAL}", "system": "tryton", "remote_id": "42"}],
        events=[{"type": "order.accepted", "id": "006A-1-order.accepted"}],
        remote={ORDER: [Remote("42", True, "confirmed")]},
    )


EXPECTED = Expectation.of(account())
WAITING = {"id": "EX-1", "correlation_id": "006A-1", "team": "Finance"}


def a_second_order(broken: Account) -> None:
    broken.remote[ORDER].append(Remote("43", True, "draft"))


def an_order_that_is_gone(broken: Account) -> None:
    broken.remote[ORDER] = [Remote("42", False, "cancelled")]


def an_order_that_nobody_recorded(broken: Account) -> None:
    broken.effects.clear()
    broken.references.clear()


def an_order_that_was_to_be_taken_back(broken: Account) -> None:
    broken.effects[0]["state"] = "UNDONE"


def an_effect_left_open(broken: Account) -> None:
    broken.effects[0]["state"] = "INTENT"


def a_wrong_reference(broken: Account) -> None:
    broken.references[0]["remote_id"] = "41"


def no_run(broken: Account) -> None:
    broken.runs.clear()


def a_failed_run(broken: Account) -> None:
    broken.runs[0]["status"] = "FAILED"


def a_run_that_hangs(broken: Account) -> None:
    broken.runs[0]["status"] = "RUNNING"


def an_exception_without_an_owner(broken: Account) -> None:
    broken.runs[0]["status"] = "RUNNING"
    broken.waiting.append(WAITING | {"team": ""})


def an_exception_that_nobody_was_told_of(broken: Account) -> None:
    broken.runs[0]["status"] = "RUNNING"
    broken.waiting.append(WAITING)


def another_ending(broken: Account) -> None:
    broken.runs[0]["output"] = '{"status": "not won"}'


def nothing_told(broken: Account) -> None:
    broken.events.clear()


def told_twice(broken: Account) -> None:
    broken.events.append({"type": "order.accepted", "id": "006A-2-order.accepted"})


BREAKAGES: dict[Callable[[Account], None], str] = {
    a_second_order: "twice: order salesforce:006A in tryton is there 2 times: 42",
    an_order_that_is_gone: "missing: the ledger says that order",
    an_order_that_nobody_recorded: "unknown: order salesforce:006A in tryton 42 is there",
    an_order_that_was_to_be_taken_back: "unknown: order",
    an_effect_left_open: "open: effect tryton#create_order#salesforce:006A is INTENT",
    a_wrong_reference: "cross-reference: order salesforce:006A in tryton is 41, done was 42",
    no_run: "lost: no run ever began",
    a_failed_run: "lost: 006A-1 ended as FAILED",
    a_run_that_hangs: "stuck: 006A-1 runs, and no exception waits",
    an_exception_without_an_owner: "stuck: exception EX-1 has no owner",
    an_exception_that_nobody_was_told_of: "untold: an exception is open",
    another_ending: "lost: ended as 'not won' instead of 'accepted'",
    nothing_told: "untold: no order.accepted",
    told_twice: "told twice: 2 different order.accepted",
}


def test_all_is_well() -> None:
    assert violations(account(), EXPECTED) == []


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_broken_promise_is_seen(breakage: Callable[[Account], None]) -> None:
    broken = account()
    breakage(broken)
    assert any(what.startswith(BREAKAGES[breakage]) for what in violations(broken, EXPECTED))


def test_waiting_for_a_team_is_no_loss() -> None:
    """What is half done belongs to the team that was told."""
    waiting = account()
    waiting.runs[0]["status"] = "RUNNING"
    waiting.waiting.append(WAITING)
    waiting.effects[0]["state"] = "INTENT"
    waiting.references.clear()
    waiting.events.append({"type": "exception.raised", "id": "EX-1-raised"})
    assert violations(waiting, EXPECTED) == []

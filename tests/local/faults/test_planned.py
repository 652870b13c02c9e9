"""What a plan makes of a transaction's calls, and that it does so each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.faults.planned import Invocation, Message, the_mark_in

CALL = "POST tryton /sale.sale"
TOO_MANY = {"kind": "refuse", "status": 429, "times": 3}
EVERYTHING = {"seed": 7, "share": 1.0, "most": 2, "spare": [], "aws": [], "messages": {}}
DRAW = EVERYTHING | {"vendor": [{"kind": "lose"}]}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("plans", "traces"):
        (tmp_path / name).mkdir()
    return tmp_path


def plan(directory: Path, mark: str = "D1", **plan: Any) -> None:
    (directory / "plans" / f"{mark}.json").write_text(json.dumps(plan))


def invocation(directory: Path, mark: str = "D1") -> Invocation:
    return Invocation(directory, mark, "CreateOrder", "request")


def kinds(invocation: Invocation, *calls: str) -> list[str | None]:
    faults = [invocation.fault_of(call) for call in calls]
    return [fault and fault["kind"] for fault in faults]


def test_a_label_names_one_call_of_one_invocation(directory: Path) -> None:
    plan(directory, faults={f"CreateOrder 2 | {CALL} | 2": {"kind": "lose"}})
    assert kinds(invocation(directory), CALL, CALL) == [None, None]
    assert kinds(invocation(directory), CALL, CALL) == [None, "lose"]


def test_a_place_is_met_by_every_invocation(directory: Path) -> None:
    plan(directory, faults={f"CreateOrder | {CALL} | 1": {"kind": "lose"}})
    assert kinds(invocation(directory), CALL, CALL) == ["lose", None]
    assert kinds(invocation(directory), CALL, CALL) == ["lose", None]


def test_a_place_is_met_by_the_first_invocation_there_alone(directory: Path) -> None:
    """Whichever it is: how often a step is tried before it comes there may be chance."""
    plan(directory, faults={f"CreateOrder | {CALL} | 1": {"kind": "lose", "once": True}})
    assert kinds(invocation(directory), "GET tryton /party") == [None]
    assert kinds(invocation(directory), CALL, CALL) == ["lose", None]
    assert kinds(invocation(directory), CALL) == [None]


def test_a_storm_is_met_by_so_many_calls_to_one_vendor(directory: Path) -> None:
    plan(directory, faults={f"CreateOrder 1 | {CALL} | 1": TOO_MANY})
    first = invocation(directory)
    assert kinds(first, CALL, "GET stripe /v1/customers") == ["refuse", None]
    others = ["GET tryton /party", "GET tryton /party", "GET tryton /party"]
    assert kinds(invocation(directory), *others) == ["refuse", "refuse", None]


def test_an_outage_begins_at_its_place_and_does_not_end(directory: Path) -> None:
    fault = {"kind": "refuse", "status": 503}
    since = f"CreateOrder | {CALL} | 1"
    plan(directory, outage={"peer": "tryton", "since": since, "fault": fault})
    calls = ["GET tryton /party", CALL, "GET tryton /party", "GET stripe /v1/prices"]
    assert kinds(invocation(directory), *calls) == [None, None, "refuse", None]


def test_a_denied_function_is_refused_by_vendors_alone(directory: Path) -> None:
    plan(directory, deny="CreateOrder")
    assert kinds(invocation(directory), CALL, "AWS PutItem") == ["refuse", None]


def test_a_place_is_held_once(directory: Path) -> None:
    plan(directory, hold=f"CreateOrder | {CALL} | 1")
    assert not invocation(directory).is_held("GET tryton /party")
    assert invocation(directory).is_held(CALL)
    assert not invocation(directory).is_held(CALL)


def test_a_draw_is_the_same_for_the_same_seed(directory: Path) -> None:
    """Whatever the transaction is called; and it ends after the most faults."""
    calls = [f"POST tryton /{number}" for number in range(40)]
    found = []
    for mark in ("D1", "D2"):
        plan(directory, mark, draw=DRAW | {"share": 0.3})
        found.append(kinds(invocation(directory, mark), *calls))
    assert found[0] == found[1]
    assert found[0].count("lose") == DRAW["most"]


def test_no_fault_is_drawn_for_what_chance_orders(directory: Path) -> None:
    plan(directory, draw=DRAW | {"spare": ["CreateOrder"]})
    assert kinds(invocation(directory), CALL) == [None]
    plan(directory, draw=DRAW)
    assert kinds(invocation(directory), "POST zendesk /oauth/tokens", CALL) == [None, "lose"]


def test_a_call_that_is_made_again_did_not_count(directory: Path) -> None:
    plan(directory, draw=DRAW)
    first = invocation(directory)
    assert kinds(first, CALL) == ["lose"]
    first.take_back(CALL)
    assert kinds(first, CALL, CALL, CALL) == ["lose", "lose", None]


def test_a_message_is_counted_by_its_calls(directory: Path) -> None:
    """How often a batch is delivered is chance."""
    refused = {"AWS PutItem": [{"kind": "refuse"}]}
    plan(directory, draw=DRAW | {"messages": refused})
    calls = ["AWS PutItem", "AWS PutEvents"]
    for expected in (["refuse", None], ["refuse", None], [None, None]):
        assert kinds(Message(directory, "D1", "Start"), *calls) == expected


@pytest.mark.parametrize(
    ("text", "mark"), [("won D1", "D1"), ("won D2, D2", "D2"), ("D1 and D2", None), ("D3", None)]
)
def test_a_batch_of_several_belongs_to_none(directory: Path, text: str, mark: str | None) -> None:
    for known in ("D1", "D2"):
        plan(directory, known)
    assert the_mark_in(text, directory) == mark

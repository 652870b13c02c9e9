"""`interlock audit`: each row in plain words, and an exit code of 1 when the chain is not whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from interlock import aws
from interlock.audit import Audit, AuditHead, Entry
from interlock.events import Event
from interlock.timeline import Timeline

from local.samples.credit_stores import AGENT, CASE, LEAD, RUN, TERMS, case, credit, eur
from tests.unit.cli.conftest import Stack
from tests.unit.conftest import Clock, Cloud
from tests.unit.functions.approving import World
from tests.unit.functions.discounts import CONTRACT, CUSTOMER, SALES_LEAD, SELLER, quote

AMOUNT = eur(250).model_dump(mode="json")
ISSUED = {
    "number": "CN-7",
    "credit_note_id": "stripe:cn_7",
    "total": eur("297.50").model_dump(mode="json"),
    "tax": eur("47.50").model_dump(mode="json"),
}
TERMS_TOLD = TERMS.model_dump(mode="json", include={"version", "agreement", "document"})
DECISION = {"by": LEAD, "reason": "as agreed", "action": "approve", "how": "api"}
STORY: list[tuple[str, str, dict[str, Any], str]] = [
    (
        AGENT, "requested", {"case": case().model_dump(mode="json"), "event": "e-1"},
        "Asked for a credit for case 4711: critical, from 2026-11-03 08:00 UTC to 2026-11-03 20:00"
        " UTC, all products.",
    ),
    (
        "interlock", "computed",
        {"terms": TERMS_TOLD, "credit": credit().model_dump(mode="json")},
        "Computed 250.00 EUR by the terms standard, version 2026-11: The month's fee is 2,500.00"
        " EUR, of which 10 % is due.",
    ),
    (
        "interlock", "approval requested",
        {"id": "AP-1", "role": "support lead", "people": [LEAD], "rule": "R", "amount": AMOUNT},
        f"Asked support lead ({LEAD}) to approve 250.00 EUR, as AP-1: R",
    ),
    (
        "finance@interlock.example", "link made", {"approval": "AP-1", "for": LEAD, "until": 1},
        f"Made a link to AP-1 for {LEAD}.",
    ),
    (
        LEAD, "approved", {"approval": "AP-1", "amount": AMOUNT, "decision": DECISION},
        "Approved 250.00 EUR over the API, as AP-1: as agreed",
    ),
    (
        "interlock", "granted",
        {"outcome": {"status": "granted", "amount": AMOUNT}, "issued": [ISSUED], "memos": []},
        "Granted 250.00 EUR, net of tax: Credit note CN-7 (stripe:cn_7): 297.50 EUR, 47.50 EUR tax"
        " in it.",
    ),
]  # fmt: skip


@pytest.fixture
def audit(stack: Stack, clock: Clock) -> Audit:
    """The story of a credit that was granted."""
    stack.cloud.table("TimelineTable")
    store = Audit(stack.cloud.table("AuditTable"), clock, aws.dynamodb())
    for actor, action, facts, _ in STORY:
        append(store, actor, action, facts)
    return store


def append(store: Audit, actor: str, action: str, facts: dict[str, Any], run: str = RUN) -> None:
    store.append(Entry(transaction=run, subject=CASE, actor=actor, action=action, facts=facts))


def told(head: AuditHead, run: str = RUN) -> None:
    """The last event of a run, on the timeline."""
    Timeline("TimelineTable").record(
        Event(
            id="e-2",
            type="credit.granted",
            source="interlock",
            subject=CASE,
            occurred_at=datetime(2026, 11, 5, tzinfo=UTC),
            correlation_id=run,
            data={"audit": head.model_dump()},
        )
    )


def test_the_story_is_told_in_plain_words(stack: Stack, audit: Audit) -> None:
    said = stack.output("audit", "4711")

    rows = audit.of(RUN).rows
    position = 0
    for number, (actor, _, _, sentence) in enumerate(STORY, start=1):
        position = said.index(f"{number} 2026-11-18 11:06:40 {actor} {rows[number - 1].hash[:12]}")
        assert sentence in said[position:]
    assert "The chain is whole: 6 rows. No event has told its end yet." in said
    assert stack.output("audit", CASE) == said


def test_its_end_is_held_against_the_last_event(stack: Stack, audit: Audit) -> None:
    head = audit.of(RUN).head
    assert head is not None
    told(head)

    assert "and row 6 is the one that its last event told of" in stack.output("audit", "4711")


def test_a_refusal_says_why(stack: Stack, audit: Audit) -> None:
    outcome = {"status": "not entitled", "reasons": ["The incident was minor."]}
    append(audit, "interlock", "not entitled", {"outcome": outcome}, run="zendesk-4711-2")

    said = stack.output("audit", "4711")

    assert "Transaction zendesk-4711-2" in said
    assert "Not entitled: The incident was minor." in said


@pytest.mark.parametrize("facts", [{}, {"outcome": 7}, {"outcome": {"status": None}}])
def test_what_nobody_foresaw_is_told_by_its_name(
    stack: Stack, audit: Audit, facts: dict[str, Any]
) -> None:
    append(audit, "someone", "wondered", facts)

    assert "Wondered." in stack.output("audit", "4711")


def test_a_changed_row_is_found_and_told(stack: Stack, audit: Audit) -> None:
    change = {"AttributeUpdates": {"actor": {"Value": "nobody", "Action": "PUT"}}}
    key = {"transaction": RUN, "number": 5}
    aws.dynamodb().update_item(TableName="AuditTable", Key=key, **change)

    result = stack.run("audit", "4711")

    assert result.exit_code == 1
    said = " ".join(result.stdout.split())
    assert "This is not what was appended." in said
    assert "Row 5 was changed: its hash is that of something else." in said
    assert f"the audit of {RUN} is not whole" in result.stderr
    printed = stack.run("audit", "4711", "--json")
    assert printed.exit_code == 1
    assert json.loads(printed.stdout)[0]["whole"] is False


def test_a_credit_that_was_removed_from_the_audit_is_found(stack: Stack, audit: Audit) -> None:
    """The timeline still tells how it ended."""
    told(AuditHead(number=5, hash="h"), run="zendesk-4711-2")

    result = stack.run("audit", "4711")

    assert result.exit_code == 1
    assert "Row 5 was told outside of the audit, and is not there." in result.stdout


def test_a_case_without_a_credit(stack: Stack, audit: Audit) -> None:
    result = stack.run("audit", "1")

    assert result.exit_code == 1
    assert "the audit has nothing about zendesk:1" in result.stderr


def test_programs_get_all_of_it(stack: Stack, audit: Audit) -> None:
    [printed] = json.loads(stack.run("audit", "4711", "--json").stdout)

    assert (printed["transaction"], printed["whole"], printed["problems"]) == (RUN, True, [])
    assert [row["facts"] for row in printed["rows"]] == [facts for _, _, facts, _ in STORY]
    assert printed["head"]["number"] == len(STORY)


def test_the_story_of_a_discount(
    cloud: Cloud,
    clock: Clock,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    context: Any,
    request: pytest.FixtureRequest,
) -> None:
    """By the contract's id, as its functions have appended and told it."""
    world = World.build(cloud, clock, environment, monkeypatch, context)
    stack: Stack = request.getfixturevalue("stack")
    asked = world.ask_discount("task-1")["id"]
    world.decide(asked, person=SALES_LEAD, reason="they stay for it")
    cloud.table("TimelineTable")
    for event in world.told:
        Timeline("TimelineTable").record(event)

    said = stack.output("audit", CONTRACT)

    assert "Transaction T1" in said
    for text in (
        f"Asked for a discount of 600.00 EUR a year, 5 %, for {CUSTOMER} from 2027-01-01:"
        f" {quote().working[0]}",
        f"Asked sales lead ({SALES_LEAD}, {SELLER}) to approve 600.00 EUR, as {asked}:",
        f"Approved 600.00 EUR over the API, as {asked}: they stay for it",
        "The chain is whole: 3 rows, and row 3 is the one that its last event told of.",
    ):
        assert text in said

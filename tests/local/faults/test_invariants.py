"""Each promise is seen to be broken, from what the tables and the systems say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from interlock.audit import AuditHead, AuditRow, Chain

from local.faults.census import Remote
from local.faults.invariants import Expectation, violations
from local.faults.scenarios import Transaction
from local.faults.snapshot import Account

DEAL = "salesforce:006A"
ORDER = ("tryton", "order", DEAL)
CASE, CREDIT_RUN = "zendesk:71", "zendesk-71-17"
CREDIT = ("stripe", "credit", f"{CASE}/{CREDIT_RUN}/1")
NOTE = ("tryton", "credit_note", "stripe:cn_1")
MONTH = "2026-11-01"


def account() -> Account:
    """A transaction that went well: one order, told once."""
    return Account(
        Transaction("006A", (DEAL,), lambda: None),
        runs=[run("006A-1", "lead-to-order", "accepted")],
        effects=[effect(ORDER, "42")],
        references=[{"canonical_id": f"order#{DEAL}", "system": "tryton", "remote_id": "42"}],
        events=[{"type": "order.accepted", "id": "006A-1-order.accepted", "data": {}}],
        remote={ORDER: [Remote("42", True, "confirmed")]},
    )


def run(name: str, workflow: str, status: str) -> dict[str, Any]:
    """One that has ended well."""
    machine = {"stateMachineArn": f"arn:aws:states:::stateMachine:interlock-{workflow}"}
    return machine | {"name": name, "status": "SUCCEEDED", "output": f'{{"status": "{status}"}}'}


def effect(key: tuple[str, str, str], remote_id: str) -> dict[str, Any]:
    """One that is done."""
    connection, entity, record = key
    row = {"connection": connection, "entity": entity, "record": record, "remote_id": remote_id}
    return row | {"effect": f"{connection}#create_{entity}#{record}", "state": "DONE"}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def credited() -> Account:
    """A credit that went well: 78.90 of 236.70, by one credit note."""
    chain = Chain(CREDIT_RUN, (), None)
    computed = {"credit": {"months": [{"month": MONTH, "cap": usd("236.70")}]}}
    said = {"requested": {}, "computed": computed, "approved": {}, "concluded": {}}
    for action, facts in said.items():
        chain = appended(chain, action, facts)
    grants = [{"transaction": CREDIT_RUN, "amount": usd("78.90")}]
    content = {"month": MONTH, "currency": "USD", "grants": grants}
    told = {"type": "credit.granted", "id": f"{CREDIT_RUN}-concluded"}
    return Account(
        Transaction("71", (CASE, DEAL), lambda: None),
        runs=[run(CREDIT_RUN, "case-to-credit", "granted")],
        effects=[effect(CREDIT, "cn_1")],
        references=[
            {"canonical_id": f"credit#{CREDIT[2]}", "system": "stripe", "remote_id": "cn_1"}
        ],
        events=[told | {"data": {"audit": chain.head.model_dump()}}],
        allowances=[{"allowance": f"{DEAL}#USD#2026-11", "content": content}],
        audit=[chain],
        remote={CREDIT: [Remote("cn_1", True, "issued", Decimal("78.90"))]},
    )


def appended(chain: Chain, action: str, facts: dict[str, Any]) -> Chain:
    """The chain with one more row, as the audit appends it."""
    number, previous = len(chain.rows) + 1, chain.rows[-1].hash if chain.rows else ""
    row = AuditRow(
        transaction=chain.transaction,
        number=number,
        id=str(number),
        at="2026-11-23T09:00:00+00:00",
        actor="interlock",
        action=action,
        subject=CASE,
        facts=json.dumps(facts),
        previous=previous,
    ).sealed()
    return replace(chain, rows=(*chain.rows, row), head=AuditHead(number=number, hash=row.hash))


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
    broken.events.append(broken.events[0] | {"id": "006A-2-order.accepted"})


def a_second_credit_note(broken: Account) -> None:
    broken.remote[CREDIT].append(Remote("cn_2", True, "issued", Decimal("78.90")))


def a_credit_without_a_grant(broken: Account) -> None:
    broken.allowances[0]["content"]["grants"].clear()


def a_grant_without_a_credit(broken: Account) -> None:
    broken.effects.clear()
    broken.references.clear()
    broken.remote[CREDIT] = [Remote("cn_1", False, "void", Decimal("78.90"))]


def more_than_the_cap(broken: Account) -> None:
    other = {"transaction": "zendesk-72-18", "amount": usd("157.81")}
    broken.allowances[0]["content"]["grants"].append(other)


def a_row_of_the_audit_that_is_gone(broken: Account) -> None:
    [chain] = broken.audit
    broken.audit = [replace(chain, rows=chain.rows[:1] + chain.rows[2:])]


def an_audit_that_events_contradict(broken: Account) -> None:
    broken.events[0]["data"]["audit"]["hash"] = "another one"


def an_audit_without_an_end(broken: Account) -> None:
    broken.audit = [appended(broken.audit[0], "requested", {})]


def no_audit(broken: Account) -> None:
    broken.audit.clear()


def a_decision_that_was_not_audited(broken: Account) -> None:
    chain = Chain(CREDIT_RUN, (), None)
    for row in broken.audit[0].rows:
        if row.action != "approved":
            chain = appended(chain, row.action, json.loads(row.facts))
    broken.audit = [chain]


def two_ends(broken: Account) -> None:
    broken.audit = [appended(broken.audit[0], "concluded", {})]


def an_approval_that_nobody_waits_for(broken: Account) -> None:
    broken.asked.append({"id": "AP-1", "transaction": CREDIT_RUN})


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


CREDIT_BREAKAGES: dict[Callable[[Account], None], str] = {
    a_second_credit_note: "twice: credit zendesk:71/zendesk-71-17/1 in stripe is there 2 times",
    a_credit_without_a_grant: "credited: 78.90 by live credit notes, and 0 of the allowances",
    a_grant_without_a_credit: "credited: 0 by live credit notes, and 78.90 of the allowances",
    more_than_the_cap: "over the cap: 236.71 of 236.70 are granted",
    a_row_of_the_audit_that_is_gone: "audit: zendesk-71-17: Row 2 is missing.",
    an_audit_that_events_contradict: "audit: zendesk-71-17: Row 4 is another one",
    an_audit_without_an_end: "audit: zendesk-71-17 has ended, and its audit is requested",
    no_audit: "audit: zendesk-71-17 has ended, and its audit is ",
    a_decision_that_was_not_audited: "audit: nothing says 'approved'",
    two_ends: "audit: zendesk-71-17 has ended, and its audit is requested",
    an_approval_that_nobody_waits_for: "asked in vain: AP-1 is pending",
}


@pytest.mark.parametrize("went_well", [account, credited])
def test_all_is_well(went_well: Callable[[], Account]) -> None:
    assert violations(went_well(), Expectation.of(went_well())) == []


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_broken_promise_is_seen(breakage: Callable[[Account], None]) -> None:
    broken = account()
    breakage(broken)
    assert any(what.startswith(BREAKAGES[breakage]) for what in violations(broken, EXPECTED))


@pytest.mark.parametrize("breakage", CREDIT_BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_broken_credit_is_seen(breakage: Callable[[Account], None]) -> None:
    broken = credited()
    breakage(broken)
    found = violations(broken, Expectation.of(credited()))
    assert any(what.startswith(CREDIT_BREAKAGES[breakage]) for what in found)


def a_voided_memo() -> Account:
    """Billing has voided what the books had: they have what undoes it."""
    voided = credited()
    void = ("tryton", "void", NOTE[2])
    for key, remote_id in ((NOTE, "5"), (void, "6")):
        voided.effects.append(effect(key, remote_id))
        link = {"canonical_id": f"{key[1]}#{key[2]}", "system": "tryton", "remote_id": remote_id}
        voided.references.append(link)
        voided.remote[key] = [Remote(remote_id, key == void, "posted")]
    return voided


def test_what_was_voided_is_not_missing() -> None:
    assert violations(a_voided_memo(), Expectation.of(a_voided_memo())) == []


def test_void_that_is_missing_is_seen() -> None:
    broken = a_voided_memo()
    del broken.remote["tryton", "void", NOTE[2]]
    [found, _] = violations(broken, Expectation.of(a_voided_memo()))
    assert found.startswith("missing: the ledger says that void stripe:cn_1")


def test_waiting_for_a_team_is_no_loss() -> None:
    """What is half done belongs to the team that was told."""
    waiting = account()
    waiting.runs[0]["status"] = "RUNNING"
    waiting.waiting.append(WAITING)
    waiting.effects[0]["state"] = "INTENT"
    waiting.references.clear()
    waiting.events.append({"type": "exception.raised", "id": "EX-1-raised", "data": {}})
    assert violations(waiting, EXPECTED) == []


# ---- Contracts


def renewed() -> Account:
    """A contract that was renewed: one order, one term more, told to everybody."""
    well, term = account(), ("stripe", "term", f"{DEAL}/1")
    seen = [Remote("salesforce:001A", True, "active, 20 SEAT-ANNUAL")]
    well.contracts = ["active at revision 2"]
    well.remote |= {
        term: [Remote("sub_sched_1", True, "charged")],
        ("salesforce", "service", "salesforce:001A"): seen,
        ("zendesk", "service", "salesforce:001A"): seen,
    }
    return well


def test_a_renewal_that_went_well_breaks_nothing():
    assert violations(renewed(), Expectation.of(renewed())) == []


def test_a_contract_that_was_changed_twice_is_seen():
    twice = renewed()
    twice.contracts = ["active at revision 3"]

    assert violations(twice, Expectation.of(renewed())) == [
        "contract: it is active at revision 3 instead of active at revision 2"
    ]


def test_a_term_that_is_charged_twice_is_seen():
    twice = renewed()
    twice.remote["stripe", "term", f"{DEAL}/2"] = [Remote("sub_sched_1", True, "charged")]

    assert violations(twice, Expectation.of(renewed())) == ["left behind: 1 stripe term too many"]


def test_a_customer_that_support_sees_otherwise_is_seen():
    differs = renewed()
    differs.remote["zendesk", "service", "salesforce:001A"] = [
        Remote("salesforce:001A", True, "ended")
    ]

    assert violations(differs, Expectation.of(renewed())) == [
        "service: sales see active, 20 SEAT-ANNUAL, support sees ended"
    ]


def test_what_is_shown_anew_need_not_be_there_as_it_was():
    shown = renewed()
    key = ("salesforce", "service", "salesforce:001A/006A-1/0")
    shown.effects.append(effect(key, "salesforce:001A"))

    assert violations(shown, Expectation.of(renewed())) == []

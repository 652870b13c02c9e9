"""The functions of approvals: asked, decided over the API and by link, and crashed anywhere."""

from __future__ import annotations

import json
from itertools import count
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from interlock import events
from interlock.approvals import Approvals
from interlock.links import Link, Links

from local.samples.aws import request
from local.samples.credit_stores import AGENT, HEAD, LEAD, case, credit, eur, month
from tests.unit.conftest import Clock, Cloud
from tests.unit.functions.approving import Crash, World

FIRST, SECOND = "task-1", "task-2"
HOURS = 3600.0


@pytest.fixture
def asked(world: World) -> str:
    """The id of an approval that waits for the support lead."""
    return world.ask(FIRST)["id"]


# ---- Asking


def test_people_are_asked_and_the_run_waits(world: World, asked: str) -> None:
    assert world.approval(asked).status == "pending"
    assert world.audited() == [("interlock", "approval requested")]
    [event] = world.told
    assert (event.type, event.subject, event.correlation_id) == (
        "approval.requested",
        "zendesk:4711",
        "T1",
    )
    assert event.data["people"] == [LEAD, AGENT]
    assert world.answers == {}


def test_the_policy_answers_at_once_and_says_by_which_rule(world: World) -> None:
    small = world.ask(FIRST, credit=credit(month(100)))

    assert world.audited() == [("policy", "approved")]
    assert world.types() == ["approval.decided", "credit.approved"]
    told = world.answers[FIRST]
    assert (told["status"], told["by"], told["reason"]) == ("approved", "policy", small["rule"])


def test_what_nobody_decided_is_asked_of_the_next(world: World, asked: str, clock: Clock) -> None:
    clock.advance(8 * HOURS)

    world.ask(SECOND)

    assert world.types() == ["approval.requested", "approval.escalated"]
    assert world.told[-1].data["people"] == [HEAD]
    assert world.audited() == [("interlock", "approval requested")] * 2
    assert world.decide(asked, person=LEAD).status == 403
    assert world.decide(asked, person=HEAD).status == 200
    assert list(world.answers) == [SECOND]


def test_a_run_that_lost_its_answer_hears_it_again(world: World, asked: str) -> None:
    world.gone.add(FIRST)
    assert world.decide(asked).status == 200

    world.ask(SECOND)

    assert world.answers[SECOND]["status"] == "approved"
    assert world.audited()[1:] == [(LEAD, "approved")]


def test_another_credit_of_the_run_withdraws_the_first(world: World, asked: str) -> None:
    world.ask(SECOND, credit=credit(month(300)))

    assert world.approval(asked).status == "withdrawn"
    refused = world.decide(asked)
    assert (refused.status, "was withdrawn" in refused.message) == (409, True)
    world.ask("task-3")
    assert world.answers["task-3"]["status"] == "withdrawn"
    assert "another credit was computed" in world.answers["task-3"]["reason"]


# ---- Deciding over the API


@pytest.mark.parametrize(
    ("action", "status", "types"),
    [
        ("approve", "approved", ["approval.decided", "credit.approved"]),
        ("reject", "rejected", ["approval.decided"]),
    ],
)
def test_a_person_decides(
    world: World, asked: str, action: str, status: str, types: list[str]
) -> None:
    answer = world.decide(asked, action=action, reason="as agreed")

    assert (answer.status, answer.json["status"]) == (200, status)
    decision = world.approval(asked).decision
    assert decision is not None
    assert (decision.by, decision.how, decision.reason) == (LEAD, "api", "as agreed")
    assert decision.caller_arn.endswith(f"assumed-role/interlock-approver/{LEAD}")
    assert world.audited()[1:] == [(LEAD, status)]
    assert world.types()[1:] == types
    told = world.answers[FIRST]
    assert (told["status"], told["by"], told["reason"]) == (status, LEAD, "as agreed")


def test_the_same_decision_again_changes_nothing(world: World, asked: str, clock: Clock) -> None:
    first = world.decide(asked)
    clock.advance(9 * HOURS)

    assert world.decide(asked, person=LEAD.title()) == first

    assert world.audited()[1:] == [(LEAD, "approved")]
    assert world.types()[1:] == ["approval.decided", "credit.approved"]


def test_another_decision_is_told_who_decided(world: World, asked: str) -> None:
    world.decide(asked, reason="fine")

    for answer in (world.decide(asked, action="reject"), world.decide(asked, person=HEAD)):
        assert answer.status == 409
        assert f"was approved before by {LEAD}: fine" in answer.message
    assert world.approval(asked).status == "approved"


@pytest.mark.parametrize("person", [AGENT, AGENT.upper(), AGENT.title()])
def test_nobody_approves_the_own_request(world: World, asked: str, person: str) -> None:
    """Also not as one of those who may approve others', in whatever letters."""
    refused = world.decide(asked, person=person)

    assert refused.status == 403
    assert "somebody else has to decide" in refused.message
    assert world.approval(asked).status == "pending"


def test_nobody_approves_whom_the_policy_does_not_name(world: World, asked: str) -> None:
    refused = world.decide(asked, person="someone@interlock.example")

    assert refused.status == 403
    assert "support lead or finance has to" in refused.message


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "arn:aws:iam::123456789012:user/support-lead@interlock.example",
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:federated-user/support-lead@interlock.example",
        "arn:aws:sts::123456789012:assumed-role/deployer/support-lead@interlock.example",
        "arn:aws:sts::123456789012:assumed-role/interlock-approver/lead",
        "arn:aws:sts::123456789012:assumed-role/interlock-approver/",
        "arn:aws:sts::123456789012:assumed-role/x/interlock-approver/support-lead@interlock.example",
    ],
)
def test_a_caller_who_is_no_person_is_refused(world: World, asked: str, arn: str | None) -> None:
    event = request(
        "POST",
        "/approvals/{id}/decision",
        parameters={"id": asked},
        body={"action": "approve", "reason": "r", "subject_hash": "h"},
    )
    event["requestContext"]["identity"]["userArn"] = arn

    refused = world.send("decide_approval", event)

    assert refused.status == 403
    assert "assume the role interlock-approver" in refused.message


def test_what_the_person_has_not_seen_is_refused(world: World, asked: str) -> None:
    refused = world.decide(asked, subject_hash="another")

    assert refused.status == 409
    assert "not the credit that you have seen" in refused.message


def test_what_is_overdue_is_refused(world: World, asked: str, clock: Clock) -> None:
    clock.advance(8 * HOURS)

    refused = world.decide(asked)

    assert (refused.status, "was due at" in refused.message) == (409, True)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (None, "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('"approve"', "malformed DecideApproval"),
        ('{"action": "approve", "subject_hash": "h"}', "reason: Field required"),
        ('{"action": "pay", "reason": "r", "subject_hash": "h"}', "action: "),
        ('{"action": "approve", "reason": "", "subject_hash": "h"}', "reason: "),
        ('{"action": "approve", "reason": "r", "subject_hash": "h", "by": "x"}', "by: "),
    ],
)
def test_a_malformed_decision_is_refused(
    world: World, asked: str, body: str | None, problem: str
) -> None:
    event = request("POST", "/approvals/{id}/decision", parameters={"id": asked})

    refused = world.send("decide_approval", event | {"body": body})

    assert (refused.status, problem in refused.message) == (400, True)


def test_an_approval_that_is_not_there(world: World) -> None:
    assert world.decide("AP-0").status == 404
    assert world.call("list_approvals", "GET", "/approvals/{id}", "AP-0").status == 404


def test_a_failure_of_ours_tells_no_details(
    world: World, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(events, "publish", fail)

    failed = world.decide(asked)

    assert failed.status == 500
    assert failed.json == {"message": "this failed here, not with you: request request-1"}


def test_approvals_are_listed_and_shown(world: World, asked: str) -> None:
    listed = world.call("list_approvals", "GET", "/approvals", query={"status": "pending"})
    shown = world.call("list_approvals", "GET", "/approvals/{id}", asked)

    assert [each["id"] for each in listed.json["approvals"]] == [asked]
    assert shown.json == json.loads(world.approval(asked).model_dump_json())
    approved = world.call("list_approvals", "GET", "/approvals", query={"status": "approved"})
    assert approved.json == {"approvals": []}
    wrong = world.call("list_approvals", "GET", "/approvals", query={"status": "paid"})
    assert (wrong.status, "status: " in wrong.message) == (400, True)


# ---- Deciding by a link


def link_of(world: World, asked: str, person: str = LEAD, **values: Any) -> dict[str, str]:
    """The query of a link, as a mail has it."""
    approval = world.approval(asked)
    told = {
        "approval": asked,
        "person": person,
        "subject": approval.subject_hash,
        "until": int(approval.due_at.timestamp()),
    }
    address = Links.load().address(Link(**told | values))
    return dict(parse_qsl(urlsplit(address).query))


def follow(world: World, query: dict[str, str], form: dict[str, str] | None = None) -> Any:
    """Open a link, or send its page's form."""
    event = request("POST" if form else "GET", "/approvals/link", query=query, person=None)
    return world.send("approval_link", event | {"body": urlencode(form) if form else None})


APPROVE = {"action": "approve", "reason": "as agreed"}


def test_opening_a_link_shows_what_is_asked_and_decides_nothing(world: World, asked: str) -> None:
    page = follow(world, link_of(world, asked))

    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    for text in ("250.00 EUR", "4711", AGENT, credit().working[0], 'method="post"'):
        assert text.replace("'", "&#x27;") in page.body
    assert world.approval(asked).status == "pending"
    assert world.answers == {}


def test_the_pages_form_decides_as_the_links_person(world: World, asked: str) -> None:
    page = follow(world, link_of(world, asked), APPROVE)

    assert (page.status, f"approved by {LEAD}: as agreed" in page.body) == (200, True)
    decision = world.approval(asked).decision
    assert decision is not None
    assert (decision.by, decision.how, decision.caller_arn) == (LEAD, "link", None)
    assert world.answers[FIRST]["status"] == "approved"
    assert follow(world, link_of(world, asked), APPROVE).body == page.body
    assert f"approved by {LEAD}" in follow(world, link_of(world, asked)).body
    again = follow(world, link_of(world, asked), APPROVE | {"action": "reject"})
    assert (again.status, "was approved before" in again.body) == (409, True)


@pytest.mark.parametrize("name", ["approval", "person", "subject", "until", "signature"])
@pytest.mark.parametrize("form", [None, APPROVE])
def test_a_link_with_anything_changed_is_refused(
    world: World, asked: str, name: str, form: dict[str, str] | None
) -> None:
    query = link_of(world, asked)
    other = world.ask(SECOND, case=case(id="zendesk:9"))["id"]
    changes = {
        "approval": [other, "", asked.lower()],
        "person": [HEAD, LEAD.upper(), "é"],
        "subject": ["0" * 64],
        "until": ["9999999999", "soon", f"{query['until']}1"],
        "signature": ["", "é", "0" * 64, query["signature"].upper(), query["signature"][:-1]],
    }
    without = {key: value for key, value in query.items() if key != name}

    tampered = [without, *(query | {name: value} for value in changes[name])]
    if name != "signature":
        tampered.append(query | {"more": "x"})

    for each in tampered:
        page = follow(world, each, form)
        assert (page.status, "no link of ours" in page.body) == (403, True), each
    assert world.answers == {}


def test_a_link_of_another_secret_is_refused(world: World, asked: str) -> None:
    """As after the secret was changed."""
    real = link_of(world, asked)
    link = Link(**{name: real[name] for name in ("approval", "person", "subject", "until")})
    forged = dict(parse_qsl(urlsplit(Links(b"another").address(link)).query))

    assert follow(world, forged, APPROVE).status == 403


def test_an_expired_link_is_refused(world: World, asked: str, clock: Clock) -> None:
    query = link_of(world, asked, until=int(clock() + 60))
    clock.advance(60)

    for form in (None, APPROVE):
        page = follow(world, query, form)
        assert (page.status, "has expired" in page.body) == (403, True)


def test_the_links_person_has_to_be_one_who_may(world: World, asked: str) -> None:
    """The same checks as over the API."""
    own = follow(world, link_of(world, asked, AGENT), APPROVE)
    other = follow(world, link_of(world, asked, "someone@interlock.example"), APPROVE)

    assert (own.status, other.status) == (403, 403)
    assert world.approval(asked).status == "pending"


@pytest.mark.parametrize("form", [{"action": "approve"}, {"action": "pay", "reason": "r"}])
def test_a_form_without_an_answer_is_refused(
    world: World, asked: str, form: dict[str, str]
) -> None:
    assert follow(world, link_of(world, asked), form).status == 400


def test_whatever_a_case_says_is_text_on_the_page(world: World) -> None:
    evil = "<script>alert(\"&'x')</script>"
    told = {
        "case": case(number=evil, requested_by=evil),
        "credit": credit(working=(evil,)),
    }
    asked = world.ask(FIRST, **told)["id"]

    page = follow(world, link_of(world, asked))
    decided = follow(world, link_of(world, asked), APPROVE | {"reason": evil})
    refused = follow(world, {"approval": evil})

    assert page.body.count("&lt;script&gt;alert(&quot;&amp;&#x27;x&#x27;)&lt;/script&gt;") == 3
    for each in (page, decided, refused):
        assert "<script" not in each.body
        assert "default-src 'none'" in each.headers["Content-Security-Policy"]


# ---- Making a link


def make(world: World, asked: str, *, person: str = LEAD, maker: str = HEAD) -> Any:
    """Ask for a link over the API."""
    body = {"person": person}
    return world.call("create_link", "POST", "/approvals/{id}/links", asked, body, maker)


def test_a_link_is_made_for_one_who_may_decide(world: World, asked: str) -> None:
    made = make(world, asked, person=LEAD.upper())

    query = dict(parse_qsl(urlsplit(made.json["path"]).query))
    assert follow(world, query, APPROVE).status == 200
    assert world.audited() == [
        ("interlock", "approval requested"),
        (HEAD, "link made"),
        (LEAD, "approved"),
    ]
    assert "signature" not in str(world.told)


def test_nobody_makes_a_link_for_the_own_request(world: World, asked: str) -> None:
    refused = make(world, asked, maker=AGENT.upper())

    assert (refused.status, "somebody else has to make links" in refused.message) == (403, True)
    assert world.audited() == [("interlock", "approval requested")]


def test_nobody_gets_a_link_who_may_not_decide(world: World, asked: str) -> None:
    for person in (AGENT, "someone@interlock.example"):
        assert make(world, asked, person=person).status == 403


def test_there_is_no_link_to_what_is_decided(world: World, asked: str) -> None:
    world.decide(asked)

    refused = make(world, asked)

    assert (refused.status, "there is nothing to decide" in refused.message) == (409, True)


# ---- The process dies, anywhere


def crashes(world: World, act: Any) -> bool:
    """Whether it dies before it is through."""
    world.passed = 0
    try:
        act()
    except Crash:
        return True
    finally:
        world.crash_at = None
    return False


Arguments = tuple[Cloud, Clock, Any, pytest.MonkeyPatch, Any]


@pytest.fixture
def arguments(
    cloud: Cloud,
    clock: Clock,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    context: SimpleNamespace,
) -> Arguments:
    """What each world of a sweep is made of."""
    return cloud, clock, environment, monkeypatch, context


def test_a_decision_that_crashed_anywhere_is_completed_by_the_person(arguments: Arguments) -> None:
    for boundary in count(1):
        world = World.build(*arguments)
        asked = world.ask(FIRST)["id"]
        body = {"subject_hash": world.approval(asked).subject_hash}
        world.crash_at = boundary
        crashed = crashes(world, lambda: world.decide(asked, **body))  # noqa: B023

        assert world.decide(asked).status == 200

        assert_decided(world, FIRST)
        if not crashed:
            break
    assert boundary > 10


def test_a_decision_that_crashed_anywhere_is_completed_by_the_run(arguments: Arguments) -> None:
    """Nobody tries again: the run's own time is over at last, and it asks again."""
    completed = 0
    for boundary in count(1):
        world = World.build(*arguments)
        asked = world.ask(FIRST)["id"]
        world.crash_at = boundary
        crashed = crashes(world, lambda: world.decide(asked))  # noqa: B023
        if FIRST in world.answers:
            assert_decided(world, FIRST)
        else:
            world.clock.advance(8 * HOURS)
            world.ask(SECOND)
            if world.approval(asked).status == "approved":
                completed += 1
                assert_decided(world, SECOND)
            else:
                assert world.types() == ["approval.requested", "approval.escalated"]
                assert world.answers == {}
        if not crashed:
            break
    assert completed > 5


@pytest.mark.parametrize("amount", [250, 100], ids=["people", "policy"])
def test_a_request_that_crashed_anywhere_is_completed_by_the_run(
    arguments: Arguments, amount: int
) -> None:
    for boundary in count(1):
        world = World.build(*arguments)
        world.crash_at = boundary
        told = credit(month(amount))
        crashed = crashes(world, lambda: world.ask(FIRST, credit=told))  # noqa: B023

        asked = world.ask(SECOND, credit=told)["id"]

        if amount == 100:
            assert world.audited() == [("policy", "approved")]
            assert world.types() == ["approval.decided", "credit.approved"]
            assert world.answers[SECOND]["status"] == "approved"
        else:
            assert world.audited() == [("interlock", "approval requested")]
            assert world.types() == ["approval.requested"]
            assert Approvals.load().read(asked)[1] == SECOND
        if not crashed:
            break
    assert boundary > 10


def assert_decided(world: World, token: str) -> None:
    """All of it, each once."""
    assert world.audited() == [("interlock", "approval requested"), (LEAD, "approved")]
    assert world.types() == ["approval.requested", "approval.decided", "credit.approved"]
    assert world.answers[token]["status"] == "approved"
    amounts = [event.data["amount"] for event in world.told]
    assert amounts[-1] == eur(250).model_dump(mode="json")

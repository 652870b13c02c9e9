"""The approval of a renewal's discount: as of a credit, by a policy and in words of its own."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from interlock.approvals import Approvals
from interlock.audit import Audit
from interlock.errors import ContractViolation

from local.samples.aws import request
from local.samples.credit_stores import HEAD, LEAD, TERMS, eur
from tests.unit.conftest import Clock, Cloud
from tests.unit.functions import discounts
from tests.unit.functions.approving import RUN, Crash, World
from tests.unit.functions.calling import module
from tests.unit.functions.discounts import CFO, CONTRACT, CUSTOMER, SALES_LEAD, SELLER, quote

FIRST, SECOND = "task-1", "task-2"
HOURS = 3600.0
REQUESTED = (SELLER, "discount requested")


@pytest.fixture
def asked(world: World) -> str:
    """The id of an approval that waits for the sales lead."""
    return world.ask_discount(FIRST)["id"]


# ---- Asking


def test_an_approval_is_of_the_offer_and_under_the_contract(world: World, asked: str) -> None:
    approval = world.approval(asked)

    assert (approval.kind, approval.subject, approval.title) == ("discount", CONTRACT, CUSTOMER)
    assert approval.subject_hash == quote().offer()
    assert (approval.amount, approval.working) == (eur(600), quote().working)
    assert (approval.requested_by, approval.role) == (SELLER, "sales lead")
    assert (approval.due_at - approval.requested_at).total_seconds() == 48 * HOURS


def test_people_are_asked_and_the_run_waits(world: World, asked: str) -> None:
    [event] = world.told
    assert (event.type, event.subject, event.correlation_id) == (
        "approval.requested",
        CONTRACT,
        RUN,
    )
    assert {name: event.data[name] for name in ("id", "kind", "title", "people")} == {
        "id": asked,
        "kind": "discount",
        "title": CUSTOMER,
        "people": [SALES_LEAD, SELLER],
    }
    assert world.audited() == [REQUESTED, ("interlock", "approval requested")]
    assert {row.subject for row in Audit.load().of(RUN).rows} == {CONTRACT}
    assert world.answers == {}


def test_the_policy_answers_at_once_and_the_audit_says_of_what(world: World) -> None:
    small = world.ask_discount(FIRST, less=500)

    assert world.audited() == [REQUESTED, ("policy", "approved")]
    assert world.types() == ["approval.decided"]
    told = world.answers[FIRST]
    assert (told["status"], told["by"], told["reason"]) == ("approved", "policy", small["rule"])
    assert told["subject_hash"] == quote(500).offer()


def test_nobody_knows_who_asked(world: World) -> None:
    asked = world.ask_discount(FIRST, asked_by=None)["id"]

    assert world.approval(asked).requested_by == "nobody"
    assert world.audited()[0] == ("nobody", "discount requested")
    assert world.decide(asked, person=SELLER).status == 200


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_the_same_offer_is_answered_at_once_however_it_is_computed(
    world: World, asked: str, action: str
) -> None:
    """Also of a contract that was changed meanwhile, and when somebody else asks for it."""
    world.decide(asked, person=SALES_LEAD, action=action)

    world.ask_discount(SECOND, revision=2, working=("Another way.",), asked_by=None)

    assert world.answers[SECOND] == world.answers[FIRST]
    assert world.types() == ["approval.requested", "approval.decided"]


def test_another_offer_is_asked_anew_and_the_first_one_stays_good(world: World, asked: str) -> None:
    """Sales ask for one discount, for another one, and come back to the first."""
    other = world.ask_discount(SECOND, less=700)["id"]

    assert other != asked
    assert world.decide(asked, person=SALES_LEAD).status == 200
    assert world.approval(other).status == "pending"
    world.ask_discount("task-3")
    assert world.answers["task-3"]["status"] == "approved"


def test_what_nobody_decided_is_asked_of_the_next(world: World, asked: str, clock: Clock) -> None:
    clock.advance(48 * HOURS)

    world.ask_discount(SECOND)

    assert world.types() == ["approval.requested", "approval.escalated"]
    assert world.told[-1].data["people"] == [CFO]
    assert world.decide(asked, person=SALES_LEAD).status == 403
    assert world.decide(asked, person=CFO).status == 200
    assert list(world.answers) == [SECOND]


def test_terms_that_say_nothing_of_renewals_are_told(world: World, context: Any) -> None:
    told = {"contract": discounts.contract(), "quote": quote(), "terms": TERMS}
    command = {name: each.model_dump(mode="json") for name, each in told.items()}

    with pytest.raises(ContractViolation, match="add the section renewal"):
        module("approvals/request_renewal_approval").handler(
            command | {"token": FIRST, "correlation_id": RUN}, context
        )

    assert world.told == []


# ---- Deciding


@pytest.mark.parametrize(("action", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_a_person_decides(world: World, asked: str, action: str, status: str) -> None:
    """No credit is approved by it, whoever listens for those."""
    answer = world.decide(asked, person=SALES_LEAD, action=action, reason="as agreed")

    assert (answer.status, answer.json["status"]) == (200, status)
    assert world.types() == ["approval.requested", "approval.decided"]
    told = world.told[-1].data
    assert (told["kind"], told["status"], told["by"]) == ("discount", status, SALES_LEAD)
    head = Audit.load().of(RUN).head
    assert head is not None
    assert told["audit"] == head.model_dump()
    assert world.audited()[-1] == (SALES_LEAD, status)
    assert world.answers[FIRST]["status"] == status
    assert world.answers[FIRST]["subject_hash"] == quote().offer()


def test_nobody_approves_the_own_discount(world: World, asked: str) -> None:
    refused = world.decide(asked, person=SELLER.upper())

    assert (refused.status, refused.message) == (
        403,
        f"{SELLER} asked for the discount: somebody else has to decide",
    )


@pytest.mark.parametrize("person", [LEAD, HEAD])
def test_who_approves_credits_approves_no_discounts(world: World, asked: str, person: str) -> None:
    refused = world.decide(asked, person=person)

    assert refused.status == 403
    assert "sales lead or cfo has to" in refused.message


def test_who_approves_discounts_approves_no_credits(world: World) -> None:
    credit = world.ask(FIRST)["id"]

    assert world.decide(credit, person=SALES_LEAD).status == 403


def test_what_the_person_has_not_seen_is_refused(world: World, asked: str) -> None:
    refused = world.decide(asked, person=SALES_LEAD, subject_hash=quote(700).offer())

    assert refused.status == 409
    assert "not the discount that you have seen" in refused.message


def test_a_link_shows_the_discount_and_nobody_makes_one_for_the_own(
    world: World, asked: str
) -> None:
    def make(maker: str) -> Any:
        body = {"person": SALES_LEAD}
        path = "/approvals/{id}/links"
        return world.call("create_link", "POST", path, asked, body, maker)

    refused = make(SELLER)
    made = make(CFO)
    query = dict(parse_qsl(urlsplit(made.json["path"]).query))
    page = world.send("approval_link", request("GET", "/approvals/link", query=query, person=None))

    assert (refused.status, "asked for the discount" in refused.message) == (403, True)
    for text in ("<h1>A discount of 600.00 EUR a year</h1>", CUSTOMER, SELLER, quote().working[0]):
        assert text in page.body


# ---- The process dies, anywhere


def test_a_request_that_crashed_anywhere_is_completed_by_the_run(
    cloud: Cloud,
    clock: Clock,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    context: SimpleNamespace,
) -> None:
    for boundary in count(1):
        world = World.build(cloud, clock, environment, monkeypatch, context)
        world.passed, world.crash_at = 0, boundary
        crashed = False
        try:
            world.ask_discount(FIRST)
        except Crash:
            crashed = True
        world.crash_at = None

        asked = world.ask_discount(SECOND)["id"]

        assert world.audited() == [REQUESTED, ("interlock", "approval requested")]
        assert world.types() == ["approval.requested"]
        assert Approvals.load().read(asked)[1] == SECOND
        if not crashed:
            break
    assert boundary > 10

"""`interlock approvals`, `approve` and `reject`, with the API's own functions behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from local.cli.errors import Failure
from local.samples.credit_stores import ACCOUNT, AGENT, HEAD, LEAD, credit, month
from tests.unit.cli.conftest import Stack
from tests.unit.conftest import Clock, Cloud
from tests.unit.functions.approving import Answered, World
from tests.unit.functions.discounts import CONTRACT, CUSTOMER, SALES_LEAD, quote

ROUTES = {
    ("GET", "/approvals"): "list_approvals",
    ("GET", "/approvals/{id}"): "list_approvals",
    ("POST", "/approvals/{id}/decision"): "decide_approval",
    ("POST", "/approvals/{id}/links"): "create_link",
}


@pytest.fixture
def world(
    cloud: Cloud,
    clock: Clock,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    context: Any,
    request: pytest.FixtureRequest,
) -> World:
    """The functions behind the API, called as the person that the command names."""
    made = World.build(cloud, clock, environment, monkeypatch, context)
    request.getfixturevalue("stack")

    class Api:
        """As `local.cli.api.Api`, without signatures."""

        url = "https://api.example/v1"

        def __init__(self, _: Any, person: str | None) -> None:
            self._person = person

        def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
            return self._call("GET", path, None, query)

        def post(self, path: str, body: Any) -> Any:
            return self._call("POST", path, body, None)

        def _call(self, method: str, path: str, body: Any, query: Any) -> Any:
            _, _, id, *more = path.split("/") if path.count("/") > 1 else ("", "", None)
            resource = "/".join(["/approvals", *(["{id}"] if id else []), *more])
            answer: Answered = made.call(
                ROUTES[method, resource], method, resource, id, body, self._person, query
            )
            if answer.status != 200:
                raise Failure(f"{method} {path}: {answer.message} (status {answer.status})")
            return answer.json

    monkeypatch.setattr("local.cli.approvals.Api", Api)
    return made


@pytest.fixture
def asked(world: World) -> str:
    """The id of an approval that waits for the support lead."""
    return world.ask("task-1")["id"]


def test_what_waits_is_listed(stack: Stack, asked: str) -> None:
    listed = stack.output("approvals")

    for text in (asked, "4711", "250.00 EUR", "support lead", "2026-11-18"):
        assert text in listed
    assert stack.output("approvals", "--status", "approved") == "Nothing is approved."
    [printed] = json.loads(stack.run("approvals", "--json").stdout)
    assert printed["id"] == asked


def test_one_is_shown_with_its_working_and_its_hash(stack: Stack, asked: str, world: World) -> None:
    shown = stack.output("approvals", asked)

    for text in (
        f"{asked} pending",
        "250.00 EUR, net of tax",
        credit().working[0],
        AGENT,
        f"support lead: {LEAD}, {AGENT}",
        "Until 2026-11-18 19:06:40 UTC",
        world.approval(asked).subject_hash,
    ):
        assert text in shown
    assert json.loads(stack.run("approvals", asked, "--json").stdout)["id"] == asked


def test_an_approval_shows_what_it_approves(stack: Stack, asked: str, world: World) -> None:
    said = stack.output("approve", asked, "--reason", "as agreed", "--as", LEAD)

    assert "250.00 EUR, net of tax" in said
    assert world.approval(asked).subject_hash in said
    assert said.endswith(f"{asked}: approved")
    assert f"Decided {LEAD}" in stack.output("approvals", asked)
    assert world.answers["task-1"]["reason"] == "as agreed"


def test_a_rejection(stack: Stack, asked: str, world: World) -> None:
    assert stack.output("reject", asked, "--reason", "no", "--as", LEAD).endswith("rejected")
    assert world.answers["task-1"]["status"] == "rejected"


def test_a_refusal_is_told_in_its_own_words(stack: Stack, asked: str) -> None:
    result = stack.run("approve", asked, "--reason", "mine", "--as", AGENT)

    assert result.exit_code == 1
    assert "somebody else has to decide (status 403)" in result.stderr
    assert "Traceback" not in result.output


def test_a_link_is_printed_alone(stack: Stack, asked: str) -> None:
    result = stack.run("approvals", asked, "--link", LEAD, "--as", HEAD)

    [line] = result.stdout.splitlines()
    assert line.startswith(f"https://api.example/v1/approvals/link?approval={asked}&person=")
    assert "until 2026-11-18 19:06:40 UTC" in result.stderr
    assert stack.run("approvals", "--link", LEAD).exit_code == 2


def test_what_the_policy_approved_is_shown_with_its_rule(stack: Stack, world: World) -> None:
    small = world.ask("task-1", credit=credit(month(50)))["id"]

    shown = stack.output("approvals", small)

    assert "by policy: approved by policy: 50.00 EUR is not more than 100.00 EUR" in shown
    assert small in stack.output("approvals", "--status", "approved")


def test_a_discount_is_listed_and_decided_like_a_credit(stack: Stack, world: World) -> None:
    asked = world.ask_discount("task-1")["id"]

    listed = stack.output("approvals")
    said = stack.output("approve", asked, "--reason", "as agreed", "--as", SALES_LEAD)

    for text in (asked, "discount", "Larkspur", "600.00 EUR", "sales lead"):
        assert text in listed
    assert f"a discount of 600.00 EUR a year, net of tax, for {ACCOUNT}" in said
    assert f"{CUSTOMER} ({CONTRACT})" in said
    assert quote().working[0] in said
    assert said.endswith(f"{asked}: approved")
    assert world.answers["task-1"]["by"] == SALES_LEAD

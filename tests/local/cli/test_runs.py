"""`interlock runs`, and what the demo reads back, on a deal that went through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from local.cli import transaction
from local.cli.readback import ReadBack
from local.cli.systems import Systems
from local.sandboxes.salesforce_seed import USD_DEAL, DealSample

from .conftest import Interlock

SUFFIX = "Runs"


@pytest.fixture(scope="module")
def run(local_environment) -> Iterator[str]:
    """A run that has succeeded."""
    interlock = Interlock(local_environment)
    id = interlock.win(USD_DEAL, suffix=SUFFIX)
    interlock.until_status(id, "SUCCEEDED")
    interlock.until(lambda: len(transaction.timeline(interlock.target, id)) == 3)
    return id


@pytest.fixture
def deal(cli: Interlock, run: str) -> DealSample:
    return cli.sample(USD_DEAL, run, suffix=SUFFIX)


def test_the_list_has_the_run_with_its_state(cli: Interlock, run: str):
    output = cli.output("runs")
    [line] = [line for line in output.splitlines() if line.startswith(f"{run} ")]
    assert line.split()[1:3] == ["SUCCEEDED", "OrderAccepted"]
    assert max(map(len, output.splitlines())) <= 100
    assert "\x1b" not in output


def test_the_list_can_be_limited_to_a_status(cli: Interlock, run: str):
    assert run in [each["id"] for each in cli.json("runs", "--status", "succeeded", "--json")]
    assert cli.json("runs", "--status", "TIMED_OUT", "--json") == []
    assert cli.output("runs", "--status", "TIMED_OUT") == "There is no TIMED_OUT run yet.\n"
    assert len(cli.json("runs", "--limit", "1", "--json")) == 1


def test_one_run_from_end_to_end(cli: Interlock, run: str):
    told = cli.json("runs", run, "--json")
    assert told["status"] == "SUCCEEDED"
    assert told["output"]["status"] == "accepted"
    states = {each["state"]: each for each in told["states"]}
    assert list(states)[:3] == ["ReceiveEvent", "IsReplayOfStep", "RefetchOpportunity"]
    assert "UpsertOneCustomer" not in states
    assert states["UpsertErpCustomer"]["items"] == 2
    assert {each["status"] for each in states.values()} == {"SUCCEEDED"}
    assert all(each["attempts"] == 1 and each["seconds"] >= 0 for each in states.values())
    effects = {(each["system"], each["operation"]) for each in told["effects"]}
    assert ("tryton", "create_order") in effects
    assert ("stripe", "create_subscription") in effects
    assert {each["state"] for each in told["effects"]} == {"DONE"}
    types = [event["type"] for event in told["timeline"]]
    assert types == ["opportunity.closed_won", "contract.signed", "order.accepted"]


def test_one_run_for_a_person(cli: Interlock, run: str):
    told = cli.json("runs", run, "--json")
    output = cli.output("runs", run)
    assert max(map(len, output.splitlines())) <= 100
    for each in told["states"]:
        assert each["state"] in output
    for each in told["effects"]:
        assert each["remote_id"].rpartition(":")[2] in output
    assert "56,290.00" in output


def test_a_run_that_is_not_there(cli: Interlock):
    assert "there is no run 'nothing'" in cli.error("runs", "nothing")


# -- what the demo reads back


def read_back(cli: Interlock, deal: DealSample, run: str) -> ReadBack:
    found = ReadBack(Systems.of(cli.target), deal, run)
    found.read()
    found.check_timeline(transaction.timeline(cli.target, run))
    return found


def test_everything_is_read_back(cli: Interlock, deal: DealSample, run: str):
    found = read_back(cli, deal, run)
    assert found.problems == []
    by_step = {each.step: each for each in found.found}
    order = by_step["CreateErpOrder"]
    assert order.number.startswith("SO-")
    assert [str(amount) for amount in order.amounts.values()] == [
        "52,000.00 USD",
        "4,290.00 USD",
        "56,290.00 USD",
    ]
    assert by_step["ProvisionSubscription"].number.startswith("sub_sched_")
    assert by_step["PublishOrderAccepted"].number == order.number
    assert len([each for each in found.found if each.system == "Zendesk"]) == 2


def test_what_differs_from_the_deal_is_a_problem(cli: Interlock, deal: DealSample, run: str):
    platform, seats, services = deal.lines
    more_seats = replace(seats, quantity=Decimal(26))
    other = replace(deal, lines=(platform, more_seats, services), term_months=24)
    problems = read_back(cli, other, "another-run").problems
    told = {problem.split(": ")[0] for problem in problems}
    assert told >= {"order", "subscription", "write-back", "timeline"}
    assert "order: net: 52,000.00 USD instead of 52,480.00 USD" in problems
    assert "subscription: months: 12 instead of 24" in problems
    assert f"write-back: run: {run} instead of another-run" in problems


def test_a_customer_that_nobody_has_is_a_problem(cli: Interlock, deal: DealSample, run: str):
    grandparent = replace(deal.accounts[1], name="Larkspur Group")
    other = replace(deal, accounts=(*deal.accounts, grandparent))
    [problem] = read_back(cli, other, run).problems
    assert "Larkspur Group" in problem


def test_a_record_that_is_gone_is_a_problem(cli: Interlock):
    """A deal that was never won has nothing anywhere but in the CRM."""
    problems = read_back(cli, USD_DEAL, "no-run").problems
    missing = [problem for problem in problems if problem.endswith("is missing")]
    assert "the order in Tryton is missing" in missing
    assert "the customer in Stripe is missing" in missing
    assert "project in Tryton is missing" in missing
    assert len([problem for problem in missing if "in Zendesk" in problem]) == 2
    assert len([problem for problem in missing if problem.startswith("customer")]) == 2


def test_a_deal_that_is_nowhere_is_a_problem(cli: Interlock, deal: DealSample):
    [problem, *_] = read_back(cli, replace(deal, record_id="006Hs0000000000AAA"), "x").problems
    assert "there is no such opportunity" in problem

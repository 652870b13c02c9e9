"""What no event told us: the sweep finds it, once, and leaves alone what is at work or settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from interlock.rules.sweep import GRACE

from local.sandboxes.salesforce_seed import EUR_DEAL
from tests.workflows.breakages import Stage, deal_amended, start_date_missing
from tests.workflows.runs import Run, Workflow
from tests.workflows.systems import NOTHING, Footprint, Systems

COMPLETE = Footprint(1, 1, 1, 1, 1, 2, "accepted")
TELL, LEAVE = "tell", "leave alone"
SECOND = 1
"""The CRM is asked to the second."""


class Sweeper:
    """Sweeps, in a CRM whose time is the cloud's: who comes first is told by both clocks."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.clock = workflow.cloud.clock
        self.organization = workflow.environment.organization

    def forget_others(self) -> None:
        """The deals of other tests, some of which were left without an order, are out of sight."""
        with self.workflow.held_back():
            for row in self.organization.rows("Opportunity"):
                if row["IsWon"] and row["Interlock_Order_Status__c"] != "accepted":
                    told = {"Interlock_Order_Status__c": "accepted"}
                    self.organization.update("Opportunity", row["Id"], told)

    def sweep(self, **command: Any) -> dict[str, tuple[str, str]]:
        """One sweep, after the time of grace: of each deal found, what is done and why."""
        self.workflow.settle()
        self.clock.advance(GRACE.total_seconds() + SECOND)
        return self.sweep_now(**command)

    def sweep_now(self, **command: Any) -> dict[str, tuple[str, str]]:
        """One sweep, at once."""
        report = self.workflow.call("SweepOpportunitiesFunction", command)
        assert report["left"] == 0
        return {
            finding["deal"]["id"].removeprefix("salesforce:"): (
                finding["verdict"],
                finding["reason"],
            )
            for finding in report["findings"]
        }

    def run_of(self, deal: str) -> Run:
        """The only run that there is of a deal, or will be."""
        self.workflow.cloud.run_until(lambda: self.workflow.runs_of(deal))
        [name] = self.workflow.runs_of(deal)
        return Run(self.workflow, name)

    def last_run_of(self, deal: str, before: Run) -> Run:
        """The run that there is of a deal besides an earlier one, or will be."""
        self.workflow.cloud.run_until(lambda: len(self.workflow.runs_of(deal)) > 1)
        [name] = set(self.workflow.runs_of(deal)) - {before.name}
        return Run(self.workflow, name)


@pytest.fixture
def sweeper(workflow: Workflow) -> Iterator[Sweeper]:
    """Only the deals of this test can be found."""
    sweeper = Sweeper(workflow)
    sweeper.forget_others()
    own_time = sweeper.organization.clock
    yield sweeper
    sweeper.organization.clock = own_time


@pytest.fixture
def deal(sweeper: Sweeper, new_deal: Callable[..., str]) -> str:
    """A deal, not won yet; from now on the CRM's time is the cloud's."""
    deal = new_deal(EUR_DEAL)
    sweeper.organization.clock = sweeper.clock.utc
    return deal


def test_event_that_never_came(
    sweeper: Sweeper, deal: str, workflow: Workflow, systems: Systems
) -> None:
    """One order, whatever comes after it: another sweep, or the event after all."""
    event = workflow.win_unnoticed(deal)
    assert sweeper.sweep_now() == {}, "the event has its time"
    assert sweeper.sweep(dry_run=True) == {deal: (TELL, "no event told of it")}
    workflow.settle()
    assert workflow.runs_of(deal) == []

    assert sweeper.sweep() == {deal: (TELL, "no event told of it")}
    run = sweeper.run_of(deal)
    assert sweeper.sweep_now()[deal][0] == LEAVE
    run.wait_for_end()
    assert systems.footprint(deal) == COMPLETE
    assert run.events == ["opportunity.closed_won", "contract.signed", "order.accepted"]
    assert sweeper.sweep() == {}

    workflow.environment.publish(event)
    workflow.settle()
    workflow.run_of(event).wait_for_end()
    assert systems.erp.order_states(deal) == ["confirmed"]
    assert systems.footprint(deal) == COMPLETE


def test_message_that_got_lost(
    sweeper: Sweeper, deal: str, workflow: Workflow, systems: Systems
) -> None:
    """The event came, and led to no run: the sweep begins the very run that it would have."""
    events = workflow.cloud.client("events")
    rule = {
        "Name": workflow.cloud.resources["LeadToOrderRule"],
        "EventBusName": workflow.cloud.resources["IntegrationBus"],
    }
    events.disable_rule(**rule)
    run = workflow.win(deal)
    workflow.settle()
    events.enable_rule(**rule)
    assert run.status is None

    assert sweeper.sweep() == {deal: (TELL, f"run {run.name} never began")}

    run.wait_for_end()
    assert workflow.runs_of(deal) == [run.name]
    assert systems.footprint(deal) == COMPLETE


def test_stale_read(sweeper: Sweeper, deal: str, workflow: Workflow, systems: Systems) -> None:
    """A run read that the deal was not won, which it was: another run makes its order."""
    event = workflow.win_unnoticed(deal)
    systems.crm.opportunity(deal)["IsWon"] = False
    workflow.environment.publish(event)
    first = workflow.run_of(event)
    assert first.wait_for_end() == {"status": "not won"}
    systems.crm.opportunity(deal)["IsWon"] = True

    assert sweeper.sweep() == {deal: (TELL, f"run {first.name} read that the deal was not won")}

    sweeper.last_run_of(deal, first).wait_for_end()
    assert systems.footprint(deal) == COMPLETE


def test_run_that_waits_and_run_that_was_aborted(
    sweeper: Sweeper, deal: str, stage: Stage, systems: Systems
) -> None:
    """A team is at it, and nobody else begins; what an operator aborted is begun again."""
    stage.new_deal = lambda *_: deal
    story = start_date_missing(stage)
    first = next(story)
    first.wait_for_exception()
    assert sweeper.sweep() == {deal: (LEAVE, f"run {first.name} is at work, or waits for a team")}
    assert stage.workflow.runs_of(deal) == [first.name]

    first.stop()
    next(story, None)
    assert sweeper.sweep() == {deal: (TELL, f"run {first.name} ended as ABORTED")}

    sweeper.last_run_of(deal, first).wait_for_end()
    assert systems.footprint(deal) == COMPLETE


def test_given_up_and_won_again(
    sweeper: Sweeper, deal: str, stage: Stage, systems: Systems
) -> None:
    """What a team gave up stays given up, until the deal is won again."""
    stage.new_deal = lambda *_: deal
    first = next(deal_amended(stage))
    first.resolve("compensate")
    first.wait_for_end()
    assert sweeper.sweep() == {deal: (LEAVE, f"run {first.name} was given up by a team")}
    undone = systems.footprint(deal)
    assert undone == Footprint(told="cancelled")

    stage.workflow.reopen(deal)
    assert sweeper.sweep() == {}
    stage.workflow.win_unnoticed(deal)
    assert sweeper.sweep() == {deal: (TELL, "no event told of it")}

    sweeper.last_run_of(deal, first).wait_for_end()
    assert systems.footprint(deal) == COMPLETE
    assert systems.erp.order_states(deal) == ["cancelled", "confirmed"]


def test_won_before_the_cut_off(
    sweeper: Sweeper, deal: str, workflow: Workflow, systems: Systems
) -> None:
    """A new installation does not enter the deals of earlier years."""
    long_ago = sweeper.clock.utc() - timedelta(days=4000)
    sweeper.organization.clock = lambda: long_ago
    workflow.win_unnoticed(deal)

    assert sweeper.sweep() == {}
    assert systems.footprint(deal) == NOTHING


def test_on_schedule(sweeper: Sweeper, deal: str, workflow: Workflow) -> None:
    """The rule of the template calls the function, and may."""
    workflow.win_unnoticed(deal)
    events, name = workflow.cloud.client("events"), workflow.cloud.resources["SweepRule"]
    events.enable_rule(Name=name)
    run = sweeper.run_of(deal)
    events.disable_rule(Name=name)
    run.wait_for_end()

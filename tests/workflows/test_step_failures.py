"""Each step of the workflow fails: for good, until people repair it, or for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.workflows.breakages import BREAKAGES, Breakage, Stage
from tests.workflows.systems import Footprint, Systems

COMPLETE = Footprint(
    orders=1,
    projects=1,
    customers=1,
    billing_customers=1,
    subscriptions=1,
    tickets=2,
    told="accepted",
)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=str)
def test_failure_for_good(breakage: Breakage, stage: Stage, systems: Systems) -> None:
    """The right team is asked, with what it needs; after the repair, retry completes the run."""
    story = breakage.breaking(stage)
    run = next(story)
    exception = run.wait_for_exception()

    assert exception.step == breakage.step
    assert (exception.error, exception.team) == (breakage.error, breakage.team)
    assert breakage.says in exception.message
    assert exception.due_at - exception.raised_at == timedelta(hours=breakage.due_hours)
    assert exception.correlation_id == run.name
    assert exception.records["event"]["subject"] == f"salesforce:{run.deal}"
    assert run.events[-1] == "exception.raised"

    next(story, None)
    run.resolve("retry")
    run.wait_for_end()
    assert systems.footprint(run.deal) == replace(COMPLETE, customers=breakage.customers)
    assert run.events[-2:] == ["exception.resolved", "order.accepted"]

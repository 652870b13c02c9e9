"""The ERP goes away in the middle of a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.sandboxes.salesforce_seed import EUR_DEAL
from local.sandboxes.sandbox import FaultKind
from tests.workflows.breakages import Stage
from tests.workflows.runs import Run, Workflow
from tests.workflows.systems import Footprint, Systems

# With what kills and sweeps play at random too.
pytestmark = pytest.mark.slow

COMPLETE = Footprint(1, 1, 1, 1, 1, 2, "accepted")


def test_stopped_for_a_while(stage: Stage, systems: Systems) -> None:
    """Back before the attempts have run out: nobody is asked."""
    run = stage.paused_at("CreateErpProject", stage.environment.erp_proxy, "/project.work$")
    stage.environment.tryton.stop()
    run.wait_until(lambda: run.count("BackOff") >= 3)
    stage.environment.tryton.start()
    run.wait_for_end()
    assert not run.exceptions("resolved")
    assert systems.footprint(run.deal) == COMPLETE


def test_stopped_for_long(stage: Stage, systems: Systems) -> None:
    """The platform team is asked; once Tryton is back, retry completes the run."""
    run = stage.paused_at("CreateErpProject", stage.environment.erp_proxy, "/project.work$")
    stage.environment.tryton.stop()
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("CreateErpProject", "Platform")
    assert run.count("CreateErpProject") == 8
    stage.environment.tryton.start()
    run.resolve("retry")
    run.wait_for_end()
    assert systems.footprint(run.deal) == COMPLETE


def test_killed_in_the_middle_of_an_order(
    workflow: Workflow, won: Callable[..., Run], systems: Systems
) -> None:
    """SIGKILL after the draft was quoted and before it is confirmed: one order in the end."""
    slow = {"method": "POST", "path": "/quote$", "seconds": 0.7}
    workflow.environment.erp_proxy.fail(FaultKind.LATENCY, **slow)
    run = won(EUR_DEAL)
    run.wait_amid(lambda: systems.erp.order_states(run.deal) == ["quotation"])
    workflow.environment.tryton.kill()
    run.wait_for_back_off("CreateErpOrder")
    workflow.environment.tryton.start()
    run.wait_for_end()
    assert systems.erp.order_states(run.deal) == ["cancelled", "confirmed"]
    assert systems.footprint(run.deal) == COMPLETE


def test_killed_after_the_order_was_confirmed(
    workflow: Workflow, won: Callable[..., Run], systems: Systems
) -> None:
    """SIGKILL after the write and before its answer: the order is found, not entered again."""
    workflow.environment.erp_proxy.fail(
        FaultKind.LOST_ANSWER, method="POST", path="/confirm$", seconds=0.7
    )
    run = won(EUR_DEAL)
    run.wait_amid(lambda: systems.erp.order_states(run.deal) == ["confirmed"])
    workflow.environment.tryton.kill()
    run.wait_for_back_off("CreateErpOrder")
    workflow.environment.tryton.start()
    run.wait_for_end()
    assert systems.erp.order_states(run.deal) == ["confirmed"]
    assert systems.footprint(run.deal) == COMPLETE

"""Lead to order within the budget of the ERP: a breaker that opens and closes, and queueing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.paths import ROOT
from local.project import functions
from tests.workflows.breakages import Stage
from tests.workflows.runs import FunctionFailed, Run, Workflow
from tests.workflows.systems import Footprint, Systems

COMPLETE = Footprint(1, 1, 1, 1, 1, 2, "accepted")
# So high that nobody has to wait for it.
BUDGET = {"requests": 1000, "seconds": 1}
FAILURES_UNTIL_IT_OPENS = 5
FIRST_PAUSE = 15


@pytest.fixture(scope="module")
def _budget(_workflow: Workflow) -> Iterator[None]:
    """The ERP's connection has a budget. Its functions read that when their processes start."""
    cloud = _workflow.cloud
    ssm, name = cloud.client("ssm"), cloud.resources["ErpConnection"]
    before = ssm.get_parameter(Name=name)["Parameter"]["Value"]

    def put(value: str) -> None:
        ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
        for function in functions().values():
            if function.area == "erp":
                cloud.end_idle_processes(function.logical_id)

    put(json.dumps(json.loads(before) | {"budget": BUDGET}))
    yield
    put(before)


@pytest.fixture
def row(_budget: None, workflow: Workflow) -> Callable[..., dict[str, float]]:
    """The ERP's row in the table of budgets: its numbers, after those given are set."""
    client = workflow.cloud.client("dynamodb")
    item = {
        "TableName": workflow.cloud.resources["BudgetsTable"],
        "Key": {"connection": {"S": "tryton"}},
    }

    def row(**numbers: float) -> dict[str, float]:
        for attribute, value in numbers.items():
            client.update_item(
                **item,
                UpdateExpression=f"SET {attribute} = :v",
                ExpressionAttributeValues={":v": {"N": str(value)}},
            )
        stored = client.get_item(**item).get("Item", {})
        return {name: float(value["N"]) for name, value in stored.items() if "N" in value}

    client.delete_item(**item)
    return row


def ask_the_erp(workflow: Workflow, times: int) -> list[str]:
    """Any of its functions, so many times: the errors' texts."""
    event: dict[str, Any] = json.loads((ROOT / "events/erp/get_order_context.json").read_text())
    texts = []
    for _ in range(times):
        with pytest.raises(FunctionFailed) as failed:
            workflow.call("GetOrderContextFunction", event)
        texts.append(str(failed.value))
    return texts


def test_an_erp_that_is_down_is_left_alone_until_it_answers(
    stage: Stage, systems: Systems, row: Callable[..., dict[str, float]]
) -> None:
    """One request looks now and then; the order completes by itself."""
    proxy = stage.environment.erp_proxy
    run = stage.paused_at("CreateErpProject", proxy, "/project.work$")
    row(next_slot=0)
    stage.environment.tryton.stop()

    ask_the_erp(stage.workflow, FAILURES_UNTIL_IT_OPENS)
    reached = len(proxy.requests)
    told = ask_the_erp(stage.workflow, 3)

    assert len(proxy.requests) == reached, "nothing is sent while it is open"
    assert all("is down, and is left alone" in text for text in told), told
    assert row()["pause_seconds"] == FIRST_PAUSE

    run.wait_until(lambda: row()["pause_seconds"] >= 4 * FIRST_PAUSE)
    assert len(proxy.requests) == reached + 2, "one probe after each pause"

    stage.environment.tryton.start()
    run.wait_for_end()
    assert set(row()) == {"next_slot"}
    assert systems.footprint(run.deal) == COMPLETE


def test_waiting_for_a_turn_is_no_attempt(
    workflow: Workflow,
    won: Callable[..., Run],
    systems: Systems,
    row: Callable[..., dict[str, float]],
) -> None:
    """Others go first, more often than a step may fail; no team is asked."""
    others = 600
    row(next_slot=workflow.cloud.clock.now() + others)
    run = won()
    for turn in range(1, 10):
        run.wait_until(lambda turn=turn: run.status and run.count("BackOff") >= turn)
        row(next_slot=workflow.cloud.clock.now() + 2 * others)
    row(next_slot=workflow.cloud.clock.now())

    run.wait_for_end()

    assert not run.exceptions("resolved")
    assert max(run.back_offs) > others / 2
    assert systems.footprint(run.deal).orders == 1

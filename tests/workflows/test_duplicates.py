"""The same event many times: one of everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from local.sandboxes.salesforce_seed import EUR_DEAL
from tests.workflows.runs import Workflow
from tests.workflows.systems import Footprint, Systems

COMPLETE = Footprint(1, 1, 1, 1, 1, 2, "accepted")


def test_same_event_five_times_at_once_and_again(
    workflow: Workflow, new_deal: Callable[..., str], systems: Systems
) -> None:
    """At-least-once delivery, at its worst."""
    deal = new_deal(EUR_DEAL)
    event = workflow.win_unnoticed(deal)
    run = workflow.run_of(event)
    with ThreadPoolExecutor(5) as threads:
        for published in [threads.submit(workflow.environment.publish, event) for _ in range(5)]:
            published.result()
    run.wait_for_end()
    workflow.settle()
    assert workflow.repetitions(event) == 4
    states = run.states

    workflow.environment.publish(event)
    workflow.settle()

    assert workflow.repetitions(event) == 5
    assert workflow.runs_of(deal) == [run.name]
    assert run.states == states
    assert systems.erp.order_states(deal) == ["confirmed"]
    assert systems.footprint(deal) == COMPLETE
    assert len(systems.support.tickets(deal)) == 2
    assert run.events == ["opportunity.closed_won", "contract.signed", "order.accepted"]


def test_start_queue_repeats_itself(
    workflow: Workflow, new_deal: Callable[..., str], systems: Systems
) -> None:
    """A queue may deliver twice as well, past the ingress that knows its deliveries."""
    event = workflow.win_unnoticed(new_deal(EUR_DEAL))
    workflow.environment.publish(event)
    run = workflow.run_of(event)
    run.wait_for_end()
    told = run.timeline[0].model_dump_json()
    message = {"state_machine": workflow.machine["stateMachineArn"], "event": json.loads(told)}
    workflow.send(workflow.cloud.resources["StartQueue"], *[json.dumps(message)] * 3)
    workflow.settle()

    assert workflow.runs_of(run.deal) == [run.name]
    assert workflow.take_dead_letters("StartQueueDlq") == []
    assert systems.footprint(run.deal) == COMPLETE


def test_two_deals_of_a_new_customer_at_once(
    workflow: Workflow, new_deal: Callable[..., str], systems: Systems
) -> None:
    """Two runs, one account that nobody knows yet: one customer in each system, two orders."""
    deals = [new_deal(EUR_DEAL), new_deal(EUR_DEAL)]
    account = systems.crm.account(deals[0])
    systems.crm.change(deals[1], AccountId=account)
    events = [workflow.win_unnoticed(deal) for deal in deals]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(workflow.environment.publish, events))
    for event in events:
        workflow.run_of(event).wait_for_end()

    assert [len(systems.erp.customers(account)), len(systems.billing.customers(account))] == [1, 1]
    numbers = {systems.erp.order(deal).number for deal in deals}
    assert len(numbers) == 2
    assert [systems.footprint(deal) for deal in deals] == [COMPLETE, COMPLETE]

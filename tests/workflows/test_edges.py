"""The edges of the process: deals that come back, change, or are not as usual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from local.sandboxes.salesforce_seed import EUR_DEAL, JPY_DEAL, USD_DEAL
from tests.workflows.breakages import Stage, deal_amended, tax_id_wrong, unknown_payment_terms
from tests.workflows.runs import Run, Workflow
from tests.workflows.systems import NOTHING, Footprint, Systems

COMPLETE = Footprint(1, 1, 1, 1, 1, 2, "accepted")


def test_won_again_unchanged(workflow: Workflow, won: Callable[..., Run], systems: Systems) -> None:
    """A deal that is reopened and won again as it was: a second run that writes nothing."""
    first = won(EUR_DEAL)
    first.wait_for_end()
    orders = systems.erp.orders(first.deal)
    workflow.reopen(first.deal)
    workflow.settle()
    assert [run.name for run in workflow.running()] == []

    second = workflow.win(first.deal)
    output = second.wait_for_end()

    assert second.name != first.name
    assert output["order"] == orders[0]["number"]
    assert systems.erp.orders(first.deal) == orders
    assert systems.footprint(first.deal) == COMPLETE


def test_won_again_changed(workflow: Workflow, won: Callable[..., Run], systems: Systems) -> None:
    """The order is there already, with another content: RevOps decides, nothing is overwritten."""
    first = won(EUR_DEAL)
    first.wait_for_end()
    order = systems.erp.order(first.deal)
    workflow.reopen(first.deal)
    systems.crm.change_line(first.deal, 2, Quantity=70)

    second = workflow.win(first.deal)
    exception = second.wait_for_exception()

    assert (exception.step, exception.error) == ("CreateErpOrder", "RecordConflict")
    assert exception.team == "RevOps"
    assert f"was written before with another content (by {first.name})" in exception.message
    second.resolve("compensate")
    second.wait_for_end()
    # What the first run made is not the second one's to take back.
    assert systems.erp.order(first.deal) == order
    assert systems.footprint(first.deal) == COMPLETE


def test_won_again_after_compensation(workflow: Workflow, stage: Stage, systems: Systems) -> None:
    """What was taken back is made anew: a new order beside the cancelled one."""
    first = next(deal_amended(stage))
    first.resolve("compensate")
    first.wait_for_end()
    workflow.reopen(first.deal)

    second = workflow.win(first.deal)
    output = second.wait_for_end()

    cancelled, ordered = systems.erp.orders(first.deal)
    assert (cancelled["state"], ordered["state"]) == ("cancelled", "confirmed")
    assert output["order"] == ordered["number"] != cancelled["number"]
    assert systems.footprint(first.deal) == COMPLETE
    assert systems.crm.opportunity(first.deal)["Interlock_Order_Number__c"] == ordered["number"]


def test_no_longer_won(
    workflow: Workflow,
    new_deal: Callable[..., str],
    systems: Systems,
) -> None:
    """The event says won, the deal says reopened: the deal is right, nothing is written."""
    deal = new_deal(EUR_DEAL)
    event = workflow.win_unnoticed(deal)
    workflow.reopen(deal)
    workflow.environment.publish(event)
    run = workflow.run_of(event)
    assert run.wait_for_end() == {"status": "not won"}
    assert run.states[-2:] == ["IsStillWon", "NoLongerWon"]
    assert systems.footprint(deal) == NOTHING


def test_reopened_while_a_team_decides(workflow: Workflow, stage: Stage, systems: Systems) -> None:
    """A retry reads the deal again, and takes back the parent that was made a customer."""
    run = next(tax_id_wrong(stage))
    assert run.wait_for_exception().step == "UpsertErpCustomer"
    workflow.reopen(run.deal)
    run.resolve("retry")
    assert run.wait_for_end() == {"status": "cancelled"}
    assert systems.footprint(run.deal) == NOTHING
    assert run.timeline[-1].data["by"] is None, "nobody gave it up: the sweep may find it"


def test_reopened_before_anything_was_written(
    workflow: Workflow, stage: Stage, systems: Systems
) -> None:
    """A retry reads the deal again, and finds that there is nothing left to do."""
    run = next(unknown_payment_terms(stage))
    run.wait_for_exception()
    workflow.reopen(run.deal)
    run.resolve("retry")
    assert run.wait_for_end() == {"status": "not won"}
    assert systems.footprint(run.deal) == NOTHING


def test_parent_in_another_currency(
    workflow: Workflow,
    new_deal: Callable[..., str],
    systems: Systems,
) -> None:
    """A German company of an American group: the order is in the deal's currency."""
    deal = new_deal(EUR_DEAL)
    group = new_deal(USD_DEAL)
    parent = systems.crm.account(group)
    account = systems.crm.account(deal)
    systems.crm.change_account(account, ParentId=parent, CurrencyIsoCode="EUR")
    run = workflow.win(deal)
    run.wait_for_end()
    order = systems.erp.order(deal)
    assert (order.currency, order.bill_to) == ("EUR", f"salesforce:{account}")
    assert systems.erp.parents(account) == [f"salesforce:{parent}"]
    assert [len(systems.erp.customers(a)) for a in systems.crm.accounts(deal)] == [1, 1, 1]


def test_parent_is_a_customer_already(
    workflow: Workflow, new_deal: Callable[..., str], won: Callable[..., Run], systems: Systems
) -> None:
    """The group buys first, its daughter afterwards: the same customer is the parent."""
    group = won(EUR_DEAL)
    group.wait_for_end()
    parent = systems.crm.account(group.deal)
    deal = new_deal(EUR_DEAL)
    account = systems.crm.account(deal)
    systems.crm.change_account(account, ParentId=parent)
    before = systems.erp.customers(parent)

    run = workflow.win(deal)
    run.wait_for_end()

    assert systems.erp.customers(parent) == before
    assert systems.erp.parents(account) == [f"salesforce:{parent}"]


def test_services_only(won: Callable[..., Run], systems: Systems) -> None:
    """Services are a project and invoiced from the ERP: billing never hears of them."""
    run = won(replace(EUR_DEAL, lines=EUR_DEAL.lines[2:]))
    run.wait_for_end()
    footprint = Footprint(orders=1, projects=1, customers=1, tickets=2, told="accepted")
    assert systems.footprint(run.deal) == footprint
    assert systems.crm.opportunity(run.deal)["Interlock_Subscription__c"] is None


@pytest.mark.parametrize(("days", "status"), [(40, "not_started"), (-40, "active")])
def test_start_date(
    days: int, status: str, workflow: Workflow, won: Callable[..., Run], systems: Systems
) -> None:
    """A subscription starts when the service does: later, or some weeks ago."""
    start = workflow.cloud.clock.utc().date() + timedelta(days=days)
    run = won(JPY_DEAL, Contract_Start_Date__c=start.isoformat())
    run.wait_for_end()
    [schedule] = systems.billing.schedules(run.deal)
    assert schedule["status"] == status
    assert _day(schedule["phases"][0]["start_date"]) == start
    assert systems.erp.order(run.deal).start_date == start


def test_amended_in_flight(stage: Stage, systems: Systems) -> None:
    """The deal is changed while its order is made: it is told, and may be left to a person."""
    run = next(deal_amended(stage))
    exception = run.wait_for_exception()
    assert (exception.step, exception.error) == ("VerifyReadBack", "RecordConflict")
    assert "compensate and let it be won again, or amend the order by hand" in exception.message
    run.resolve("skip", reason="amended SO by hand")
    run.wait_for_end()
    assert systems.footprint(run.deal) == COMPLETE


def test_amended_and_won_again_in_flight(
    workflow: Workflow, stage: Stage, systems: Systems
) -> None:
    """The newer run is given the customers of the older one, and keeps them when that is undone."""
    older = stage.paused_at("CreateImplementationTasks", stage.environment.zendesk, "/tickets$")
    workflow.reopen(older.deal)
    systems.crm.change_line(older.deal, 2, Quantity=70)
    newer = workflow.win(older.deal)
    assert newer.wait_for_exception().step == "CreateErpOrder"

    older.resolve("compensate")
    assert older.wait_for_end() == {"status": "cancelled"}
    newer.resolve("retry")

    assert newer.wait_for_end()["status"] == "accepted"
    assert systems.footprint(older.deal) == COMPLETE
    assert [line.quantity for line in systems.erp.order(older.deal).lines] == [1, 70, 6]


@pytest.mark.parametrize("by", ["tax id", "domain and name"])
def test_customer_made_by_hand(
    by: str, workflow: Workflow, new_deal: Callable[..., str], systems: Systems
) -> None:
    """Finance has entered the customer before: it is found, and stays as it is."""
    deal = new_deal(EUR_DEAL)
    account = systems.crm.account(deal)
    if by == "tax id":
        systems.crm.change_account(account, Tax_Id__c="DE136695976")
        customer = systems.erp.enter_customer("Nordlicht (alt)", vat="DE 136 695 976")
    else:
        website = systems.crm.website(account)
        customer = systems.erp.enter_customer(systems.crm.name(account), website=website)
    before = systems.erp.customer(customer)

    run = workflow.win(deal)
    run.wait_for_end()

    assert systems.erp.customer(customer) == before
    assert systems.footprint(deal) == replace(COMPLETE, customers=0)
    assert systems.erp.order(deal).bill_to == f"tryton:{customer}"
    if by == "tax id":
        systems.erp.set_active(customer, False)  # a real company's number: others may use it


@pytest.mark.parametrize("link", ["one of them", "new"])
def test_ambiguous_customer(
    link: str, workflow: Workflow, new_deal: Callable[..., str], systems: Systems
) -> None:
    """Two candidates: RevOps links one of them, or says that it is a new one."""
    deal = new_deal(EUR_DEAL)
    account = systems.crm.account(deal)
    website = systems.crm.website(account)
    one = systems.erp.enter_customer("Nordlicht Nord", website=website)
    other = systems.erp.enter_customer("Nordlicht Süd", website=website)
    run = workflow.win(deal)
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("MatchCustomer", "RevOps")
    assert f"Nordlicht Nord (customer {one}), Nordlicht Süd (customer {other})" in exception.message

    chosen = one if link == "one of them" else "new"
    run.resolve("link", remote_id=chosen, record=f"salesforce:{account}")
    run.wait_for_end()

    ours = systems.erp.customers(account)
    order = systems.erp.order(deal)
    if link == "new":
        assert [customer["name"] for customer in ours] == [systems.crm.name(account)]
        assert order.bill_to == f"salesforce:{account}"
    else:
        assert ours == []
        assert order.bill_to == f"tryton:{one}"


def _day(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()

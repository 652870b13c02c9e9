"""What must not become an order: events that are not ours, deals that are not right."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from local.sandboxes.salesforce_seed import EUR_DEAL
from tests.workflows.breakages import Stage
from tests.workflows.runs import Run, Workflow
from tests.workflows.systems import NOTHING, Systems

Event = dict[str, Any]


@pytest.fixture
def event(workflow: Workflow, new_deal: Callable[..., str]) -> Event:
    """A sound event of a deal that was won, not published yet."""
    event = workflow.win_unnoticed(new_deal(EUR_DEAL))
    workflow.settle()
    return event


def header(event: Event) -> Event:
    """The change event's header."""
    return event["detail"]["payload"]["ChangeEventHeader"]


def without_header(event: Event) -> None:
    """Malformed."""
    del event["detail"]["payload"]["ChangeEventHeader"]


def wrong_types(event: Event) -> None:
    """Malformed."""
    header(event)["recordIds"] = "006"


def no_opportunity(event: Event) -> None:
    """Malformed."""
    header(event)["recordIds"] = ["001Hs00000Robot"]


def unknown_kind(event: Event) -> None:
    """A change of something that nobody subscribed to."""
    event["detail-type"] = "CampaignChangeEvent"


def other_organisation(event: Event) -> None:
    """An event of a stranger."""
    event["source"] = "aws.partner/salesforce.com/00DHs00000Other/0YLHs00000ILock"


def oversized(event: Event) -> None:
    """More than fits a state machine's input; nothing so large comes through EventBridge."""
    event["detail"]["payload"]["Description"] = "x" * 262_144


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_header, "malformed: detail.payload.ChangeEventHeader is missing"),
        (wrong_types, "malformed _Header: recordIds: "),
        (no_opportunity, "malformed: 1 record ids are no opportunity ids"),
        (unknown_kind, "unknown event: detail-type 'CampaignChangeEvent'"),
        (other_organisation, "another organisation: 00DHs00000Other, this deployment serves"),
        (oversized, "oversized: "),
    ],
)
def test_event_is_set_aside(
    spoil: Callable[[Event], None], reason: str, event: Event, workflow: Workflow
) -> None:
    """It is kept with its reason, handled once, and starts nothing."""
    run = workflow.run_of(copy.deepcopy(event))
    spoil(event)
    handled = len(workflow.cloud.invocations("SalesforceFunction"))
    workflow.send_to_inbox(json.dumps(event))
    workflow.settle()

    [letter] = workflow.take_dead_letters("SalesforceInboxDlq")
    assert json.loads(letter.body) == event
    assert letter.code == "ContractViolation"
    assert letter.reason.startswith(reason)
    assert len(workflow.cloud.invocations("SalesforceFunction")) == handled + 1
    assert run.status is None


@pytest.mark.parametrize("body", ["{", "[1, 2]", '"text"'])
def test_message_is_no_event(body: str, workflow: Workflow) -> None:
    """Not even JSON, or not an object."""
    workflow.send_to_inbox(body)
    workflow.settle()
    [letter] = workflow.take_dead_letters("SalesforceInboxDlq")
    assert letter.body == body
    assert letter.reason.startswith("malformed: not ")


def test_bad_message_does_not_hold_up_good_ones(event: Event, workflow: Workflow) -> None:
    """In one batch, each message has its own fate."""
    bad = copy.deepcopy(event)
    other_organisation(bad)
    workflow.send_to_inbox(json.dumps(bad), json.dumps(event))
    workflow.run_of(event).wait_for_end()
    assert len(workflow.take_dead_letters("SalesforceInboxDlq")) == 1


def test_replayed_event(event: Event, workflow: Workflow, systems: Systems) -> None:
    """A delivery that comes again, as from the archive, is counted and changes nothing."""
    workflow.environment.publish(event)
    run = workflow.run_of(event)
    run.wait_for_end()
    order = systems.erp.orders(run.deal)
    states = run.states

    for _ in range(2):
        workflow.environment.publish(event)
    workflow.settle()

    assert workflow.repetitions(event) == 2
    assert run.states == states
    assert systems.erp.orders(run.deal) == order
    assert run.events == ["opportunity.closed_won", "contract.signed", "order.accepted"]


@pytest.mark.parametrize(
    ("queue", "body", "reason"),
    [
        ("StartQueue", {"state_machine": "arn", "event": {"id": 1}}, "malformed StartExecution: "),
        (
            "TimelineQueue",
            {"detail": {"type": "order.lost"}},
            "malformed Event: id: Field required; type: ",
        ),
    ],
)
def test_message_of_the_wrong_shape(
    queue: str, body: Event, reason: str, workflow: Workflow
) -> None:
    """The other queues have the same rules."""
    workflow.send(workflow.cloud.resources[queue], json.dumps(body))
    workflow.settle()
    [letter] = workflow.take_dead_letters(f"{queue}Dlq")
    assert json.loads(letter.body) == body
    assert letter.reason.startswith(reason)


# Deals that are not right. Each generator yields the deal, and then corrects it.

Spoiled = Iterator[str]


def unmapped_product(stage: Stage) -> Spoiled:
    """A product that neither ERP nor billing knows."""
    deal = stage.new_deal(EUR_DEAL)
    product = stage.systems.crm.enter_product(f"TRAINING-{uuid.uuid4().hex[:6]}")
    line = stage.systems.crm.add_line(deal, product, price=700)
    yield deal
    stage.systems.crm.delete_line(line)


def amounts_that_do_not_add_up(stage: Stage) -> Spoiled:
    """The amount was overwritten by an import, past the rule that sums the lines up."""
    deal = stage.new_deal(EUR_DEAL)
    right = stage.systems.crm.opportunity(deal)["Amount"]
    stage.systems.crm.overwrite_amount(deal, right + 1)
    yield deal
    stage.systems.crm.overwrite_amount(deal, right)


def wrong_subsidiary(stage: Stage) -> Spoiled:
    """A deal in EUR, sold by the American company."""
    deal = stage.new_deal(EUR_DEAL, Selling_Entity__c="TESSALINE-US")
    yield deal
    stage.systems.crm.change(deal, Selling_Entity__c="TESSALINE-DE")


def unknown_subsidiary(stage: Stage) -> Spoiled:
    """A company that the ERP does not have."""
    deal = stage.new_deal(EUR_DEAL, Selling_Entity__c="TESSALINE-FR")
    yield deal
    stage.systems.crm.change(deal, Selling_Entity__c="TESSALINE-DE")


def hierarchy_cycle(stage: Stage) -> Spoiled:
    """Two accounts that are each other's parent."""
    deal = stage.new_deal(EUR_DEAL)
    account = stage.systems.crm.account(deal)
    parent = stage.systems.crm.account(stage.new_deal(EUR_DEAL))
    stage.systems.crm.change_account(account, ParentId=parent)
    stage.systems.crm.change_account(parent, ParentId=account)
    yield deal
    stage.systems.crm.change_account(parent, ParentId=None)


def closed_period(stage: Stage) -> Spoiled:
    """Finance has closed the month in which the deal closes."""
    deal = stage.new_deal(EUR_DEAL)
    day = date(2026, 2, 10)
    stage.systems.crm.change(deal, CloseDate=day.isoformat())
    stage.systems.erp.period(day, "TESSALINE-DE", "close")
    try:
        yield deal
    finally:
        stage.systems.erp.period(day, "TESSALINE-DE", "reopen")


def no_fiscal_year(stage: Stage) -> Spoiled:
    """A close date that was mistyped."""
    deal = stage.new_deal(EUR_DEAL)
    day = stage.systems.crm.opportunity(deal)["CloseDate"]
    stage.systems.crm.change(deal, CloseDate=(day - timedelta(days=4000)).isoformat())
    yield deal
    stage.systems.crm.change(deal, CloseDate=day.isoformat())


def unknown_terms(stage: Stage) -> Spoiled:
    """Payment terms that nobody has agreed with Finance."""
    deal = stage.new_deal(EUR_DEAL, Payment_Terms__c="NET365")
    yield deal
    stage.systems.crm.change(deal, Payment_Terms__c="NET45")


def splits_beyond_the_whole(stage: Stage) -> Spoiled:
    """Shares of the revenue that are more than all of it."""
    deal = stage.new_deal(EUR_DEAL)
    split = stage.systems.crm.set_split(deal, 75)
    yield deal
    stage.systems.crm.change_split(split, 60)


def no_billing_address(stage: Stage) -> Spoiled:
    """Tax depends on it."""
    deal = stage.new_deal(EUR_DEAL)
    account = stage.systems.crm.account(deal)
    kept = stage.systems.crm.clear_address(account)
    yield deal
    stage.systems.crm.change_account(account, **kept)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoiling", "says"),
    [
        (unmapped_product, "line 4: product TRAINING-"),
        (
            amounts_that_do_not_add_up,
            "57,400.00 EUR, the opportunity says 57,401.00 EUR",
        ),
        (wrong_subsidiary, "choose the subsidiary that sells in EUR"),
        (unknown_subsidiary, "the selling subsidiary (TESSALINE-FR) is not in the ERP: choose"),
        (hierarchy_cycle, "the account hierarchy has a cycle"),
        (closed_period, "no accounting period is open on 2026-02-10: ask Finance to open it"),
        (no_fiscal_year, "no accounting period is open on"),
        (unknown_terms, "the payment terms (NET365) are not in the ERP: choose ones that are"),
        (splits_beyond_the_whole, "the revenue splits add up to 115 %, not 100 %"),
        (no_billing_address, "has a billing address with a country: enter one in the CRM"),
    ],
)
def test_deal_that_is_not_right(
    spoiling: Callable[[Stage], Spoiled], says: str, stage: Stage, systems: Systems
) -> None:
    """RevOps is told what to fix, and nothing is written anywhere; once fixed, it completes."""
    story = spoiling(stage)
    deal = next(story)
    others = systems.of_others(deal)
    run = stage.workflow.win(deal)
    exception = run.wait_for_exception()

    assert (exception.team, exception.error) == ("RevOps", "BusinessRuleViolation")
    assert says in exception.message
    assert systems.footprint(deal) == NOTHING
    assert systems.of_others(deal) == others
    assert run.effects() == []

    next(story, None)
    run.resolve("retry")
    run.wait_for_end()
    assert systems.footprint(deal).told == "accepted"


def test_customer_on_credit_hold(
    workflow: Workflow, won: Callable[..., Run], new_deal: Callable[..., str], systems: Systems
) -> None:
    """A customer of ours that owes too much gets no second order until Finance releases it."""
    first = won(EUR_DEAL)
    first.wait_for_end()
    account = systems.crm.account(first.deal)
    [customer] = systems.erp.customers(account)
    systems.erp.set_credit_limit(customer["id"], 1, "TESSALINE-DE")
    deal = new_deal(EUR_DEAL)
    systems.crm.change(deal, AccountId=account)

    run = workflow.win(deal)
    exception = run.wait_for_exception()

    assert (exception.step, exception.team) == ("ValidateOrder", "RevOps")
    assert "is on credit hold" in exception.message
    assert "ask Finance to release it" in exception.message
    assert systems.erp.orders(deal) == []
    systems.erp.set_credit_limit(customer["id"], None, "TESSALINE-DE")
    run.resolve("retry")
    run.wait_for_end()
    assert systems.erp.order(deal).bill_to == f"salesforce:{account}"

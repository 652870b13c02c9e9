"""A deal is won: what every system holds afterwards, for each currency."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest

from local.sandboxes.salesforce_seed import EUR_DEAL, JPY_DEAL, USD_DEAL, DealSample
from tests.workflows.runs import Run
from tests.workflows.systems import Systems

# The business process, as the definition reads from top to bottom.
PROCESS = [
    "ReceiveEvent",
    "IsReplayOfStep",
    "RefetchOpportunity",
    "IsStillWon",
    "IsNewBusiness",
    "ValidateAccountHierarchy",
    "ReadErpOrderContext",
    "ReadBillingCatalogue",
    "ValidateOrder",
    "MatchCustomer",
    "UpsertErpCustomer",
    "CreateErpOrder",
    "CreateErpProject",
    "UpsertBillingCustomer",
    "ProvisionSubscription",
    "PlanImplementationTasks",
    "CreateImplementationTasks",
    "WriteBackToCrm",
    "VerifyReadBack",
    "RecordContract",
    "IsRamped",
    "PlanMilestones",
    "IsDryRun",
    "PublishContractSigned",
    "PublishOrderAccepted",
    "OrderAccepted",
]
INNER = {"UpsertOneCustomer", "CreateOneTask"}


@pytest.mark.parametrize(
    ("sample", "net", "tax", "tax_name"),
    [
        # The customer's parent is not yet a customer.
        (USD_DEAL, "52000.00", "4290.00", "US-SALES-8.25"),
        # Two sellers share the deal, a matter of commission: it stays one order.
        (EUR_DEAL, "57400.00", "10906.00", "DE-VAT-19"),
        # No services, no project; the kick-off is a task nevertheless.
        (JPY_DEAL, "6480000", "648000", "JP-CT-10"),
    ],
    ids=["USD", "EUR", "JPY"],
)
def test_order_accepted(
    won: Callable[..., Run],
    systems: Systems,
    sample: DealSample,
    net: str,
    tax: str,
    tax_name: str,
) -> None:
    """Each system has what was sold, and the timeline tells it."""
    run = won(sample)
    output = run.wait_for_end()
    deal = run.deal

    assert [state for state in run.states if state not in INNER] == PROCESS
    _check_erp(systems, deal, sample, Decimal(net), Decimal(tax), tax_name)
    _check_billing(systems, deal, sample)
    _check_support(systems, deal, sample)
    order = systems.erp.order(deal)
    opportunity = systems.crm.opportunity(deal)
    [schedule] = systems.billing.schedules(deal)
    assert output == {"status": "accepted", "order": order.number}
    assert opportunity["Interlock_Order_Status__c"] == "accepted"
    assert opportunity["Interlock_Order_Number__c"] == order.number
    assert opportunity["Interlock_Subscription__c"] == schedule["id"]
    assert opportunity["Interlock_Correlation__c"] == run.name
    accepted = run.timeline[-1]
    assert run.events == ["opportunity.closed_won", "contract.signed", "order.accepted"]
    assert accepted.causation_id == run.timeline[0].id
    assert accepted.subject == f"salesforce:{deal}"
    assert accepted.data["order"] == order.number
    assert Decimal(accepted.data["total"]["amount"]) == Decimal(net) + Decimal(tax)
    assert accepted.data["total"]["currency"] == sample.currency


def _check_erp(
    systems: Systems, deal: str, sample: DealSample, net: Decimal, tax: Decimal, tax_name: str
) -> None:
    order = systems.erp.order(deal)
    accounts = systems.crm.accounts(deal)
    assert len(accounts) == len(sample.accounts)
    for account in accounts:
        [customer] = systems.erp.customers(account)
        assert customer["name"] == systems.crm.name(account)
        assert customer["active"]
    for child, parent in pairwise(accounts):
        assert systems.erp.parents(child) == [f"salesforce:{parent}"]
    assert order.bill_to == f"salesforce:{accounts[0]}"
    assert (order.subsidiary, order.currency) == (sample.subsidiary, sample.currency)
    assert order.payment_terms == sample.payment_terms
    assert [(line.sku, line.quantity, line.unit_price.amount) for line in order.lines] == [
        (line.product, line.quantity, line.unit_price) for line in sample.lines
    ]
    assert (order.net.amount, order.tax.amount, order.total.amount) == (net, tax, net + tax)
    assert systems.erp.taxes(order) == {tax_name}
    assert systems.erp.order_states(deal) == ["confirmed"]
    services = [line for line in sample.lines if line.product == "PS-IMPLEMENT"]
    projects = systems.erp.projects(deal)
    assert len(projects) == bool(services)
    for project in projects:
        assert len(project["children"]) == len(services)
        assert project["party"]["code"] == order.bill_to


def _check_billing(systems: Systems, deal: str, sample: DealSample) -> None:
    [customer] = systems.billing.customers(systems.crm.account(deal))
    [schedule] = systems.billing.schedules(deal)
    start = systems.crm.opportunity(deal)["Contract_Start_Date__c"]
    units = 1 if sample.currency == "JPY" else 100
    assert customer["name"] == systems.crm.name(systems.crm.account(deal))
    assert schedule["customer"] == customer["id"]
    assert schedule["status"] == "not_started"
    assert datetime.fromtimestamp(schedule["phases"][0]["start_date"], UTC).date() == start
    assert schedule["phases"][0]["currency"] == sample.currency.lower()
    assert systems.billing.items(schedule) == [
        (line.product, line.quantity, line.unit_price * units)
        for line in sample.lines
        if line.product != "PS-IMPLEMENT"
    ]


def _check_support(systems: Systems, deal: str, sample: DealSample) -> None:
    customer = systems.crm.name(systems.crm.account(deal))
    tickets = systems.support.tickets(deal)
    subjects = [f"Kick off implementation for {customer}"]
    subjects += [
        f"Deliver {line.quantity} x {line.product} to {customer}"
        for line in sample.lines
        if line.product == "PS-IMPLEMENT"
    ]
    assert sorted(ticket["subject"] for ticket in tickets) == sorted(subjects)
    assert {ticket["status"] for ticket in tickets} == {"new"}
    assert all(systems.erp.order(deal).number in ticket["description"] for ticket in tickets)

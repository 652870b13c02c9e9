"""A customer does not pay: what sales and support see, for how long, and until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from local.sandboxes.salesforce_seed import USD_DEAL
from local.sandboxes.stripe import events, invoice_api
from tests.workflows.billing import DAY, US, Billing, Customer
from tests.workflows.runs import Run
from tests.workflows.systems import Systems

# A minute of the real machine; `make test` has the ordinary way of each kind of document.
pytestmark = pytest.mark.slow

BEGIN = ["ReceiveEvent", "IsReplayOfStep", "WhatHappened", "RefetchInvoice", "IsInvoiceFinal"]
FLAGGED = [
    "ListOverdueInvoices",
    "DunningState",
    "FlagCrm",
    "FlagSupport",
    "RereadOverdueInvoices",
    "IsStillSo",
]


def test_customer_is_flagged_held_and_recovers(
    billing: Billing, systems: Systems, won: Callable[..., Run]
) -> None:
    """Sales and support see what is overdue; after the policy's days support gives nothing."""
    account, customer = sold_to(billing, systems, won)
    organization = systems.support.organization(f"salesforce:{account}")
    first, run = overdue(billing, customer, 100000)
    run.wait_for_state("WaitForHold")

    flag = systems.crm.dunning(account)
    assert flag[:3] == ("past due", "1082.50", "USD")
    assert systems.support.tags(organization) == ["interlock_past_due"]
    assert run.wait_for_end() == {"status": "on hold"}
    begin = [*BEGIN, *FLAGGED, "WaitForHold"]
    end = [*FLAGGED, "PublishDunning", "WasVoided", "DunningSettled"]
    assert run.states[: len(begin)] == begin
    assert run.states[-len(end) :] == end
    assert systems.crm.dunning(account) == ("on hold", *flag[1:])
    assert systems.support.tags(organization) == ["interlock_on_hold", "interlock_past_due"]

    second, waiting = overdue(billing, customer, 50000)
    waiting.wait_for_end()
    assert systems.crm.dunning(account)[:2] == ("on hold", "1623.75")
    for invoice in (first, second):
        billing.pay(invoice).wait_for_end()
        paid = billing.run(invoice["id"], "invoice-paid-late")
        paid.wait_for_end()

    assert systems.crm.dunning(account) == (None, None, None, None)
    assert systems.support.tags(organization) == []
    assert paid.events == ["invoice.paid_late", "dunning.changed"]
    assert paid.timeline[-1].data == {"account": customer.account, "status": "none"}


def test_customer_pays_before_the_hold(
    billing: Billing, systems: Systems, won: Callable[..., Run]
) -> None:
    """The payment's run takes the flag away, and the one that waits leaves it so."""
    account, customer = sold_to(billing, systems, won)
    invoice, run = overdue(billing, customer, 100000)
    run.wait_for_state("WaitForHold")
    billing.cloud.clock.advance(3 * DAY)
    billing.pay(invoice)
    paid = billing.run(invoice["id"], "invoice-paid-late")
    paid.wait_until(lambda: paid.status == "SUCCEEDED", jump=False)
    assert systems.crm.dunning(account)[0] is None
    assert run.status == "RUNNING"

    assert run.wait_for_end() == {"status": "none"}
    assert systems.crm.dunning(account)[0] is None


def test_sent_invoice_is_never_paid(
    billing: Billing, systems: Systems, won: Callable[..., Run]
) -> None:
    """Its day passes: a sweep tells of it, and an automation at Stripe what is known already."""
    account, customer = sold_to(billing, systems, won)
    organization = systems.support.organization(f"salesforce:{account}")
    invoice = billing.posted(customer, 100000, days_until_due=10)
    billing.cloud.clock.advance(12 * DAY)
    billing.stripe.advance()
    billing.call("SweepBillingFunction", {"hours": 72})
    run = billing.run(invoice["id"], "invoice-overdue")
    run.wait_for_state("WaitForHold")
    overdue = partial(events.emit, type="invoice.overdue", subject=invoice)
    billing.stripe.by_hand(overdue)

    due_on = datetime.fromtimestamp(invoice["due_date"], UTC).date()
    flag = ("1082.50", "USD", due_on)
    assert systems.crm.dunning(account) == ("past due", *flag)
    assert systems.support.tags(organization) == ["interlock_past_due"]
    assert run.wait_for_end() == {"status": "on hold"}
    assert systems.crm.dunning(account) == ("on hold", *flag)
    assert systems.support.tags(organization) == ["interlock_on_hold", "interlock_past_due"]
    assert run.events == ["invoice.overdue", "invoice.overdue", "dunning.changed"]

    billing.pay(invoice).wait_for_end()
    assert billing.run(invoice["id"], "invoice-paid-late").wait_for_end() == {"status": "none"}
    assert systems.crm.dunning(account) == (None, None, None, None)
    assert systems.support.tags(organization) == []


def test_overdue_invoice_is_voided(
    billing: Billing, systems: Systems, won: Callable[..., Run]
) -> None:
    """Nothing is owed any more: the hold ends, as by a payment."""
    account, customer = sold_to(billing, systems, won)
    invoice, run = overdue(billing, customer, 100000)
    assert run.wait_for_end() == {"status": "on hold"}

    billing.stripe.do(invoice_api.void, invoice["id"])
    voided = billing.run(invoice["id"], "invoice-voided")

    assert voided.wait_for_end() == {"status": "reversed"}
    assert systems.crm.dunning(account) == (None, None, None, None)
    assert voided.events == ["invoice.voided", "dunning.changed", "posting.reversed"]


def sold_to(billing: Billing, systems: Systems, won: Callable[..., Run]) -> tuple[str, Customer]:
    """The account of a won deal, as a customer whose subscription is never invoiced."""
    deal = won(USD_DEAL)
    deal.wait_for_end()
    billing.clear()
    account = systems.crm.account(deal.deal)
    return account, systems.customer(account, US)


def overdue(billing: Billing, customer: Customer, amount: int) -> tuple[dict, Run]:
    """An invoice whose payment by card is declined, and the run that follows."""
    invoice = billing.posted(
        customer, amount, collection_method="charge_automatically", days_until_due=None
    )
    billing.declined(invoice)
    return invoice, billing.run(invoice["id"], "payment-failed-1")

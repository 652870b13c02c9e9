"""Usage from the product to the invoice that charges it and into the books, whatever comes late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe.account import StripeObject
from tests.workflows.billing import DAY, LONG, Billing, Customer
from tests.workflows.runs import Run
from tests.workflows.systems import Systems

# A minute of the real machine; `make test` has usage that comes in time.
pytestmark = pytest.mark.slow

D = Decimal
HOUR = 3600
SEAT = D(10)


def start_of_period(subscription: StripeObject) -> datetime:
    """When the subscription's running period began."""
    return datetime.fromtimestamp(subscription["items"]["data"][1]["current_period_start"], UTC)


def pass_to_next_period(billing: Billing, subscription: StripeObject) -> StripeObject:
    """Two hours into the next period: the invoice of the last one is final, and nothing is told."""
    end = subscription["items"]["data"][1]["current_period_end"]
    with billing.held_back():
        billing.cloud.clock.advance(end - billing.stripe.account.now() + 2 * HOUR)
        billing.stripe.advance()
    return billing.stripe.account.invoices[subscription["latest_invoice"]]


def usage_in_the_books(billing: Billing, systems: Systems, invoice: StripeObject) -> list[Decimal]:
    """The invoice is told of and posted: what it has beside the seat."""
    billing.deliver(billing.finalized_event(invoice))
    assert billing.run(invoice["id"], "invoice-finalized").wait_for_end()["status"] == "posted"
    amounts = [amount for _, amount in systems.erp.lines(invoice["id"])]
    amounts.remove(SEAT)
    return amounts


def told(run: Run) -> dict:
    """Where the run says that the usage is charged."""
    [event] = [event for event in run.timeline if event.type == "usage.submitted"]
    return event.data["placed"]


def test_late_usage_is_on_the_next_invoice_once(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    subscription = billing.metered(customer)
    used = billing.cloud.clock.utc() - timedelta(minutes=5)
    in_time = billing.use(f"in-time-{customer.stripe}", customer, quantity="300")
    in_time.wait_for_end()
    first = pass_to_next_period(billing, subscription)

    late = billing.use(
        f"late-{customer.stripe}", customer, quantity="50", occurred_at=used.isoformat()
    )
    late.wait_for_end()
    again = late.timeline[0].model_copy(update={"correlation_id": f"{late.name}-2", "id": "p:2"})
    billing.announce(again)
    billing.run(late.name, "2").wait_for_end()
    placed = told(late)
    assert placed["is_adjustment"]
    assert datetime.fromisoformat(placed["usage"]["occurred_at"]) == used
    assert datetime.fromisoformat(placed["period"]["start"]) == start_of_period(subscription)
    assert not told(in_time)["is_adjustment"]
    second = pass_to_next_period(billing, subscription)
    third = pass_to_next_period(billing, subscription)

    assert usage_in_the_books(billing, systems, first) == [D("6.00")]
    assert usage_in_the_books(billing, systems, second) == [D("1.00")]
    assert sum(usage_in_the_books(billing, systems, third)) == 0


@pytest.mark.parametrize("arrived", [True, False])
def test_period_is_over_before_the_retry(
    billing: Billing, systems: Systems, customer: Customer, arrived: bool
) -> None:
    """Whether the first attempt arrived or not, one invoice has it, and the run says which."""
    subscription = billing.metered(customer)
    before = start_of_period(subscription)
    end = subscription["items"]["data"][1]["current_period_end"]
    billing.cloud.clock.advance(end - billing.stripe.account.now() - 6 * HOUR)
    path = "/v1/billing/meter_events$"
    if arrived:
        billing.stripe.fail(FaultKind.LOST_ANSWER, path=path)
    billing.stripe.fail(FaultKind.THROTTLE, path=path, times=None, retry_after=LONG)
    run = billing.use(f"usage-{customer.stripe}", customer, quantity="75")
    run.wait_until(lambda: run.count("BackOff") == (2 if arrived else 1))
    first = pass_to_next_period(billing, subscription)
    billing.stripe.heal()

    run.wait_for_end()

    assert run.count("PlaceUsage") == run.count("SubmitUsage") == (3 if arrived else 2)
    after = start_of_period(subscription)
    assert after > before
    placed = told(run)
    assert placed["is_adjustment"] is not arrived
    assert datetime.fromisoformat(placed["period"]["start"]) == (before if arrived else after)
    second = pass_to_next_period(billing, subscription)
    charged = [usage_in_the_books(billing, systems, invoice) for invoice in (first, second)]
    assert [sum(amounts) for amounts in charged] == ([D("1.50"), 0] if arrived else [0, D("1.50")])


def test_people_are_asked_when_an_old_attempt_may_have_been_counted(
    billing: Billing, customer: Customer
) -> None:
    """A day later Stripe would count it again: what is there is linked, and charged once."""
    billing.metered(customer)
    path = "/v1/billing/meter_events$"
    billing.stripe.fail(FaultKind.LOST_ANSWER, path=path)
    billing.stripe.fail(FaultKind.THROTTLE, path=path, times=None, retry_after=LONG)
    id = f"usage-{customer.stripe}"
    run = billing.use(id, customer)
    run.wait_until(lambda: run.count("BackOff") == 2)
    billing.cloud.clock.advance(DAY)
    billing.stripe.heal()

    exception = run.wait_for_exception()
    assert (exception.step, exception.error) == ("SubmitUsage", "RecordConflict")
    assert "look whether it is this" in exception.message
    run.resolve("link", remote_id=f"product:{id}", record=f"product:{id}")
    run.wait_for_end()

    counted = [e for e in billing.stripe.account.meter_events if customer.stripe in str(e)]
    assert len(counted) == 1
    assert told(run) is None

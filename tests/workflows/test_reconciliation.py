"""Billing is held against the books: what agrees, what Finance is told, what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.environment import LocalEnvironment
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import invoice_api
from tests.workflows.billing import DAY, Billing, Customer
from tests.workflows.runs import FunctionFailed, Machine, Run

# A minute of the real machine; `make test` has the ordinary way of each kind of document.
pytestmark = pytest.mark.slow

FIVE_DAYS = 5 * DAY
STEP = "AssertAgreement"


class Reconciliation(Machine):
    """It starts as in production, by the function that the schedule calls."""

    resource = "BillingReconciliation"

    def of(self, day: str) -> Run:
        """The run for one day, once that day is over."""
        clock = self.cloud.clock
        if clock.utc().date().isoformat() == day:
            clock.advance(DAY + 3600)
        event = self.call("RequestReconciliationFunction", {"first_day": day, "last_day": day})
        return Run(self, event["correlation_id"])


@pytest.fixture
def billing(billing: Billing) -> Billing:
    """Days after what other tests did, so that the day is this test's own."""
    billing.cloud.clock.advance(FIVE_DAYS)
    billing.stripe.advance()
    billing.settle()
    return billing


@pytest.fixture
def reconciliation(environment: LocalEnvironment) -> Iterator[Reconciliation]:
    """The workflow; runs left open are aborted."""
    reconciliation = Reconciliation(environment)
    yield reconciliation
    for run in reconciliation.running():
        run.stop()


def today(billing: Billing) -> str:
    return billing.cloud.clock.utc().date().isoformat()


def test_what_is_posted_agrees(
    billing: Billing, reconciliation: Reconciliation, customer: Customer
) -> None:
    invoice = billing.posted(customer, 100_000, 2_500)
    day = today(billing)

    run = reconciliation.of(day)
    output = run.wait_for_end()

    assert output["status"] == "agrees", output
    rows = {(row["kind"], row["currency"]): row for row in output["report"]["rows"]}
    row = rows["invoice", "USD"]
    assert row["billing"] == row["books"]
    assert row["billing"]["count"] >= 1
    assert f"{invoice['total'] / 100:.2f}" <= row["billing"]["total"]["amount"]
    assert run.events[-1] == "reconciliation.completed"


def test_finance_is_told_of_each_break_and_corrects_the_books(
    billing: Billing, reconciliation: Reconciliation, customer: Customer
) -> None:
    kept, voided = (billing.posted(customer, amount) for amount in (40_000, 50_000))
    with billing.held_back() as held:
        lost, posting = billing.invoice(customer, 60_000)
        billing.stripe.do(invoice_api.void, voided["id"])
    day = today(billing)

    run = reconciliation.of(day)
    exception = run.wait_for_exception()

    assert (exception.step, exception.team) == (STEP, "Finance")
    assert exception.actions == ("retry", "skip")
    assert f"invoice stripe:{lost['id']} of {customer.account}: missing in the books" in (
        exception.message
    )
    assert f"invoice stripe:{voided['id']} of {customer.account}: missing in billing" in (
        exception.message
    )
    assert kept["id"] not in exception.message
    assert len(exception.records["report"]["breaks"]) == 2

    for event in held:
        billing.deliver(event)
    posting.wait_for_end()
    billing.run(voided["id"], "invoice-voided").wait_for_end()
    run.decide(exception.id, "retry")

    assert run.wait_for_end()["status"] == "agrees"
    assert run.count("ReconcileSlices") == 2


def test_a_difference_may_be_accepted_with_a_reason(
    billing: Billing, reconciliation: Reconciliation, customer: Customer
) -> None:
    with billing.held_back():
        billing.invoice(customer, 70_000)

    run = reconciliation.of(today(billing))
    run.resolve("skip", reason="entered by hand")
    output = run.wait_for_end()

    assert output["status"] == "accepted"
    assert output["accepted"] == {"by": "robin", "reason": "entered by hand"}
    [told] = [event for event in run.timeline if event.type == "reconciliation.completed"]
    assert told.data["breaks"] == 1
    assert told.data["accepted"]["by"] == "robin"


def test_a_slice_that_fails_is_tried_again_and_the_others_are_not(
    billing: Billing, reconciliation: Reconciliation, customer: Customer
) -> None:
    """Billing is away for a moment: two of the slices meet it."""
    billing.posted(customer, 80_000)
    day = today(billing)
    billing.cloud.clock.advance(DAY + 3600)
    billing.stripe.fail(FaultKind.UNAVAILABLE, times=2)

    run = reconciliation.of(day)

    assert run.wait_for_end()["status"] == "agrees"
    assert run.count("ReconcileSlices") == 2
    assert run.count("BackOff") == 1
    calls = billing.cloud.invocations("DigestErpFactsFunction")
    mine = [call for call in calls if run.name.encode() in call.payload]
    assert len(mine) == 6, "one for each kind"


def test_no_longer_than_a_year(reconciliation: Reconciliation) -> None:
    with pytest.raises(FunctionFailed, match="divide it"):
        reconciliation.call("RequestReconciliationFunction", {"first_day": "2020-01-01"})

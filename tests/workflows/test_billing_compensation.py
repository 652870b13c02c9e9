"""Finance gives a posting up: what was booked is reversed, and may be booked anew."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from local.cli import history
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import invoice_api
from tests.workflows.billing import Billing, Customer
from tests.workflows.breakages import events_refused
from tests.workflows.runs import Run
from tests.workflows.systems import Systems

# A minute of the real machine; `make test` has the ordinary way of each kind of document.
pytestmark = pytest.mark.slow

D = Decimal
LOOKS = 3


def left_open(billing: Billing, begin: Callable[[], Run]) -> Run:
    """A run that has posted a move, does not know it, and waits for a team."""
    proxy = billing.environment.erp_proxy
    proxy.fail(FaultKind.LOST_ANSWER, method="POST", path=r"/account.move/\d+/post$")
    # Every look at the moves fails, but for the first attempt's: for one already there, for one
    # that is begun, and for one that somebody else has begun meanwhile.
    proxy.fail(FaultKind.LATENCY, method="GET", path="/account.move$", times=LOOKS)
    proxy.fail(FaultKind.UNAVAILABLE, method="GET", path="/account.move$", times=None)
    run = begin()
    assert run.wait_for_exception().error == "VendorUnavailable"
    proxy.heal()
    return run


def invoice(billing: Billing, customer: Customer) -> tuple[Run, str, str]:
    """Posted, and then its revenue cannot be spread."""
    with billing.broken("ScheduleServicePeriodsFunction"):
        final, run = billing.invoice(customer, 100000)
        run.wait_for_exception()
    return run, final["id"], "ReverseErpInvoice"


def credit_note(billing: Billing, customer: Customer) -> tuple[Run, str, str]:
    """Posted and applied, and then it cannot be read back."""
    credited = billing.posted(customer, 100000)
    with billing.broken("VerifyTotalsFunction"):
        note, run = billing.credit(credited, 10000)
        run.wait_for_exception()
    return run, note["id"], "ReverseErpCreditMemo"


def payment(billing: Billing, customer: Customer) -> tuple[Run, str, str]:
    """Posted, and the answer was lost."""
    paid = billing.posted(customer, 100000)
    run = left_open(billing, lambda: billing.pay(paid))
    return run, billing.charge_of(run), "UnapplyErpPayment"


def dispute(billing: Billing, customer: Customer) -> tuple[Run, str, str]:
    """Posted, and the answer was lost."""
    paid = billing.pay(billing.posted(customer, 100000))
    paid.wait_for_end()
    run = left_open(billing, lambda: billing.dispute(billing.charge_of(paid))[1])
    return run, run.name.split("-")[0], "ReverseErpEntry"


REVERSING = {
    "ReverseErpInvoice": "ReverseInvoiceFunction",
    "ReverseErpCreditMemo": "ReverseCreditMemoFunction",
    "UnapplyErpPayment": "UnapplyPaymentFunction",
    "ReverseErpEntry": "ReverseEntryFunction",
}


@pytest.mark.parametrize("begin", [invoice, credit_note, payment, dispute])
def test_posting_is_given_up_and_replayed(
    begin: Callable[[Billing, Customer], tuple[Run, str, str]],
    billing: Billing,
    systems: Systems,
    customer: Customer,
) -> None:
    """The reversal fails too, until it is repaired; a replay then posts it again, once."""
    run, record, step = begin(billing, customer)
    booked = systems.erp.booked(record)
    assert booked or begin is credit_note
    with billing.broken(REVERSING[step]):
        run.resolve("compensate")
        exception = run.wait_for_exception()
    assert (exception.step, exception.team) == (step, "Platform")
    assert exception.actions == ("retry", "skip")
    with events_refused(billing):
        run.resolve("retry")
        exception = run.wait_for_exception()
    assert (exception.step, exception.actions) == ("PublishReversed", ("retry",))
    run.resolve("retry")

    assert run.wait_for_end() == {"status": "reversed"}
    assert systems.erp.booked(record) == {}
    assert run.timeline[-1].type == "posting.reversed"
    assert run.timeline[-1].data == {"reason": "as agreed", "by": "robin"}

    replayed = billing.replay(run.timeline[0], f"{run.name}-replay-1")
    assert replayed.wait_for_end()["status"] == "posted"
    assert systems.erp.booked(record)


def test_complete_runs_are_taken_back(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """Somebody replays them from the step that reverses: they are the same transactions."""
    final = billing.posted(customer, 100000)
    paid = billing.pay(final)
    paid.wait_for_end()
    charge = billing.charge_of(paid)
    disputed, opened = billing.dispute(charge)
    opened.wait_for_end()
    posted = billing.run(final["id"], "invoice-finalized")
    for run, step in (
        (opened, "ReverseErpEntry"),
        (paid, "UnapplyErpPayment"),
        (posted, "ReverseErpInvoice"),
    ):
        states = billing.cloud.client("stepfunctions")
        records = history.records_at(states, run.arn, "IsDryRun")
        back = billing.replay(run.timeline[0], f"{run.name}-back", step=step, records=records)
        assert back.wait_for_end() == {"status": "reversed"}
    assert systems.erp.booked(final["id"], charge, disputed["id"]) == {}


def test_what_was_posted_again_is_voided(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """The reversal of the first posting does not pass for one of the second."""
    run, record, _ = invoice(billing, customer)
    run.resolve("compensate")
    run.wait_for_end()
    billing.replay(run.timeline[0], f"{run.name}-replay-1").wait_for_end()
    assert systems.erp.booked(record)["receivable"] == D("1082.50")

    billing.stripe.do(invoice_api.void, record)
    assert billing.run(record, "invoice-voided").wait_for_end() == {"status": "reversed"}
    assert systems.erp.booked(record) == {}


def test_paid_invoice_is_not_reversed(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """The payments are unapplied first: Finance is told, or leaves it so."""
    run, record, step = invoice(billing, customer)
    systems.erp.enter_receipt(record, "1082.50")
    run.resolve("compensate")
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == (step, "Finance")
    assert "has payments in the ERP" in exception.message
    run.resolve("skip", reason="stays")
    assert run.wait_for_end() == {"status": "reversed"}
    assert systems.erp.booked(record)["receivable"] == D("1082.50")


def test_nothing_was_posted_yet(billing: Billing, systems: Systems, customer: Customer) -> None:
    """Giving up before only tells it."""
    with billing.broken("PreparePostingFunction"):
        final, run = billing.invoice(customer, 100000)
        run.wait_for_exception()
    run.resolve("compensate")
    assert run.wait_for_end() == {"status": "reversed"}
    assert run.states[-5:] == [
        "Resume",
        "WhatWasPosted",
        "IsDryReversal",
        "PublishReversed",
        "Reversed",
    ]
    assert systems.erp.traces(final["id"]) == 0

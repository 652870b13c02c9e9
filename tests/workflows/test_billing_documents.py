"""Each kind of thing that happens in billing: the run, and what the books hold afterwards."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from local.sandboxes.stripe import credit_notes, invoice_api
from tests.workflows.billing import DAY, DE, JP, US, YEAR, Billing, Customer
from tests.workflows.systems import Systems

D = Decimal
BEGIN = ["ReceiveEvent", "IsReplayOfStep", "WhatHappened"]
POST = ["ReadErpPostingContext", "PreparePosting", "WhatToPost"]
TELL = ["IsDryRun", "PublishPosted", "Posted"]
INVOICE = [
    *BEGIN,
    "RefetchInvoice",
    "IsInvoiceFinal",
    *POST,
    "PostErpInvoice",
    "ScheduleServicePeriods",
    "VerifyTotals",
    "WhichToRefetch",
    "RefetchPostedInvoice",
    "WasVoidedMeanwhile",
    *TELL,
]
CREDIT_NOTE = [
    *BEGIN,
    "RefetchCreditNote",
    "IsCreditNoteVoid",
    *POST,
    "PostErpCreditMemo",
    "ScheduleServicePeriods",
    "VerifyTotals",
    "WhichToRefetch",
    "RefetchPostedCreditNote",
    "WasVoidedMeanwhile",
    *TELL,
]
PAYMENT = [*BEGIN, "RefetchPayment", "IsConfirmed", *POST, "ApplyErpPayment", *TELL]
REFUND = [*BEGIN, "RefetchRefund", "IsConfirmed", *POST, "PostErpEntry", *TELL]
DISPUTE = [*BEGIN, "RefetchDispute", *POST, "PostErpEntry", *TELL]
PAYOUT = [
    *BEGIN,
    "RefetchPayout",
    "IsPayoutSettled",
    "FetchBalanceTransactions",
    "MatchBalanceTransactions",
    "HasMoreBalanceTransactions",
    *POST,
    "PostErpEntry",
    *TELL,
]


USAGE = ["PlaceUsage", "IsUsagePlaced", "SubmitUsage", "IsUsageSubmitted"]
VOID = [*BEGIN, "RefetchInvoice", "IsInvoiceFinal", "VoidErpDocument", "WasOverdue", "WasPosted"]
REVERSED = ["IsDryReversal", "PublishReversed", "Reversed"]


@pytest.mark.parametrize(
    ("subsidiary", "amounts", "net", "tax"),
    [
        # 8.25 % of 50.33 are 4.152225: rounded down.
        (US, (100000, 5033), "1050.33", "86.65"),
        # Three cents over a year: no month gets a whole one.
        (DE, (100001, 3), "1000.04", "190.01"),
        (JP, (1000003, 7), "1000010", "100001"),
    ],
)
def test_invoice_is_paid(
    billing: Billing,
    systems: Systems,
    new_customer: Callable[..., Customer],
    subsidiary: str,
    amounts: tuple[int, ...],
    net: str,
    tax: str,
) -> None:
    """To the minor unit, with its tax, its revenue by month, and its payment."""
    invoice, run = billing.invoice(new_customer(subsidiary), *amounts, service=YEAR)
    output = run.wait_for_end()

    posted = systems.erp.document(invoice["id"])
    total = D(net) + D(tax)
    months = systems.erp.months(invoice["id"])
    assert posted
    assert run.states == INVOICE
    assert output == {"status": "posted", "number": posted.number}
    assert (posted.net.amount, posted.tax.amount, posted.total.amount) == (D(net), D(tax), total)
    assert posted.subsidiary == subsidiary
    assert systems.erp.booked(invoice["id"]) == {
        "receivable": total,
        "revenue": -D(net),
        "tax": -D(tax),
    }
    assert (len(months), sum(months)) == (13, D(net))
    whole = months[1:-1]
    assert max(whole) - min(whole) < D(net) * 4 / 365, "months differ by three days at most"
    assert run.events == ["invoice.finalized", "invoice.posted"]
    assert D(run.timeline[-1].data["amount"]["amount"]) == total

    payment = billing.pay(invoice)
    payment.wait_for_end()

    paid = systems.erp.document(invoice["id"])
    assert paid
    assert payment.states == PAYMENT
    assert paid.remaining.amount == 0
    booked = systems.erp.booked(billing.charge_of(payment))
    assert booked == {"clearing": total, "receivable": -total}
    assert payment.events == ["payment.succeeded", "payment.posted"]


@pytest.mark.slow
def test_invoice_is_paid_in_parts_credited_and_refunded(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """A credit note lowers what is due, is paid back, or waits as the customer's credit."""
    invoice = billing.posted(customer, 100000)

    def remaining() -> Decimal:
        found = systems.erp.document(invoice["id"])
        assert found
        return found.remaining.amount

    first = billing.pay_part(customer, invoice, 40000)
    first.wait_for_end()
    assert remaining() == D("682.50")

    note, run = billing.credit(invoice, 10000)
    run.wait_for_end()
    memo = systems.erp.document(note["id"])
    assert run.states == CREDIT_NOTE
    assert memo
    assert (memo.net.amount, memo.tax.amount, memo.remaining.amount) == (D("100"), D("8.25"), D(0))
    assert remaining() == D("574.25")

    second = billing.pay_part(customer, invoice, 57425)
    second.wait_for_end()
    assert remaining() == 0

    with billing.held_back("refund.created") as held:
        refunded, run = billing.credit(invoice, 20000, refund_amount=21650)
        run.wait_for_end()
    billing.deliver(held[0])
    back = refunded["refunds"][0]["refund"]
    refund = billing.run(back, "refund-issued")
    refund.wait_for_end()
    assert refund.states == REFUND
    assert systems.erp.booked(back) == {"receivable": D("216.50"), "clearing": -D("216.50")}

    to_balance, run = billing.credit(invoice, 5000, credit_amount=5413)
    run.wait_for_end()
    memo = systems.erp.document(to_balance["id"])
    assert memo
    assert memo.remaining.amount == D("54.13"), "the customer's credit"

    charges = [billing.charge_of(each) for each in (first, second)]
    notes = [each["id"] for each in (note, refunded, to_balance)]
    assert systems.erp.booked(invoice["id"], *notes, *charges, back) == {
        "receivable": -D("54.13"),
        "revenue": -D("650.00"),
        "tax": -D("53.62"),
        "clearing": D("757.75"),
    }


@pytest.mark.slow
def test_payments_are_disputed_and_paid_out(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """One dispute is won, one lost; the bank gets what the fees leave, and nothing is left over."""
    charges = []
    for amount in (100000, 50000):
        payment = billing.pay(billing.posted(customer, amount))
        payment.wait_for_end()
        charges.append(billing.charge_of(payment))
    disputes = []
    for charge in charges:
        dispute, run = billing.dispute(charge)
        run.wait_for_end()
        assert run.states == DISPUTE
        disputes.append(dispute)
    won, lost = (dispute["id"] for dispute in disputes)
    assert systems.erp.booked(won) == {"disputed": D("1082.50"), "clearing": -D("1082.50")}
    for dispute, outcome in zip(disputes, ("won", "lost"), strict=True):
        billing.decide(dispute, outcome).wait_for_end()

    payout, run = billing.pay_out()
    run.wait_for_end()

    closed = [f"{dispute}/closed" for dispute in (won, lost)]
    assert systems.erp.booked(closed[0]) == {"clearing": D("1082.50"), "disputed": -D("1082.50")}
    assert systems.erp.booked(closed[1]) == {
        "dispute losses": D("541.25"),
        "disputed": -D("541.25"),
    }
    assert run.states == PAYOUT
    # 2.9 % and 0.30 of each payment, and 15.00 for each dispute.
    fees = D("31.69") + D("16.00") + 2 * D("15.00")
    assert systems.erp.booked(payout["id"]) == {
        "bank": D("1082.50") - fees,
        "fees": fees,
        "clearing": -D("1082.50"),
    }
    everything = systems.erp.booked(payout["id"], *charges, won, lost, *closed)
    assert "clearing" not in everything
    assert "disputed" not in everything
    assert run.events == ["payout.settled", "payout.posted"]


def test_usage_is_submitted_once(billing: Billing, customer: Customer) -> None:
    """However often the product tells of it, under whichever transaction."""
    id = f"usage-{customer.stripe}"
    billing.metered(customer)
    run = billing.use(id, customer)
    assert run.wait_for_end() == {"status": "posted", "number": None}
    again = run.timeline[0].model_copy(update={"correlation_id": f"{id}-again", "id": "product:2"})
    billing.announce(again)
    billing.run(id, "again").wait_for_end()

    [told] = [e for e in billing.stripe.account.meter_events if customer.stripe in str(e)]
    assert told["payload"] == {"stripe_customer_id": customer.stripe, "value": "125.5"}
    assert run.states == [*BEGIN, *USAGE, *TELL]
    assert run.events == ["usage.recorded", "usage.submitted"]
    placed = run.timeline[1].data["placed"]
    assert (placed["is_adjustment"], placed["usage"]["quantity"]) == (False, "125.5")


def test_invoice_is_voided_after_it_was_posted(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """It is credited in the books, and stays there."""
    invoice = billing.posted(customer, 100000, service=3 * 31 * DAY)
    posted = systems.erp.document(invoice["id"])
    billing.stripe.do(invoice_api.void, invoice["id"])
    run = billing.run(invoice["id"], "invoice-voided")

    assert run.wait_for_end() == {"status": "reversed"}
    assert run.states == [*VOID, *REVERSED]
    assert systems.erp.booked(invoice["id"]) == {}
    assert systems.erp.status(posted) == "posted"
    assert run.events == ["invoice.voided", "posting.reversed"]


def test_invoice_is_voided_before_it_was_posted(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """Its events come in the wrong order: nothing is ever posted."""
    with billing.held_back("invoice.finalized") as held:
        invoice, run = billing.invoice(customer, 100000)
        billing.stripe.do(invoice_api.void, invoice["id"])
        voided = billing.run(invoice["id"], "invoice-voided")
        assert voided.wait_for_end() == {"status": "nothing to post"}
    billing.deliver(held[0])

    assert run.wait_for_end() == {"status": "nothing to post"}
    assert run.states == [*VOID, "NothingToPost"]
    assert systems.erp.traces(invoice["id"]) == 0


@pytest.mark.slow
def test_invoice_is_voided_while_it_is_posted(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """Who tells of the void finds nothing to reverse yet; who posts looks again, and reverses."""
    proxy = billing.environment.erp_proxy
    run = billing.paused_at(
        "PostErpInvoice", proxy, "/account.invoice$", lambda: billing.invoice(customer, 100000)[1]
    )
    invoice = run.name.split("-")[0]
    billing.stripe.do(invoice_api.void, invoice)

    assert billing.run(invoice, "invoice-voided").wait_for_end() == {"status": "nothing to post"}
    assert run.wait_for_end() == {"status": "reversed"}
    assert systems.erp.booked(invoice) == {}
    assert systems.erp.traces(invoice) == 1
    assert run.states[-6:] == ["VoidErpDocument", "WasOverdue", "WasPosted", *REVERSED]


@pytest.mark.slow
def test_credit_note_is_voided(billing: Billing, systems: Systems, customer: Customer) -> None:
    """The invoice is to be paid whole again."""
    invoice = billing.posted(customer, 100000)
    note, run = billing.credit(invoice, 10000)
    run.wait_for_end()
    billing.stripe.do(credit_notes.void, note["id"])
    voided = billing.run(note["id"], "credit-note-voided")

    assert voided.wait_for_end() == {"status": "reversed"}
    assert systems.erp.booked(note["id"]) == {}
    open_ = systems.erp.document(invoice["id"])
    assert open_
    assert open_.remaining.amount == D("1082.50")

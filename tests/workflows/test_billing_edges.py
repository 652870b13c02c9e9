"""The edges of billing: what comes late, twice, in parts or in the wrong order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from local.sandboxes.stripe import balance, payouts, subscriptions
from local.sandboxes.stripe.account import Account, StripeObject
from tests.workflows.billing import DAY, DE, JP, Billing, Customer
from tests.workflows.systems import Systems

# A minute of the real machine; `make test` has the ordinary way of each kind of document.
pytestmark = pytest.mark.slow

D = Decimal


def subscribe(billing: Billing, customer: Customer, *, seats: int, price: int) -> StripeObject:
    """Seats by the month, from now on, and nothing is told of its first invoice."""
    with billing.held_back():
        subscription = billing.subscribe(customer, seats=seats, price=price)
        billing.cloud.clock.advance(DAY / 12)
        billing.stripe.advance()
    return subscription


def change(billing: Billing, subscription: StripeObject, seats: int) -> StripeObject:
    """The customer wants another number of seats at once: the invoice of the difference."""
    item = subscription["items"]["data"][0]
    billing.stripe.do(
        subscriptions.update,
        subscription["id"],
        items=[{"id": item["id"], "quantity": seats}],
        proration_behavior="always_invoice",
    )
    return billing.stripe.account.invoices[subscription["latest_invoice"]]


def test_proration_to_the_second(
    billing: Billing, systems: Systems, new_customer: Callable[..., Customer]
) -> None:
    """An upgrade charges the rest of the period less what was paid; a downgrade gives it back."""
    subscriptions = [
        (subscribe(billing, new_customer(subsidiary), seats=3, price=price), unit)
        for subsidiary, price, unit in ((DE, 120007, 100), (JP, 50001, 1))
    ]
    billing.cloud.clock.advance(5 * DAY + 3671)
    for subscription, unit in subscriptions:
        for seats in (7, 2):
            invoice = change(billing, subscription, seats)
            billing.run(invoice["id"], "invoice-finalized").wait_for_end()

            lines = billing.stripe.account.lines[invoice["id"]]
            posted = systems.erp.document(invoice["id"])
            assert posted
            assert [line["amount"] < 0 for line in lines] == [True, False]
            assert [amount * unit for _, amount in systems.erp.lines(invoice["id"])] == [
                line["amount"] for line in lines
            ]
            assert posted.total.amount * unit == invoice["total"]
            assert posted.net.amount * unit == sum(line["amount"] for line in lines)
            assert (invoice["total"] > 0) is (seats == 7)
            assert sum(systems.erp.months(invoice["id"])) == posted.net.amount


def test_rounding_of_the_whole_document(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """Taxes may be rounded once more for all lines together: the residue has a line of its own."""
    invoice = billing.draft(customer, 10010, 10010)
    with billing.held_back():
        billing.finalize(invoice)
    # 8.25 % of 100.10 are 8.258: 8.26 on each line, and 16.52 or 16.51 of both.
    invoice["total_taxes"][0]["amount"] -= 1
    for field in ("total", "amount_due", "amount_remaining"):
        invoice[field] -= 1
    billing.deliver(billing.finalized_event(invoice))
    billing.run(invoice["id"], "invoice-finalized").wait_for_end()

    posted = systems.erp.document(invoice["id"])
    assert posted
    assert (posted.net.amount, posted.tax.amount) == (D("200.20"), D("16.51"))
    assert systems.erp.booked(invoice["id"]) == {
        "receivable": D("216.71"),
        "revenue": -D("200.20"),
        "tax": -D("16.52"),
        "rounding": D("0.01"),
    }


def test_payment_and_credit_note_come_before_their_invoice(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """They wait for what they build on, a refund for its credit note, and then follow it."""
    with billing.held_back("invoice.finalized", "credit_note.created") as held:
        invoice, posting = billing.invoice(customer, 100000)
        payment = billing.pay(invoice)
        note, credited = billing.credit(invoice, 10000, refund_amount=10825)
        refund = billing.run(note["refunds"][0]["refund"], "refund-issued")
        for run in (payment, refund):
            run.wait_for_back_off("ReadErpPostingContext")
        assert not systems.erp.traces(invoice["id"], billing.charge_of(payment))
    billing.deliver(held[1])
    credited.wait_for_back_off("PostErpCreditMemo")
    billing.deliver(held[0])

    for run in (posting, payment, credited, refund):
        assert run.wait_for_end()["status"] == "posted"
    assert not any(run.exceptions("resolved") for run in (payment, credited, refund))
    books = (invoice["id"], billing.charge_of(payment), note["id"], refund.name.split("-")[0])
    assert systems.erp.booked(*books) == {
        "clearing": D("974.25"),
        "revenue": -D("900.00"),
        "tax": -D("74.25"),
    }


def test_webhooks_come_twice_and_in_any_order(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """Each thing is booked once, by one run, whoever tells of it and when; the sweep too."""
    with billing.held_back() as held:
        invoice, posting = billing.invoice(customer, 100000)
        payment = billing.pay(invoice)
        dispute, opened = billing.dispute(billing.charge_of(payment))
        closed = billing.decide(dispute, "lost")
    for event in [*reversed(held), *held]:
        billing.deliver(event)
    runs = (posting, payment, opened, closed)
    for run in runs:
        assert run.wait_for_end()["status"] == "posted"
    billing.settle()
    names = {run.name for run in runs}
    again = [event.id for run in runs for event in run.timeline]

    billing.cloud.clock.advance(timedelta(hours=1).total_seconds())
    swept = billing.call("SweepBillingFunction", {"hours": 2})
    billing.settle()

    assert swept["events"] >= len(runs)
    assert {name for name in billing.executions() if name in names} == names
    assert [event.id for run in runs for event in run.timeline] == again
    records = [invoice["id"], billing.charge_of(payment), dispute["id"], f"{dispute['id']}/closed"]
    assert systems.erp.traces(*records) == len(records)
    assert systems.erp.booked(*records) == {
        "revenue": -D("1000.00"),
        "tax": -D("82.50"),
        "dispute losses": D("1082.50"),
    }


def test_event_that_was_lost_is_swept(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """No event arrived, and the sweep tells of it."""
    with billing.held_back():
        invoice, run = billing.invoice(customer, 100000)
    billing.cloud.clock.advance(timedelta(hours=1).total_seconds())
    billing.call("SweepBillingFunction", {"hours": 2})

    assert run.wait_for_end()["status"] == "posted"
    assert systems.erp.document(invoice["id"])


def test_invoice_is_paid_twice(billing: Billing, systems: Systems, customer: Customer) -> None:
    """Finance entered a receipt by hand, and then the card paid: the rest is the customer's."""
    invoice = billing.posted(customer, 100000)
    systems.erp.enter_receipt(invoice["id"], "900.00")
    payment = billing.pay(invoice)
    payment.wait_for_end()

    posted = systems.erp.document(invoice["id"])
    entry = systems.erp.entry(billing.charge_of(payment))
    assert posted
    assert entry
    assert posted.remaining.amount == 0
    assert (entry.amount.amount, entry.unapplied.amount) == (D("1082.50"), D("900.00"))


def test_gain_and_loss_on_exchange(
    billing: Billing, systems: Systems, new_customer: Callable[..., Customer]
) -> None:
    """Invoices in pounds are settled in euros, for more and for less than they are worth there."""
    customer = new_customer(DE)
    account = billing.stripe.account
    charges, worth = [], []
    # The ERP's rates: a pound is 1.15 euros.
    for rate in ("1.20", "1.10"):
        account.settles["gbp"] = ("eur", rate)
        invoice = billing.posted(customer, 100000, currency="gbp")
        payment = billing.pay(invoice)
        payment.wait_for_end()
        charges.append(billing.charge_of(payment))
        worth.append(invoice["id"])
        posted = systems.erp.document(invoice["id"])
        assert posted
        assert (posted.total.currency, posted.remaining.amount) == ("GBP", 0)
    payout, run = billing.pay_out()
    run.wait_for_end()
    account.settles.clear()

    settled = [D("1190.00") * D(rate) for rate in ("1.20", "1.10")]
    books = [systems.erp.booked(charge) for charge in charges]
    assert [book["clearing"] for book in books] == settled
    owed = D("1190.00") * D("0.92") / D("0.80")
    assert [book["exchange"] for book in books] == [owed - each for each in settled]
    everything = systems.erp.booked(*worth, *charges, payout["id"])
    assert "clearing" not in everything
    assert "receivable" not in everything


# ---- Payouts that do not agree with the books


def move(account: Account, amount: int, category: str) -> None:
    """Something moves the balance that is paid out next."""
    moved = balance.move(
        account,
        amount,
        currency="usd",
        source=None,
        type="stripe_fee" if category == "fee" else "adjustment",
        category=category,
        description="By Stripe",
    )
    payouts.collect(account, moved)


def test_payout_of_many_lines(billing: Billing, systems: Systems, customer: Customer) -> None:
    """They are matched page by page."""
    payment = billing.pay(billing.posted(customer, 100000))
    payment.wait_for_end()
    for _ in range(120):
        billing.stripe.by_hand(lambda account: move(account, -10, "fee"))
    payout, run = billing.pay_out()
    run.wait_for_end()

    assert run.count("FetchBalanceTransactions") == run.count("MatchBalanceTransactions") == 2
    fees = D("31.69") + 120 * D("0.10")
    assert systems.erp.booked(payout["id"]) == {
        "bank": D("1082.50") - fees,
        "fees": fees,
        "clearing": -D("1082.50"),
    }


def test_payout_with_a_line_that_is_not_in_the_books(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """It waits for the payment, then Finance is asked; once that is booked, retry completes it."""
    invoice = billing.posted(customer, 100000)
    with billing.held_back("invoice_payment.paid") as held:
        payment = billing.pay(invoice)
        payout, run = billing.pay_out()
        exception = run.wait_for_exception()
    charge = billing.charge_of(payment)

    assert (exception.step, exception.error) == ("MatchBalanceTransactions", "NotYetPosted")
    assert exception.team == "Finance"
    assert f"not in the books yet: payment stripe:{charge} of 1,082.50 USD" in exception.message
    assert run.count("BackOff") == 15
    assert not systems.erp.traces(payout["id"])
    billing.deliver(held[0])
    payment.wait_until(lambda: payment.status == "SUCCEEDED")
    run.resolve("retry")
    assert run.wait_for_end()["status"] == "posted"
    assert "clearing" not in systems.erp.booked(charge, payout["id"])


def test_payout_that_is_a_break(billing: Billing, systems: Systems, customer: Customer) -> None:
    """Finance gets the lines that differ, all at once; nothing is posted."""
    payment = billing.pay(billing.posted(customer, 100000))
    payment.wait_for_end()
    charge = billing.charge_of(payment)
    settled = next(row for row in billing.stripe.account.balance["usd"] if row["source"] == charge)
    billing.stripe.by_hand(lambda account: move(account, -1234, "other_adjustment"))
    with billing.changed(settled, amount=108200, net=105031):
        payout, run = billing.pay_out()
        with billing.changed(payout, amount=payout["amount"] + 1):
            exception = run.wait_for_exception()

    assert (exception.step, exception.error) == ("PreparePosting", "BusinessRuleViolation")
    assert exception.team == "Finance"
    for problem in (
        f"payment stripe:{charge}: 1,082.00 USD in the balance, 1,082.50 USD in the books",
        "moved the balance by -12.34 USD: nobody knows what it is",
        "its lines add up to",
    ):
        assert problem in exception.message
    assert not systems.erp.traces(payout["id"])
    run.resolve("compensate", reason="entered by hand")
    assert run.wait_for_end() == {"status": "reversed"}

"""A customer's own credit pays a later invoice: the books settle the same documents."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from local.sandboxes.stripe import customer_balance, invoice_api
from local.sandboxes.stripe.account import StripeObject
from tests.workflows.billing import DE, Billing, Customer
from tests.workflows.runs import Run
from tests.workflows.systems import Systems
from tests.workflows.test_billing_documents import INVOICE, TELL
from tests.workflows.test_replay import rehearse

D = Decimal
AT = INVOICE.index("RefetchPostedInvoice")
CREDITED = [*INVOICE[:AT], "ApplyCustomerCredit", *INVOICE[AT:]]
# As of the other edges; `make test` has the ordinary way of each kind of document.
pytestmark = pytest.mark.slow


def with_credit(billing: Billing, customer: Customer) -> tuple[StripeObject, Run]:
    """A credit note of 54.13 on a paid invoice, all of it credit, and the run that posts it."""
    invoice = billing.posted(customer, 100000)
    billing.pay(invoice).wait_for_end()
    return billing.credit(invoice, 5000, credit_amount=5413)


def remaining(systems: Systems, *documents: StripeObject) -> list[Decimal]:
    """What is open of them in the books."""
    found = [systems.erp.document(each["id"]) for each in documents]
    return [each.remaining.amount for each in found if each]


def test_next_invoice_uses_it(billing: Billing, systems: Systems, customer: Customer) -> None:
    """Both are settled by each other; what is rehearsed before and after says the same."""
    note, run = with_credit(billing, customer)
    run.wait_for_end()
    assert remaining(systems, note) == [D("54.13")]
    with billing.held_back() as held:
        invoice, posting = billing.invoice(customer, 5000)
    assert invoice["status"] == "paid"
    told = billing.finalized_event(invoice)
    output, plans = rehearse(billing, billing.canonical(told))
    assert output == {"status": "dry run"}
    assert [(plan.operation, plan.action) for plan in plans] == [
        ("post_invoice", "create"),
        ("schedule_service_periods", "create"),
        ("apply_customer_credit", "create"),
    ]

    for event in held:
        billing.deliver(event)
    assert posting.wait_for_end()["status"] == "posted"

    assert posting.states == CREDITED
    assert remaining(systems, note, invoice) == [0, 0]
    assert systems.erp.booked(note["id"], invoice["id"]) == {}
    _, plans = rehearse(billing, billing.canonical(told))
    assert {plan.action for plan in plans} == {"unchanged"}


def test_invoices_come_before_the_credit_note(
    billing: Billing, systems: Systems, new_customer: Callable[..., Customer]
) -> None:
    """They wait for it, and it is enough for both."""
    customer = new_customer(DE)
    paid = billing.posted(customer, 100000)
    billing.pay(paid).wait_for_end()
    with billing.held_back("credit_note.created") as held:
        note, credit = billing.credit(paid, 10000, credit_amount=11900)
        made = [billing.invoice(customer, amount) for amount in (6000, 8000)]
        for _, run in made:
            run.wait_for_back_off("ApplyCustomerCredit")
    first, second = (invoice for invoice, _ in made)
    assert remaining(systems, first, second) == [D("71.40"), D("95.20")]
    billing.deliver(held[0])

    for run in (credit, *(run for _, run in made)):
        assert run.wait_for_end()["status"] == "posted"
        assert not run.exceptions("resolved")
    assert remaining(systems, note, first, second) == [0, 0, D("47.60")]
    billing.pay(second).wait_for_end()
    assert remaining(systems, second) == [0]


def test_invoice_is_voided_and_the_credit_used_again(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """The books give it back as billing does; one that still waits for it is given up."""
    note, run = with_credit(billing, customer)
    run.wait_for_end()
    first = billing.posted(customer, 100000)
    assert remaining(systems, note, first) == [0, D("1028.37")]
    billing.stripe.do(invoice_api.void, first["id"])
    voided = billing.run(first["id"], "invoice-voided")
    assert voided.wait_for_end() == {"status": "reversed"}
    assert systems.erp.booked(first["id"]) == {}
    assert remaining(systems, note) == [D("54.13")]

    billing.posted(customer, 5000)
    assert remaining(systems, note) == [0]


def test_invoice_is_voided_while_it_waits(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """Nothing is applied any more, and nobody is asked."""
    with billing.held_back("credit_note.created") as held:
        note, credit = with_credit(billing, customer)
        invoice, waiting = billing.invoice(customer, 10000)
        waiting.wait_for_back_off("ApplyCustomerCredit")
    billing.stripe.do(invoice_api.void, invoice["id"])
    billing.run(invoice["id"], "invoice-voided").wait_until(
        lambda: systems.erp.document(invoice["id"]) is None, jump=False
    )

    assert waiting.wait_for_end() == {"status": "reversed"}
    assert not waiting.exceptions("resolved")
    billing.deliver(held[0])
    credit.wait_for_end()
    assert remaining(systems, note) == [D("54.13")]


def test_posting_is_given_up_with_the_credit(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """A replay then posts it again, and applies the credit again."""
    note, run = with_credit(billing, customer)
    run.wait_for_end()
    with billing.broken("ApplyCustomerCreditFunction"):
        invoice, posting = billing.invoice(customer, 10000)
        exception = posting.wait_for_exception()
    assert exception.actions == ("retry", "skip", "compensate")
    posting.resolve("compensate")
    assert posting.wait_for_end() == {"status": "reversed"}
    assert remaining(systems, note) == [D("54.13")]

    replayed = billing.replay(posting.timeline[0], f"{posting.name}-replay-1")
    assert replayed.wait_for_end()["status"] == "posted"
    assert remaining(systems, note, invoice) == [0, D("54.12")]


def test_credit_that_the_books_do_not_have(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """Somebody gave it in billing by hand: Finance is asked once it has not come."""
    give(billing, customer, -3000)
    invoice, run = billing.invoice(customer, 10000)

    exception = run.wait_for_exception()

    assert (exception.step, exception.error) == ("ApplyCustomerCredit", "NotYetPosted")
    assert exception.team == "Finance"
    assert "30.00 USD less of the customer's credit than the 30.00 USD" in exception.message
    run.resolve("skip", reason="written off by hand")
    assert run.wait_for_end()["status"] == "posted"
    assert run.states[-len(TELL) - 3 : -len(TELL)] == [
        "ApplyCustomerCredit",
        "RefetchPostedInvoice",
        "WasVoidedMeanwhile",
    ]
    assert remaining(systems, invoice) == [D("108.25")]


def test_debt_on_the_customers_balance(
    billing: Billing, systems: Systems, customer: Customer
) -> None:
    """What was put off is due with another invoice: Finance is told at once."""
    give(billing, customer, 3000)
    invoice, run = billing.invoice(customer, 10000)
    assert invoice["amount_due"] == 13825

    exception = run.wait_for_exception()

    assert (exception.step, exception.error) == ("ApplyCustomerCredit", "BusinessRuleViolation")
    assert f"{invoice['number']}: with it 30.00 USD are due" in exception.message
    assert run.count("BackOff") == 0
    run.resolve("skip", reason="settled by hand")
    run.wait_for_end()
    assert remaining(systems, invoice) == [D("108.25")]


def give(billing: Billing, customer: Customer, amount: int) -> None:
    """Somebody changes the customer's balance in billing: credit where it is negative."""
    change = {"amount": amount, "currency": customer.currency}
    billing.stripe.do(customer_balance.create, customer.stripe, **change)

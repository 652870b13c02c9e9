"""What every ERP behind the port tells of a customer's debts, on a running one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from interlock.canonical import Money
from interlock.canonical.books import LedgerRole
from interlock.canonical.customer_view import Receivables
from interlock.errors import OutcomeUnknown

from tests.contracts.erp.accounts import account
from tests.contracts.erp.postings import DAY, US, entry, line, payment, posting

DUE = date(2026, 4, 9)
LATE = DUE + timedelta(days=1)
NOTHING = Receivables(owed=(), overdue=(), overdue_since=None)


def usd(amount: str) -> tuple[Money, ...]:
    return (Money.of(amount, "USD"),)


def owed(amount: str, overdue: str | None = None, since: date = DUE) -> Receivables:
    if overdue is None:
        return Receivables(owed=usd(amount), overdue=(), overdue_since=None)
    return Receivables(owed=usd(amount), overdue=usd(overdue), overdue_since=since)


@pytest.fixture
def invoice(erp, customer):
    """Posts an invoice of the customer, of 108.25 USD that is due on 2026-04-09 unless told."""

    def invoice(*lines, **changes):
        return erp.port.post_invoice(posting(*lines, **changes), customer_remote_id=customer)

    return invoice


@pytest.fixture
def now(erp, customer):
    """What the customer owes on a day."""
    return lambda today=DUE: erp.port.get_receivables(customer, today=today)


def pay(erp, document, amount: str, currency: str = "USD"):
    paid = payment(amount, currency)
    return erp.port.apply_payment(paid, posting_date=DAY, invoice_remote_id=document.remote_id)


def credit(erp, customer, document, amount: str):
    memo = posting(line(1, amount), credits=document.id)
    where = {"customer_remote_id": customer, "invoice_remote_id": document.remote_id}
    return erp.port.post_credit_memo(memo, **where)


def test_a_customer_without_books(now):
    assert now() == NOTHING


def test_an_open_invoice_is_overdue_from_the_day_after(invoice, now):
    invoice()

    assert now(DUE) == owed("108.25")
    assert now(LATE) == owed("108.25", "108.25")


def test_what_is_paid_is_owed_no_more(erp, invoice, now):
    document = invoice()
    part = pay(erp, document, "50.00")
    assert now(LATE) == owed("58.25", "58.25")

    pay(erp, document, "58.25")
    assert now(LATE) == NOTHING

    erp.port.unapply_payment(part.remote_id, posting_date=DAY)
    assert now(LATE) == owed("50.00", "50.00")


def test_a_payment_is_of_its_invoice(erp, invoice, now):
    """Though another one has been due for longer."""
    invoice(due_on=date(2026, 3, 31))
    later = invoice()
    pay(erp, later, "100.00")

    assert now(LATE) == owed("116.50", "116.50", date(2026, 3, 31))
    assert now(DUE) == owed("116.50", "108.25", date(2026, 3, 31))


def test_a_credit_memo_lowers_it(erp, customer, invoice, now):
    credit(erp, customer, invoice(), "20.00")

    assert now(LATE) == owed("88.25", "88.25")


def test_credit_pays_what_was_due_first(erp, customer, invoice, now):
    paid = invoice()
    pay(erp, paid, "108.25")
    credit(erp, customer, paid, "30.00")
    assert now(LATE) == NOTHING

    invoice(due_on=date(2026, 3, 31))
    invoice(due_on=date(2026, 5, 31))
    assert now(LATE) == owed("186.50", "78.25", date(2026, 3, 31))


def test_too_much_that_was_paid_is_credit_until_it_is_refunded(erp, customer, invoice, now):
    pay(erp, invoice(), "120.00")
    assert now(LATE) == NOTHING
    invoice()
    assert now(LATE) == owed("96.50", "96.50")

    refund = entry((LedgerRole.RECEIVABLE, "11.75"), (LedgerRole.CLEARING, "-11.75"))
    erp.port.post_entry(refund, customer_remote_id=customer, settles_remote_id=None)
    assert now(LATE) == owed("108.25", "108.25")


def test_what_was_reversed_is_not_owed(erp, invoice, now):
    erp.port.reverse_document(invoice().remote_id, posting_date=DAY)

    assert now(LATE) == NOTHING


def test_a_draft_is_not_owed(erp, customer, now):
    with erp.dies_before_posting() as port, pytest.raises(OutcomeUnknown):
        port.post_invoice(posting(), customer_remote_id=customer)

    assert now(LATE) == NOTHING


def test_currencies_stand_side_by_side(invoice, erp, now):
    german = {"subsidiary": "TESSALINE-DE"}
    pounds = invoice(line(1, "80.00", "GBP"), **german, due_on=date(2026, 4, 1))
    part = payment("30.00", "GBP", settled=Money.of("35.00", "EUR"))
    erp.port.apply_payment(part, posting_date=DAY, invoice_remote_id=pounds.remote_id)
    invoice(line(1, "100.00"), subsidiary=US)
    invoice(line(1, "-100.00", "EUR"), **german)

    assert now(DUE) == Receivables(
        owed=(Money.of("50.00", "GBP"), Money.of("100.00", "USD")),
        overdue=(Money.of("50.00", "GBP"),),
        overdue_since=date(2026, 4, 1),
    )


def test_what_a_subsidiary_owes_the_customer_pays_no_other(invoice, now):
    invoice(line(1, "100.00"), subsidiary=US)
    invoice(line(1, "-40.00"), subsidiary="TESSALINE-DE")

    assert now(LATE) == owed("100.00", "100.00")


def test_what_others_owe_is_theirs(erp, now):
    stranger = erp.port.create_customer(account(), parent_remote_id=None).remote_id
    erp.port.post_invoice(posting(), customer_remote_id=stranger)

    assert now(LATE) == NOTHING

"""What every ERP behind the port must do with payments and journal entries, on a running one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date

import pytest
from interlock.canonical import Money
from interlock.canonical.books import Cleared, LedgerRole
from interlock.errors import BusinessRuleViolation, OutcomeUnknown, RecordNotFound

from tests.contracts.erp.postings import (
    BOOKS,
    US,
    Books,
    Ledger,
    entry,
    line,
    new_id,
    payment,
    posting,
)

PAID_ON = date(2026, 3, 12)
CLOSED_DAY = date(2027, 8, 15)
GERMAN = "TESSALINE-DE"


def usd(amount: str) -> Money:
    return Money.of(amount, "USD")


@pytest.fixture
def invoice(erp, customer):
    """Of 108.25 USD."""
    return erp.port.post_invoice(posting(), customer_remote_id=customer)


@pytest.fixture
def ledger(erp, invoice) -> Ledger:
    """Since the invoice was posted."""
    return Ledger(erp)


def apply(erp, paid, invoice, port=None):
    return (port or erp.port).apply_payment(
        paid, posting_date=PAID_ON, invoice_remote_id=invoice.remote_id
    )


def left(erp, document) -> Money:
    return erp.port.get_document(document.remote_id).remaining


class TestPayments:
    @pytest.mark.parametrize("books", BOOKS, ids=lambda books: books.currency)
    def test_pays_the_invoice_whole(self, erp, customer, books: Books):
        amount = "1000" if books.currency == "JPY" else "1000.01"
        wanted = posting(line(1, amount, books.currency), subsidiary=books.code)
        invoice = erp.port.post_invoice(wanted, customer_remote_id=customer)
        ledger = Ledger(erp, books.code)
        paid = payment(amount, books.currency)
        applied = apply(erp, paid, invoice)
        assert (applied.id, applied.subsidiary) == (paid.id, books.code)
        assert applied.amount == paid.amount
        assert applied.unapplied == Money.of(0, books.currency)
        assert applied.posting_date == PAID_ON
        assert applied.number
        assert left(erp, invoice) == Money.of(0, books.currency)
        assert ledger.changes() == {"clearing": amount, "receivable": f"-{amount}"}
        assert erp.port.find_payment(paid.id) == applied
        assert erp.port.get_entry(applied.remote_id) == applied
        cleared = Cleared(subsidiary=books.code, amount=paid.amount)
        assert erp.port.cleared_amounts((paid.id,)) == {paid.id: cleared}

    def test_parts_add_up_and_the_rest_is_credit(self, erp, invoice, ledger):
        apply(erp, payment("100.00"), invoice)
        assert left(erp, invoice) == usd("8.25")
        over = apply(erp, payment("10.00"), invoice)
        assert over.unapplied == usd("1.75")
        assert left(erp, invoice) == usd("0")
        more = apply(erp, payment("5.00"), invoice)
        assert (more.amount, more.unapplied) == (usd("5.00"), usd("5.00"))
        assert ledger.changes() == {"clearing": "115", "receivable": "-115"}

    def test_applied_again_it_is_the_same_one(self, erp, invoice, ledger):
        paid = payment("100.00")
        assert apply(erp, paid, invoice) == apply(erp, paid, invoice)
        assert ledger.changes() == {"clearing": "100", "receivable": "-100"}

    def test_one_outside_the_billing_system_came_to_the_bank(self, erp, invoice, ledger):
        paid = payment("108.25", settled=None)
        apply(erp, paid, invoice)
        assert ledger.changes() == {"bank": "108.25", "receivable": "-108.25"}
        assert erp.port.cleared_amounts((paid.id,)) == {}

    def test_unapplied_the_invoice_is_open_again(self, erp, invoice, ledger):
        paid = payment("100.00")
        applied = apply(erp, paid, invoice)
        undoing = erp.port.unapply_payment(applied.remote_id, posting_date=date(2026, 4, 1))
        assert undoing.posting_date == date(2026, 4, 1)
        assert left(erp, invoice) == usd("108.25")
        assert erp.port.find_payment(paid.id) is None
        assert erp.port.cleared_amounts((paid.id,)) == {}
        assert ledger.changes() == {}
        again = erp.port.unapply_payment(applied.remote_id, posting_date=date(2026, 4, 1))
        assert again == undoing
        anew = apply(erp, paid, invoice)
        assert erp.port.find_payment(paid.id) == anew
        assert left(erp, invoice) == usd("8.25")

    def test_a_crashed_attempt_leaves_no_second_one(self, erp, invoice, ledger):
        paid = payment("108.25")
        with erp.dies_before_posting() as port, pytest.raises(OutcomeUnknown):
            apply(erp, paid, invoice, port)
        assert erp.drafts(paid.id) == 1
        assert erp.port.find_payment(paid.id) is None
        applied = apply(erp, paid, invoice)
        assert applied.unapplied == usd("0")
        assert erp.drafts(paid.id) == 0
        assert ledger.changes() == {"clearing": "108.25", "receivable": "-108.25"}

    def test_two_attempts_at_once_pay_once(self, erp, invoice, ledger):
        paid = payment("108.25")

        def attempt(_: int) -> None:
            with suppress(OutcomeUnknown):
                apply(erp, paid, invoice)

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(attempt, range(3)))
        attempt(3)
        assert erp.port.find_payment(paid.id).unapplied == usd("0")
        assert left(erp, invoice) == usd("0")
        assert erp.drafts(paid.id) == 0
        assert ledger.changes() == {"clearing": "108.25", "receivable": "-108.25"}

    def test_a_closed_period_takes_nothing(self, erp, invoice, ledger):
        applied = apply(erp, payment("8.25"), invoice)
        erp.close_period(CLOSED_DAY, US)
        try:
            paid = payment("100.00")
            with pytest.raises(BusinessRuleViolation, match=f"{CLOSED_DAY} is closed.*{paid.id}"):
                erp.port.apply_payment(
                    paid, posting_date=CLOSED_DAY, invoice_remote_id=invoice.remote_id
                )
            with pytest.raises(BusinessRuleViolation, match="closed"):
                erp.port.unapply_payment(applied.remote_id, posting_date=CLOSED_DAY)
        finally:
            erp.reopen_period(CLOSED_DAY, US)
        assert left(erp, invoice) == usd("100.00")
        assert erp.drafts(paid.id) == 0

    def test_an_absent_one_is_absent(self, erp):
        assert erp.port.find_payment(new_id()) is None
        assert erp.port.cleared_amounts((new_id(), new_id())) == {}
        with pytest.raises(RecordNotFound):
            erp.port.get_entry("999999")


class TestExchange:
    """The books of a company in EUR; GBP are kept there too, at the ERP's rate of 1.15."""

    @pytest.fixture
    def in_pounds(self, erp, customer):
        wanted = posting(line(1, "100.00", "GBP", "19.00", "19"), subsidiary=GERMAN)
        return erp.port.post_invoice(wanted, customer_remote_id=customer)

    def test_a_gain_and_a_loss_are_booked_with_the_payments(self, erp, in_pounds):
        ledger = Ledger(erp, GERMAN)
        first = payment("19.00", "GBP", settled=Money.of("22.00", "EUR"))
        assert apply(erp, first, in_pounds).amount == Money.of("19.00", "GBP")
        assert left(erp, in_pounds) == Money.of("100.00", "GBP")
        assert ledger.changes() == {
            "clearing": "22",
            "receivable": "-21.85",
            "exchange": "-0.15",
        }
        second = payment("100.00", "GBP", settled=Money.of("114.20", "EUR"))
        apply(erp, second, in_pounds)
        assert left(erp, in_pounds) == Money.of("0", "GBP")
        assert ledger.changes() == {
            "clearing": "136.2",
            "receivable": "-136.85",
            "exchange": "0.65",
        }
        cleared = erp.port.cleared_amounts((first.id, second.id))
        assert cleared[second.id].amount == Money.of("114.20", "EUR")

    def test_unapplied_the_gain_is_gone_too(self, erp, in_pounds):
        ledger = Ledger(erp, GERMAN)
        paid = payment("120.00", "GBP", settled=Money.of("140.00", "EUR"))
        applied = apply(erp, paid, in_pounds)
        assert applied.unapplied == Money.of("1.00", "GBP")
        erp.port.unapply_payment(applied.remote_id, posting_date=PAID_ON)
        assert ledger.changes() == {}
        assert left(erp, in_pounds) == Money.of("119.00", "GBP")

    def test_a_credit_memo_of_another_day_pays_it(self, erp, customer, in_pounds):
        wanted = posting(
            line(1, "100.00", "GBP", "19.00", "19"), subsidiary=GERMAN, credits=in_pounds.id
        )
        memo = erp.port.post_credit_memo(
            wanted, customer_remote_id=customer, invoice_remote_id=in_pounds.remote_id
        )
        assert (left(erp, in_pounds), memo.remaining) == (Money.of(0, "GBP"), Money.of(0, "GBP"))

    def test_what_was_settled_in_another_currency_is_cleared_in_it(self, erp, customer):
        wanted = posting(line(1, "100.00", "EUR"), subsidiary=GERMAN)
        invoice = erp.port.post_invoice(wanted, customer_remote_id=customer)
        ledger = Ledger(erp, GERMAN)
        paid = payment("100.00", "EUR", settled=usd("108.11"))
        apply(erp, paid, invoice)
        assert ledger.changes() == {"clearing": "100", "receivable": "-100"}
        assert erp.port.cleared_amounts((paid.id,))[paid.id].amount == usd("108.11")

    def test_two_foreign_currencies_are_left_to_finance(self, erp, in_pounds):
        paid = payment("10.00", "GBP", settled=usd("12.00"))
        with pytest.raises(BusinessRuleViolation, match=r"10\.00 GBP.*12\.00 USD.*EUR"):
            apply(erp, paid, in_pounds)
        assert erp.drafts(paid.id) == 0


class TestEntries:
    def test_a_refund_settles_its_credit_memo(self, erp, customer, invoice, ledger):
        apply(erp, payment("108.25"), invoice)
        memo = erp.port.post_credit_memo(
            posting(line(1, "40.00", tax="3.30"), credits=invoice.id),
            customer_remote_id=customer,
            invoice_remote_id=invoice.remote_id,
        )
        refund = entry((LedgerRole.RECEIVABLE, "43.30"), (LedgerRole.CLEARING, "-43.30"))
        settling = {"customer_remote_id": customer, "settles_remote_id": memo.remote_id}
        posted = erp.port.post_entry(refund, **settling)
        assert (posted.id, posted.amount, posted.unapplied) == (refund.id, usd("43.30"), usd("0"))
        assert left(erp, memo) == usd("0")
        assert erp.port.post_entry(refund, **settling) == posted
        assert erp.port.find_entry(refund.id) == posted
        assert ledger.changes() == {
            "clearing": "64.95",
            "receivable": "-108.25",
            "revenue": "40",
            "tax": "3.3",
        }
        assert erp.port.cleared_amounts((refund.id,))[refund.id].amount == usd("-43.30")
        undoing = erp.port.reverse_entry(posted.remote_id, posting_date=PAID_ON)
        assert left(erp, memo) == usd("43.30")
        assert erp.port.find_entry(refund.id) is None
        assert erp.port.reverse_entry(posted.remote_id, posting_date=PAID_ON) == undoing

    def test_more_than_the_memo_stays_with_the_customer(self, erp, customer, invoice):
        apply(erp, payment("108.25"), invoice)
        memo = erp.port.post_credit_memo(
            posting(line(1, "40.00"), credits=invoice.id),
            customer_remote_id=customer,
            invoice_remote_id=invoice.remote_id,
        )
        refund = entry((LedgerRole.RECEIVABLE, "50.00"), (LedgerRole.CLEARING, "-50.00"))
        posted = erp.port.post_entry(
            refund, customer_remote_id=customer, settles_remote_id=memo.remote_id
        )
        assert (posted.amount, posted.unapplied) == (usd("50.00"), usd("10.00"))
        assert left(erp, memo) == usd("0")

    def test_a_dispute_is_lost_and_a_payout_is_deposited(self, erp, ledger):
        bare = {"customer_remote_id": None, "settles_remote_id": None}
        opened = entry((LedgerRole.DISPUTED, "108.25"), (LedgerRole.CLEARING, "-108.25"))
        lost = entry((LedgerRole.DISPUTE_LOSSES, "108.25"), (LedgerRole.DISPUTED, "-108.25"))
        payout = entry(
            (LedgerRole.BANK, "970.70"), (LedgerRole.FEES, "29.30"), (LedgerRole.CLEARING, "-1000")
        )
        posted = erp.port.post_entry(opened, **bare)
        assert (posted.amount, posted.unapplied) == (usd("108.25"), usd("0"))
        erp.port.post_entry(lost, **bare)
        deposit = erp.port.post_entry(payout, **bare)
        assert ledger.changes() == {
            "bank": "970.7",
            "fees": "29.3",
            "clearing": "-1108.25",
            "dispute losses": "108.25",
        }
        cleared = erp.port.cleared_amounts((opened.id, lost.id, payout.id))
        assert {id: each.amount for id, each in cleared.items()} == {
            opened.id: usd("-108.25"),
            payout.id: usd("-1000.00"),
        }
        erp.port.reverse_entry(deposit.remote_id, posting_date=date(2026, 3, 31))
        assert "bank" not in ledger.changes()

    def test_more_than_a_hundred_are_looked_up(self, erp, invoice):
        paid = payment("1.00")
        apply(erp, paid, invoice)
        ids = (*(new_id() for _ in range(120)), paid.id)
        assert set(erp.port.cleared_amounts(ids)) == {paid.id}

    def test_what_does_not_balance_is_refused_and_nothing_posted(self, erp, invoice, ledger):
        bare = {"customer_remote_id": None, "settles_remote_id": None}
        wrong = entry((LedgerRole.BANK, "10.00"), (LedgerRole.CLEARING, "-10.01"))
        with pytest.raises(BusinessRuleViolation, match="differ by"):
            erp.port.post_entry(wrong, **bare)
        odd = payment("10.00", settled=usd("9.99"))
        with pytest.raises(BusinessRuleViolation, match="differ by"):
            apply(erp, odd, invoice)
        assert erp.drafts(wrong.id) == erp.drafts(odd.id) == 0
        assert left(erp, invoice) == usd("108.25")
        assert ledger.changes() == {}

    def test_what_the_books_cannot_take_is_said(self, erp, customer):
        bare = {"customer_remote_id": None, "settles_remote_id": None}
        pounds = entry((LedgerRole.BANK, "1"), (LedgerRole.CLEARING, "-1"), currency="GBP")
        with pytest.raises(BusinessRuleViolation, match=r"GBP.*USD"):
            erp.port.post_entry(pounds, **bare)
        nobodys = entry((LedgerRole.RECEIVABLE, "1"), (LedgerRole.CLEARING, "-1"))
        with pytest.raises(BusinessRuleViolation, match="whose"):
            erp.port.post_entry(nobodys, **bare)

    def test_a_crashed_attempt_leaves_no_second_one(self, erp, ledger):
        bare = {"customer_remote_id": None, "settles_remote_id": None}
        payout = entry((LedgerRole.BANK, "10.00"), (LedgerRole.CLEARING, "-10.00"))
        with erp.dies_before_posting() as port, pytest.raises(OutcomeUnknown):
            port.post_entry(payout, **bare)
        posted = erp.port.post_entry(payout, **bare)
        with erp.dies_before_posting() as port, pytest.raises(OutcomeUnknown):
            port.reverse_entry(posted.remote_id, posting_date=PAID_ON)
        assert erp.port.find_entry(payout.id) == posted
        erp.port.reverse_entry(posted.remote_id, posting_date=PAID_ON)
        assert erp.drafts(payout.id) == 0
        assert ledger.changes() == {}

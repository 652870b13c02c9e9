"""What every ERP behind the port must do with a customer's credit that pays an invoice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date

import pytest
from interlock.canonical import Money
from interlock.errors import (
    BusinessRuleViolation,
    NotYetPosted,
    OutcomeUnknown,
)

from tests.contracts.erp.accounts import account
from tests.contracts.erp.postings import (
    DAY,
    Ledger,
    line,
    payment,
    posting,
)

# Half a minute of them.
pytestmark = pytest.mark.slow


class TestCustomerCredit:
    """What a customer has as credit pays a later invoice."""

    @pytest.fixture
    def paid(self, erp, customer):
        """An invoice that is paid, so that what is credited of it is the customer's."""
        invoice = erp.port.post_invoice(posting(), customer_remote_id=customer)
        whole = payment("108.25")
        erp.port.apply_payment(whole, posting_date=DAY, invoice_remote_id=invoice.remote_id)
        return invoice

    @pytest.fixture
    def credit(self, erp, customer, paid):
        """A credit memo of so much, posted on a day."""

        def credit(amount: str, day: date = DAY):
            wanted = posting(line(1, amount), credits=paid.id, posting_date=day)
            return erp.port.post_credit_memo(
                wanted, customer_remote_id=customer, invoice_remote_id=paid.remote_id
            )

        return credit

    @pytest.fixture
    def later(self, erp, customer):
        """An invoice of 108.25."""
        return erp.port.post_invoice(posting(), customer_remote_id=customer)

    def apply(self, erp, invoice, amount: str, port=None, day: date = DAY):
        return (port or erp.port).apply_customer_credit(
            Money.of(amount, invoice.total.currency),
            posting_date=day,
            invoice_remote_id=invoice.remote_id,
        )

    def remaining(self, erp, *documents) -> list[str]:
        found = [erp.port.get_document(each.remote_id).remaining for each in documents]
        return [f"{each.amount:f}" for each in found]

    def test_the_oldest_memo_comes_first(self, erp, credit, later, ledger):
        newer, older = credit("30.00", date(2026, 3, 20)), credit("20.00")
        before = ledger.changes()
        applied = self.apply(erp, later, "35.00")
        assert (applied.amount, applied.unapplied) == (Money.of(35, "USD"), Money.of(0, "USD"))
        assert applied.posting_date == date(2026, 3, 20)
        assert self.remaining(erp, older, newer, later) == ["0.00", "15.00", "73.25"]
        assert ledger.changes() == before
        assert erp.port.find_customer_credit(later.id) == applied
        assert self.apply(erp, later, "35.00") == applied
        assert self.remaining(erp, newer, later) == ["15.00", "73.25"]

    def test_several_invoices_take_what_is_left(self, erp, customer, credit, later):
        memo = credit("50.00")
        self.apply(erp, later, "30.00")
        another = erp.port.post_invoice(posting(), customer_remote_id=customer)
        with pytest.raises(NotYetPosted, match=r"10\.00 USD less .* than the 30\.00 USD"):
            self.apply(erp, another, "30.00")
        assert erp.port.find_customer_credit(another.id) is None
        self.apply(erp, another, "20.00")
        assert self.remaining(erp, memo, later, another) == ["0.00", "78.25", "88.25"]

    def test_several_invoices_at_once_take_no_more_than_there_is(self, erp, customer, credit):
        memo = credit("50.00")
        wanted = [erp.port.post_invoice(posting(), customer_remote_id=customer) for _ in range(2)]

        def attempt(invoice) -> None:
            for _ in range(8):
                with suppress(OutcomeUnknown, NotYetPosted):
                    self.apply(erp, invoice, "30.00")

        with ThreadPoolExecutor() as pool:
            list(pool.map(attempt, wanted))
        left = sorted(self.remaining(erp, memo, *wanted))
        assert left == ["108.25", "20.00", "78.25"]

    def test_an_invoice_below_zero_is_credit(self, erp, customer, later):
        negative = erp.port.post_invoice(posting(line(1, "-40.00")), customer_remote_id=customer)
        self.apply(erp, later, "40.00")
        assert self.remaining(erp, negative, later) == ["0.00", "68.25"]

    def test_what_is_on_account_comes_last(self, erp, customer, credit, later, ledger):
        first = erp.port.post_invoice(posting(), customer_remote_id=customer)
        too_much = payment("138.25")
        places = {"posting_date": DAY, "invoice_remote_id": first.remote_id}
        assert erp.port.apply_payment(too_much, **places).unapplied == Money.of(30, "USD")
        taken_back = erp.port.apply_payment(payment("5.00"), **places)
        erp.port.unapply_payment(taken_back.remote_id, posting_date=DAY)
        memo = credit("20.00")
        with pytest.raises(NotYetPosted):
            self.apply(erp, later, "50.01")
        applied = self.apply(erp, later, "45.00")
        assert self.remaining(erp, memo, later) == ["0.00", "63.25"]
        assert applied.unapplied == Money.of(25, "USD")
        another = erp.port.post_invoice(posting(), customer_remote_id=customer)
        with pytest.raises(NotYetPosted, match=r"0\.01 USD less"):
            self.apply(erp, another, "5.01")
        self.apply(erp, another, "5.00")
        assert self.remaining(erp, another) == ["103.25"]

    def test_what_others_have_is_not_taken(self, erp, credit, later):
        credit("20.00")
        stranger = erp.port.create_customer(account(), parent_remote_id=None).remote_id
        theirs = erp.port.post_invoice(posting(), customer_remote_id=stranger)
        with pytest.raises(NotYetPosted, match=r"20\.00 USD less"):
            self.apply(erp, theirs, "20.00")

    def test_no_more_than_is_open_of_the_invoice(self, erp, credit, later):
        credit("100.00")
        early = payment("100.00")
        erp.port.apply_payment(early, posting_date=DAY, invoice_remote_id=later.remote_id)
        with pytest.raises(BusinessRuleViolation, match=r"8\.25 USD are open"):
            self.apply(erp, later, "10.00")
        assert erp.port.find_customer_credit(later.id) is None

    def test_a_memo_that_is_not_applied_itself_has_none_to_give(self, erp, customer, later):
        wanted = posting(line(1, "40.00"), credits=later.id)
        places = {"customer_remote_id": customer, "invoice_remote_id": later.remote_id}
        with erp.dies_before_applying() as port, pytest.raises(OutcomeUnknown):
            port.post_credit_memo(wanted, **places)
        another = erp.port.post_invoice(posting(), customer_remote_id=customer)
        with pytest.raises(NotYetPosted):
            self.apply(erp, another, "40.00")
        erp.port.post_credit_memo(wanted, **places)
        assert self.remaining(erp, later, another) == ["68.25", "108.25"]

    @pytest.mark.parametrize("part", ["/account.move", "/account.move/"])
    def test_a_crash_is_made_good(self, erp, credit, later, ledger, part):
        memo = credit("40.00")
        before = ledger.changes()
        with erp.dies_before(part) as port, pytest.raises(OutcomeUnknown):
            self.apply(erp, later, "30.00", port)
        assert erp.port.find_customer_credit(later.id) is None
        assert erp.drafts(f"{later.id}/credit") == (part == "/account.move/")
        self.apply(erp, later, "30.00")
        assert erp.drafts(f"{later.id}/credit") == 0
        assert self.remaining(erp, memo, later) == ["10.00", "78.25"]
        assert ledger.changes() == before

    def test_a_lost_answer_is_made_good(self, erp, credit, later):
        memo = credit("40.00")
        with erp.answer_lost(to="customer credit"), pytest.raises(OutcomeUnknown):
            self.apply(erp, later, "30.00")
        assert erp.port.find_customer_credit(later.id)
        self.apply(erp, later, "30.00")
        assert self.remaining(erp, memo, later) == ["10.00", "78.25"]

    def test_is_given_back_with_the_invoice(self, erp, customer, credit, later):
        memo = credit("40.00")
        self.apply(erp, later, "30.00")
        undoing = erp.port.reverse_document(later.remote_id, posting_date=date(2026, 4, 2))
        assert self.remaining(erp, memo, later, undoing) == ["40.00", "0.00", "0.00"]
        assert erp.port.find_customer_credit(later.id) is None
        again = erp.port.post_invoice(posting(id=later.id), customer_remote_id=customer)
        self.apply(erp, again, "40.00")
        assert self.remaining(erp, memo, again) == ["0.00", "68.25"]
        erp.port.reverse_document(again.remote_id, posting_date=date(2026, 4, 2))
        assert self.remaining(erp, memo, again) == ["40.00", "0.00"]

    @pytest.mark.parametrize("part", ["/account.move.line", "/account.move/", "/account.invoice"])
    def test_a_crash_in_the_middle_of_that_is_made_good(self, erp, ledger, credit, later, part):
        memo = credit("40.00")
        self.apply(erp, later, "30.00")
        with erp.dies_before(part) as port, pytest.raises(OutcomeUnknown):
            port.reverse_document(later.remote_id, posting_date=DAY)
        undoing = erp.port.reverse_document(later.remote_id, posting_date=DAY)
        assert self.remaining(erp, memo, later, undoing) == ["40.00", "0.00", "0.00"]
        assert erp.drafts(f"{later.id}/credit") == 0
        assert ledger.changes()["receivable"] == "-40"

    def test_a_draft_that_a_crash_left_is_withdrawn_with_the_invoice(self, erp, credit, later):
        memo = credit("40.00")
        with erp.dies_before("/account.move/") as port, pytest.raises(OutcomeUnknown):
            self.apply(erp, later, "30.00", port)
        erp.port.reverse_document(later.remote_id, posting_date=DAY)
        assert erp.drafts(f"{later.id}/credit") == 0
        assert self.remaining(erp, memo, later) == ["40.00", "0.00"]

    def test_an_invoice_that_somebody_reverses_takes_none(self, erp, credit, later):
        memo = credit("40.00")
        with erp.dies_before_applying() as port, pytest.raises(OutcomeUnknown):
            port.reverse_document(later.remote_id, posting_date=DAY)
        with pytest.raises(OutcomeUnknown):
            self.apply(erp, later, "30.00")
        erp.port.reverse_document(later.remote_id, posting_date=DAY)
        assert self.remaining(erp, memo, later) == ["40.00", "0.00"]

    def test_a_memo_that_paid_an_invoice_is_left_as_it_is(self, erp, credit, later):
        memo = credit("40.00")
        self.apply(erp, later, "30.00")
        with pytest.raises(BusinessRuleViolation, match="has payments"):
            erp.port.reverse_document(memo.remote_id, posting_date=DAY)

    def test_in_a_foreign_currency_by_memos_alone(self, erp, customer):
        """Each at its own book value; what is on account has none that is agreed on."""
        german = {"subsidiary": "TESSALINE-DE", "currency": "GBP"}
        ledger = Ledger(erp, "TESSALINE-DE")

        def post(amount: str, **changes):
            wanted = posting(line(1, amount, "GBP"), **german, **changes)
            return erp.port.post_invoice(wanted, customer_remote_id=customer)

        credit, later = post("-40.00"), post("100.00")
        before = ledger.changes()
        self.apply(erp, later, "30.00")
        assert self.remaining(erp, credit, later) == ["-10.00", "70.00"]
        assert ledger.changes()["receivable"] == before["receivable"]
        places = {"posting_date": DAY, "invoice_remote_id": later.remote_id}
        erp.port.apply_payment(payment("90.00", "GBP", settled=Money.of("100.00", "EUR")), **places)
        another = post("100.00")
        with pytest.raises(NotYetPosted, match=r"5\.00 GBP less"):
            self.apply(erp, another, "15.00")

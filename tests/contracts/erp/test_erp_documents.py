"""What every ERP behind the port must do with invoices and credit memos, on a running one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest
from interlock.canonical import Money
from interlock.canonical.billing import ServicePeriod
from interlock.canonical.books import LedgerRole
from interlock.connectors.erp.port import PeriodState, PostingContextQuery
from interlock.errors import (
    BusinessRuleViolation,
    OutcomeUnknown,
    RecordNotFound,
)

from tests.contracts.erp.postings import (
    BOOKS,
    DAY,
    US,
    Books,
    Ledger,
    entry,
    line,
    new_id,
    payment,
    posting,
    year_from,
)

CLOSED_DAY = date(2027, 10, 15)
LOCKED_DAY = date(2027, 11, 15)


def query(**changes) -> PostingContextQuery:
    values = {
        "subsidiary": US,
        "currency": "USD",
        "skus": ("SEAT-ANNUAL",),
        "tax_percents": (Decimal("8.25"),),
        "posting_date": DAY,
    }
    return PostingContextQuery(**values | changes)


class TestPostingContext:
    @pytest.mark.parametrize("books", BOOKS, ids=lambda books: books.currency)
    def test_knows_products_taxes_and_periods(self, erp, books: Books):
        percents = (Decimal(books.percent), Decimal("7.5"))
        context = erp.port.get_posting_context(
            query(subsidiary=books.code, skus=("SEAT-ANNUAL", "GADGET"), tax_percents=percents)
        )
        assert set(context.subsidiaries) == {each.code for each in BOOKS}
        assert context.kept_currencies[0] == books.currency
        assert context.known_skus == ("SEAT-ANNUAL",)
        assert context.known_tax_percents == (Decimal(books.percent),)
        assert context.period == PeriodState.OPEN
        assert context.next_open_day == date(2026, 4, 1)

    def test_a_further_currency_is_kept_where_finance_says_so(self, erp):
        german = erp.port.get_posting_context(query(subsidiary="TESSALINE-DE"))
        assert german.kept_currencies == ("EUR", "GBP")
        assert erp.port.get_posting_context(query()).kept_currencies == ("USD",)

    def test_an_unknown_subsidiary_has_nothing(self, erp):
        context = erp.port.get_posting_context(query(subsidiary="ELSEWHERE"))
        assert (context.kept_currencies, context.known_skus) == ((), ())
        assert context.period == PeriodState.MISSING
        assert erp.port.get_posting_context(query(subsidiary=None)).kept_currencies == ()

    def test_closed_locked_and_missing_periods_are_told(self, erp):
        for day in (CLOSED_DAY, LOCKED_DAY):
            erp.close_period(day, "TESSALINE-JP")
        erp.lock_period(LOCKED_DAY, "TESSALINE-JP")
        closed = erp.port.get_posting_context(
            query(subsidiary="TESSALINE-JP", posting_date=CLOSED_DAY)
        )
        assert closed.period == PeriodState.CLOSED
        assert closed.next_open_day == date(2027, 12, 1)
        locked = query(subsidiary="TESSALINE-JP", posting_date=LOCKED_DAY)
        assert erp.port.get_posting_context(locked).period == PeriodState.LOCKED
        missing = erp.port.get_posting_context(query(posting_date=date(2031, 1, 1)))
        assert (missing.period, missing.next_open_day) == (PeriodState.MISSING, None)


class TestInvoices:
    @pytest.mark.parametrize("books", BOOKS, ids=lambda books: books.currency)
    def test_is_posted_to_the_minor_unit(self, erp, customer, books: Books):
        """The tax is what the billing system says, whatever the ERP would compute."""
        unit = Decimal(books.unit)
        net, tax = (str(units * unit) for units in (100_007, 777))
        ledger = Ledger(erp, books.code)
        wanted = posting(line(1, net, books.currency, tax, books.percent), subsidiary=books.code)
        posted = erp.port.post_invoice(wanted, customer_remote_id=customer)
        assert (posted.net, posted.tax, posted.total) == (wanted.net, wanted.tax, wanted.total)
        assert posted.remaining == wanted.total
        assert (posted.id, posted.subsidiary) == (wanted.id, books.code)
        assert posted.posting_date == DAY
        assert posted.number
        assert erp.due_dates(posted.remote_id) == ["2026-04-09"]
        assert ledger.changes() == {
            "receivable": f"{wanted.total.amount.normalize():f}",
            "revenue": f"{-wanted.net.amount.normalize():f}",
            "tax": f"{-wanted.tax.amount.normalize():f}",
        }
        assert erp.port.find_invoice(wanted.id) == posted
        assert erp.port.get_document(posted.remote_id) == posted

    def test_prorations_discounts_and_quantities_come_to_their_amounts(self, erp, customer, ledger):
        lines = (
            line(1, "-183.56", tax="-15.14", is_proration=True),
            line(2, "1000.01", tax="82.50", quantity=Decimal(3)),
            line(3, "0.07", quantity=Decimal("12345678.5"), sku="PS-IMPLEMENT"),
            line(4, "12.34", quantity=Decimal(0)),
            line(5, "0.00", quantity=Decimal(2)),
            line(6, "50.00", quantity=Decimal("2.5"), sku="PS-IMPLEMENT"),
        )
        posted = erp.port.post_invoice(posting(*lines), customer_remote_id=customer)
        assert posted.net == Money.of("878.86", "USD")
        assert posted.total == Money.of("946.22", "USD")
        assert ledger.changes() == {"receivable": "946.22", "revenue": "-878.86", "tax": "-67.36"}
        quantities = [quantity for quantity, _ in erp.line_quantities(posted.remote_id)]
        assert [Decimal(q) for q in quantities] == [1, 3, 1, 1, 2, Decimal("2.5")]

    def test_a_rounding_goes_to_its_own_account(self, erp, customer, ledger):
        """A cent of the net amount, and another of the tax."""
        wanted = posting(
            line(1, "33.33", tax="2.75"),
            net=Money.of("33.34", "USD"),
            tax=Money.of("2.76", "USD"),
            total=Money.of("36.10", "USD"),
            rounding=Money.of("0.02", "USD"),
        )
        posted = erp.port.post_invoice(wanted, customer_remote_id=customer)
        assert (posted.net, posted.tax, posted.total) == (wanted.net, wanted.tax, wanted.total)
        assert ledger.changes() == {
            "receivable": "36.1",
            "revenue": "-33.33",
            "tax": "-2.75",
            "rounding": "-0.02",
        }

    def test_totals_that_differ_are_refused_and_nothing_is_posted(self, erp, customer, ledger):
        wanted = posting(total=Money.of("109.00", "USD"))
        with pytest.raises(BusinessRuleViolation, match=r"AC-.*108\.25 USD.*109\.00 USD"):
            erp.port.post_invoice(wanted, customer_remote_id=customer)
        assert erp.port.find_invoice(wanted.id) is None
        assert erp.drafts(wanted.id) == 0
        assert ledger.changes() == {}

    def test_what_the_erp_lacks_is_said(self, erp, customer):
        for lines, problem in (
            (line(1, "1", sku="GADGET"), "no product GADGET"),
            (line(1, "1", tax="0.10", percent="10"), "no taxes of 10 %"),
        ):
            with pytest.raises(BusinessRuleViolation, match=problem):
                erp.port.post_invoice(posting(lines), customer_remote_id=customer)
        with pytest.raises(BusinessRuleViolation, match="no subsidiary ELSEWHERE"):
            erp.port.post_invoice(posting(subsidiary="ELSEWHERE"), customer_remote_id=customer)

    def test_a_closed_period_takes_nothing(self, erp, customer):
        ledger = Ledger(erp, "TESSALINE-DE")
        erp.close_period(CLOSED_DAY, "TESSALINE-DE")
        lines = line(1, "100.00", "EUR", "19.00", "19")
        wanted = posting(lines, subsidiary="TESSALINE-DE", posting_date=CLOSED_DAY)
        with pytest.raises(BusinessRuleViolation, match=f"{CLOSED_DAY} is closed.*{wanted.id}"):
            erp.port.post_invoice(wanted, customer_remote_id=customer)
        assert erp.drafts(wanted.id) == 0
        assert ledger.changes() == {}

    def test_one_that_comes_late_is_posted_on_its_day_all_the_same(self, erp, customer):
        late = posting(issued_on=date(2026, 2, 3), posting_date=date(2026, 2, 3))
        erp.port.post_invoice(posting(), customer_remote_id=customer)
        posted = erp.port.post_invoice(late, customer_remote_id=customer)
        assert posted.posting_date == date(2026, 2, 3)
        assert erp.due_dates(posted.remote_id) == ["2026-04-09"]

    def test_posted_again_it_is_the_same_one(self, erp, customer, ledger):
        wanted = posting()
        first = erp.port.post_invoice(wanted, customer_remote_id=customer)
        assert erp.port.post_invoice(wanted, customer_remote_id=customer) == first
        assert ledger.changes()["receivable"] == "108.25"

    def test_a_crashed_attempt_leaves_no_second_one(self, erp, customer, ledger):
        wanted = posting()
        with erp.dies_before_posting() as port, pytest.raises(OutcomeUnknown):
            port.post_invoice(wanted, customer_remote_id=customer)
        assert erp.drafts(wanted.id) == 1
        assert erp.port.find_invoice(wanted.id) is None
        erp.port.post_invoice(wanted, customer_remote_id=customer)
        assert erp.drafts(wanted.id) == 0
        assert ledger.changes()["receivable"] == "108.25"

    def test_two_attempts_at_once_post_one(self, erp, customer, ledger):
        wanted = posting()

        def attempt(_: int) -> None:
            with suppress(OutcomeUnknown):
                erp.port.post_invoice(wanted, customer_remote_id=customer)

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(attempt, range(2)))
        attempt(3)
        assert erp.port.find_invoice(wanted.id)
        assert erp.drafts(wanted.id) == 0
        assert ledger.changes()["receivable"] == "108.25"

    def test_an_absent_one_is_absent(self, erp):
        assert erp.port.find_invoice(new_id()) is None
        with pytest.raises(RecordNotFound):
            erp.port.get_document("999999")


class TestServicePeriods:
    def test_revenue_is_recognised_by_days(self, erp, customer, ledger):
        lines = (
            line(1, "1200.00", tax="99.00", service_period=year_from(date(2026, 3, 10))),
            line(2, "-100.00", tax="-8.25", service_period=year_from(date(2026, 3, 10))),
            line(3, "5.00"),
            line(4, "7.00", service_period=ServicePeriod(first_day=DAY, last_day=DAY)),
        )
        posted = erp.port.post_invoice(posting(*lines), customer_remote_id=customer)
        schedule = erp.port.schedule_service_periods(posted.remote_id)
        assert (schedule.id, schedule.remote_id) == (posted.id, posted.remote_id)
        assert len(schedule.months) == 13
        # 22 of 365 days, of each line.
        assert schedule.months[date(2026, 3, 1)] == Money.of("66.30", "USD")
        assert schedule.months[date(2027, 3, 1)] == Money.of("27.10", "USD")
        assert Money.total(schedule.months.values(), "USD") == Money.of("1100.00", "USD")
        assert ledger.changes() == {"receivable": "1202.75", "revenue": "-1112", "tax": "-90.75"}
        spread = erp.balances(US, date(2026, 3, 31))["deferred revenue"]
        assert spread == -(Decimal("1100.00") - Decimal("66.30"))
        assert erp.port.schedule_service_periods(posted.remote_id) == schedule

    def test_yen_have_no_fractions(self, erp, customer):
        period = ServicePeriod(first_day=date(2026, 3, 10), last_day=date(2026, 6, 9))
        lines = line(1, "1000", "JPY", "100", "10", service_period=period)
        wanted = posting(lines, subsidiary="TESSALINE-JP")
        posted = erp.port.post_invoice(wanted, customer_remote_id=customer)
        months = erp.port.schedule_service_periods(posted.remote_id).months
        assert [str(amount.amount) for amount in months.values()] == ["239", "326", "337", "98"]

    def test_a_document_without_service_periods_has_no_months(self, erp, customer):
        posted = erp.port.post_invoice(posting(), customer_remote_id=customer)
        assert erp.port.schedule_service_periods(posted.remote_id).months == {}

    def test_a_closed_first_month_is_said(self, erp, customer):
        erp.close_period(date(2026, 1, 5), "TESSALINE-JP")
        lines = line(1, "1000", "JPY", service_period=year_from(date(2026, 1, 5)))
        wanted = posting(lines, subsidiary="TESSALINE-JP")
        posted = erp.port.post_invoice(wanted, customer_remote_id=customer)
        with pytest.raises(BusinessRuleViolation, match=f"2026-01-05 is closed.*{wanted.id}"):
            erp.port.schedule_service_periods(posted.remote_id)


class TestCreditMemos:
    @pytest.fixture
    def invoice(self, erp, customer):
        return erp.port.post_invoice(posting(), customer_remote_id=customer)

    def credit(self, erp, customer, invoice, amount: str, tax: str, port=None):
        wanted = posting(line(1, amount, tax=tax), credits=invoice.id)
        memo = (port or erp.port).post_credit_memo(
            wanted, customer_remote_id=customer, invoice_remote_id=invoice.remote_id
        )
        return wanted, memo

    def test_pays_what_the_invoice_still_owes(self, erp, customer, invoice, ledger):
        wanted, memo = self.credit(erp, customer, invoice, "40.00", "3.30")
        assert (memo.net, memo.tax, memo.total) == (wanted.net, wanted.tax, wanted.total)
        assert memo.remaining == Money.of(0, "USD")
        left = erp.port.get_document(invoice.remote_id).remaining
        assert left == Money.of("64.95", "USD")
        assert ledger.changes() == {"receivable": "-43.3", "revenue": "40", "tax": "3.3"}
        assert erp.port.find_credit_memo(wanted.id) == memo
        assert erp.port.find_invoice(invoice.id).remaining == left

    def test_the_rest_is_the_customers_credit(self, erp, customer, invoice):
        paid = payment("100.00")
        erp.port.apply_payment(paid, posting_date=DAY, invoice_remote_id=invoice.remote_id)
        _, memo = self.credit(erp, customer, invoice, "40.00", "3.30")
        assert memo.remaining == Money.of("35.05", "USD")
        assert erp.port.get_document(invoice.remote_id).remaining == Money.of(0, "USD")

    def test_made_again_it_is_the_same_one(self, erp, customer, invoice, ledger):
        wanted, memo = self.credit(erp, customer, invoice, "40.00", "3.30")
        again = erp.port.post_credit_memo(
            wanted, customer_remote_id=customer, invoice_remote_id=invoice.remote_id
        )
        assert again == memo
        assert ledger.changes()["receivable"] == "-43.3"

    def test_a_crash_before_it_is_applied_is_made_good(self, erp, customer, invoice, ledger):
        wanted = posting(line(1, "40.00", tax="3.30"), credits=invoice.id)
        places = {"customer_remote_id": customer, "invoice_remote_id": invoice.remote_id}
        with erp.dies_before_applying() as port, pytest.raises(OutcomeUnknown):
            port.post_credit_memo(wanted, **places)
        assert erp.port.find_credit_memo(wanted.id) is None
        assert erp.port.find_credit_memo(wanted.id, unapplied=True)
        memo = erp.port.post_credit_memo(wanted, **places)
        assert memo.remaining == Money.of(0, "USD")
        assert erp.port.get_document(invoice.remote_id).remaining == Money.of("64.95", "USD")
        assert ledger.changes()["receivable"] == "-43.3"

    def test_a_crash_with_its_application_as_a_draft_is_made_good(
        self, erp, customer, invoice, ledger
    ):
        wanted = posting(line(1, "40.00", tax="3.30"), credits=invoice.id)
        places = {"customer_remote_id": customer, "invoice_remote_id": invoice.remote_id}
        with erp.dies_before("/account.move/") as port, pytest.raises(OutcomeUnknown):
            port.post_credit_memo(wanted, **places)
        assert erp.drafts(f"{wanted.id}/applied") == 1
        memo = erp.port.post_credit_memo(wanted, **places)
        assert memo.remaining == Money.of(0, "USD")
        assert erp.drafts(f"{wanted.id}/applied") == 0
        assert erp.port.find_entry(f"{wanted.id}/applied")
        assert ledger.changes()["receivable"] == "-43.3"

    @pytest.mark.parametrize("part", ["/account.move", "/account.move/"])
    def test_one_that_is_not_applied_is_undone(self, erp, customer, invoice, ledger, part):
        wanted = posting(line(1, "40.00", tax="3.30"), credits=invoice.id)
        places = {"customer_remote_id": customer, "invoice_remote_id": invoice.remote_id}
        before = ledger.changes()
        with erp.dies_before(part) as port, pytest.raises(OutcomeUnknown):
            port.post_credit_memo(wanted, **places)
        memo = erp.port.find_credit_memo(wanted.id, unapplied=True)
        erp.port.reverse_document(memo.remote_id, posting_date=DAY)
        assert erp.port.find_credit_memo(wanted.id, unapplied=True) is None
        assert erp.drafts(f"{wanted.id}/applied") == 0
        assert ledger.changes() == before

    def test_a_voided_one_is_undone(self, erp, customer, invoice, ledger):
        _, memo = self.credit(erp, customer, invoice, "40.00", "3.30")
        undoing = erp.port.reverse_document(memo.remote_id, posting_date=date(2026, 3, 20))
        assert undoing.total == memo.total
        assert undoing.posting_date == date(2026, 3, 20)
        assert ledger.changes() == {}
        for document, remaining in ((invoice, "108.25"), (memo, "0"), (undoing, "0")):
            left = erp.port.get_document(document.remote_id).remaining
            assert left == Money.of(remaining, "USD")
        again = erp.port.reverse_document(memo.remote_id, posting_date=date(2026, 3, 20))
        assert again.remote_id == undoing.remote_id
        assert ledger.changes() == {}


@pytest.mark.slow
class TestReversal:
    def test_an_invoice_is_credited_whole_and_stays(self, erp, customer, ledger):
        lines = (line(1, "120.00", tax="9.90"), line(2, "-20.01", tax="-1.65"))
        wanted = posting(*lines)
        invoice = erp.port.post_invoice(wanted, customer_remote_id=customer)
        undoing = erp.port.reverse_document(invoice.remote_id, posting_date=date(2026, 4, 2))
        assert (undoing.net, undoing.total) == (wanted.net, wanted.total)
        assert undoing.remaining == Money.of(0, "USD")
        assert ledger.changes() == {}
        assert erp.port.find_invoice(wanted.id) is None
        assert erp.port.get_document(invoice.remote_id).remaining == Money.of(0, "USD")
        again = erp.port.reverse_document(invoice.remote_id, posting_date=date(2026, 4, 2))
        assert again == undoing
        assert ledger.changes() == {}

    def test_another_is_entered_in_its_place_and_undone_in_turn(self, erp, customer, ledger):
        wanted = posting()
        reversals = set()
        for _ in range(2):
            invoice = erp.port.post_invoice(wanted, customer_remote_id=customer)
            assert erp.port.find_invoice(wanted.id) == invoice
            assert ledger.changes()["receivable"] == "108.25"
            undoing = erp.port.reverse_document(invoice.remote_id, posting_date=DAY)
            reversals.add(undoing.remote_id)
            assert ledger.changes() == {}
        assert len(reversals) == 2

    def test_its_spread_revenue_is_taken_back_in_the_same_months(self, erp, customer, ledger):
        period = year_from(date(2026, 3, 10))
        wanted = posting(line(1, "1200.00", tax="99.00", service_period=period))
        invoice = erp.port.post_invoice(wanted, customer_remote_id=customer)
        spread = erp.port.schedule_service_periods(invoice.remote_id).months
        undoing = erp.port.reverse_document(invoice.remote_id, posting_date=date(2026, 3, 20))
        taken_back = erp.port.schedule_service_periods(undoing.remote_id).months
        assert {day: -amount.amount for day, amount in taken_back.items()} == {
            day: amount.amount for day, amount in spread.items()
        }
        assert ledger.changes() == {}

    def test_revenue_that_is_not_spread_yet_is_taken_back_at_once(self, erp, customer, ledger):
        wanted = posting(line(1, "1200.00", service_period=year_from(date(2026, 3, 10))))
        invoice = erp.port.post_invoice(wanted, customer_remote_id=customer)
        undoing = erp.port.reverse_document(invoice.remote_id, posting_date=date(2026, 3, 20))
        assert erp.port.schedule_service_periods(undoing.remote_id).months == {}
        assert ledger.changes() == {}

    def test_a_refunded_credit_memo_is_left_as_it_is(self, erp, customer):
        invoice = erp.port.post_invoice(posting(), customer_remote_id=customer)
        places = {"customer_remote_id": customer, "invoice_remote_id": invoice.remote_id}
        paid = payment("100.00")
        erp.port.apply_payment(paid, posting_date=DAY, invoice_remote_id=invoice.remote_id)
        memo = erp.port.post_credit_memo(posting(line(1, "10.00"), credits=invoice.id), **places)
        refund = entry((LedgerRole.RECEIVABLE, "1.75"), (LedgerRole.CLEARING, "-1.75"))
        erp.port.post_entry(refund, customer_remote_id=customer, settles_remote_id=memo.remote_id)
        with pytest.raises(BusinessRuleViolation, match="has payments"):
            erp.port.reverse_document(memo.remote_id, posting_date=DAY)
        assert erp.port.get_document(invoice.remote_id).remaining == Money.of(0, "USD")

    def test_payments_are_unapplied_first(self, erp, customer, ledger):
        invoice = erp.port.post_invoice(posting(), customer_remote_id=customer)
        paid = erp.port.apply_payment(
            payment("8.25"), posting_date=DAY, invoice_remote_id=invoice.remote_id
        )
        with pytest.raises(BusinessRuleViolation, match=f"payments.*{paid.number}.*unapply"):
            erp.port.reverse_document(invoice.remote_id, posting_date=DAY)
        erp.port.unapply_payment(paid.remote_id, posting_date=DAY)
        erp.port.reverse_document(invoice.remote_id, posting_date=DAY)
        assert ledger.changes() == {}

    def test_a_crash_in_the_middle_of_a_memos_is_made_good(self, erp, customer, ledger):
        invoice = erp.port.post_invoice(posting(), customer_remote_id=customer)
        places = {"customer_remote_id": customer, "invoice_remote_id": invoice.remote_id}
        memo = erp.port.post_credit_memo(
            posting(line(1, "40.00", tax="3.30"), credits=invoice.id), **places
        )
        before = erp.port.get_document(memo.remote_id)
        with erp.dies_before_applying() as port, pytest.raises(OutcomeUnknown):
            port.reverse_document(memo.remote_id, posting_date=DAY)
        undoing = erp.port.reverse_document(memo.remote_id, posting_date=DAY)
        assert before.remaining == undoing.remaining == Money.of(0, "USD")
        assert erp.port.get_document(memo.remote_id).remaining == Money.of(0, "USD")
        assert ledger.changes()["receivable"] == "108.25"

    def test_a_crash_in_the_middle_is_made_good(self, erp, customer, ledger):
        invoice = erp.port.post_invoice(posting(), customer_remote_id=customer)
        with erp.dies_before_applying() as port, pytest.raises(OutcomeUnknown):
            port.reverse_document(invoice.remote_id, posting_date=DAY)
        undoing = erp.port.reverse_document(invoice.remote_id, posting_date=DAY)
        assert undoing.remaining == Money.of(0, "USD")
        assert erp.port.get_document(invoice.remote_id).remaining == Money.of(0, "USD")
        assert ledger.changes() == {}

    def test_a_closed_period_takes_nothing(self, erp, customer, ledger):
        erp.close_period(CLOSED_DAY, US)
        try:
            invoice = erp.port.post_invoice(posting(), customer_remote_id=customer)
            with pytest.raises(BusinessRuleViolation, match="closed"):
                erp.port.reverse_document(invoice.remote_id, posting_date=CLOSED_DAY)
            assert ledger.changes()["receivable"] == "108.25"
        finally:
            erp.reopen_period(CLOSED_DAY, US)


def test_the_integration_may_not_close_or_open_periods(erp):
    assert not erp.may("close", DAY, US)
    assert not erp.may("reopen", DAY, US)
    assert not erp.may("lock_", DAY, US)

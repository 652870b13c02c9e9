"""Stripe's invoices and credit notes as canonical documents, to the minor unit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.billing import Collection, Invoice, ServicePeriod, TaxAmount
from interlock.errors import BusinessRuleViolation, ContractViolation, RecordNotFound

from tests.unit.connectors.billing import made
from tests.unit.connectors.billing.made import NOW, Object, seconds
from tests.unit.connectors.billing.stripe_account import StripeAccount

USD = "USD"


def usd(amount: str) -> Money:
    """Dollars."""
    return Money.of(amount, USD)


def read(*lines: Object, rates: tuple[Object, ...] = (), **invoice: Any) -> Invoice:
    """The invoice on these lines, as the port reads it."""
    account = StripeAccount(made.customer(), *rates, made.invoice(*lines, **invoice))
    return account.port().get_invoice("stripe:in_1")


class TestInvoice:
    def test_as_a_whole(self) -> None:
        line = made.line("il_1", 120000, taxes=[made.tax(22800, 120000)])

        invoice = read(line, tax=22800, rates=(made.tax_rate(),))

        assert invoice.id == "stripe:in_1"
        assert invoice.references == {"stripe": "in_1"}
        assert invoice.number == "ACME-0001"
        assert invoice.customer_id == "crm:acme"
        assert invoice.subsidiary == "TESSALINE-US"
        assert invoice.order_id == "crm:deal"
        assert invoice.issued_on == date(2026, 11, 2)
        assert invoice.due_on == date(2026, 12, 2)
        assert (invoice.net, invoice.tax, invoice.total) == (
            usd("1200.00"),
            usd("228.00"),
            usd("1428.00"),
        )
        assert invoice.balance_applied == usd("0")
        assert invoice.collection == Collection(
            status="open", paid=usd("0"), remaining=usd("1428.00")
        )
        [only] = invoice.lines
        assert (only.number, only.sku, only.quantity) == (1, "PLATFORM-ANNUAL", 1)
        assert only.amount == usd("1200.00")
        assert only.taxes == (
            TaxAmount(name="VAT", percent=19, taxable=usd("1200.00"), amount=usd("228.00")),
        )
        assert not only.is_proration
        assert invoice.residue == usd("0")

    def test_collection_changes_and_the_document_does_not(self) -> None:
        line = made.line("il_1", 120000)
        failed = {
            "attempt_count": 2,
            "amount_paid": 20000,
            "amount_remaining": 100000,
            "next_payment_attempt": seconds(2026, 11, 25, 12),
        }

        before, after = read(line), read(line, **failed)

        assert after.collection == Collection(
            status="open",
            paid=usd("200.00"),
            remaining=usd("1000.00"),
            attempts=2,
            next_attempt_at=datetime(2026, 11, 25, 12, tzinfo=UTC),
        )
        assert before != after
        assert before.final() == after.final()

    def test_draft_that_has_no_number_yet(self) -> None:
        transitions = dict.fromkeys(
            ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
        )
        invoice = read(
            made.line("il_1", 120000),
            number=None,
            status="draft",
            effective_at=None,
            ending_balance=None,
            starting_balance=-5000,
            status_transitions=transitions,
        )

        assert invoice.number == "in_1"
        assert invoice.issued_on == date(2026, 11, 2)
        assert invoice.balance_applied == usd("0")

    @pytest.mark.parametrize(
        ("effective", "day"),
        [(seconds(2026, 10, 31, 23, 59), date(2026, 10, 31)), (None, date(2026, 11, 3))],
    )
    def test_issued_when_it_says_so_else_when_it_was_finalised(
        self, effective: int | None, day: date
    ) -> None:
        transitions = {
            "finalized_at": seconds(2026, 11, 3, 0, 30),
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        }
        invoice = read(
            made.line("il_1", 100), effective_at=effective, status_transitions=transitions
        )

        assert invoice.issued_on == day

    def test_made_by_hand_for_a_customer_made_by_hand(self) -> None:
        line = made.line("il_1", 5000, parent=None, pricing=None, quantity=None)
        by_hand = made.invoice(
            line | {"quantity_decimal": None}, parent=None, metadata=None, due_date=None
        )
        account = StripeAccount(made.customer(metadata={}), by_hand)

        invoice = account.port().get_invoice("stripe:in_1")

        assert (invoice.customer_id, invoice.subsidiary, invoice.order_id) == (None, None, None)
        assert invoice.due_on is None
        assert (invoice.lines[0].sku, invoice.lines[0].quantity) == (None, 1)

    def test_made_by_hand_that_says_whose_books_it_belongs_to(self) -> None:
        metadata = {"interlock_subsidiary": "TESSALINE-DE", "interlock_order_id": "crm:other"}

        invoice = read(made.line("il_1", 5000), parent=None, metadata=metadata)

        assert (invoice.subsidiary, invoice.order_id) == ("TESSALINE-DE", "crm:other")

    def test_of_a_deleted_customer(self) -> None:
        gone = {"id": made.CUSTOMER, "object": "customer", "deleted": True}
        account = StripeAccount(made.invoice(made.line("il_1", 5000)))
        account.objects[made.CUSTOMER] = gone

        assert account.port().get_invoice("stripe:in_1").customer_id is None

    def test_missing(self) -> None:
        with pytest.raises(RecordNotFound):
            StripeAccount().port().get_invoice("stripe:in_missing")

    def test_of_another_system(self) -> None:
        account = StripeAccount()
        with pytest.raises(ContractViolation):
            account.port().get_invoice("stripe-eu:in_1")
        assert not account.requests

    @pytest.mark.parametrize(
        ("starting", "ending", "applied", "carried"),
        [
            (-50000, -30000, "200.00", "0"),  # credit that pays some of it
            (0, -2500, "-25.00", "0"),  # an invoice below zero: it becomes credit
            (300, 0, "0", "-3.00"),  # what was too little to be charged before is due with it
            (0, 30, "0", "0.30"),  # too little to be charged
            (-50000, 30, "500.00", "0.30"),  # what credit leaves of it is too little
            (300, -2500, "-25.00", "-3.00"),  # below zero: it pays what was put off, and is credit
            (-50000, None, "0", "0"),  # not final yet
        ],
    )
    def test_customers_own_balance(
        self, starting: int, ending: int | None, applied: str, carried: str
    ) -> None:
        invoice = read(made.line("il_1", 120000), starting_balance=starting, ending_balance=ending)

        assert invoice.balance_applied == usd(applied)
        assert invoice.debt_carried == usd(carried)

    @pytest.mark.parametrize(("page", "embedded"), [(1, 1), (2, 1), (2, 3), (100, 10)])
    def test_all_lines_in_their_order(self, page: int, embedded: int) -> None:
        lines = [made.line(f"il_{n}", 100 * n) for n in range(1, 6)]
        account = StripeAccount(made.customer(), made.invoice(*lines), page=page, embedded=embedded)

        invoice = account.port().get_invoice("stripe:in_1")

        assert [line.number for line in invoice.lines] == [1, 2, 3, 4, 5]
        assert [line.amount.amount for line in invoice.lines] == [1, 2, 3, 4, 5]

    def test_lines_that_came_with_it_are_not_asked_for_again(self) -> None:
        lines = [made.line(f"il_{n}", 100) for n in range(10)]
        account = StripeAccount(made.customer(), made.invoice(*lines), embedded=10)

        account.port().get_invoice("stripe:in_1")

        assert [request.url.path for request in account.requests] == ["/v1/invoices/in_1"]

    def test_each_tax_rate_is_read_once(self) -> None:
        lines = [made.line(f"il_{n}", 1000, taxes=[made.tax(190, 1000)]) for n in range(12)]
        account = StripeAccount(
            made.customer(), made.tax_rate(), made.invoice(*lines, tax=12 * 190)
        )

        account.port().get_invoice("stripe:in_1")

        paths = [request.url.path for request in account.requests]
        assert paths.count("/v1/tax_rates/txr_19") == 1


class TestLines:
    def test_service_period_ends_the_day_before_the_next_begins(self) -> None:
        [line] = read(made.line("il_1", 120000)).lines

        assert line.service_period == ServicePeriod(
            first_day=date(2026, 11, 2), last_day=date(2027, 11, 1)
        )

    @pytest.mark.parametrize(
        ("start", "end", "period"),
        [
            ((2026, 11, 2, 9), (2026, 11, 2, 9), None),
            ((2026, 11, 2, 9), (2026, 11, 2, 10), (date(2026, 11, 2), date(2026, 11, 2))),
            ((2026, 2, 27, 12), (2026, 3, 1, 0), (date(2026, 2, 27), date(2026, 2, 28))),
            ((2028, 2, 28, 23, 59), (2028, 3, 1, 0, 1), (date(2028, 2, 28), date(2028, 3, 1))),
        ],
    )
    def test_service_period(
        self, start: tuple[int], end: tuple[int], period: tuple[date, date] | None
    ) -> None:
        told = {"start": seconds(*start), "end": seconds(*end)}
        [line] = read(made.line("il_1", 100, period=told)).lines

        expected = period and ServicePeriod(first_day=period[0], last_day=period[1])
        assert line.service_period == expected

    def test_proration_gives_back_and_charges_to_the_second(self) -> None:
        period = {"start": seconds(2026, 11, 20, 10, 11, 12), "end": seconds(2027, 11, 2)}
        item = {
            "type": "invoice_item_details",
            "subscription_item_details": None,
            "invoice_item_details": {
                "invoice_item": "ii_1",
                "proration": True,
                "proration_details": {"credited_items": None},
                "subscription": "sub_1",
            },
        }
        lines = (
            made.line(
                "il_2", -11397, proration=True, period=period, taxes=[made.tax(-2165, -11397)]
            ),
            made.line("il_3", 17095, period=period, parent=item, taxes=[made.tax(3248, 17095)]),
            made.line("il_1", 120000, taxes=[made.tax(22800, 120000)]),
        )

        invoice = read(*lines, tax=23883, rates=(made.tax_rate(),))

        assert [line.is_proration for line in invoice.lines] == [True, True, False]
        assert invoice.lines[0].amount == usd("-113.97")
        assert invoice.lines[0].taxes[0].amount == usd("-21.65")
        assert invoice.lines[0].service_period.first_day == date(2026, 11, 20)
        assert invoice.net == usd("1256.98")
        assert invoice.residue == usd("0")

    def test_quantity_with_decimals(self) -> None:
        usage = made.line("il_1", 1234, quantity=12, quantity_decimal="12.345")

        assert read(usage).lines[0].quantity == Decimal("12.345")

    def test_discounts_and_granted_credits_are_taken_off(self) -> None:
        granted = [
            {"type": "discount", "amount": 30000, "discount": "di_1"},
            {
                "type": "credit_balance_transaction",
                "amount": 10000,
                "credit_balance_transaction": "cbtxn_9",
            },
        ]
        line = made.line(
            "il_1",
            120000,
            discount_amounts=[made.discount(12000), made.discount(18000)],
            pretax_credit_amounts=granted,
            taxes=[made.tax(15200, 80000)],
        )

        invoice = read(line, tax=15200, rates=(made.tax_rate(),))

        assert invoice.lines[0].amount == usd("800.00")
        assert (invoice.net, invoice.total) == (usd("800.00"), usd("952.00"))
        assert invoice.residue == usd("0")

    def test_tax_that_the_price_includes(self) -> None:
        included = made.tax(17100, 90000, tax_behavior="inclusive")
        line = made.line("il_1", 119000, discount_amounts=[made.discount(11900)], taxes=[included])

        invoice = read(line, tax=17100, included=17100, rates=(made.tax_rate(inclusive=True),))

        assert invoice.lines[0].amount == usd("900.00")
        assert (invoice.net, invoice.tax, invoice.total) == (
            usd("900.00"),
            usd("171.00"),
            usd("1071.00"),
        )
        assert invoice.residue == usd("0")

    def test_taxes_of_several_rates(self) -> None:
        rates = (
            made.tax_rate("txr_s", 6.25, display_name="Sales tax"),
            made.tax_rate("txr_c", 2.0, display_name="City", effective_percentage=1.375),
        )
        taxes = [made.tax(625, 10000, "txr_s"), made.tax(138, None, "txr_c")]

        [line] = read(made.line("il_1", 10000, taxes=taxes), tax=763, rates=rates).lines

        assert [(tax.name, tax.percent) for tax in line.taxes] == [
            ("Sales tax", Decimal("6.25")),
            ("City", Decimal("1.375")),
        ]
        assert line.taxes[1].taxable == usd("100.00")

    def test_reverse_charge_is_a_tax_of_nothing(self) -> None:
        reverse = made.tax(0, 10000, "txr_0", taxability_reason="reverse_charge")
        rate = made.tax_rate("txr_0", 0.0)

        [line] = read(made.line("il_1", 10000, taxes=[reverse]), rates=(rate,)).lines

        assert [(tax.percent, tax.amount) for tax in line.taxes] == [(0, usd("0"))]

    def test_tax_of_no_rate(self) -> None:
        nothing = made.tax(0, 0, tax_rate_details=None, taxability_reason="not_collecting")
        assert read(made.line("il_1", 10000, taxes=[nothing])).lines[0].taxes == ()

        with pytest.raises(ContractViolation, match="no rate"):
            read(made.line("il_1", 10000, taxes=[nothing | {"amount": 1}]), tax=1)

    def test_what_is_rounded_in_the_total_is_the_residue(self) -> None:
        lines = [made.line(f"il_{n}", 333, taxes=[made.tax(63, 333)]) for n in range(3)]

        invoice = read(*lines, tax=190, rates=(made.tax_rate(),))

        assert invoice.total == usd("11.89")
        assert invoice.residue == usd("0.01")

    @pytest.mark.parametrize(
        ("currency", "units", "amount"),
        [
            ("jpy", 1200, "1200"),
            ("krw", -7, "-7"),
            ("kwd", 120050, "120.050"),
            ("isk", 500, "5"),
            ("mga", 5000, "5000"),
        ],
    )
    def test_currencies_of_other_decimals(self, currency: str, units: int, amount: str) -> None:
        invoice = read(made.line("il_1", units, currency=currency), currency=currency)

        expected = Money.of(amount, currency.upper())
        assert (invoice.lines[0].amount, invoice.total) == (expected, expected)

    def test_amount_that_is_none_of_its_currency(self) -> None:
        with pytest.raises(ContractViolation, match="no amount of the currency ISK"):
            read(made.line("il_1", 550, currency="isk"), currency="isk")
        with pytest.raises(BusinessRuleViolation, match="UGX is not certain"):
            read(made.line("il_1", 500, currency="ugx"), currency="ugx")

    @given(
        st.lists(
            st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 10**6), st.booleans()),
            min_size=1,
            max_size=5,
        )
    )
    def test_net_and_taxes_add_up_to_the_total(self, drawn: list[tuple[int, int, bool]]) -> None:
        lines, included, taxed = [], 0, 0
        for number, (amount, off, inclusive) in enumerate(drawn):
            price = amount - off
            owed = round(price * 19 / 119) if inclusive else round(price * 0.19)
            behaviour = "inclusive" if inclusive else "exclusive"
            included += owed if inclusive else 0
            taxed += owed
            lines.append(
                made.line(
                    f"il_{number}",
                    amount,
                    discount_amounts=[made.discount(off)],
                    taxes=[made.tax(owed, None, tax_behavior=behaviour)],
                )
            )

        invoice = read(*lines, tax=taxed, included=included, rates=(made.tax_rate(),))

        assert invoice.residue == usd("0")
        assert invoice.net + invoice.tax == invoice.total


class TestOverdueInvoices:
    def overdue(self, *objects: Object, at: datetime = NOW) -> list[str]:
        """Which of them are."""
        account = StripeAccount(made.customer(), *objects, page=1)
        found = account.port().overdue_invoices(made.CUSTOMER, at=at)
        return [invoice.references["stripe"] for invoice in found]

    def open_invoice(self, id: str, **changes: Any) -> Object:
        """One that is charged automatically, unless told."""
        return made.invoice(made.line("il_1", 100), id=id, **changes)

    def test_past_due_and_oldest_first(self) -> None:
        past, to_come = seconds(2026, 11, 20, 9), seconds(2026, 11, 20, 11)

        assert self.overdue(
            self.open_invoice("in_new", due_date=past, created=seconds(2026, 10, 2)),
            self.open_invoice("in_old", due_date=past, created=seconds(2026, 9, 2)),
            self.open_invoice("in_not_yet", due_date=to_come),
            self.open_invoice("in_paid", due_date=past, status="paid"),
            self.open_invoice("in_void", due_date=past, status="void"),
            self.open_invoice("in_another", due_date=past, customer="cus_2"),
            self.open_invoice(
                "in_given_up",
                due_date=past,
                status="uncollectible",
                created=seconds(2026, 9, 20),
            ),
        ) == ["in_old", "in_given_up", "in_new"]

    @pytest.mark.parametrize(
        ("attempts", "intent", "is_overdue"),
        [
            (0, "requires_payment_method", False),
            (1, "requires_payment_method", True),
            (3, "requires_action", True),
            (1, "processing", False),
        ],
    )
    def test_failed_payment(self, attempts: int, intent: str, is_overdue: bool) -> None:
        waiting = made.invoice_payment(status="open", amount_paid=None)
        found = self.overdue(
            self.open_invoice("in_1", due_date=None, attempt_count=attempts),
            waiting,
            made.payment_intent(status=intent, latest_charge=None),
        )

        assert found == (["in_1"] if is_overdue else [])


class TestCreditNote:
    def read(self, note: Object, *objects: Object, invoiced: tuple[Object, ...] = ()) -> Any:
        """A credit note, as the port reads it."""
        lines = invoiced or (made.line("il_1", 120000),)
        account = StripeAccount(
            made.customer(), made.tax_rate(), made.invoice(*lines), note, *objects, embedded=1
        )
        return account.port().get_credit_note("stripe:cn_1")

    def test_that_lowers_what_is_due(self) -> None:
        line = made.credit_note_line("cnli_1", 10000, taxes=[made.tax(1900, 10000)])

        note = self.read(made.credit_note(line, tax=1900))

        assert note.id == "stripe:cn_1"
        assert note.number == "ACME-0001-CN-01"
        assert note.invoice_id == "stripe:in_1"
        assert (note.customer_id, note.subsidiary) == ("crm:acme", "TESSALINE-US")
        assert note.issued_on == date(2026, 11, 18)
        assert (note.net, note.tax, note.total) == (usd("100"), usd("19"), usd("119"))
        assert note.reduces_due == usd("119")
        assert note.to_balance == note.refunded == note.out_of_band == usd("0")
        assert note.reason == "order_change"
        assert not note.is_void
        assert note.residue == usd("0")
        [credited] = note.lines
        assert credited.amount == usd("100")
        assert credited.sku == "PLATFORM-ANNUAL"
        assert credited.service_period == ServicePeriod(
            first_day=date(2026, 11, 2), last_day=date(2027, 11, 1)
        )

    def test_where_the_rest_went(self) -> None:
        outside = {
            "amount_refunded": 700,
            "payment_record_refund": {"payment_record": "pr_1", "refund_group": "prg_1"},
            "refund": "",
            "type": "payment_record_refund",
        }
        refunds = [
            {"amount_refunded": 4000, "refund": "re_1", "type": "refund"},
            {"amount_refunded": 1000, "refund": "re_2", "type": None},
            outside,
        ]
        note = made.credit_note(
            made.credit_note_line("cnli_1", 10000),
            pre_payment_amount=1000,
            post_payment_amount=9000,
            customer_balance_transaction="cbtxn_1",
            out_of_band_amount=300,
            refunds=refunds,
            type="mixed",
        )

        read = self.read(note, made.customer_balance_transaction(-3000))

        assert read.reduces_due == usd("10")
        assert (read.refunded, read.to_balance, read.out_of_band) == (
            usd("50"),
            usd("30"),
            usd("10"),
        )
        assert read.refund_ids == ("stripe:re_1", "stripe:re_2")
        parts = (read.reduces_due, read.to_balance, read.refunded, read.out_of_band)
        assert Money.total(parts, USD) == read.total

    def test_more_given_back_than_credited(self) -> None:
        refunds = [{"amount_refunded": 4000, "refund": "re_1", "type": "refund"}]
        line = made.credit_note_line("cnli_1", 3000)
        note = made.credit_note(
            line, pre_payment_amount=0, post_payment_amount=3000, refunds=refunds
        )

        with pytest.raises(ContractViolation, match="more was given back"):
            self.read(note)

    def test_lines_of_several_pages_discounts_and_included_tax(self) -> None:
        included = made.tax(1710, 9000, tax_behavior="inclusive")
        off = {"discount_amount": 1190, "discount_amounts": [made.discount(1190)]}
        lines = (
            made.credit_note_line("cnli_1", 11900, **off, taxes=[included]),
            made.credit_note_line("cnli_2", 500, invoice_line_item="il_2"),
            made.credit_note_line("cnli_3", 250, type="custom_line_item", quantity=None),
        )
        del lines[2]["invoice_line_item"]
        net = 9000 + 500 + 250
        note = made.credit_note(*lines, total=net + 1710, total_excluding_tax=net)
        seat = made.line("il_2", 500, proration=True)
        seat["pricing"]["price_details"]["product"] = "SEAT-ANNUAL"

        read = self.read(note, invoiced=(made.line("il_1", 11900), seat))

        assert [line.amount for line in read.lines] == [usd("90"), usd("5"), usd("2.50")]
        assert [line.sku for line in read.lines] == ["PLATFORM-ANNUAL", "SEAT-ANNUAL", None]
        assert [line.is_proration for line in read.lines] == [False, True, False]
        assert read.lines[2].service_period is None
        assert read.tax == usd("17.10")
        assert read.residue == usd("0")

    def test_countered_is_void_to_the_books(self) -> None:
        line = made.credit_note_line("cnli_1", 100)

        note = self.read(made.credit_note(line, metadata={"interlock_countered_by": "cbtxn_1"}))

        assert note.is_void
        assert not note.final().is_void

    def test_void_and_of_another_day(self) -> None:
        line = made.credit_note_line("cnli_1", 100)
        effective = seconds(2026, 11, 1)

        note = self.read(made.credit_note(line, status="void", effective_at=effective))

        assert note.is_void
        assert note.issued_on == date(2026, 11, 1)

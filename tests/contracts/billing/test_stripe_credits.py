"""Credits for cases at the Stripe sandbox: what may be credited, where it goes, the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import stripe as official
from interlock.canonical import Money
from interlock.canonical.books import FactKind
from interlock.canonical.credits import Credit, CreditLine, Instrument, IssuedCredit
from interlock.connectors.billing.stripe import Stripe
from interlock.connectors.erp.port import PeriodState, PostingContext
from interlock.errors import BusinessRuleViolation, OutcomeUnknown, RecordConflict, VendorRejected
from interlock.rules.posting import prepare

from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import StripeSandbox, disputes
from tests.contracts.billing.samples import ACCOUNT, NOW, Connect, Later, subscription
from tests.contracts.billing.stripe_samples import HOUR
from tests.contracts.billing.test_stripe_books import told

pytestmark = pytest.mark.usefixtures("described")

VISA = "pm_card_visa"
FIRST_DAY, LAST_DAY = date(2026, 11, 1), date(2026, 11, 30)
SKU = "PLATFORM-ANNUAL"


class World:
    """A customer of ours at Stripe, with one invoice: 12,000 for the platform, 6,000 for seats."""

    def __init__(
        self, billing: Stripe, client: official.StripeClient, later: Later, currency: str
    ) -> None:
        self.billing, self.client = billing, client
        self.customer = billing.create_customer(ACCOUNT, idempotency_key="c").remote_id
        billing.create_subscription(
            subscription(currency, start_date=NOW.date() - timedelta(days=1)),
            customer_remote_id=self.customer,
            idempotency_key="s",
        )
        later(HOUR)
        [self.invoice] = client.v1.invoices.list().data
        self.currency = currency

    def money(self, amount: str | int) -> Money:
        """In the invoice's currency."""
        return Money.of(amount, self.currency)

    def context(self, first_day: date = FIRST_DAY, last_day: date = LAST_DAY) -> Any:
        """What the customer was charged for."""
        return self.billing.get_billing_context(
            ACCOUNT.id, customer_remote_id=self.customer, first_day=first_day, last_day=last_day
        )

    def pay(self) -> None:
        """By card."""
        self.client.v1.payment_methods.attach(VISA, {"customer": self.customer})
        self.client.v1.invoices.pay(self.invoice.id, {"payment_method": self.method()})

    def method(self) -> str:
        """The card."""
        [method] = self.client.v1.payment_methods.list({"customer": self.customer}).data
        return method.id

    def pay_part(self, units: int) -> None:
        """So much, by card."""
        payment = self.client.v1.payment_intents.create(
            {
                "amount": units,
                "currency": self.currency.lower(),
                "customer": self.customer,
                "payment_method": VISA,
                "confirm": True,
            }
        )
        self.client.v1.invoices.attach_payment(self.invoice.id, {"payment_intent": payment.id})

    def credit(
        self,
        amount: str | int = "100",
        instrument: Instrument = Instrument.BALANCE,
        **changes: Any,
    ) -> Credit:
        """So much of the platform."""
        [invoice] = self.context().invoices
        line = next(line for line in invoice.lines if line.sku == SKU)
        values = {
            "id": "zendesk:4711/1",
            "case_id": "zendesk:4711",
            "account_id": ACCOUNT.id,
            "invoice_id": invoice.id,
            "instrument": instrument,
            "lines": (CreditLine(remote_id=line.remote_id, sku=SKU, amount=self.money(amount)),),
            "net": self.money(amount),
            "memo": "Service credit for November 2026 (case 4711)",
        }
        return Credit(**{**values, **changes})

    def issue(self, credit: Credit, key: str = "k") -> IssuedCredit:
        """Issue it."""
        return self.billing.issue_credit(credit, idempotency_key=key)

    def find(self, credit: Credit) -> IssuedCredit | None:
        """As the ledger does."""
        return self.billing.find_credit(credit.id, invoice_id=credit.invoice_id)

    def balance(self) -> int:
        """The customer's, negative for its credit."""
        return self.client.v1.customers.retrieve(self.customer).balance

    def remaining(self) -> int:
        """Of the invoice."""
        return self.client.v1.invoices.retrieve(self.invoice.id).amount_remaining

    def check_taken_back(self, issued: IssuedCredit, credit: Credit) -> None:
        """To everyone who asks it is void, and was told once."""
        note = issued.credit_note_id
        assert self.billing.get_credit_note(note).is_void
        assert self.find(credit) is None
        assert self.billing.find_facts(FactKind.CREDIT_NOTE, (note,)) == ()
        days = {"first_day": FIRST_DAY, "last_day": LAST_DAY}
        page = self.billing.facts(FactKind.CREDIT_NOTE, **days, after=None, limit=100)
        assert page.facts == ()
        assert [event.subject for event in told(self.billing, "credit_note.voided")] == [note]


Make = Callable[[str], World]


@pytest.fixture
def make(connect: Connect, client: official.StripeClient, later: Later) -> Make:
    """Makes the customer, whose invoice has 19 % tax on top."""
    billing = connect(automatic_tax="true")
    return lambda currency: World(billing, client, later, currency)


@pytest.fixture
def world(make: Make) -> World:
    """The customer, charged 18,000 EUR and 3,420 EUR tax."""
    return make("EUR")


class TestContext:
    def test_what_was_charged_and_is_to_be_paid(self, world: World) -> None:
        context = world.context()

        assert (context.account_id, context.is_active) == (ACCOUNT.id, True)
        [invoice] = context.invoices
        assert (invoice.id, invoice.number) == (f"stripe:{world.invoice.id}", world.invoice.number)
        assert (invoice.subsidiary, invoice.currency) == ("TESSALINE-DE", "EUR")
        assert (invoice.due, invoice.refundable) == (world.money(21420), world.money(0))
        assert {line.sku: (line.amount, line.creditable) for line in invoice.lines} == {
            SKU: (world.money(12000), world.money(12000)),
            "SEAT-ANNUAL": (world.money(6000), world.money(6000)),
        }
        assert {line.service_period.first_day for line in invoice.lines} == {date(2026, 11, 1)}
        assert {line.service_period.last_day for line in invoice.lines} == {date(2027, 10, 31)}

    @pytest.mark.parametrize(
        ("day", "is_charged"),
        [
            (date(2026, 10, 31), False),
            (date(2026, 11, 1), True),
            (date(2027, 10, 31), True),
            (date(2027, 11, 1), False),
        ],
    )
    def test_of_the_asked_days_alone(self, world: World, day: date, is_charged: bool) -> None:
        assert bool(world.context(day, day).invoices) == is_charged

    def test_a_paid_invoice_can_be_refunded_once(self, world: World) -> None:
        world.pay()
        [charge] = world.client.v1.charges.list().data
        world.client.v1.refunds.create({"charge": charge.id, "amount": 42000})

        [invoice] = world.context().invoices

        assert (invoice.due, invoice.refundable) == (world.money(0), world.money(21000))

    def test_nothing_of_a_disputed_charge(self, world: World, sandbox: StripeSandbox) -> None:
        world.pay()
        sandbox.by_hand(lambda account: disputes.open_on(account, *account.charges.values()))

        [invoice] = world.context().invoices

        assert invoice.refundable == world.money(0)

    def test_nothing_of_what_was_paid_outside(self, world: World) -> None:
        world.client.v1.invoices.pay(world.invoice.id, {"paid_out_of_band": True})

        [invoice] = world.context().invoices

        assert (invoice.due, invoice.refundable) == (world.money(0), world.money(0))

    def test_partly_paid(self, world: World) -> None:
        world.pay_part(1_000_000)

        [invoice] = world.context().invoices

        assert (invoice.due, invoice.refundable) == (world.money(11420), world.money(10000))

    @pytest.mark.parametrize("how", ["void_invoice", "mark_uncollectible"])
    def test_void_and_given_up_invoices_are_not_credited(self, world: World, how: str) -> None:
        getattr(world.client.v1.invoices, how)(world.invoice.id)

        assert world.context().invoices == ()

    def test_a_line_of_no_subscription_is_not_recurring(self, world: World) -> None:
        item = {"customer": world.customer, "currency": "eur", "amount": 5000}
        world.client.v1.invoice_items.create({**item, "description": "Training"})
        draft = world.client.v1.invoices.create(
            {"customer": world.customer, "pending_invoice_items_behavior": "include"}
        )
        world.client.v1.invoices.finalize_invoice(draft.id)

        assert [each.id for each in world.context().invoices] == [f"stripe:{world.invoice.id}"]

    def test_unused_time_that_was_given_back_is_negative(self, world: World) -> None:
        [running] = world.client.v1.subscriptions.list().data
        seats = next(item for item in running["items"].data if item.quantity == 25)
        world.client.v1.subscriptions.update(
            running.id,
            {
                "items": [{"id": seats.id, "quantity": 5}],
                "proration_behavior": "always_invoice",
            },
        )

        latest, first = world.context().invoices

        assert first.id == f"stripe:{world.invoice.id}"
        by_sign = {line.amount.amount > 0: line for line in latest.lines}
        assert by_sign[False].creditable == world.money(0)
        assert by_sign[True].creditable == by_sign[True].amount

    def test_a_customer_that_left_is_not_active(self, world: World) -> None:
        [schedule] = world.client.v1.subscription_schedules.list().data
        world.billing.cancel_subscription(schedule.id)

        context = world.context()

        assert (context.is_active, len(context.invoices)) == (False, 1)

    def test_an_invoice_made_by_hand_must_say_whose_books_it_is(self, world: World) -> None:
        [running] = world.client.v1.subscriptions.list().data
        world.client.v1.subscriptions.update(running.id, {"metadata": {"interlock_subsidiary": ""}})
        seats = next(item for item in running["items"].data if item.quantity == 25)
        world.client.v1.subscriptions.update(
            running.id,
            {
                "items": [{"id": seats.id, "quantity": 50}],
                "proration_behavior": "always_invoice",
            },
        )

        with pytest.raises(BusinessRuleViolation, match="whose books"):
            world.context()


class TestIssue:
    def test_on_an_open_invoice_it_lowers_what_is_due(self, world: World) -> None:
        credit = world.credit("100.01")

        issued = world.issue(credit)

        assert (issued.id, issued.number) == (credit.id, f"{world.invoice.number}-CN-01")
        assert issued.credit_note_id == f"stripe:{issued.remote_id}"
        assert (issued.net, issued.tax) == (world.money("100.01"), world.money("19.00"))
        assert issued.total == issued.reduces_due == world.money("119.01")
        assert issued.to_balance == issued.refunded == world.money(0)
        assert world.remaining() == 2_142_000 - 11_901
        assert world.find(credit) == issued == world.billing.get_credit(issued.remote_id)
        note = world.client.v1.credit_notes.retrieve(issued.remote_id)
        assert note.memo == credit.memo
        assert note.metadata["interlock_case_id"] == credit.case_id
        [invoice] = world.context().invoices
        assert invoice.due == world.money("21300.99")
        assert invoice.lines[0].creditable == world.money("11899.99")

    def test_what_the_books_are_told_of_it(self, world: World) -> None:
        issued = world.issue(world.credit())

        [event] = told(world.billing, "credit_note.issued")
        note = world.billing.get_credit_note(event.subject)

        assert (note.id, note.reason) == (issued.credit_note_id, "product_unsatisfactory")
        assert (note.customer_id, note.subsidiary) == (ACCOUNT.id, "TESSALINE-DE")
        [line] = note.lines
        assert (line.sku, line.amount) == (SKU, world.money(100))
        assert [(tax.percent, tax.amount) for tax in line.taxes] == [(19, world.money(19))]
        assert line.service_period.first_day == FIRST_DAY
        books = PostingContext(
            subsidiary=note.subsidiary,
            subsidiaries=("TESSALINE-DE",),
            kept_currencies=("EUR",),
            known_skus=(SKU,),
            known_tax_percents=(Decimal(19),),
            period=PeriodState.OPEN,
            next_open_day=None,
        )
        posting = prepare(note, books, note.issued_on)
        assert (posting.credits, posting.total) == (f"stripe:{world.invoice.id}", issued.total)
        assert posting.rounding == world.money(0)

    def test_on_a_paid_invoice_it_goes_to_the_balance(self, world: World) -> None:
        world.pay()

        issued = world.issue(world.credit())

        assert issued.total == issued.to_balance == world.money(119)
        assert issued.reduces_due == issued.refunded == world.money(0)
        assert world.balance() == -11_900

    def test_on_a_paid_invoice_it_is_refunded(self, world: World) -> None:
        world.pay()

        issued = world.issue(world.credit(instrument=Instrument.REFUND))

        assert issued.total == issued.refunded == world.money(119)
        [refund] = world.client.v1.refunds.list().data
        assert refund.amount == 11_900
        [invoice] = world.context().invoices
        assert invoice.refundable == world.money("21301")

    @pytest.mark.parametrize("instrument", Instrument)
    def test_on_a_partly_paid_invoice_it_is_divided(
        self, world: World, instrument: Instrument
    ) -> None:
        world.pay_part(2_142_000 - 4_000)

        issued = world.issue(world.credit(instrument=instrument))

        rest = issued.to_balance if instrument == Instrument.BALANCE else issued.refunded
        assert (issued.reduces_due, rest) == (world.money(40), world.money(79))
        assert world.remaining() == 0

    def test_in_a_currency_without_decimals(self, make: Make) -> None:
        world = make("JPY")
        world.pay()

        issued = world.issue(world.credit(101))

        assert (issued.net, issued.tax, issued.total) == tuple(map(world.money, (101, 19, 120)))
        assert world.balance() == -120

    def test_of_several_lines(self, world: World) -> None:
        [invoice] = world.context().invoices
        lines = tuple(
            CreditLine(remote_id=line.remote_id, sku=line.sku, amount=world.money(amount))
            for line, amount in zip(invoice.lines, ("10.10", "20.20"), strict=True)
        )

        issued = world.issue(world.credit(lines=lines, net=world.money("30.30")))

        note = world.billing.get_credit_note(issued.credit_note_id)
        assert [(line.sku, line.amount) for line in note.lines] == [
            (line.sku, line.amount) for line in lines
        ]

    def test_never_more_than_is_left_of_a_line(self, world: World) -> None:
        world.issue(world.credit(11000))

        with pytest.raises(BusinessRuleViolation, match=r"have left 1,000\.00 EUR"):
            world.issue(world.credit("1000.01", id="zendesk:4712/1"), "other")
        assert world.issue(world.credit(1000, id="zendesk:4713/1"), "third").net == world.money(
            1000
        )

    def test_never_in_another_currency(self, world: World) -> None:
        credit = world.credit()
        line = credit.lines[0].model_copy(update={"amount": Money.of(100, "USD")})

        with pytest.raises(BusinessRuleViolation, match="was charged in EUR"):
            world.issue(credit.model_copy(update={"lines": (line,)}))

    def test_never_of_another_invoice(self, world: World) -> None:
        credit = world.credit()
        line = credit.lines[0].model_copy(update={"remote_id": "il_of_another"})

        with pytest.raises(BusinessRuleViolation, match="has no line il_of_another"):
            world.issue(credit.model_copy(update={"lines": (line,)}))

    def test_never_another_amount_than_its_lines_come_to(self, world: World) -> None:
        with pytest.raises(BusinessRuleViolation, match=r"makes 100\.00 EUR of 99\.00 EUR"):
            world.issue(world.credit(net=world.money(99)))

    def test_never_a_refund_of_what_was_paid_outside(self, world: World) -> None:
        world.client.v1.invoices.pay(world.invoice.id, {"paid_out_of_band": True})

        with pytest.raises(BusinessRuleViolation, match=r"119\.00 EUR of it were to be refunded"):
            world.issue(world.credit(instrument=Instrument.REFUND))
        assert world.issue(world.credit()).to_balance == world.money(119)

    def test_what_stripe_refuses_is_refused(self, world: World) -> None:
        """The line was credited by quantity before, which Stripe does not let one mix."""
        [invoice] = world.context().invoices
        seats = next(line for line in invoice.lines if line.sku != SKU)
        by_quantity = {"type": "invoice_line_item", "invoice_line_item": seats.remote_id}
        world.client.v1.credit_notes.create(
            {"invoice": world.invoice.id, "lines": [{**by_quantity, "quantity": 1}]}
        )
        line = CreditLine(remote_id=seats.remote_id, sku=seats.sku, amount=world.money(100))

        with pytest.raises(VendorRejected):
            world.issue(world.credit(lines=(line,)))


class TestAgain:
    def test_the_same_key_is_one_credit_note(self, world: World) -> None:
        credit = world.credit()

        assert world.issue(credit) == world.issue(credit)
        assert len(world.client.v1.credit_notes.list().data) == 1

    def test_a_lost_answer_is_found(self, world: World, sandbox: StripeSandbox) -> None:
        world.pay()
        credit = world.credit()
        sandbox.fail(FaultKind.LOST_ANSWER, method="POST", path="/v1/credit_notes$")

        with pytest.raises(OutcomeUnknown):
            world.issue(credit)

        found = world.find(credit)
        assert found is not None
        assert found.to_balance == world.money(119)

    def test_paid_between_two_attempts(self, world: World, sandbox: StripeSandbox) -> None:
        """The first one failed without effect, which Stripe keeps for its key."""
        credit = world.credit()
        sandbox.fail(FaultKind.UNAVAILABLE, method="POST", path="/v1/credit_notes$")
        with pytest.raises(OutcomeUnknown):
            world.issue(credit)
        assert world.find(credit) is None
        world.pay()

        assert world.issue(credit).to_balance == world.money(119)

    def test_another_credit_is_not_found_for_it(self, world: World) -> None:
        credit = world.credit()
        world.issue(credit)

        assert world.find(credit.model_copy(update={"id": "zendesk:4711/2"})) is None
        assert world.find(credit.model_copy(update={"id": "zendesk:471"})) is None

    def test_two_that_carry_its_id_are_for_people(self, world: World) -> None:
        credit = world.credit()
        issued = world.issue(credit)
        line = {"type": "invoice_line_item", "invoice_line_item": credit.lines[0].remote_id}
        world.client.v1.credit_notes.create(
            {
                "invoice": world.invoice.id,
                "lines": [{**line, "amount": 1}],
                "metadata": {"interlock_credit_id": issued.id},
            }
        )

        with pytest.raises(RecordConflict):
            world.find(credit)

    def test_one_made_by_hand_is_read_by_its_own_id(self, world: World) -> None:
        """As a team links it."""
        line = {
            "type": "invoice_line_item",
            "invoice_line_item": world.credit().lines[0].remote_id,
            "amount": 10000,
        }
        note = world.client.v1.credit_notes.create({"invoice": world.invoice.id, "lines": [line]})

        assert world.billing.get_credit(note.id).id == f"stripe:{note.id}"


class TestVoid:
    def test_while_the_invoice_is_open_it_is_voided(self, world: World) -> None:
        credit = world.credit()
        issued = world.issue(credit)

        assert world.billing.void_credit(issued.remote_id) == issued
        assert world.billing.void_credit(issued.remote_id) == issued

        assert world.client.v1.credit_notes.retrieve(issued.remote_id).status == "void"
        assert (world.remaining(), world.balance()) == (2_142_000, 0)
        world.check_taken_back(issued, credit)
        assert world.issue(credit, "next").net == credit.net

    def test_what_went_to_the_balance_is_countered(self, world: World) -> None:
        world.pay()
        credit = world.credit()
        issued = world.issue(credit)

        assert world.billing.void_credit(issued.remote_id) == issued
        assert world.billing.void_credit(issued.remote_id) == issued

        assert world.balance() == 0
        world.check_taken_back(issued, credit)
        assert world.issue(credit, "next").to_balance == world.money(119)

    def test_what_closed_its_invoice_is_owed_again(self, world: World) -> None:
        """A part lowered what was due, which stays so: the next invoice charges it."""
        world.pay_part(2_142_000 - 4_000)
        credit = world.credit()
        issued = world.issue(credit)

        world.billing.void_credit(issued.remote_id)

        assert (world.remaining(), world.balance()) == (0, 4_000)
        world.check_taken_back(issued, credit)

    def test_what_lowered_a_paid_invoice_is_owed_again(self, world: World) -> None:
        credit = world.credit()
        issued = world.issue(credit)
        world.pay()

        world.billing.void_credit(issued.remote_id)

        assert world.balance() == 11_900
        world.check_taken_back(issued, credit)

    def test_what_was_refunded_stays(self, world: World) -> None:
        world.pay()
        credit = world.credit(instrument=Instrument.REFUND)
        issued = world.issue(credit)

        with pytest.raises(BusinessRuleViolation, match=r"gave 119\.00 EUR back"):
            world.billing.void_credit(issued.remote_id)

        assert world.find(credit) == issued
        assert world.balance() == 0

    def test_what_an_invoice_has_used_stays(self, world: World) -> None:
        world.pay()
        credit = world.credit()
        issued = world.issue(credit)
        item = {"customer": world.customer, "currency": "eur", "amount": 5000}
        world.client.v1.invoice_items.create({**item, "description": "Training"})
        draft = world.client.v1.invoices.create(
            {"customer": world.customer, "pending_invoice_items_behavior": "include"}
        )
        world.client.v1.invoices.finalize_invoice(draft.id)

        with pytest.raises(BusinessRuleViolation, match=r"and 69\.00 EUR are left"):
            world.billing.void_credit(issued.remote_id)

        assert world.find(credit) == issued
        assert world.balance() == -6_900

    @pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.UNAVAILABLE])
    @pytest.mark.parametrize("path", ["/balance_transactions$", r"/v1/credit_notes/cn_\w+$"])
    @pytest.mark.parametrize("days", [0, 2], ids=["at once", "when Stripe has forgotten the key"])
    def test_half_way_it_is_finished_and_never_doubled(
        self,
        world: World,
        sandbox: StripeSandbox,
        later: Later,
        kind: FaultKind,
        path: str,
        days: int,
    ) -> None:
        world.pay()
        credit = world.credit()
        issued = world.issue(credit)
        sandbox.fail(kind, method="POST", path=path)
        with pytest.raises(OutcomeUnknown):
            world.billing.void_credit(issued.remote_id)
        later(timedelta(days=days))

        world.billing.void_credit(issued.remote_id)

        assert world.balance() == 0
        world.check_taken_back(issued, credit)

    def test_the_debit_alone_does_not_take_it_back(
        self, world: World, sandbox: StripeSandbox
    ) -> None:
        world.pay()
        credit = world.credit()
        issued = world.issue(credit)
        sandbox.fail(FaultKind.UNAVAILABLE, method="POST", path=r"/v1/credit_notes/cn_\w+$")
        with pytest.raises(OutcomeUnknown):
            world.billing.void_credit(issued.remote_id)

        assert world.find(credit) == issued
        assert told(world.billing, "credit_note.voided") == []

    def test_a_change_of_its_memo_means_nothing(self, world: World) -> None:
        issued = world.issue(world.credit())

        world.client.v1.credit_notes.update(issued.remote_id, {"memo": "Sorry"})

        assert told(world.billing, "credit_note.voided") == []

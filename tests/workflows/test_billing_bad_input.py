"""What must not be booked as it is: Finance is asked, nothing is half posted, then it completes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from local.sandboxes.stripe import catalogue, credit_notes, invoice_api, refunds
from local.sandboxes.stripe.account import StripeObject
from local.sandboxes.stripe.events import partner_event
from tests.workflows.billing import DE, JP, Billing, Customer
from tests.workflows.runs import Run
from tests.workflows.systems import Systems

# A minute of the real machine; `make test` has the ordinary way of each kind of document.
pytestmark = pytest.mark.slow

D = Decimal
RETRY = {"action": "retry"}


@dataclass
class Books:
    """What a story acts on."""

    billing: Billing
    systems: Systems
    new_customer: Callable[..., Customer]

    def finalized(self, *amounts: int, **changes: object) -> StripeObject:
        """A final invoice that nobody was told of yet."""
        with self.billing.held_back():
            customer = self.new_customer()
            return self.billing.finalize(self.billing.draft(customer, *amounts, **changes))

    def tell(self, invoice: StripeObject) -> Run:
        """Its event arrives."""
        self.billing.deliver(self.billing.finalized_event(invoice))
        return self.billing.run(invoice["id"], "invoice-finalized")


@pytest.fixture
def books(billing: Billing, systems: Systems, new_customer: Callable[..., Customer]) -> Books:
    """All systems, with customers on demand."""
    return Books(billing, systems, new_customer)


# A story yields the run with the record that must not be booked, and then what a team decides.
Story = Iterator[tuple[Run, str] | dict]


def currency_not_kept(books: Books) -> Story:
    """The invoice is voided at Stripe, and another one made."""
    invoice = books.finalized(100000, currency="eur")
    yield books.tell(invoice), invoice["id"]
    books.billing.stripe.do(invoice_api.void, invoice["id"])
    yield RETRY


def unknown_product(books: Books) -> Story:
    """A product of Stripe's alone: Finance says which one it is in the books."""
    sku = f"TRAINING-{uuid.uuid4().hex[:6]}"
    catalogue.add_product(books.billing.stripe.account, sku, "Training")
    invoice = books.finalized(100000)
    line = books.billing.stripe.account.lines[invoice["id"]][0]
    line["pricing"]["price_details"]["product"] = sku
    yield books.tell(invoice), invoice["id"]
    line["pricing"]["price_details"]["product"] = "SEAT-ANNUAL"
    yield RETRY


def total_that_does_not_add_up(books: Books) -> Story:
    """What no request can make: a defect in the billing system's own data."""
    invoice = books.finalized(100000)
    with books.billing.changed(invoice, total=invoice["total"] + 500):
        yield books.tell(invoice), invoice["id"]
    yield RETRY


def no_account(books: Books) -> Story:
    """A customer that somebody made by hand."""
    invoice = books.finalized(100000)
    customer = books.billing.stripe.account.customers[invoice["customer"]]
    with books.billing.changed(customer, metadata={}):
        yield books.tell(invoice), invoice["id"]
    yield RETRY


def no_customer_in_the_erp(books: Books) -> Story:
    """An account that never became a customer there: Finance enters it."""
    invoice = books.finalized(100000)
    customer = books.billing.stripe.account.customers[invoice["customer"]]
    unknown = f"salesforce:001{uuid.uuid4().hex[:12]}"
    with books.billing.changed(customer, metadata={"interlock_account_id": unknown}):
        yield books.tell(invoice), invoice["id"]
        party = books.systems.erp.enter_customer("Entered by hand")
        books.billing.cross_reference(f"customer#{unknown}", "tryton", party)
        yield RETRY


def no_subsidiary(books: Books) -> Story:
    """An invoice that somebody made by hand."""
    invoice = books.finalized(100000)
    with books.billing.changed(invoice, metadata={}):
        yield books.tell(invoice), invoice["id"]
    yield RETRY


def period_closed(books: Books) -> Story:
    """Finance decides to post it on another day."""
    invoice = books.finalized(100000)
    day = datetime(2026, 4, 10, tzinfo=UTC)
    books.systems.erp.period(day.date(), "TESSALINE-US", "close")
    try:
        with books.billing.changed(invoice, effective_at=int(day.timestamp())):
            yield books.tell(invoice), invoice["id"]
            yield RETRY | {"edit": {"posting_date": "2026-05-02"}}
    finally:
        books.systems.erp.period(day.date(), "TESSALINE-US", "reopen")


def period_missing(books: Books) -> Story:
    """A day that was mistyped."""
    invoice = books.finalized(100000)
    day = datetime(2016, 4, 10, tzinfo=UTC)
    with books.billing.changed(invoice, effective_at=int(day.timestamp())):
        yield books.tell(invoice), invoice["id"]
    yield RETRY


def credit_note_without_product(books: Books) -> Story:
    """Finance says which product it is for."""
    invoice = books.billing.posted(books.new_customer(), 100000)
    lines = [
        {
            "type": "custom_line_item",
            "description": "Goodwill",
            "quantity": 1,
            "unit_amount": 5000,
        }
    ]
    note = books.billing.stripe.do(credit_notes.create, invoice=invoice["id"], lines=lines)
    run = books.billing.run(note["id"], "credit-note-issued")
    yield run, note["id"]
    document = run.wait_for_exception().records["document"]
    line = document["lines"][0] | {"sku": "PLATFORM-ANNUAL"}
    yield RETRY | {"edit": {"document": {"lines": [line]}}}


def refund_without_credit_note(books: Books) -> Story:
    """Somebody refunded in the Dashboard; the credit note follows."""
    invoice = books.billing.posted(books.new_customer(), 100000)
    payment = books.billing.pay(invoice)
    payment.wait_for_end()
    charge = books.billing.charge_of(payment)
    refund = books.billing.stripe.do(refunds.create, charge=charge, amount=10825)
    yield books.billing.run(refund["id"], "refund-issued"), refund["id"]
    _, run = books.billing.credit(invoice, 10000, refunds=[{"refund": refund["id"]}])
    run.wait_until(lambda: run.status == "SUCCEEDED")
    yield RETRY


def payment_outside(books: Books) -> Story:
    """By bank transfer: Finance has entered the receipt, and says so."""
    invoice = books.billing.posted(books.new_customer(), 100000)
    books.billing.stripe.do(invoice_api.pay, invoice["id"], paid_out_of_band=True)
    payment = books.billing.told("invoice_payment.paid")["id"]
    yield books.billing.run(payment, "payment-succeeded"), payment
    receipt = books.systems.erp.enter_receipt(invoice["id"], "1082.50")
    yield {"action": "link", "record": f"stripe:{payment}", "remote_id": receipt}


@pytest.mark.parametrize(
    ("story", "step", "error", "says"),
    [
        (currency_not_kept, "PreparePosting", "Rule", "TESSALINE-US keeps no books in EUR, but in"),
        (unknown_product, "PreparePosting", "Rule", "line 1: the ERP has no product TRAINING-"),
        (
            total_that_does_not_add_up,
            "PreparePosting",
            "Rule",
            "add up to 5.00 USD less than its total",
        ),
        (no_account, "PreparePosting", "Rule", "its customer is not linked to an account"),
        (no_customer_in_the_erp, "PostErpInvoice", "NotFound", "is not in tryton yet"),
        (no_subsidiary, "PreparePosting", "Rule", "set its subsidiary, one of TESSALINE-DE"),
        (period_closed, "PreparePosting", "Rule", "the ERP's period of that day is closed"),
        (period_missing, "PreparePosting", "Rule", "the ERP's period of that day is missing"),
        (credit_note_without_product, "PreparePosting", "Rule", "line 1"),
        (refund_without_credit_note, "PreparePosting", "Rule", "has no credit note: issue one"),
        (payment_outside, "ApplyErpPayment", "Rule", "enter the receipt in the ERP, and link it"),
    ],
)
def test_finance_is_asked(
    story: Callable[[Books], Story], step: str, error: str, says: str, books: Books
) -> None:
    """It is told what is wrong, of which document, and what to do; then it is booked once."""
    told = story(books)
    run, record = next(told)
    exception = run.wait_for_exception()

    name = {"Rule": "BusinessRuleViolation", "NotFound": "RecordNotFound"}[error]
    assert (exception.step, exception.error, exception.team) == (step, name, "Finance")
    assert says in exception.message
    assert _number(books, record) in f"{exception.message} {exception.records['document']}"
    assert run.effects() == ([f"tryton#post_invoice#stripe:{record}"] if error != "Rule" else [])
    assert books.systems.erp.traces(record) == 0

    decision = next(told)
    run.resolve(**decision)
    status = run.wait_for_end()["status"]
    next(told, None)
    assert status == ("nothing to post" if story is currency_not_kept else "posted")
    assert books.systems.erp.traces(record) == (status == "posted" and story != payment_outside)


def _number(books: Books, record: str) -> str:
    account = books.billing.stripe.account
    document = account.invoices.get(record) or account.credit_notes.get(record)
    return document["number"] if document else record


def test_payment_outside_pays_its_invoice(books: Books) -> None:
    """Linked, it is the receipt that Finance entered, and no other."""
    told = payment_outside(books)
    run, _ = next(told)
    run.wait_for_exception()
    run.resolve(**next(told))
    run.wait_for_end()
    invoice = run.timeline[-1]
    assert D(invoice.data["amount"]["amount"]) == D("1082.50")


def test_invoice_that_no_run_can_keep(books: Books) -> None:
    """Finance enters it by hand, and the run is taken back: nothing was posted."""
    invoice = books.finalized(100000)
    line = books.billing.stripe.account.lines[invoice["id"]][0]
    with books.billing.changed(line, description="Very much " * 10_000):
        run = books.tell(invoice)
        exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("RefetchInvoice", "Finance")
    assert "enter it in the ERP by hand" in exception.message
    run.resolve("compensate")
    assert run.wait_for_end()["status"] == "reversed"
    assert run.effects() == []
    assert books.systems.erp.traces(invoice["id"]) == 0


def test_customer_that_was_merged_away(books: Books) -> None:
    """Its invoice is the surviving customer's, in the books."""
    merged, into = books.new_customer(), books.new_customer()
    books.billing.merge(merged.account, into.account)
    invoice = books.billing.posted(merged, 100000)
    assert books.systems.erp.party(invoice["id"]) == into.erp


def test_payment_of_a_locked_period_is_posted_on_the_next_open_day(books: Books) -> None:
    """The auditors are done with the month, and its money came all the same."""
    day = date(2026, 6, 20)
    invoice = books.billing.posted(books.new_customer(JP), 100000)
    books.systems.erp.period(day, JP, "close")
    books.systems.erp.period(day, JP, "lock_")
    with books.billing.held_back() as held:
        payment = books.billing.pay(invoice)
    charge = books.billing.stripe.account.charges[books.billing.charge_of(payment)]
    charge["created"] = int(datetime(2026, 6, 20, tzinfo=UTC).timestamp())
    paid = books.billing.stripe.account.invoice_payments[payment.name.split("-")[0]]
    paid["status_transitions"]["paid_at"] = charge["created"]
    for event in held:
        books.billing.deliver(event)
    payment.wait_for_end()

    entry = books.systems.erp.entry(charge["id"])
    assert entry
    assert entry.posting_date == date(2026, 7, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "aws.partner/stripe.com/ed_other"}, "another destination: ed_other"),
        ({"detail": {"object": "v2.core.event"}}, "a thin event: choose snapshots"),
        ({"detail": None}, "malformed"),
    ],
)
def test_event_is_set_aside(change: dict, reason: str, books: Books) -> None:
    """It is kept with its reason, and starts nothing."""
    invoice = books.finalized(100)
    event = partner_event(books.billing.finalized_event(invoice)) | change
    books.billing.send(books.billing.cloud.resources["StripeInbox"], json.dumps(event))
    books.billing.settle()

    [letter] = books.billing.take_dead_letters("StripeInboxDlq")
    assert letter.reason.startswith(reason)
    assert books.billing.run(invoice["id"], "invoice-finalized").status is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"meter": "storage"}, "no active meter storage: create it"),
        ({"occurred_at": "2026-01-01T00:00:00Z"}, "charge it by hand, or skip it"),
        ({"occurred_at": "2096-01-01T00:00:00Z"}, "which is to come"),
        ({"quantity": "-1"}, "usage counts from 0"),
        ({"customer_id": "salesforce:001Nobody"}, "is not in stripe yet"),
    ],
)
def test_usage_that_is_not_right(change: dict, says: str, books: Books) -> None:
    """Finance may leave it out, with a reason that is kept."""
    customer = books.new_customer(DE)
    books.billing.metered(customer)
    run = books.billing.use(f"usage-{uuid.uuid4().hex[:8]}", customer, **change)
    exception = run.wait_for_exception()
    assert (exception.step, exception.team) == ("PlaceUsage", "Finance")
    assert says in exception.message
    assert exception.actions == ("retry", "skip")
    run.resolve("skip")
    assert run.wait_for_end() == {"status": "left out"}
    assert "usage.submitted" not in run.events

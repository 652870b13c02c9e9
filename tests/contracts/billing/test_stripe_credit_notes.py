"""Credit notes at the Stripe sandbox: what they take off, and where the rest goes."""

from __future__ import annotations

import pytest
import stripe as official

from local.sandboxes.stripe import StripeSandbox
from local.sandboxes.stripe.totals import customer_balances
from tests.contracts.billing.samples import Later
from tests.contracts.billing.stripe_samples import settled

pytestmark = pytest.mark.usefixtures("described")

VISA = "pm_card_visa"


@pytest.fixture
def open_invoice(client: official.StripeClient, later: Later) -> official.Invoice:
    """72000 and 13680 tax are to be paid."""
    settled(client, later, country="DE", taxed=True, currency="eur")
    return client.v1.invoices.list().data[0]


@pytest.fixture
def paid_invoice(client: official.StripeClient, later: Later) -> official.Invoice:
    """72000 and 13680 tax are paid by card."""
    settled(client, later, VISA, country="DE", taxed=True, currency="eur")
    return client.v1.invoices.list().data[0]


def line(invoice: official.Invoice, **fields: int) -> dict[str, object]:
    """So much, or so many, of the invoice's line."""
    id = invoice.lines.data[0].id
    return {"type": "invoice_line_item", "invoice_line_item": id, **fields}


class TestOpenInvoice:
    def test_lowers_what_is_due_with_its_tax(
        self, client: official.StripeClient, open_invoice: official.Invoice
    ) -> None:
        note = client.v1.credit_notes.create(
            {
                "invoice": open_invoice.id,
                "lines": [line(open_invoice, quantity=1)],
                "reason": "order_change",
                "memo": "One seat less",
            }
        )

        assert (note.type, note.subtotal, note.total) == ("pre_payment", 24000, 28560)
        assert (note.pre_payment_amount, note.post_payment_amount) == (28560, 0)
        assert note.number == f"{open_invoice.number}-CN-01"
        assert note.total_taxes[0].amount == 4560
        credited = client.v1.invoices.retrieve(open_invoice.id)
        assert (credited.total, credited.amount_due) == (85680, 57120)
        assert credited.pre_payment_credit_notes_amount == 28560
        (payment,) = client.v1.invoice_payments.list({"invoice": open_invoice.id})
        assert payment.amount_requested == 57120

        voided = client.v1.credit_notes.void_credit_note(note.id)
        assert voided.status == "void"
        assert client.v1.invoices.retrieve(open_invoice.id).amount_remaining == 85680

    def test_the_whole_invoice_is_paid_by_it(
        self,
        client: official.StripeClient,
        sandbox: StripeSandbox,
        open_invoice: official.Invoice,
    ) -> None:
        note = client.v1.credit_notes.create(
            {"invoice": open_invoice.id, "lines": [line(open_invoice, amount=72000)]}
        )

        closed = client.v1.invoices.retrieve(open_invoice.id)
        assert (closed.status, closed.amount_paid) == ("paid", 0)
        figures = sandbox.totals()["eur"]
        assert (figures.credited_net, figures.credited_tax) == (72000, 13680)
        assert figures.receivable == 0
        assert sandbox.by_hand(customer_balances) == {}
        with pytest.raises(official.InvalidRequestError):
            client.v1.credit_notes.void_credit_note(note.id)

    def test_partly_paid_it_is_of_both_kinds(
        self, client: official.StripeClient, open_invoice: official.Invoice
    ) -> None:
        payment = client.v1.payment_intents.create(
            {
                "amount": 80000,
                "currency": "eur",
                "customer": str(open_invoice.customer),
                "payment_method": VISA,
                "confirm": True,
            }
        )
        client.v1.invoices.attach_payment(open_invoice.id, {"payment_intent": payment.id})

        note = client.v1.credit_notes.create(
            {
                "invoice": open_invoice.id,
                "lines": [line(open_invoice, quantity=1)],
                "refund_amount": 28560 - 5680,
            }
        )

        assert (note.type, note.pre_payment_amount) == ("mixed", 5680)
        assert note.refunds[0].amount_refunded == note.post_payment_amount == 22880
        assert client.v1.invoices.retrieve(open_invoice.id).status == "paid"


class TestPaidInvoice:
    def test_refund_credit_and_out_of_band(
        self,
        client: official.StripeClient,
        sandbox: StripeSandbox,
        paid_invoice: official.Invoice,
    ) -> None:
        note = client.v1.credit_notes.create(
            {
                "invoice": paid_invoice.id,
                "lines": [line(paid_invoice, amount=10000)],
                "refund_amount": 5000,
                "credit_amount": 4000,
                "out_of_band_amount": 2900,
                "expand": ["refunds.refund", "customer_balance_transaction"],
            }
        )

        assert (note.type, note.post_payment_amount) == ("post_payment", 11900)
        assert note.refunds[0].refund.amount == 5000
        assert note.customer_balance_transaction.amount == -4000
        assert client.v1.customers.retrieve(str(paid_invoice.customer)).balance == -4000
        credited = client.v1.invoices.retrieve(paid_invoice.id)
        assert (credited.post_payment_credit_notes_amount, credited.amount_due) == (11900, 85680)
        figures = sandbox.totals()["eur"]
        assert (figures.refunds, figures.customer_credit) == (5000, 4000)
        owed = sandbox.by_hand(customer_balances)
        assert owed == {(paid_invoice.customer, "eur"): -4000}

    def test_links_a_refund_that_was_made_before(
        self, client: official.StripeClient, paid_invoice: official.Invoice
    ) -> None:
        (charge,) = client.v1.charges.list()
        refund = client.v1.refunds.create({"charge": charge.id, "amount": 28560})
        wanted = {
            "invoice": paid_invoice.id,
            "lines": [line(paid_invoice, quantity=1)],
            "refunds": [{"refund": refund.id}],
        }

        note = client.v1.credit_notes.create(wanted)

        assert [(each.refund, each.amount_refunded) for each in note.refunds] == [
            (refund.id, 28560)
        ]
        with pytest.raises(official.InvalidRequestError):
            client.v1.credit_notes.create(wanted)

    def test_the_sum_must_be_exact(
        self, client: official.StripeClient, paid_invoice: official.Invoice
    ) -> None:
        with pytest.raises(official.InvalidRequestError, match=r"\(28559\) must equal .* \(28560"):
            client.v1.credit_notes.create(
                {
                    "invoice": paid_invoice.id,
                    "lines": [line(paid_invoice, quantity=1)],
                    "credit_amount": 28559,
                }
            )
        assert client.v1.refunds.list().data == []

    def test_never_more_than_the_invoice(
        self, client: official.StripeClient, paid_invoice: official.Invoice
    ) -> None:
        note = {"invoice": paid_invoice.id, "amount": 50000, "out_of_band_amount": 50000}
        client.v1.credit_notes.create(note)

        with pytest.raises(official.InvalidRequestError, match="more than is left"):
            client.v1.credit_notes.create(note)

    def test_custom_lines_and_pages(
        self, client: official.StripeClient, paid_invoice: official.Invoice
    ) -> None:
        (rate,) = (each for each in client.v1.tax_rates.list() if each.country == "DE")
        custom = {
            "type": "custom_line_item",
            "description": "Goodwill",
            "quantity": 1,
            "unit_amount": 100,
            "tax_rates": [rate.id],
        }

        note = client.v1.credit_notes.create(
            {"invoice": paid_invoice.id, "lines": [custom] * 12, "credit_amount": 12 * 119}
        )

        assert (note.subtotal, note.total, note.lines.has_more) == (1200, 1428, True)
        assert len(client.v1.credit_notes.line_items.list(note.id, {"limit": 100}).data) == 12
        assert [each.id for each in client.v1.credit_notes.list({"invoice": paid_invoice.id})] == [
            note.id
        ]


class TestPreview:
    def test_says_what_is_to_be_given_back(
        self, client: official.StripeClient, paid_invoice: official.Invoice
    ) -> None:
        wanted = {"invoice": paid_invoice.id, "lines": [line(paid_invoice, amount=10000)]}

        preview = client.v1.credit_notes.preview(wanted)

        assert (preview.total_excluding_tax, preview.total) == (10000, 11900)
        assert (preview.pre_payment_amount, preview.post_payment_amount) == (0, 11900)
        assert client.v1.credit_notes.list().data == []
        with pytest.raises(official.InvalidRequestError, match="must equal"):
            client.v1.credit_notes.preview({**wanted, "credit_amount": 10000})

    def test_refuses_what_would_be_refused(
        self, client: official.StripeClient, paid_invoice: official.Invoice
    ) -> None:
        with pytest.raises(official.InvalidRequestError, match="More than is left"):
            client.v1.credit_notes.preview(
                {"invoice": paid_invoice.id, "lines": [line(paid_invoice, amount=72001)]}
            )


class TestWhatIsLeft:
    def test_of_a_line(self, client: official.StripeClient, open_invoice: official.Invoice) -> None:
        wanted = {"invoice": open_invoice.id, "lines": [line(open_invoice, amount=40000)]}
        note = client.v1.credit_notes.create(wanted)

        with pytest.raises(official.InvalidRequestError, match="More than is left of the line"):
            client.v1.credit_notes.create(wanted)
        client.v1.credit_notes.void_credit_note(note.id)
        assert client.v1.credit_notes.create(wanted).subtotal == 40000

    def test_of_a_line_that_is_named_twice(
        self, client: official.StripeClient, open_invoice: official.Invoice
    ) -> None:
        lines = [line(open_invoice, amount=40000), line(open_invoice, amount=32001)]

        with pytest.raises(official.InvalidRequestError, match="More than is left of the line"):
            client.v1.credit_notes.create({"invoice": open_invoice.id, "lines": lines})

    def test_by_amount_or_by_quantity_for_good(
        self, client: official.StripeClient, open_invoice: official.Invoice
    ) -> None:
        by_quantity = {"invoice": open_invoice.id, "lines": [line(open_invoice, quantity=1)]}
        client.v1.credit_notes.create(by_quantity)

        with pytest.raises(official.InvalidRequestError, match="in the same way"):
            client.v1.credit_notes.create(
                {"invoice": open_invoice.id, "lines": [line(open_invoice, amount=1)]}
            )
        assert client.v1.credit_notes.create(by_quantity).subtotal == 24000

    def test_refunds_without_a_credit_note_have_taken_of_it(
        self, client: official.StripeClient, paid_invoice: official.Invoice
    ) -> None:
        [charge] = client.v1.charges.list()
        client.v1.refunds.create({"charge": charge.id, "amount": 80000})
        wanted = {"invoice": paid_invoice.id, "lines": [line(paid_invoice, amount=10000)]}

        with pytest.raises(official.InvalidRequestError, match="more than is left of the invoice"):
            client.v1.credit_notes.create({**wanted, "credit_amount": 11900})


class TestCounterEntry:
    """A credit note that cannot be voided: its credit is debited, and its metadata says so."""

    def test_debit_and_mark(
        self,
        client: official.StripeClient,
        sandbox: StripeSandbox,
        paid_invoice: official.Invoice,
    ) -> None:
        customer = str(paid_invoice.customer)
        note = client.v1.credit_notes.create(
            {
                "invoice": paid_invoice.id,
                "lines": [line(paid_invoice, amount=10000)],
                "credit_amount": 11900,
            }
        )
        with pytest.raises(official.InvalidRequestError):
            client.v1.credit_notes.void_credit_note(note.id)

        client.v1.customers.balance_transactions.create(
            customer, {"amount": 11900, "currency": "eur", "metadata": {"counters": note.id}}
        )
        client.v1.credit_notes.update(note.id, {"metadata": {"countered": "yes"}})

        debit, credit = client.v1.customers.balance_transactions.list(customer).data
        assert (debit.amount, debit.ending_balance, debit.type) == (11900, 0, "adjustment")
        assert (credit.amount, credit.credit_note, credit.type) == (-11900, note.id, "credit_note")
        assert debit.metadata["counters"] == note.id
        [told] = client.v1.events.list({"type": "credit_note.updated"}).data
        assert told.data.object["metadata"]["countered"] == "yes"
        assert sandbox.totals()["eur"].customer_credit == 0

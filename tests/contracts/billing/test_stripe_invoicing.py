"""How the Stripe sandbox makes invoices, by Stripe's own client and against its description."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import stripe as official

from local.sandboxes.stripe import StripeSandbox
from tests.contracts.billing.samples import NOW, Later
from tests.contracts.billing.stripe_samples import HOUR, customer, schedule, settled

pytestmark = pytest.mark.usefixtures("described")


def seconds(*date: int) -> int:
    """A time of day like now's, on another day."""
    return int(NOW.replace(year=date[0], month=date[1], day=date[2]).timestamp())


class TestPeriods:
    def test_each_period_is_invoiced_when_it_begins(
        self, client: official.StripeClient, later: Later
    ) -> None:
        buyer = customer(client)
        made = client.v1.subscription_schedules.create(schedule(buyer))
        (first,) = client.v1.invoices.list({"customer": buyer})
        assert (first.status, first.billing_reason) == ("draft", "subscription_create")
        assert (first.number, first.ending_balance) == (None, None)

        later(HOUR)
        opened = client.v1.invoices.retrieve(first.id)
        assert opened.status == "open"
        assert opened.status_transitions.finalized_at == int((NOW + HOUR).timestamp())
        assert opened.due_date == int((NOW + timedelta(days=30)).timestamp())
        assert opened.amount_remaining == opened.total == 3 * 24000
        assert opened.parent.subscription_details.metadata["order"] == "4711"
        assert opened.parent.subscription_details.subscription == made.subscription
        (line,) = opened.lines
        assert line.pricing.price_details.product == "SEAT-ANNUAL"
        assert (line.period.start, line.period.end) == (int(NOW.timestamp()), seconds(2027, 11, 2))

        later(timedelta(days=800))
        invoices = list(client.v1.invoices.list({"subscription": made.subscription}))
        assert [each.created for each in invoices] == [
            seconds(2028, 11, 2),
            seconds(2027, 11, 2),
            first.created,
        ]
        assert [each.number[-4:] for each in invoices] == ["0003", "0002", "0001"]
        subscription = client.v1.subscriptions.retrieve(made.subscription)
        assert subscription.latest_invoice == invoices[0].id
        assert subscription["items"].data[0].current_period_end == seconds(2029, 11, 2)

    def test_backdated_subscription_is_invoiced_period_by_period(
        self, client: official.StripeClient
    ) -> None:
        start = seconds(2024, 5, 1)
        made = client.v1.subscription_schedules.create(schedule(customer(client), start))

        (invoice,) = client.v1.invoices.list({"subscription": made.subscription})

        years = [datetime.fromtimestamp(line.period.start, UTC).year for line in invoice.lines]
        assert years == [2024, 2025, 2026]
        assert {line.amount for line in invoice.lines} == {72000}

    def test_elapsed_days_before_the_anchor_are_a_share(
        self, client: official.StripeClient
    ) -> None:
        start = int((NOW - timedelta(days=73)).timestamp())
        client.v1.subscription_schedules.create(
            schedule(customer(client), start, billing_cycle_anchor="automatic")
        )

        (invoice,) = client.v1.invoices.list()

        assert [line.amount for line in invoice.lines] == [72000 // 5, 72000]

    def test_cancelled_at_once_the_draft_stays_a_draft(
        self, client: official.StripeClient, later: Later
    ) -> None:
        made = client.v1.subscription_schedules.create(schedule(customer(client)))
        terms = {"invoice_now": False, "prorate": False}
        client.v1.subscription_schedules.cancel(made.id, terms)
        later(timedelta(days=400))

        (invoice,) = client.v1.invoices.list()

        assert (invoice.status, invoice.auto_advance) == ("draft", False)

    def test_an_invoice_carries_its_first_ten_lines(self, client: official.StripeClient) -> None:
        buyer = customer(client)
        for number in range(12):
            item = {"customer": buyer, "amount": number + 1, "currency": "usd"}
            client.v1.invoice_items.create({**item, "description": f"Item {number}"})
        invoice = client.v1.invoices.create(
            {"customer": buyer, "pending_invoice_items_behavior": "include"}
        )

        lines = client.v1.invoices.line_items.list(invoice.id, {"limit": 5})

        assert (len(invoice.lines.data), invoice.lines.has_more) == (10, True)
        assert [line.amount for line in lines.auto_paging_iter()] == list(range(1, 13))
        assert invoice.total == sum(range(1, 13))


class TestTaxes:
    @pytest.mark.parametrize(
        ("country", "currency", "name", "tax"),
        [
            ("US", "usd", "US-SALES-8.25", 5940),
            ("DE", "eur", "DE-VAT-19", 13680),
            ("JP", "jpy", "JP-CT-10", 7200),
        ],
    )
    def test_the_rate_of_the_customers_country(
        self, client: official.StripeClient, country: str, currency: str, name: str, tax: int
    ) -> None:
        buyer = customer(client, country=country)
        client.v1.subscription_schedules.create(schedule(buyer, currency=currency, taxed=True))

        (invoice,) = client.v1.invoices.list({"expand": ["data.total_taxes"]})

        (total,) = invoice.total_taxes
        rate = client.v1.tax_rates.retrieve(total.tax_rate_details.tax_rate)
        assert (rate.display_name, total.amount, total.taxable_amount) == (name, tax, 72000)
        assert [each.amount for each in invoice.lines.data[0].taxes] == [tax]
        assert (invoice.subtotal, invoice.total) == (72000, 72000 + tax)

    def test_without_a_country_no_tax_and_the_invoice_says_so(
        self, client: official.StripeClient, later: Later
    ) -> None:
        client.v1.subscription_schedules.create(schedule(customer(client), taxed=True))
        later(HOUR)

        (invoice,) = client.v1.invoices.list()

        assert (invoice.total, invoice.total_taxes) == (72000, [])
        reason = "finalization_requires_location_inputs"
        assert (invoice.automatic_tax.enabled, invoice.automatic_tax.disabled_reason) == (
            False,
            reason,
        )


class TestProrations:
    def test_upgrade_waits_for_the_next_invoice(
        self, client: official.StripeClient, later: Later
    ) -> None:
        subscription = settled(client, later)
        item = subscription["items"].data[0]
        later(timedelta(days=73) - HOUR)

        client.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "quantity": 5}]})

        credit, charge = sorted(client.v1.invoice_items.list(), key=lambda each: each.amount)
        assert (credit.amount, charge.amount) == (-72000 * 4 // 5, 120000 * 4 // 5)
        later(timedelta(days=292))
        renewal = client.v1.invoices.list({"subscription": subscription.id}).data[0]
        assert [line.amount for line in renewal.lines] == [-57600, 96000, 120000]
        unused = renewal.lines.data[0].parent.subscription_item_details
        assert unused.proration
        first = client.v1.invoices.list({"subscription": subscription.id}).data[1]
        assert unused.proration_details.credited_items.invoice == first.id

    def test_upgrade_is_invoiced_at_once(self, client: official.StripeClient, later: Later) -> None:
        subscription = settled(client, later, country="DE", taxed=True)
        item = subscription["items"].data[0]
        halfway = (item.current_period_start + item.current_period_end) // 2

        client.v1.subscriptions.update(
            subscription.id,
            {
                "items": [{"id": item.id, "quantity": 4}],
                "proration_behavior": "always_invoice",
                "proration_date": halfway,
            },
        )

        invoice = client.v1.invoices.list({"subscription": subscription.id}).data[0]
        assert (invoice.status, invoice.billing_reason) == ("open", "subscription_update")
        assert [line.amount for line in invoice.lines] == [-36000, 48000]
        assert [line.taxes[0].amount for line in invoice.lines] == [-6840, 9120]
        assert invoice.total == 12000 + 2280

    def test_cancelling_with_proration_credits_the_customer(
        self, client: official.StripeClient, sandbox: StripeSandbox, later: Later
    ) -> None:
        subscription = settled(client, later)
        later(timedelta(days=73) - HOUR)

        client.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})

        invoice = client.v1.invoices.list().data[0]
        assert (invoice.total, invoice.amount_due, invoice.status) == (-57600, 0, "paid")
        buyer = client.v1.customers.retrieve(subscription.customer)
        assert buyer.balance == invoice.ending_balance == -57600
        assert sandbox.totals()["usd"].customer_credit == 57600

    def test_new_item_and_removed_item(self, client: official.StripeClient, later: Later) -> None:
        subscription = settled(client, later)
        item = subscription["items"].data[0]
        price = {
            "currency": "usd",
            "product": "PLATFORM-ANNUAL",
            "recurring": {"interval": "year"},
            "unit_amount": 1_200_000,
        }

        changed = client.v1.subscriptions.update(
            subscription.id,
            {"items": [{"price_data": price}, {"id": item.id, "deleted": True}]},
        )

        assert [each.price.product for each in changed["items"].data] == ["PLATFORM-ANNUAL"]
        assert sorted(each.amount > 0 for each in client.v1.invoice_items.list()) == [False, True]

    def test_something_must_be_left(self, client: official.StripeClient, later: Later) -> None:
        subscription = settled(client, later)
        item = subscription["items"].data[0]

        for gone in ({"id": item.id, "deleted": True}, {"deleted": True}):
            with pytest.raises(official.InvalidRequestError):
                client.v1.subscriptions.update(subscription.id, {"items": [gone]})

    @pytest.mark.parametrize("change", [{"currency": "eur"}, {"recurring": {"interval": "month"}}])
    def test_another_currency_or_interval_is_refused(
        self, client: official.StripeClient, later: Later, change: dict
    ) -> None:
        subscription = settled(client, later)
        price = {
            "currency": "usd",
            "product": "SEAT-ANNUAL",
            "recurring": {"interval": "year"},
            "unit_amount": 1,
        }

        with pytest.raises(official.InvalidRequestError, match="currency and interval"):
            client.v1.subscriptions.update(
                subscription.id, {"items": [{"price_data": {**price, **change}}]}
            )


class TestByHand:
    def test_draft_finalised_and_paid_outside(
        self, client: official.StripeClient, sandbox: StripeSandbox
    ) -> None:
        buyer = customer(client)
        invoice = client.v1.invoices.create({"customer": buyer, "metadata": {"note": "by hand"}})
        price = {"currency": "usd", "product": "SEAT-ANNUAL", "unit_amount_decimal": "0.5"}
        client.v1.invoice_items.create(
            {"customer": buyer, "invoice": invoice.id, "price_data": price, "quantity": 3}
        )

        opened = client.v1.invoices.finalize_invoice(invoice.id)
        paid = client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})

        assert (opened.status, opened.total) == ("open", 2)
        assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 2, 2)
        payments = client.v1.invoice_payments.list({"invoice": invoice.id})
        assert {each.payment.type: each.status for each in payments} == {
            "payment_intent": "canceled",
            "payment_record": "paid",
        }
        figures = sandbox.totals()["usd"]
        assert (figures.payments_outside, figures.payments, figures.receivable) == (2, 0, 0)

    def test_credit_is_taken_and_given_back_when_voided(
        self, client: official.StripeClient
    ) -> None:
        buyer = customer(client)
        adjustment = {"amount": -500, "currency": "usd"}
        client.v1.customers.balance_transactions.create(buyer, adjustment)
        invoice = client.v1.invoices.create({"customer": buyer})
        item = {"customer": buyer, "invoice": invoice.id, "amount": 2000, "currency": "usd"}
        client.v1.invoice_items.create(item)

        opened = client.v1.invoices.finalize_invoice(invoice.id)
        assert (opened.starting_balance, opened.ending_balance) == (-500, 0)
        assert (opened.total, opened.amount_due) == (2000, 1500)
        assert client.v1.customers.retrieve(buyer).balance == 0

        voided = client.v1.invoices.void_invoice(invoice.id)
        assert (voided.status, client.v1.customers.retrieve(buyer).balance) == ("void", -500)
        moves = client.v1.customers.balance_transactions.list(buyer)
        assert [(each.type, each.amount) for each in moves] == [
            ("unapplied_from_invoice", -500),
            ("applied_to_invoice", 500),
            ("adjustment", -500),
        ]
        with pytest.raises(official.InvalidRequestError):
            client.v1.invoices.pay(invoice.id)

    def test_each_currency_has_its_own_credit(self, client: official.StripeClient) -> None:
        buyer = customer(client)
        for amount, currency in ((-500, "usd"), (-900, "eur")):
            adjustment = {"amount": amount, "currency": currency}
            client.v1.customers.balance_transactions.create(buyer, adjustment)
        invoice = client.v1.invoices.create({"customer": buyer, "currency": "eur"})
        item = {"customer": buyer, "invoice": invoice.id, "amount": 2000, "currency": "eur"}
        client.v1.invoice_items.create(item)

        assert client.v1.invoices.finalize_invoice(invoice.id).amount_due == 1100
        assert client.v1.customers.retrieve(buyer).balance == -500

    def test_what_cannot_be_expanded(self, client: official.StripeClient) -> None:
        client.v1.invoices.create({"customer": customer(client)})

        for path in ("data.unicorn", "data.total.amount", "data.status"):
            with pytest.raises(official.InvalidRequestError, match="cannot be expanded"):
                client.v1.invoices.list({"expand": [path]})

    def test_uncollectible_may_still_be_paid(
        self, client: official.StripeClient, sandbox: StripeSandbox, later: Later
    ) -> None:
        settled(client, later)
        (invoice,) = client.v1.invoices.list({"status": "open"})

        given_up = client.v1.invoices.mark_uncollectible(invoice.id)
        assert given_up.status == "uncollectible"
        assert sandbox.totals()["usd"].uncollectible == 72000
        paid = client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"})

        assert (paid.status, paid.amount_remaining) == ("paid", 0)

    def test_lists_by_due_date_and_status(
        self, client: official.StripeClient, later: Later
    ) -> None:
        settled(client, later)
        due = client.v1.invoices.list().data[0].due_date

        overdue = client.v1.invoices.list({"status": "open", "due_date": {"lt": due + 1}})
        none = client.v1.invoices.list({"status": "open", "due_date": {"lt": due}})

        assert (len(overdue.data), none.data) == (1, [])

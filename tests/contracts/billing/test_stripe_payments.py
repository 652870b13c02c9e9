"""How invoices are paid at the Stripe sandbox, and payments taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest
import stripe as official

from local.sandboxes.stripe import StripeSandbox, disputes, refunds
from tests.contracts.billing.samples import NOW, Later
from tests.contracts.billing.stripe_samples import HOUR, customer, schedule, settled

pytestmark = pytest.mark.usefixtures("described")

VISA, DECLINED, DISPUTED = "pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_createDispute"


def paid_charge(client: official.StripeClient) -> official.Charge:
    """The newest charge."""
    return client.v1.charges.list({"expand": ["data.balance_transaction"]}).data[0]


class TestCards:
    @pytest.mark.parametrize(
        ("currency", "fee"), [("usd", 2088 + 30), ("eur", 1080 + 25), ("jpy", 2592)]
    )
    def test_charged_when_final(
        self, client: official.StripeClient, later: Later, currency: str, fee: int
    ) -> None:
        subscription = settled(client, later, VISA, currency=currency)

        expand = ["data.payments.data.payment.payment_intent.latest_charge"]
        (invoice,) = client.v1.invoices.list({"expand": expand})
        assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("paid", 72000, 0)
        assert (invoice.attempt_count, invoice.attempted, invoice.due_date) == (1, True, None)
        (payment,) = invoice.payments.data
        assert (payment.status, payment.amount_paid, payment.is_default) == ("paid", 72000, True)
        charge = payment.payment.payment_intent.latest_charge
        money = client.v1.balance_transactions.retrieve(charge.balance_transaction)
        assert (money.amount, money.fee, money.net) == (72000, fee, 72000 - fee)
        assert (money.source, money.reporting_category) == (charge.id, "charge")
        assert client.v1.subscriptions.retrieve(subscription.id).status == "active"

    def test_payments_by_invoice_and_by_intent(
        self, client: official.StripeClient, later: Later
    ) -> None:
        settled(client, later, VISA)
        settled(client, later, VISA)
        invoice = client.v1.invoices.list().data[0]

        (of_invoice,) = client.v1.invoice_payments.list({"invoice": invoice.id})
        intent = of_invoice.payment.payment_intent
        by = {"type": "payment_intent", "payment_intent": intent}
        (of_intent,) = client.v1.invoice_payments.list({"payment": by})

        assert of_intent.id == of_invoice.id
        assert client.v1.invoice_payments.retrieve(of_invoice.id).invoice == invoice.id
        assert client.v1.payment_intents.retrieve(intent).amount_received == 72000
        (charge,) = client.v1.charges.list({"payment_intent": intent})
        assert charge.payment_intent == intent

    def test_without_a_card_nothing_is_charged_automatically(
        self, client: official.StripeClient
    ) -> None:
        with pytest.raises(official.InvalidRequestError, match="no attached payment source"):
            client.v1.subscription_schedules.create(schedule(customer(client), charged=True))

    def test_another_customers_card_is_refused(self, client: official.StripeClient) -> None:
        theirs = client.v1.payment_methods.attach(VISA, {"customer": customer(client)})
        mine = customer(client)
        settings = {"invoice_settings": {"default_payment_method": theirs.id}}

        with pytest.raises(official.InvalidRequestError, match="another customer"):
            client.v1.customers.update(mine, settings)

        assert client.v1.payment_methods.list({"customer": mine}).data == []


class TestFailures:
    def test_tried_again_on_its_days_and_then_left_open(
        self, client: official.StripeClient, later: Later
    ) -> None:
        subscription = settled(client, later, DECLINED)
        attempts = []
        for days in (0, 3, 5, 7, 30):
            later(timedelta(days=days))
            (invoice,) = client.v1.invoices.list({"subscription": subscription.id})
            attempts.append((invoice.attempt_count, invoice.next_payment_attempt))

        first = int((NOW + HOUR).timestamp())
        assert attempts == [
            (1, first + 3 * 86400),
            (2, first + 8 * 86400),
            (3, first + 15 * 86400),
            (4, None),
            (4, None),
        ]
        assert (invoice.status, invoice.amount_remaining) == ("open", 72000)
        assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
        assert {(each.paid, each.failure_code) for each in client.v1.charges.list()} == {
            (False, "card_declined")
        }

    def test_a_better_card_pays_at_the_next_attempt(
        self, client: official.StripeClient, later: Later
    ) -> None:
        subscription = settled(client, later, DECLINED)
        assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"
        settings = {"invoice_settings": {"default_payment_method": VISA}}
        client.v1.customers.update(str(subscription.customer), settings)

        later(timedelta(days=3))

        (invoice,) = client.v1.invoices.list()
        assert (invoice.status, invoice.attempt_count) == ("paid", 2)
        assert client.v1.subscriptions.retrieve(subscription.id).status == "active"

    def test_the_subscriptions_card_comes_before_the_customers(
        self, client: official.StripeClient, later: Later
    ) -> None:
        subscription = settled(client, later, DECLINED)
        client.v1.subscriptions.update(subscription.id, {"default_payment_method": VISA})

        later(timedelta(days=3))

        assert client.v1.invoices.list().data[0].status == "paid"

    def test_declined_by_hand(self, client: official.StripeClient, later: Later) -> None:
        settled(client, later)
        (invoice,) = client.v1.invoices.list()

        with pytest.raises(official.CardError) as refused:
            client.v1.invoices.pay(invoice.id, {"payment_method": DECLINED})

        assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
        (intent,) = client.v1.payment_intents.list()
        assert intent.status == "requires_payment_method"
        assert intent.last_payment_error.decline_code == "generic_decline"

    def test_nobody_pays_when_the_customer_is_gone(
        self, client: official.StripeClient, later: Later
    ) -> None:
        subscription = settled(client, later, DECLINED)

        client.v1.customers.delete(str(subscription.customer))
        later(timedelta(days=400))

        (invoice,) = client.v1.invoices.list()
        assert (invoice.status, invoice.attempt_count, invoice.auto_advance) == ("open", 1, False)


class TestParts:
    def part(self, client: official.StripeClient, buyer: str, amount: int) -> str:
        """A payment by itself."""
        return client.v1.payment_intents.create(
            {
                "amount": amount,
                "currency": "usd",
                "customer": buyer,
                "payment_method": VISA,
                "confirm": True,
                "off_session": True,
            }
        ).id

    def test_several_payments_of_one_invoice(
        self, client: official.StripeClient, sandbox: StripeSandbox, later: Later
    ) -> None:
        buyer = str(settled(client, later).customer)
        (invoice,) = client.v1.invoices.list()

        partly = client.v1.invoices.attach_payment(
            invoice.id, {"payment_intent": self.part(client, buyer, 20000)}
        )
        assert (partly.status, partly.amount_paid, partly.amount_remaining) == (
            "open",
            20000,
            52000,
        )
        (default,) = client.v1.invoice_payments.list({"invoice": invoice.id, "status": "open"})
        assert default.amount_requested == 52000

        fully = client.v1.invoices.attach_payment(
            invoice.id, {"payment_intent": self.part(client, buyer, 52000)}
        )
        assert (fully.status, fully.amount_paid) == ("paid", 72000)
        statuses = [each.status for each in client.v1.invoice_payments.list()]
        assert sorted(statuses) == ["canceled", "paid", "paid"]
        assert sandbox.totals()["usd"].payments == 72000

    def test_no_payment_counts_twice_or_for_more_than_remains(
        self, client: official.StripeClient, later: Later
    ) -> None:
        buyer = str(settled(client, later).customer)
        (invoice,) = client.v1.invoices.list()
        part, too_much = self.part(client, buyer, 1000), self.part(client, buyer, 72000)
        client.v1.invoices.attach_payment(invoice.id, {"payment_intent": part})

        for intent in (part, too_much):
            with pytest.raises(official.InvalidRequestError):
                client.v1.invoices.attach_payment(invoice.id, {"payment_intent": intent})

        assert client.v1.invoices.retrieve(invoice.id).amount_paid == 1000

    def test_cancelled_and_confirmed(self, client: official.StripeClient) -> None:
        fields = {"amount": 500, "currency": "usd", "customer": customer(client)}
        dropped = client.v1.payment_intents.create(fields)
        made = client.v1.payment_intents.create(fields)

        assert client.v1.payment_intents.cancel(dropped.id).status == "canceled"
        confirmed = client.v1.payment_intents.confirm(made.id, {"payment_method": VISA})

        assert confirmed.status == "succeeded"
        with pytest.raises(official.InvalidRequestError):
            client.v1.payment_intents.confirm(dropped.id, {"payment_method": VISA})


class TestRefunds:
    def test_parts_until_nothing_is_left(self, client: official.StripeClient, later: Later) -> None:
        settled(client, later, VISA)
        charge = paid_charge(client)

        part = client.v1.refunds.create(
            {"charge": charge.id, "amount": 12000, "expand": ["balance_transaction"]}
        )
        rest = client.v1.refunds.create({"payment_intent": charge.payment_intent})

        money = part.balance_transaction
        assert (money.amount, money.fee, money.type) == (-12000, 0, "refund")
        assert (part.status, rest.amount) == ("succeeded", 60000)
        assert client.v1.charges.retrieve(charge.id).refunded
        assert [each.id for each in client.v1.refunds.list({"charge": charge.id})] == [
            rest.id,
            part.id,
        ]
        with pytest.raises(official.InvalidRequestError) as refused:
            client.v1.refunds.create({"charge": charge.id, "amount": 1})
        assert refused.value.code == "charge_already_refunded"

    def test_one_that_fails_comes_back(
        self, client: official.StripeClient, sandbox: StripeSandbox, later: Later
    ) -> None:
        settled(client, later, VISA)
        made = client.v1.refunds.create({"charge": paid_charge(client).id})

        sandbox.by_hand(lambda account: refunds.fail(account, account.refunds[made.id]))

        failed = client.v1.refunds.retrieve(made.id)
        assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
        back = client.v1.balance_transactions.retrieve(failed.failure_balance_transaction)
        assert (back.amount, back.type) == (72000, "refund_failure")
        assert sandbox.totals()["usd"].refunds == 0
        assert client.v1.charges.retrieve(str(made.charge)).amount_refunded == 0


class TestDisputes:
    def test_by_the_card_that_is_disputed(
        self, client: official.StripeClient, later: Later
    ) -> None:
        settled(client, later, DISPUTED)

        (dispute,) = client.v1.disputes.list()

        assert (dispute.status, dispute.amount) == ("needs_response", 72000)
        (withdrawn,) = dispute.balance_transactions
        assert (withdrawn.amount, withdrawn.fee, withdrawn.net) == (-72000, 1500, -73500)
        assert (withdrawn.type, withdrawn.reporting_category) == ("adjustment", "dispute")
        assert client.v1.charges.retrieve(str(dispute.charge)).disputed
        with pytest.raises(official.InvalidRequestError) as refused:
            client.v1.refunds.create({"charge": str(dispute.charge)})
        assert refused.value.code == "charge_disputed"

    @pytest.mark.parametrize(
        ("evidence", "status", "reinstated"),
        [("winning_evidence", "won", 72000), ("losing_evidence", "lost", 0)],
    )
    def test_decided_by_the_evidence(
        self,
        client: official.StripeClient,
        sandbox: StripeSandbox,
        later: Later,
        evidence: str,
        status: str,
        reinstated: int,
    ) -> None:
        settled(client, later, DISPUTED)
        (dispute,) = client.v1.disputes.list()

        decided = client.v1.disputes.update(
            dispute.id, {"evidence": {"uncategorized_text": evidence}}
        )

        assert decided.status == status
        figures = sandbox.totals()["usd"]
        assert (figures.disputes_withdrawn, figures.disputes_reinstated) == (72000, reinstated)
        assert figures.disputes_lost == 72000 - reinstated
        with pytest.raises(official.InvalidRequestError):
            client.v1.disputes.close(dispute.id)

    def test_a_part_disputed_and_given_in_to(
        self, client: official.StripeClient, sandbox: StripeSandbox, later: Later
    ) -> None:
        settled(client, later, VISA)
        charge = paid_charge(client).id

        sandbox.by_hand(
            lambda account: disputes.open_on(account, account.charges[charge], amount=100)
        )
        (opened,) = client.v1.disputes.list({"charge": charge})

        assert client.v1.disputes.close(opened.id).status == "lost"
        figures = sandbox.totals()["usd"]
        assert (figures.disputes_withdrawn, figures.disputes_lost) == (100, 100)

"""The Stripe sandbox's balance and payouts, and what the account comes to in the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe as official

from local.sandboxes import stripe as stripe_sandbox
from local.sandboxes.stripe import StripeSandbox, customers, payouts, schedules
from tests.contracts.billing.samples import NOW, Later
from tests.contracts.billing.stripe_samples import HOUR, schedule, settled

VISA = "pm_card_visa"
NET = 72000 - 2118


@pytest.mark.usefixtures("described")
class TestPayouts:
    def test_paid_out_when_available(self, client: official.StripeClient, later: Later) -> None:
        settled(client, later, VISA)
        (money,) = client.v1.balance_transactions.list()
        assert (money.status, money.available_on) == (
            "pending",
            int(datetime(2026, 11, 4, tzinfo=UTC).timestamp()),
        )
        assert client.v1.balance.retrieve().pending[0].amount == NET

        later(timedelta(days=1, hours=20))  # half past six in the morning
        (payout,) = client.v1.payouts.list()
        assert (payout.amount, payout.status) == (NET, "in_transit")
        assert (payout.automatic, payout.reconciliation_status) == (True, "in_progress")
        lines = client.v1.balance_transactions.list({"payout": payout.id})
        assert [(each.type, each.net) for each in lines] == [("payout", -NET), ("charge", NET)]

        later(2 * HOUR)
        assert client.v1.payouts.retrieve(payout.id).reconciliation_status == "completed"
        later(timedelta(days=1))
        (paid,) = client.v1.payouts.list({"status": "paid"})
        assert paid.id == payout.id

    def test_what_is_less_than_nothing_waits(
        self, client: official.StripeClient, sandbox: StripeSandbox, later: Later
    ) -> None:
        settled(client, later, VISA)
        later(timedelta(days=3))
        (charge,) = client.v1.charges.list()
        client.v1.refunds.create({"charge": charge.id})
        later(timedelta(days=9))

        assert len(client.v1.payouts.list().data) == 1
        figures = sandbox.totals()["usd"]
        assert (figures.balance_gross, figures.balance_fees) == (-72000, 0)

        settled(client, later, VISA)
        settled(client, later, VISA)
        later(timedelta(days=3))
        second = client.v1.payouts.list().data[0]
        assert second.amount == 2 * NET - 72000
        assert len(client.v1.balance_transactions.list({"payout": second.id}).data) == 4

    def test_weekly_on_monday(
        self, client: official.StripeClient, sandbox: StripeSandbox, later: Later
    ) -> None:
        sandbox.account.payouts_weekly = True
        settled(client, later, VISA)
        later(timedelta(days=30))

        (payout,) = client.v1.payouts.list()

        assert datetime.fromtimestamp(payout.created, UTC) == datetime(2026, 11, 9, 6, tzinfo=UTC)

    def test_one_that_fails_is_paid_out_again(
        self, client: official.StripeClient, sandbox: StripeSandbox, later: Later
    ) -> None:
        settled(client, later, VISA)
        later(timedelta(days=2))
        (first,) = client.v1.payouts.list()

        sandbox.by_hand(lambda account: payouts.fail(account, account.payouts[first.id]))
        assert sandbox.totals()["usd"].payouts == 0
        later(timedelta(days=2))

        again, failed = client.v1.payouts.list()
        assert (failed.status, again.status, again.amount) == ("failed", "paid", NET)
        assert sandbox.totals()["usd"].payouts == NET


def test_everything_adds_up(
    client: official.StripeClient, sandbox: StripeSandbox, later: Later
) -> None:
    terms = {"country": "DE", "taxed": True, "currency": "eur", "interval": "month"}
    for card in (VISA, "pm_card_chargeCustomerFail", "pm_card_createDispute", None):
        settled(client, later, card, **terms)
    paid = client.v1.invoices.list({"status": "paid"}).data[-1]  # by the good card
    note = {"invoice": paid.id, "amount": 9000, "credit_amount": 2000, "out_of_band_amount": 3000}
    client.v1.credit_notes.create({**note, "refund_amount": 4000})
    later(timedelta(days=100))

    figures = sandbox.totals()["eur"]

    given_back = figures.refunds + 3000 + figures.customer_credit
    owed = figures.invoiced_net + figures.invoiced_tax - figures.credited_net - figures.credited_tax
    assert owed == figures.receivable + figures.payments - given_back
    disputed = figures.disputes_withdrawn - figures.disputes_reinstated
    moved = figures.payments - figures.refunds - disputed - figures.fees - figures.payouts
    assert moved == figures.balance_gross - figures.balance_fees
    assert figures.payouts == sum(each.amount for each in client.v1.payouts.list({"limit": 100}))
    assert min(figures.payouts, figures.receivable, figures.refunds, disputed) > 0


@pytest.mark.parametrize("step", [timedelta(hours=7), timedelta(days=45)])
def test_the_same_happens_however_far_the_clock_jumps(step: timedelta) -> None:
    def happenings(step: timedelta) -> tuple[list[tuple[str, int]], dict[str, Any]]:
        time, told = [NOW], []
        sandbox = stripe_sandbox.create(clock=lambda: time[0])
        sandbox.account.on_event = lambda event: told.append((event["type"], event["created"]))
        stripe_sandbox.seed(sandbox)
        for card in (VISA, "pm_card_chargeCustomerFail", "pm_card_createDispute"):
            settings = {"default_payment_method": card}
            buyer = sandbox.do(customers.create, email="a@b.example", invoice_settings=settings)
            sandbox.do(schedules.create, **schedule(buyer["id"], charged=True, interval="month"))
        while time[0] < NOW + timedelta(days=90):
            time[0] = min(time[0] + step, NOW + timedelta(days=90))
            sandbox.advance()
        return told, sandbox.totals()

    told, totals = happenings(step)

    assert (told, totals) == happenings(timedelta(days=90))
    assert [created for _, created in told] == sorted(created for _, created in told)
    assert len(told) > 100


def test_a_year_passes_at_once_for_many_subscriptions() -> None:
    time = [NOW]
    sandbox = stripe_sandbox.create(clock=lambda: time[0])
    stripe_sandbox.seed(sandbox)
    for _ in range(50):
        buyer = sandbox.do(
            customers.create, email="a@b.example", invoice_settings={"default_payment_method": VISA}
        )
        sandbox.do(schedules.create, **schedule(buyer["id"], charged=True, interval="month"))

    time[0] += timedelta(days=340)
    sandbox.advance()

    assert sandbox.totals()["usd"].invoiced_net == 50 * 12 * 72000
    assert sandbox.totals()["usd"].receivable == 0

"""What the books follow, as the adapter reads it from the Stripe sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import stripe as official
from interlock.canonical import Money
from interlock.canonical.billing import BalanceKind, BalanceLine, DisputeOutcome
from interlock.connectors.billing.port import BillingPort
from interlock.connectors.billing.stripe_events import translate
from interlock.events import Event

from local.sandboxes.stripe import StripeSandbox, events
from tests.contracts.billing.samples import ACCOUNT, NOW, Later, subscription
from tests.contracts.billing.stripe_samples import HOUR, settled

VISA, DECLINED, DISPUTED = "pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_createDispute"


def usd(amount: str) -> Money:
    """Dollars."""
    return Money.of(amount, "USD")


def told(billing: BillingPort, type: str) -> list[Event]:
    """The events of this type, oldest first."""
    return [event for event in billing.events_since(NOW) if event.type == type]


def lines_of(billing: BillingPort, payout_id: str) -> Iterator[BalanceLine]:
    """All lines of a payout, one by one."""
    after = None
    while True:
        page = billing.payout_lines(payout_id, after=after, limit=1)
        yield from page.lines
        if (after := page.next) is None:
            return


def test_invoice_of_our_subscription_says_whose_it_is(billing: BillingPort, later: Later) -> None:
    customer = billing.create_customer(ACCOUNT, idempotency_key="c").remote_id
    deal = subscription(start_date=NOW.date() - timedelta(days=1))
    billing.create_subscription(deal, customer_remote_id=customer, idempotency_key="s")
    later(HOUR)

    [final] = told(billing, "invoice.finalized")
    invoice = billing.get_invoice(final.subject)

    assert (invoice.customer_id, invoice.order_id) == (ACCOUNT.id, deal.id)
    assert invoice.subsidiary == deal.subsidiary
    assert {line.sku for line in invoice.lines} == {line.sku for line in deal.lines}
    assert invoice.net == invoice.total == usd("18000")
    assert invoice.residue == usd("0")


def test_overdue_after_its_day_until_it_is_paid(
    billing: BillingPort, client: official.StripeClient, later: Later
) -> None:
    customer = str(settled(client, later).customer)
    day_after = NOW + timedelta(days=31)

    assert billing.overdue_invoices(customer, at=NOW) == ()
    [overdue] = billing.overdue_invoices(customer, at=day_after)
    assert told(billing, "invoice.overdue") == []
    later(timedelta(days=31))
    [fallen_due] = told(billing, "invoice.overdue")
    assert fallen_due.subject == overdue.id
    assert fallen_due.occurred_at.date() == overdue.due_on + timedelta(days=1)
    client.v1.invoices.pay(overdue.references["stripe"], {"payment_method": VISA})

    assert billing.overdue_invoices(customer, at=day_after) == ()
    assert told(billing, "invoice.overdue") == []
    assert [late.subject for late in told(billing, "invoice.paid_late")] == [overdue.id]


def test_given_up_and_still_owed(
    billing: BillingPort, client: official.StripeClient, later: Later
) -> None:
    customer = str(settled(client, later).customer)
    day_after = NOW + timedelta(days=31)
    [overdue] = billing.overdue_invoices(customer, at=day_after)

    client.v1.invoices.mark_uncollectible(overdue.references["stripe"])

    [given_up] = billing.overdue_invoices(customer, at=day_after)
    assert (given_up.id, given_up.collection.status) == (overdue.id, "uncollectible")


def test_failed_payment_is_overdue_until_a_better_card_pays(
    billing: BillingPort, client: official.StripeClient, later: Later
) -> None:
    customer = str(settled(client, later, DECLINED).customer)

    [failed] = told(billing, "payment.failed")
    [overdue] = billing.overdue_invoices(customer, at=NOW)
    assert (failed.subject, failed.data) == (overdue.id, {"attempt": 1})
    method = client.v1.payment_methods.attach(VISA, {"customer": customer})
    settings = {"invoice_settings": {"default_payment_method": method.id}}
    client.v1.customers.update(customer, settings)
    later(timedelta(days=3))

    assert [late.subject for late in told(billing, "invoice.paid_late")] == [overdue.id]
    assert billing.overdue_invoices(customer, at=NOW) == ()


def test_payout_is_the_payments_and_refunds_that_are_known(
    billing: BillingPort, client: official.StripeClient, later: Later
) -> None:
    settled(client, later, VISA, "DE", taxed=True)
    [paid] = told(billing, "payment.succeeded")
    payment = billing.get_payment(paid.subject)
    assert payment == billing.get_payment(payment.id)
    assert payment.is_confirmed
    invoice = billing.get_invoice(payment.invoice_id)
    assert payment.amount == payment.settled == invoice.total
    assert invoice.net + invoice.tax == invoice.total
    assert invoice.residue == usd("0")

    remote_id = invoice.references["stripe"]
    [line] = client.v1.invoices.line_items.list(remote_id)
    credited = {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 24000}
    given_back = {"refund_amount": 20000, "credit_amount": 5000, "out_of_band_amount": 3560}
    client.v1.credit_notes.create({"invoice": remote_id, "lines": [credited], **given_back})

    [issued] = told(billing, "credit_note.issued")
    note = billing.get_credit_note(issued.subject)
    assert (note.refunded, note.to_balance, note.out_of_band) == (
        usd("200"),
        usd("50"),
        usd("35.60"),
    )
    assert note.residue == usd("0")
    assert note.lines[0].sku == invoice.lines[0].sku
    [refunded] = told(billing, "refund.issued")
    refund = billing.get_refund(refunded.subject)
    assert note.refund_ids == (refund.id,)
    assert (refund.credit_note_id, refund.payment_id) == (note.id, payment.id)

    later(timedelta(days=10))
    [settlement] = told(billing, "payout.settled")
    payout = billing.get_payout(settlement.subject)
    lines = tuple(lines_of(billing, payout.id))
    assert payout.is_settled
    assert sum(each.gross.amount - each.fee.amount for each in lines) == payout.amount.amount
    assert {(each.kind, each.record_id, each.gross) for each in lines} == {
        (BalanceKind.PAYMENT, payment.id, payment.settled),
        (BalanceKind.REFUND, refund.id, refund.settled.times(-1)),
    }


@pytest.mark.parametrize(
    ("evidence", "outcome", "back"),
    [
        ("winning_evidence", DisputeOutcome.WON, "720"),
        ("losing_evidence", DisputeOutcome.LOST, "0"),
    ],
)
def test_dispute(
    billing: BillingPort,
    client: official.StripeClient,
    later: Later,
    evidence: str,
    outcome: DisputeOutcome,
    back: str,
) -> None:
    settled(client, later, DISPUTED)

    [opened] = told(billing, "dispute.opened")
    dispute = billing.get_dispute(opened.subject)
    assert (dispute.outcome, dispute.closed_at) == (DisputeOutcome.OPEN, None)
    assert (dispute.withdrawn, dispute.reinstated) == (usd("720"), usd("0"))
    answer = {"evidence": {"uncategorized_text": evidence}, "submit": True}
    client.v1.disputes.update(dispute.references["stripe"], answer)
    later(timedelta(days=1))

    [closed] = told(billing, "dispute.closed")
    decided = billing.get_dispute(closed.subject)
    assert (decided.outcome, decided.closed_at) == (outcome, closed.occurred_at)
    assert (decided.withdrawn, decided.reinstated) == (usd("720"), usd(back))


def test_what_is_delivered_is_what_is_listed(
    billing: BillingPort, sandbox: StripeSandbox, client: official.StripeClient, later: Later
) -> None:
    delivered: list[dict[str, Any]] = []
    sandbox.account.on_event = lambda event: delivered.append(events.partner_event(event, "ed_1"))
    settled(client, later, VISA)
    later(timedelta(days=10))

    listed = list(billing.events_since(NOW))

    meant = [translate(one, connection="stripe", destination="ed_1") for one in delivered]
    assert [event for event in meant if event] == listed
    assert {event.type for event in listed} == {
        "invoice.finalized",
        "payment.succeeded",
        "payout.settled",
    }

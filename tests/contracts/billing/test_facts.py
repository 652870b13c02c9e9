"""What every billing system behind the port tells reconciliation, on the Stripe sandbox."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import stripe as official
from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind
from interlock.connectors.billing.port import BillingPort

from tests.contracts.billing.samples import ACCOUNT, NOW, Later, subscription
from tests.contracts.billing.stripe_samples import HOUR, settled
from tests.contracts.billing.test_stripe_books import DISPUTED, VISA, told

TODAY = NOW.date()
pytestmark = pytest.mark.usefixtures("described")


def usd(amount: str) -> Money:
    return Money.of(amount, "USD")


def listed(
    billing: BillingPort, kind: FactKind, first_day: date = TODAY, days: int = 30, limit: int = 1
) -> list[Fact]:
    """All facts of some days, read page by page; each is found by its id alike."""
    found: list[Fact] = []
    after = None
    while True:
        last_day = first_day + timedelta(days=days - 1)
        page = billing.facts(kind, first_day=first_day, last_day=last_day, after=after, limit=limit)
        assert len(page.facts) <= 2 * limit
        found += page.facts
        if (after := page.next) is None:
            break
    asked = billing.find_facts(kind, tuple(fact.id for fact in found))
    assert sorted(asked, key=lambda fact: fact.id) == sorted(found, key=lambda fact: fact.id)
    return found


def test_invoices_that_are_final(
    billing: BillingPort, client: official.StripeClient, later: Later
) -> None:
    customer = billing.create_customer(ACCOUNT, idempotency_key="c").remote_id
    deal = subscription(start_date=TODAY - timedelta(days=1))
    billing.create_subscription(deal, customer_remote_id=customer, idempotency_key="s")
    assert listed(billing, FactKind.INVOICE) == []
    later(HOUR)
    settled(client, later)

    ours, others = sorted(
        listed(billing, FactKind.INVOICE), key=lambda fact: fact.customer_id is None
    )
    assert (ours.customer_id, ours.amount, ours.day) == (ACCOUNT.id, usd("18000"), TODAY)
    assert others.amount == usd("720")
    assert listed(billing, FactKind.INVOICE, TODAY + timedelta(days=1)) == []

    client.v1.invoices.void_invoice(others.id.removeprefix("stripe:"))
    assert listed(billing, FactKind.INVOICE) == [ours]
    assert billing.find_facts(FactKind.INVOICE, (others.id, "stripe:in_nowhere")) == ()


def test_an_invoice_is_of_the_day_on_which_it_became_final(
    billing: BillingPort, client: official.StripeClient, later: Later
) -> None:
    made = settled(client, later)
    later(timedelta(days=2))
    draft = client.v1.invoices.create(
        {"customer": str(made.customer), "collection_method": "send_invoice", "days_until_due": 30}
    )
    later(timedelta(days=2))
    client.v1.invoices.finalize_invoice(draft.id)
    final = TODAY + timedelta(days=4)

    [late] = listed(billing, FactKind.INVOICE, final, days=1)
    assert (late.id, late.day) == (f"stripe:{draft.id}", final)


def test_payments_credit_notes_refunds_and_payouts(
    billing: BillingPort, client: official.StripeClient, later: Later
) -> None:
    settled(client, later, VISA)
    [paid] = told(billing, "payment.succeeded")
    payment = billing.get_payment(paid.subject)
    invoice = payment.invoice_id.removeprefix("stripe:")
    [line] = client.v1.invoices.line_items.list(invoice)
    credited = {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 20000}
    client.v1.credit_notes.create(
        {"invoice": invoice, "lines": [credited], "refund_amount": 15000, "credit_amount": 5000}
    )

    [fact] = listed(billing, FactKind.PAYMENT)
    assert (fact.id, fact.amount, fact.day) == (payment.id, usd("720"), TODAY)
    [note] = listed(billing, FactKind.CREDIT_NOTE)
    assert note.amount == usd("200")
    [refund] = listed(billing, FactKind.REFUND)
    assert refund.amount == usd("150")

    later(timedelta(days=10))
    [settlement] = told(billing, "payout.settled")
    payout = billing.get_payout(settlement.subject)
    [sent] = listed(billing, FactKind.PAYOUT, payout.arrives_on, days=1)
    assert (sent.id, sent.amount, sent.customer_id) == (payout.id, payout.amount, None)
    assert listed(billing, FactKind.PAYOUT, payout.arrives_on + timedelta(days=1), days=1) == []


@pytest.mark.parametrize("evidence", ["winning_evidence", "losing_evidence"])
def test_a_dispute_is_one_fact_and_its_decision_another(
    billing: BillingPort, client: official.StripeClient, later: Later, evidence: str
) -> None:
    settled(client, later, DISPUTED)
    [opened] = listed(billing, FactKind.DISPUTE)
    assert opened.amount == usd("720")

    answer = {"evidence": {"uncategorized_text": evidence}, "submit": True}
    client.v1.disputes.update(opened.id.removeprefix("stripe:"), answer)
    later(timedelta(days=1))

    decided = {fact.id: fact.amount for fact in listed(billing, FactKind.DISPUTE, limit=2)}
    assert decided == {opened.id: usd("720"), f"{opened.id}/closed": usd("-720")}
    assert [f.id for f in billing.find_facts(FactKind.DISPUTE, (f"{opened.id}/closed",))] == [
        f"{opened.id}/closed"
    ]


def test_a_charge_that_pays_no_invoice_is_no_payment_when_asked(
    billing: BillingPort, client: official.StripeClient, later: Later
) -> None:
    settled(client, later, VISA)
    [fact] = listed(billing, FactKind.PAYMENT)

    assert billing.find_facts(FactKind.PAYMENT, (fact.id,)) == (fact,)
    assert billing.find_facts(FactKind.PAYMENT, ("stripe:ch_nowhere",)) == ()

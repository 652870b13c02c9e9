"""What every ERP behind the port tells reconciliation, on a running one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind, LedgerRole

from tests.contracts.erp.postings import DAY, entry, line, payment, posting

PAID_ON = date(2026, 3, 12)
REFUNDED_ON = date(2026, 3, 14)


def usd(amount: str) -> Money:
    return Money.of(amount, "USD")


@pytest.fixture
def whose(erp, customer) -> str:
    """The account of the customer."""
    return erp.port.get_customer(customer).id


@pytest.fixture
def invoice(erp, customer):
    """Of 108.25 USD."""
    return erp.port.post_invoice(posting(), customer_remote_id=customer)


def listed(erp, kind: FactKind, day: date, limit: int = 50) -> dict[str, Fact]:
    """The facts of one posting date, by id, read page by page; each is found by its id alike."""
    found: list[Fact] = []
    after = None
    while True:
        page = erp.port.facts(
            kind, system="stripe", first_day=day, last_day=day, after=after, limit=limit
        )
        assert len(page.facts) <= limit
        found += page.facts
        if (after := page.next) is None:
            break
    by_id = {fact.id: fact for fact in found}
    assert len(by_id) == len(found)
    asked = erp.port.find_facts(kind, tuple(by_id))
    assert {fact.id: fact for fact in asked} == by_id
    return by_id


def test_an_invoice_until_it_is_reversed(erp, invoice, whose):
    fact = listed(erp, FactKind.INVOICE, DAY, limit=2)[invoice.id]
    assert (fact.amount, fact.customer_id, fact.day) == (usd("108.25"), whose, DAY)
    assert invoice.id not in listed(erp, FactKind.INVOICE, DAY + timedelta(days=1))
    assert invoice.id not in listed(erp, FactKind.CREDIT_NOTE, DAY)

    erp.port.reverse_document(invoice.remote_id, posting_date=PAID_ON)

    assert invoice.id not in listed(erp, FactKind.INVOICE, DAY)
    assert not [id for id in listed(erp, FactKind.INVOICE, PAID_ON) if invoice.id in id]
    assert not [id for id in listed(erp, FactKind.CREDIT_NOTE, PAID_ON) if invoice.id in id]
    assert erp.port.find_facts(FactKind.INVOICE, (invoice.id,)) == ()


def test_a_credit_memo(erp, customer, whose, invoice):
    wanted = posting(line(1, "50.00"), credits=invoice.id)
    memo = erp.port.post_credit_memo(
        wanted, customer_remote_id=customer, invoice_remote_id=invoice.remote_id
    )

    fact = listed(erp, FactKind.CREDIT_NOTE, DAY)[memo.id]
    assert (fact.amount, fact.customer_id) == (usd("50.00"), whose)
    assert memo.id not in listed(erp, FactKind.INVOICE, DAY)
    for kind in (FactKind.PAYMENT, FactKind.REFUND):
        assert not [id for id in listed(erp, kind, DAY) if memo.id in id]


def test_credit_that_pays_an_invoice_is_no_document_of_billing(erp, customer, invoice):
    erp.port.post_invoice(posting(line(1, "-50.00")), customer_remote_id=customer)
    erp.port.apply_customer_credit(
        usd("50.00"), posting_date=PAID_ON, invoice_remote_id=invoice.remote_id
    )

    for kind in FactKind:
        assert not [id for id in listed(erp, kind, PAID_ON) if invoice.id in id]


def test_a_payment_until_it_is_unapplied(erp, invoice, whose):
    paid = payment("100.00")
    applied = erp.port.apply_payment(
        paid, posting_date=PAID_ON, invoice_remote_id=invoice.remote_id
    )

    fact = listed(erp, FactKind.PAYMENT, PAID_ON)[paid.id]
    assert (fact.amount, fact.customer_id, fact.day) == (usd("100.00"), whose, PAID_ON)
    for kind in (FactKind.REFUND, FactKind.DISPUTE, FactKind.PAYOUT):
        assert paid.id not in listed(erp, kind, PAID_ON)

    erp.port.unapply_payment(applied.remote_id, posting_date=PAID_ON)
    assert paid.id not in listed(erp, FactKind.PAYMENT, PAID_ON)


@pytest.mark.parametrize(
    ("kind", "lines", "amount"),
    [
        (FactKind.REFUND, ((LedgerRole.RECEIVABLE, "20"), (LedgerRole.CLEARING, "-20")), "20"),
        (FactKind.DISPUTE, ((LedgerRole.DISPUTED, "30"), (LedgerRole.CLEARING, "-30")), "30"),
        (FactKind.DISPUTE, ((LedgerRole.CLEARING, "30"), (LedgerRole.DISPUTED, "-30")), "-30"),
        (
            FactKind.DISPUTE,
            ((LedgerRole.DISPUTE_LOSSES, "30"), (LedgerRole.DISPUTED, "-30")),
            "-30",
        ),
        (
            FactKind.PAYOUT,
            ((LedgerRole.BANK, "97"), (LedgerRole.FEES, "3"), (LedgerRole.CLEARING, "-100")),
            "97",
        ),
    ],
)
def test_an_entry_is_of_its_kind_alone(erp, customer, whose, kind, lines, amount):
    wanted = entry(*lines)
    is_refund = kind == FactKind.REFUND
    posted = erp.port.post_entry(
        wanted, customer_remote_id=customer if is_refund else None, settles_remote_id=None
    )

    fact = listed(erp, kind, REFUNDED_ON)[wanted.id]
    assert (fact.amount, fact.customer_id) == (usd(amount), whose if is_refund else None)
    for other in set(FactKind) - {kind}:
        assert wanted.id not in listed(erp, other, REFUNDED_ON)

    erp.port.reverse_entry(posted.remote_id, posting_date=REFUNDED_ON)
    assert wanted.id not in listed(erp, kind, REFUNDED_ON)


def test_another_systems_documents_are_none_of_these(erp, invoice):
    days = {"first_day": DAY, "last_day": DAY}

    assert erp.port.facts(FactKind.INVOICE, system="other", **days, after=None, limit=9).facts == ()

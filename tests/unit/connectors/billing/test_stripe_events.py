"""Stripe's events as canonical events: delivered, listed, and anything else."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.connectors.billing import stripe_events
from interlock.connectors.billing.stripe_events import translate
from interlock.errors import ContractViolation
from interlock.events import Event

from tests.stripe_description import described
from tests.unit.connectors.billing import made
from tests.unit.connectors.billing.made import Object, seconds
from tests.unit.connectors.billing.stripe_account import StripeAccount

DESTINATION = "ed_test_61RsInterlock"
SOURCE = f"aws.partner/stripe.com/{DESTINATION}"
FINALIZED = seconds(2026, 11, 2, 10, 30)


def delivered(type: str, record: Object, **changes: Any) -> dict[str, Any]:
    """An event as EventBridge delivers it."""
    return {
        "version": "0",
        "id": "17e8dff5-d6cd-3770-ace9-aeac02b6ac3f",
        "detail-type": type,
        "source": SOURCE,
        "account": "123456789012",
        "time": "2026-11-19T12:00:01Z",
        "region": "us-east-1",
        "resources": [],
        "detail": made.event(type, record, **changes),
    }


def translated(event: Any) -> Event | None:
    """What our deployment makes of it."""
    return translate(event, connection="stripe", destination=DESTINATION)


def invoice(*, paid_at: int | None = None, **changes: Any) -> Object:
    """An invoice that is due by itself unless told."""
    row = made.invoice(made.line("il_1", 100), **changes)
    return row | {"status_transitions": row["status_transitions"] | {"paid_at": paid_at}}


def test_an_invoice_that_is_final() -> None:
    assert translated(delivered("invoice.finalized", invoice())) == Event(
        id="stripe:evt_1",
        type="invoice.finalized",
        source="stripe",
        subject="stripe:in_1",
        occurred_at=datetime(2026, 11, 19, 12, tzinfo=UTC),
        correlation_id="in_1-invoice-finalized",
    )


@pytest.mark.parametrize(
    ("type", "record", "meaning", "correlation"),
    [
        ("invoice.voided", invoice(status="void"), "invoice.voided", "in_1-invoice-voided"),
        (
            "invoice.payment_failed",
            invoice(attempt_count=2),
            "payment.failed",
            "in_1-payment-failed-2",
        ),
        (
            "invoice_payment.paid",
            made.invoice_payment(),
            "payment.succeeded",
            "inpay_1-payment-succeeded",
        ),
        (
            "credit_note.created",
            made.credit_note(made.credit_note_line("cnli_1", 1)),
            "credit_note.issued",
            "cn_1-credit-note-issued",
        ),
        (
            "credit_note.voided",
            made.credit_note(made.credit_note_line("cnli_1", 1), status="void"),
            "credit_note.voided",
            "cn_1-credit-note-voided",
        ),
        (
            "credit_note.updated",
            made.credit_note(metadata={"interlock_countered_by": "cbtxn_1"}),
            "credit_note.voided",
            "cn_1-credit-note-voided",
        ),
        ("refund.created", made.refund(), "refund.issued", "re_1-refund-issued"),
        ("refund.updated", made.refund(), "refund.issued", "re_1-refund-issued"),
        ("charge.dispute.funds_withdrawn", made.dispute(), "dispute.opened", "dp_1-dispute-opened"),
        (
            "charge.dispute.closed",
            made.dispute(status="lost"),
            "dispute.closed",
            "dp_1-dispute-closed",
        ),
        (
            "payout.reconciliation_completed",
            made.payout(),
            "payout.settled",
            "po_1-payout-settled",
        ),
    ],
)
def test_each_type(type: str, record: Object, meaning: str, correlation: str) -> None:
    told = translated(delivered(type, record))

    assert told
    assert (told.type, told.correlation_id) == (meaning, correlation)
    assert told.subject == f"stripe:{record['id']}"
    assert told.data == ({"attempt": 2} if meaning == "payment.failed" else {})


@pytest.mark.parametrize(
    ("changes", "is_late"),
    [
        ({"paid_at": FINALIZED}, False),
        ({"paid_at": FINALIZED + 60, "attempt_count": 3}, False),
        ({"paid_at": FINALIZED + 61}, True),
        # Before it was due: a payment may have failed by hand, which is not counted.
        ({"paid_at": FINALIZED + 61, "due_date": FINALIZED + 100, "attempt_count": 0}, True),
        ({"paid_at": None}, False),
    ],
)
def test_paid_late(changes: dict[str, Any], is_late: bool) -> None:
    told = translated(delivered("invoice.paid", invoice(status="paid", **changes)))

    assert (told is not None) is is_late
    if told:
        assert (told.type, told.correlation_id) == ("invoice.paid_late", "in_1-invoice-paid-late")


# Told on 2026-11-19 at noon.
@pytest.mark.parametrize(
    ("due_date", "is_over"),
    [
        (seconds(2026, 11, 18, 23), True),
        (seconds(2026, 11, 19, 0), False),
        (seconds(2026, 11, 19, 9), False),
        (None, False),
    ],
)
def test_overdue_once_the_day_is_over(due_date: int | None, is_over: bool) -> None:
    told = translated(delivered("invoice.overdue", invoice(due_date=due_date)))

    assert (told is not None) is is_over
    if told:
        assert (told.type, told.correlation_id) == ("invoice.overdue", "in_1-invoice-overdue")


def test_found_overdue_is_the_same_as_told() -> None:
    row = invoice(due_date=seconds(2026, 11, 18, 9))

    told = translated(delivered("invoice.overdue", row))
    found = stripe_events.fallen_due(row, connection="stripe")

    at_midnight = {"id": "sweep:stripe:in_1", "occurred_at": datetime(2026, 11, 19, tzinfo=UTC)}
    assert told
    assert found == told.model_copy(update=at_midnight)
    with pytest.raises(ContractViolation, match="in_1 has no due day"):
        stripe_events.fallen_due(invoice(due_date=None), connection="stripe")


@pytest.mark.parametrize(
    ("type", "record"),
    [
        ("refund.created", made.refund(status="pending")),
        ("refund.updated", made.refund(status="failed")),
        ("refund.updated", made.refund(status=None)),
        ("charge.dispute.created", made.dispute()),
        ("charge.dispute.closed", made.dispute(status="warning_closed")),
        ("charge.dispute.funds_reinstated", made.dispute(status="won")),
        ("credit_note.updated", made.credit_note(metadata={"interlock_credit_id": "zendesk:1"})),
        ("credit_note.updated", made.credit_note(metadata=None)),
        ("payout.paid", made.payout()),
        ("customer.created", made.customer()),
        ("charge.succeeded", made.charge()),
    ],
)
def test_what_means_nothing_to_us(type: str, record: Object) -> None:
    assert translated(delivered(type, record)) is None


def test_same_fact_told_twice_names_the_same_execution() -> None:
    created = translated(delivered("refund.created", made.refund(), id="evt_1"))
    updated = translated(delivered("refund.updated", made.refund(), id="evt_2"))

    assert created
    assert updated
    assert created.id != updated.id
    assert created.correlation_id == updated.correlation_id


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"source": "aws.partner/stripe.com/ed_other"}, "another destination: ed_other"),
        ({"source": "aws.partner/salesforce.com/ed_1"}, "unknown source"),
        ({"source": f"x{SOURCE}"}, "unknown source"),
        ({"source": None}, "unknown source"),
        ({"detail": None}, "malformed"),
        ({"detail": []}, "malformed"),
        ({"detail": {"object": "v2.core.event", "id": "evt_1"}}, "choose snapshots"),
    ],
)
def test_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ContractViolation, match=problem):
        translated(delivered("invoice.finalized", invoice()) | change)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "in_1"},
        {"id": "evt_/../1"},
        {"object": "invoice"},
        {"livemode": "no"},
        {"created": -1},
        {"created": 253402300800},
        {"created": "soon"},
        {"type": None},
        {"data": {}},
        {"data": {"object": []}},
        {"data": {"object": made.refund()}},
        {"data": {"object": invoice(id="in/1")}},
        {"data": {"object": invoice(id=f"in_{'1' * 50}")}},
        {"data": {"object": invoice(attempt_count="many")}},
    ],
)
def test_malformed(change: dict[str, Any]) -> None:
    event = delivered("invoice.finalized", invoice())
    event["detail"] |= change

    with pytest.raises(ContractViolation, match="malformed"):
        translated(event)


@given(
    st.sampled_from(sorted(stripe_events.TYPES)),
    st.dictionaries(
        st.sampled_from(["id", "object", "status", "attempt_count", "due_date"]),
        st.none() | st.text("in_1é/\n", max_size=90) | st.integers() | st.lists(st.none()),
    ),
)
def test_nothing_else_than_an_event_none_or_a_refusal(type: str, record: dict[str, Any]) -> None:
    objects = ("invoice", "invoice_payment", "credit_note", "refund", "dispute", "payout")
    for kind in objects:
        whole = {**invoice(), "object": kind, **record}
        with suppress(ContractViolation):
            translated(delivered(type, whole))


def test_every_type_is_one_of_stripes() -> None:
    known = described().event_types()

    assert set(stripe_events.TYPES) <= known


class TestEventsSince:
    since = datetime(2026, 11, 19, 12, tzinfo=UTC)

    def test_oldest_first_and_as_they_were_told(self) -> None:
        at = int(self.since.timestamp())
        paid = made.invoice_payment()
        account = StripeAccount(
            made.event("invoice.finalized", invoice(id="in_0"), "evt_0", created=at - 1),
            made.event("invoice.finalized", invoice(), "evt_1", created=at),
            made.event("customer.created", made.customer(), "evt_2", created=at + 1),
            made.event("refund.created", made.refund(status="pending"), "evt_3", created=at + 2),
            made.event("invoice_payment.paid", paid, "evt_4", created=at + 3),
            made.event("payout.reconciliation_completed", made.payout(), "evt_5", created=at + 4),
            page=2,
        )

        told = list(account.port().events_since(self.since))

        assert [event.id for event in told] == ["stripe:evt_1", "stripe:evt_4", "stripe:evt_5"]
        assert told[1] == translated(
            delivered("invoice_payment.paid", paid, id="evt_4", created=at + 3)
        )

    def test_invoices_whose_day_is_over_are_told_in_order(self) -> None:
        midnight = seconds(2026, 11, 20, 0)
        account = StripeAccount(
            invoice(id="in_before", due_date=seconds(2026, 11, 18, 23)),
            invoice(id="in_over", due_date=midnight - 1),
            invoice(id="in_given_up", due_date=midnight - 1, status="uncollectible"),
            invoice(id="in_today", due_date=midnight),
            invoice(id="in_paid", due_date=midnight - 1, status="paid"),
            invoice(id="in_at_once", due_date=None),
            made.event("refund.created", made.refund(), "evt_1", created=midnight - 60),
            made.event("refund.created", made.refund(), "evt_2", created=midnight + 60),
        )

        told = [event.id for event in account.port().events_since(self.since)]

        assert [told[0], set(told[1:3]), told[3]] == [
            "stripe:evt_1",
            {"sweep:stripe:in_over", "sweep:stripe:in_given_up"},
            "stripe:evt_2",
        ]

    def test_no_day_has_ended(self) -> None:
        account = StripeAccount(invoice(due_date=seconds(2026, 11, 19, 9)))

        assert list(account.port().events_since(made.NOW - timedelta(minutes=10))) == []
        assert [request.url.path for request in account.requests] == ["/v1/events"]

    def test_nothing(self) -> None:
        assert list(StripeAccount().port().events_since(self.since)) == []

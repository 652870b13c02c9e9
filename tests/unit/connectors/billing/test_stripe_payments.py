"""Payments, refunds, disputes and payouts at Stripe: what moved, and what is certain."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.billing import (
    BalanceKind,
    BalanceLine,
    DisputeOutcome,
    Payment,
    Payout,
    Refund,
)
from interlock.errors import (
    BusinessRuleViolation,
    ContractViolation,
    RecordNotFound,
    VendorUnavailable,
)

from tests.unit.connectors.billing import made
from tests.unit.connectors.billing.made import Object, seconds
from tests.unit.connectors.billing.stripe_account import StripeAccount


def usd(amount: str) -> Money:
    """Dollars."""
    return Money.of(amount, "USD")


def world(*objects: Object) -> StripeAccount:
    """An invoice that a card paid, but for the given objects: those come instead."""
    return StripeAccount(
        *{
            row["id"]: row
            for row in (
                made.customer(),
                made.invoice(made.line("il_1", 120000)),
                made.invoice_payment(),
                made.payment_intent(),
                made.charge(),
                made.balance_transaction("txn_charge", 120000, "charge", fee=3510),
                made.balance_transaction("txn_refund", -20000, "refund"),
                *objects,
            )
        }.values()
    )


class TestPayment:
    def read(self, *objects: Object, id: str = "inpay_1") -> Payment:
        """A payment in a world with these objects."""
        return world(*objects).port().get_payment(f"stripe:{id}")

    @pytest.mark.parametrize("id", ["inpay_1", "ch_1"])
    def test_by_either_id(self, id: str) -> None:
        assert self.read(id=id) == Payment(
            id="stripe:ch_1",
            references={"stripe": "ch_1"},
            invoice_id="stripe:in_1",
            customer_id="crm:acme",
            amount=usd("1200.00"),
            paid_at=datetime(2026, 11, 20, 8, tzinfo=UTC),
            is_confirmed=True,
            settled=usd("1200.00"),
        )

    def test_settled_in_another_currency_before_fees(self) -> None:
        settled = made.balance_transaction(
            "txn_charge", 110412, "charge", fee=3312, currency="eur", exchange_rate=0.9201
        )

        payment = self.read(settled)

        assert payment.amount == usd("1200.00")
        assert payment.settled == Money.of("1104.12", "EUR")

    @pytest.mark.parametrize(
        "changed",
        [
            made.invoice_payment(status="open", amount_paid=None),
            made.invoice_payment(status="canceled", amount_paid=None),
            made.payment_intent(status="processing"),
            made.charge(status="pending"),
            made.charge(status="failed", balance_transaction=None),
        ],
    )
    def test_confirmed_only_when_all_say_so(self, changed: Object) -> None:
        assert not self.read(changed).is_confirmed

    def test_intent_that_has_not_been_tried(self) -> None:
        payment = self.read(
            made.invoice_payment(
                status="open",
                amount_paid=None,
                status_transitions={"canceled_at": None, "paid_at": None},
            ),
            made.payment_intent(status="requires_payment_method", latest_charge=None),
        )

        assert payment.id == "stripe:inpay_1"
        assert payment.amount == usd("1200.00")
        assert not payment.is_confirmed
        assert payment.settled is None

    def test_paid_outside_stripe(self) -> None:
        record = {"type": "payment_record", "payment_record": "pr_1"}

        payment = self.read(made.invoice_payment(payment=record, amount_paid=100000))

        assert payment.id == "stripe:inpay_1"
        assert payment.amount == usd("1000.00")
        assert payment.is_confirmed
        assert payment.settled is None

    def test_charge_without_an_intent(self) -> None:
        payment = self.read(
            made.invoice_payment(payment={"type": "charge", "charge": "ch_1"}),
            made.charge(payment_intent=None),
        )

        assert payment.id == "stripe:ch_1"
        assert payment.is_confirmed

    def test_overpaid_is_what_was_received(self) -> None:
        payment = self.read(
            made.charge(amount=130000, amount_captured=130000),
            made.balance_transaction("txn_charge", 130000, "charge"),
        )

        assert payment.amount == payment.settled == usd("1300.00")

    def test_not_on_the_balance_yet_is_tried_again(self) -> None:
        with pytest.raises(VendorUnavailable, match="try again after 60 s"):
            self.read(made.charge(balance_transaction=None))

    @pytest.mark.parametrize("id", ["inpay_1", "inpay_2", "ch_1"])
    def test_charge_of_several_invoices_is_for_people(self, id: str) -> None:
        second = made.invoice(made.line("il_2", 1), id="in_2")
        with pytest.raises(BusinessRuleViolation, match=r"several invoices \(in_1, in_2\)"):
            self.read(second, made.invoice_payment("inpay_2", invoice="in_2"), id=id)

    def test_others_that_were_not_paid_do_not_count(self) -> None:
        second = made.invoice(made.line("il_2", 1), id="in_2")
        waiting = made.invoice_payment("inpay_2", invoice="in_2", status="open", amount_paid=None)

        assert self.read(second, waiting, id="ch_1").invoice_id == "stripe:in_1"

    def test_failed_charge_of_several_invoices_is_just_not_confirmed(self) -> None:
        waiting = {"status": "open", "amount_paid": None}
        payment = self.read(
            made.invoice(made.line("il_2", 1), id="in_2"),
            made.invoice_payment(**waiting),
            made.invoice_payment("inpay_2", invoice="in_2", **waiting),
            made.charge(status="failed", balance_transaction=None),
            id="ch_1",
        )

        assert not payment.is_confirmed

    def test_charge_of_no_invoice(self) -> None:
        with pytest.raises(RecordNotFound, match="pays no invoice"):
            self.read(made.charge(id="ch_2", payment_intent="pi_2"), _another_intent(), id="ch_2")

    @pytest.mark.parametrize("id", ["inpay_missing", "ch_missing"])
    def test_missing(self, id: str) -> None:
        with pytest.raises(RecordNotFound):
            self.read(id=id)


def _another_intent() -> Object:
    return made.payment_intent(id="pi_2", latest_charge="ch_2")


class TestRefund:
    def read(self, *objects: Object, **changes: Any) -> Refund:
        """A refund in a world with these objects."""
        return world(made.refund(**changes), *objects).port().get_refund("stripe:re_1")

    def test_as_a_whole(self) -> None:
        others = [{"amount_refunded": 1, "refund": "re_2", "type": "refund"}]
        ours = [{"amount_refunded": 20000, "refund": "re_1", "type": "refund"}]
        line = made.credit_note_line("cnli_1", 20000)

        refund = self.read(
            made.credit_note(line, id="cn_1", refunds=ours, post_payment_amount=20000),
            made.credit_note(line, id="cn_2", refunds=others, created=seconds(2026, 11, 19)),
        )

        assert refund == Refund(
            id="stripe:re_1",
            references={"stripe": "re_1"},
            payment_id="stripe:ch_1",
            invoice_id="stripe:in_1",
            customer_id="crm:acme",
            credit_note_id="stripe:cn_1",
            amount=usd("200.00"),
            refunded_at=datetime(2026, 11, 20, 9, tzinfo=UTC),
            is_confirmed=True,
            settled=usd("200.00"),
        )

    def test_without_a_credit_note_in_another_currency(self) -> None:
        left = made.balance_transaction("txn_refund", -18402, "refund", currency="eur")

        refund = self.read(left)

        assert refund.credit_note_id is None
        assert refund.settled == Money.of("184.02", "EUR")

    @pytest.mark.parametrize("status", ["pending", "requires_action", "failed", "canceled"])
    @pytest.mark.parametrize("entry", ["txn_refund", None])
    def test_before_it_has_succeeded(self, status: str, entry: str | None) -> None:
        refund = self.read(status=status, balance_transaction=entry)

        assert not refund.is_confirmed
        assert refund.settled == usd("0")

    def test_not_on_the_balance_yet(self) -> None:
        with pytest.raises(VendorUnavailable):
            self.read(balance_transaction=None)

    def test_of_a_charge_of_no_intent_has_no_known_invoice(self) -> None:
        assert self.read(made.charge(payment_intent=None)).invoice_id is None

    def test_of_no_charge(self) -> None:
        with pytest.raises(ContractViolation, match="no charge"):
            self.read(charge=None)


WITHDRAWN = made.balance_transaction("txn_w", -120000, "dispute", fee=1500)
REINSTATED = made.balance_transaction("txn_r", 120000, "dispute_reversal", fee=-1500)


class TestDispute:
    def read(self, *movements: Object, status: str, events: tuple[Object, ...] = ()) -> Any:
        """A dispute of this status."""
        dispute = made.dispute(*movements, status=status)
        return world(dispute, *events).port().get_dispute("stripe:dp_1")

    def closed(self, id: str, dispute: str, at: int) -> Object:
        """The event that tells of it."""
        record = made.dispute(id=dispute, status="lost")
        return made.event("charge.dispute.closed", record, id=id, created=at)

    def test_opened(self) -> None:
        dispute = self.read(WITHDRAWN, status="needs_response")

        assert dispute.payment_id == "stripe:ch_1"
        assert dispute.invoice_id == "stripe:in_1"
        assert dispute.customer_id == "crm:acme"
        assert dispute.outcome is DisputeOutcome.OPEN
        assert dispute.opened_at == datetime(2026, 11, 10, tzinfo=UTC)
        assert dispute.closed_at is None
        assert (dispute.withdrawn, dispute.reinstated) == (usd("1200.00"), usd("0"))

    def test_closed_when_its_event_says(self) -> None:
        events = (
            self.closed("evt_1", "dp_1", seconds(2026, 11, 18, 7)),
            self.closed("evt_2", "dp_2", seconds(2026, 11, 19, 7)),
        )

        lost = self.read(WITHDRAWN, status="lost", events=events)
        won = self.read(WITHDRAWN, REINSTATED, status="won", events=events)

        assert lost.outcome is DisputeOutcome.LOST
        assert won.outcome is DisputeOutcome.WON
        assert lost.closed_at == won.closed_at == datetime(2026, 11, 18, 7, tzinfo=UTC)
        assert (lost.withdrawn, lost.reinstated) == (usd("1200.00"), usd("0"))
        assert (won.withdrawn, won.reinstated) == (usd("1200.00"), usd("1200.00"))

    def test_closed_so_long_ago_that_nobody_knows_when(self) -> None:
        dispute = self.read(WITHDRAWN, status="lost")

        assert (dispute.outcome, dispute.closed_at) == (DisputeOutcome.LOST, None)

    @pytest.mark.parametrize(
        "status", ["warning_needs_response", "warning_under_review", "warning_closed", "prevented"]
    )
    def test_inquiry_moves_no_money(self, status: str) -> None:
        dispute = self.read(status=status)

        assert dispute.outcome is DisputeOutcome.OPEN
        assert dispute.withdrawn == dispute.reinstated == usd("0")

    def test_settled_in_another_currency(self) -> None:
        euros = [row | {"currency": "eur"} for row in (WITHDRAWN, REINSTATED)]

        dispute = self.read(*euros, status="won")

        assert dispute.withdrawn == dispute.reinstated == Money.of("1200", "EUR")


class TestPayout:
    def test_as_a_whole(self) -> None:
        payout = StripeAccount(made.payout()).port().get_payout("stripe:po_1")

        assert payout == Payout(
            id="stripe:po_1",
            references={"stripe": "po_1"},
            amount=usd("960.00"),
            arrives_on=date(2026, 11, 23),
            is_settled=True,
        )

    @pytest.mark.parametrize(
        ("status", "reconciliation", "is_settled"),
        [
            ("in_transit", "completed", True),
            ("pending", "completed", False),
            ("failed", "completed", False),
            ("canceled", "completed", False),
            ("paid", "in_progress", False),
            ("paid", "not_applicable", False),
        ],
    )
    def test_settled(self, status: str, reconciliation: str, is_settled: bool) -> None:
        row = made.payout(status=status, reconciliation_status=reconciliation)

        assert StripeAccount(row).port().get_payout("stripe:po_1").is_settled is is_settled

    def test_lines_by_pages(self) -> None:
        made_of = [  # oldest first
            made.balance_transaction("txn_3", -490, "fee", type="stripe_fee"),
            made.balance_transaction("txn_2", -20000, "refund", type="refund", source="re_1"),
            made.balance_transaction("txn_1", 120000, "charge", fee=3510, source="ch_1"),
            made.balance_transaction("txn_0", -96000, "payout", type="payout", source="po_1"),
        ]
        account = StripeAccount(made.payout(), *made_of)
        account.payouts["po_1"] = [row["id"] for row in made_of]
        port = account.port()

        first = port.payout_lines("stripe:po_1", after=None, limit=2)
        second = port.payout_lines("stripe:po_1", after=first.next, limit=2)

        assert (first.next, second.next) == ("stripe:txn_1", None)
        assert first.lines == (
            BalanceLine(
                id="stripe:txn_1",
                kind=BalanceKind.PAYMENT,
                record_id="stripe:ch_1",
                gross=usd("1200.00"),
                fee=usd("35.10"),
            ),
        )
        assert [(line.kind, line.record_id) for line in second.lines] == [
            (BalanceKind.REFUND, "stripe:re_1"),
            (BalanceKind.FEE, None),
        ]
        lines = first.lines + second.lines
        net = sum(line.gross.amount - line.fee.amount for line in lines)
        assert net == port.get_payout("stripe:po_1").amount.amount

    @pytest.mark.parametrize(
        ("category", "type", "kind"),
        [
            ("charge", "payment", BalanceKind.PAYMENT),
            ("refund", "payment_refund", BalanceKind.REFUND),
            ("dispute", "adjustment", BalanceKind.DISPUTE),
            ("dispute_reversal", "adjustment", BalanceKind.DISPUTE_REVERSAL),
            ("network_cost", "stripe_fee", BalanceKind.FEE),
            ("partial_capture_reversal", "refund", BalanceKind.OTHER),
            ("charge_failure", "payment_failure_refund", BalanceKind.OTHER),
            ("refund_failure", "refund_failure", BalanceKind.OTHER),
            ("tax", "tax_fee", BalanceKind.OTHER),
            ("something_new", "adjustment", BalanceKind.OTHER),
        ],
    )
    def test_kinds(self, category: str, type: str, kind: BalanceKind) -> None:
        row = made.balance_transaction("txn_1", -100, category, type=type, source="xx_1")
        account = StripeAccount(made.payout(), row)
        account.payouts["po_1"] = ["txn_1"]

        [line] = account.port().payout_lines("stripe:po_1", after=None, limit=100).lines

        assert line.kind is kind
        assert line.record_id == (None if kind is BalanceKind.FEE else "stripe:xx_1")

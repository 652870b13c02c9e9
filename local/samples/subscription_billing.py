"""The events of subscription billing: a month of one customer.

The documents are made in the Stripe sandbox and read from it by the adapter, and each event after
them is what the rules make of those before; what the ERP answers is an example.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from interlock.canonical import Money
from interlock.canonical.billing import (
    BalanceLine,
    BillingPeriod,
    CreditNote,
    Dispute,
    Invoice,
    InvoiceStatus,
    Payment,
    Payout,
    PlacedUsage,
    Refund,
    UsageRecord,
)
from interlock.canonical.books import Cleared, PostedDocument, Posting
from interlock.connections import Connection
from interlock.connectors.billing.stripe import Stripe
from interlock.connectors.erp.port import PeriodState, PostingContext
from interlock.rules import payout
from interlock.rules.posting_date import PostingPolicy
from interlock.rules.preparation import prepare

from local.paths import ROOT
from local.samples.aws import delivered, message, plain
from local.sandboxes import stripe
from local.sandboxes.stripe import (
    StripeSandbox,
    credit_notes,
    customers,
    disputes,
    invoice_api,
    invoice_items,
)
from local.sandboxes.stripe.account import StripeObject
from local.sandboxes.stripe.calendar_months import later
from local.sandboxes.stripe.events import partner_event

ISSUED_AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
CUSTOMER = "salesforce:001Hs00000LarkRIAS"
SUBSIDIARY = "TESSALINE-US"
FINALIZED = "invoice.finalized"
POSTING_POLICY = ROOT / "functions/workflow/prepare_posting/posting_policy.toml"


class SandboxConnection(Connection):
    """A connection whose secret needs no Secrets Manager."""

    def secret(self) -> dict[str, str]:
        """The key that the sandbox knows."""
        return {"api_key": stripe.API_KEY}


@dataclass(frozen=True)
class Month:
    """What happened at Stripe, as the adapter reads it, and the event that told of the invoice."""

    told: dict[str, Any]
    invoice: Invoice
    payment: Payment
    credit_note: CreditNote
    refund: Refund
    dispute: Dispute
    payout: Payout
    lines: tuple[BalanceLine, ...]


def samples() -> dict[str, dict[str, Any]]:
    """The event of each function, by the function's name."""
    month = _month()
    policy = PostingPolicy.load(POSTING_POLICY)

    def prepared(document: Any, event: str) -> Any:
        facts = {"policy": policy, "decided": None, "matching": matching}
        return prepare(document, event, _context(month.invoice), **facts)

    cleared = {
        payout.booked_as(line): Cleared(subsidiary=SUBSIDIARY, amount=line.gross)
        for line in month.lines
    }
    matching = payout.match(month.lines, cleared, payout.Matching())
    invoice, payment, credit_note = month.invoice, month.payment, month.credit_note
    posting = prepared(invoice, "invoice.finalized").posting
    entry = prepared(month.payout, "payout.settled").entry
    today = date(2026, 12, 20)
    voided = {"status": InvoiceStatus.VOID, "remaining": Money.of(0, invoice.currency)}
    collection = invoice.collection.model_copy(update=voided)
    usage = UsageRecord(
        id="product:usage-2026-12-01-larkspur",
        customer_id=CUSTOMER,
        meter="api-requests",
        quantity=125_000,
        occurred_at=ISSUED_AT,
    )
    commands: dict[str, dict[str, Any]] = {
        "billing/get_invoice": {"invoice_id": invoice.id},
        "billing/get_payment": {"payment_id": payment.id},
        "billing/get_credit_note": {"credit_note_id": credit_note.id},
        "billing/get_refund": {"refund_id": month.refund.id},
        "billing/get_dispute": {"dispute_id": month.dispute.id},
        "billing/get_payout": {"payout_id": month.payout.id},
        "billing/list_payout_lines": {"payout_id": month.payout.id, "after": None},
        "billing/list_overdue_invoices": {"account_id": CUSTOMER, "at": ISSUED_AT},
        "billing/place_usage": {"usage": usage},
        "billing/submit_usage": {"placed": _placed(usage)},
        "erp/get_posting_context": {
            "document": invoice,
            "event_type": "invoice.finalized",
            "subsidiary": None,
        },
        "workflow/prepare_posting": {
            "document": invoice,
            "event_type": "invoice.finalized",
            "context": _context(month.invoice),
            "matching": None,
            "posting_date": None,
        },
        "erp/post_invoice": {"posting": posting},
        "erp/post_credit_memo": {"posting": prepared(credit_note, "credit_note.issued").posting},
        "erp/schedule_service_periods": {"posted": _posted(posting)},
        "erp/verify_totals": {"posting": posting, "posted": _posted(posting)},
        "erp/apply_customer_credit": {
            "invoice": invoice.model_copy(update={"balance_applied": Money.of(50, "USD")}),
            "posted": _posted(posting),
            "posting_date": posting.posting_date,
        },
        "erp/apply_payment": {"payment": payment, "posting_date": payment.paid_at.date()},
        "erp/match_payout_lines": {"lines": month.lines, "before": payout.Matching()},
        "erp/post_entry": {"entry": entry},
        "erp/void_document": {
            "document": invoice.model_copy(update={"collection": collection}),
            "today": today,
        },
        "erp/reverse_invoice": {"invoice_id": invoice.id, "today": today},
        "erp/reverse_credit_memo": {"credit_note_id": credit_note.id, "today": today},
        "erp/unapply_payment": {"payment_id": payment.id, "today": today},
        "erp/reverse_entry": {"entry_id": entry.id, "today": today},
    }
    of = f"{invoice.id.removeprefix('stripe:')}-invoice-finalized"
    return {name: plain({"correlation_id": of} | command) for name, command in commands.items()} | {
        "ingress/stripe": message("interlock-stripe-inbox", month.told, ISSUED_AT),
        "ingress/sweep_billing": {"hours": 2},
    }


def _month() -> Month:
    """An invoice is paid by card, a part of it is credited and refunded, another disputed."""
    moment = [ISSUED_AT]
    sandbox = stripe.create(clock=lambda: moment[0])
    stripe.seed(sandbox)
    told: list[dict[str, Any]] = []
    sandbox.account.on_event = told.append
    invoice = _invoice(sandbox)
    sandbox.do(invoice_api.pay, invoice["id"], payment_method="pm_card_visa")
    seats = sandbox.account.lines[invoice["id"]][1]["id"]
    sandbox.do(
        credit_notes.create,
        invoice=invoice["id"],
        lines=[{"type": "invoice_line_item", "invoice_line_item": seats, "amount": 48_000}],
        refund_amount=51_960,
    )
    sandbox.by_hand(
        lambda account: disputes.open_on(account, *account.charges.values(), amount=100_000)
    )
    moment[0] += timedelta(days=10)
    sandbox.advance()
    sandbox.serve()
    try:
        return _read(sandbox, next(event for event in told if event["type"] == FINALIZED))
    finally:
        sandbox.close()


def _invoice(sandbox: StripeSandbox) -> StripeObject:
    """A year of the platform and of some seats, with tax."""
    account_id = {"interlock_account_id": CUSTOMER}
    customer = sandbox.do(
        customers.create,
        name="Larkspur Robotics Inc.",
        email="billing@larkspur-robotics.example",
        address={"country": "US", "state": "OR"},
        metadata=account_id,
    )
    invoice = sandbox.do(
        invoice_api.create,
        customer=customer["id"],
        currency="usd",
        collection_method="send_invoice",
        days_until_due=30,
        automatic_tax={"enabled": True},
        metadata={"interlock_subsidiary": SUBSIDIARY},
    )
    begin = sandbox.account.now()
    for sku, amount in (("PLATFORM-ANNUAL", 2_400_000), ("SEAT-ANNUAL", 1_200_000)):
        price = {"currency": "usd", "product": sku, "unit_amount": amount}
        sandbox.do(
            invoice_items.create,
            customer=customer["id"],
            invoice=invoice["id"],
            price_data=price | {"tax_behavior": "exclusive"},
            period={"start": begin, "end": later(begin, "year", 1)},
        )
    return sandbox.do(invoice_api.finalize, invoice["id"])


def _read(sandbox: StripeSandbox, told: StripeObject) -> Month:
    """What the adapter makes of it."""
    connection = SandboxConnection(
        name="stripe",
        vendor="stripe",
        base_url=sandbox.url,
        secret_id="unused",  # noqa: S106 - the connection has its own
    )
    billing, account = Stripe(connection), sandbox.account

    def newest(objects: dict[str, StripeObject]) -> str:
        return connection.canonical_id(list(objects)[-1])

    paid_out = newest(account.payouts)
    return Month(
        told=delivered(partner_event(told), "c9a5f0a2-7c39-4b1c-8f0d-2d6f0b1e8a55"),
        invoice=billing.get_invoice(newest(account.invoices)),
        payment=billing.get_payment(newest(account.charges)),
        credit_note=billing.get_credit_note(newest(account.credit_notes)),
        refund=billing.get_refund(newest(account.refunds)),
        dispute=billing.get_dispute(newest(account.disputes)),
        payout=billing.get_payout(paid_out),
        lines=billing.payout_lines(paid_out, after=None, limit=100).lines,
    )


def _context(invoice: Invoice) -> PostingContext:
    """What the demo company's ERP answers about the invoice."""
    return PostingContext(
        subsidiary=SUBSIDIARY,
        subsidiaries=("TESSALINE-DE", "TESSALINE-JP", SUBSIDIARY),
        kept_currencies=(invoice.currency,),
        known_skus=tuple(sorted({line.sku for line in invoice.lines})),
        known_tax_percents=tuple({tax.percent for line in invoice.lines for tax in line.taxes}),
        period=PeriodState.OPEN,
        next_open_day=date(2027, 1, 1),
    )


def _placed(usage: UsageRecord) -> PlacedUsage:
    """In its own month."""
    month = BillingPeriod(start=ISSUED_AT, end=datetime(2027, 1, 1, 12, tzinfo=UTC))
    return PlacedUsage(
        usage=usage,
        charged_at=usage.occurred_at,
        placed_at=usage.occurred_at,
        period=month,
        is_adjustment=False,
    )


def _posted(posting: Posting) -> PostedDocument:
    """The document as the ERP has it."""
    return PostedDocument(
        id=posting.id,
        remote_id="17",
        subsidiary=posting.subsidiary,
        number="1",
        status="posted",
        posting_date=posting.posting_date,
        net=posting.net,
        tax=posting.tax,
        total=posting.total,
        remaining=posting.total,
    )

"""The documents that are booked: of which day each is, and on which one it builds."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from interlock.canonical.billing import CreditNote, Dispute, Invoice, Payment, Payout, Refund
from interlock.connectors.erp.port import PostingContextQuery

Bookable = Annotated[
    Invoice | CreditNote | Payment | Refund | Dispute | Payout, Field(discriminator="kind")
]

Voidable = Annotated[Invoice | CreditNote, Field(discriminator="kind")]

DISPUTE_CLOSED = "dispute.closed"


def predecessor(document: Bookable) -> tuple[str, str] | None:
    """What must be in the books first, as entity and canonical id, and tells whose books."""
    if isinstance(document, Payment):
        return "invoice", document.invoice_id
    if isinstance(document, Refund | Dispute):
        return "payment", document.payment_id
    return None


def day(document: Bookable, event: str) -> date:
    """The calendar day, in UTC, of what an event of this type told of a document.

    A document may have changed since: a dispute that was closed was opened on another day.
    """
    match document:
        case Payment():
            return document.paid_at.date()
        case Refund():
            return document.refunded_at.date()
        case Payout():
            return document.arrives_on
        case Dispute(closed_at=closed_at) if event == DISPUTE_CLOSED and closed_at:
            return closed_at.date()
        case Dispute():
            return document.opened_at.date()
        case _:
            return document.issued_on


def query(document: Bookable, event: str, subsidiary: str | None) -> PostingContextQuery:
    """What the ERP is asked. `subsidiary` is that of a document that does not say so itself."""
    lines = document.lines if isinstance(document, Invoice | CreditNote) else ()
    return PostingContextQuery(
        subsidiary=getattr(document, "subsidiary", subsidiary),
        currency=document.currency,
        skus=tuple(sorted({line.sku for line in lines if line.sku})),
        tax_percents=tuple(sorted({tax.percent for line in lines for tax in line.taxes})),
        posting_date=day(document, event),
    )

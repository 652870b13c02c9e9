"""What is to be posted for a document of the billing system, and on which day."""

from __future__ import annotations

from datetime import date

from interlock.canonical.base import Canonical
from interlock.canonical.billing import CreditNote, Dispute, Invoice, Payment, Payout, Refund
from interlock.canonical.books import Entry, Posting
from interlock.connectors.erp.port import PostingContext
from interlock.rules import entries, posting
from interlock.rules.bookable import DISPUTE_CLOSED, Bookable, day
from interlock.rules.payout import Matching
from interlock.rules.posting_date import PostingPolicy


class Prepared(Canonical):
    """What is to be posted, on which day; neither for a payment, nor where no money moved."""

    posting_date: date
    posting: Posting | None = None
    entry: Entry | None = None


def prepare(
    document: Bookable,
    event: str,
    context: PostingContext,
    *,
    policy: PostingPolicy,
    decided: date | None,
    matching: Matching | None,
) -> Prepared:
    """What the ERP is to enter for what an event of this type told of.

    `decided` is the posting date that a team decided on, `matching` what a payout's lines came to.
    Raises BusinessRuleViolation with what someone has to fix: of the document, then of its day.
    """
    entered = None
    if isinstance(document, Invoice | CreditNote):
        entered = posting.prepare(document, context, document.issued_on)
    on = decided or policy.posting_date(document, day(document, event), context)
    match document:
        case Invoice() | CreditNote():
            return Prepared(
                posting_date=on, posting=entered.model_copy(update={"posting_date": on})
            )
        case Payment():
            return Prepared(posting_date=on)
        case Refund():
            entry = entries.of_refund(document, context.subsidiary, on)
        case Payout():
            entry = entries.of_payout(document, matching or Matching(), on)
        case Dispute() if event == DISPUTE_CLOSED:
            entry = entries.of_decision(document, context.subsidiary, on)
        case Dispute():
            entry = entries.of_dispute(document, context.subsidiary, on)
    return Prepared(posting_date=on, entry=entry if entry.lines else None)

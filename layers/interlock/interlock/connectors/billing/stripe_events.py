"""Stripe's events, as EventBridge delivers them or its list tells them, to canonical events.

Shape: `source` is `aws.partner/stripe.com/<destination id>`, `detail-type` the event's type, and
`detail` the event: https://docs.stripe.com/event-destinations/eventbridge and
https://docs.stripe.com/api/events/object

An event only points at a record: its content is fetched again by the workflow. What is read of the
record in the event decides no more than whether there is anything to do.

- A dispute is opened when its funds are withdrawn, and not when it is created: that may be an
  inquiry, which moves no money, and an inquiry that becomes a dispute is not created again.
  https://docs.stripe.com/disputes/how-disputes-work
- A refund is told when it has succeeded, at once or later: https://docs.stripe.com/refunds
- A credit note that cannot be voided any more is countered on the customer's balance and marked, as
  `stripe_credits` does; to the books it is void: https://docs.stripe.com/api/credit_notes/update
- An invoice is paid late when it was not paid as it was finalised: a payment may have failed
  before, and Stripe does not count what a customer tries by hand.
  https://docs.stripe.com/api/invoices/object
- That an invoice is overdue is told only where an automation of the account's does so, on the days
  that it says: https://docs.stripe.com/changelog/acacia/2024-09-30/billing-due-date-webhooks. On
  the day that it is due the customer still has time, so nothing is meant by it yet. `fallen_due` is
  for whoever finds such an invoice: the same, whether Stripe tells of it or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, Field, StrictBool, StringConstraints

from interlock.connectors.billing.stripe_documents import OUTCOMES
from interlock.connectors.billing.stripe_objects import COUNTERED_BY, instant
from interlock.errors import ContractViolation
from interlock.events import SWEEP, Event
from interlock.handler import parse

_SOURCE = re.compile(r"aws\.partner/stripe\.com/(?P<destination>ed_\w+)")
_THIN = "v2.core.event"
# How long after an invoice was finalised a payment still belongs to that.
_AT_ONCE = 60
DAY = 24 * 3600
_LAST_SECOND = 253402300799  # of the year 9999

# So short that a correlation id, which holds one, is short enough for an execution's name.
_Id = Annotated[str, StringConstraints(pattern=r"^[a-z]+_\w+$", max_length=50)]
_Seconds = Annotated[int, Field(ge=0, le=_LAST_SECOND)]


class _Transitions(BaseModel):
    finalized_at: _Seconds | None
    paid_at: _Seconds | None


class _Record(BaseModel):
    id: _Id


class _Invoice(_Record):
    object: Literal["invoice"]
    attempt_count: Annotated[int, Field(ge=0, le=9999)]
    due_date: _Seconds | None
    status_transitions: _Transitions

    @property
    def is_paid_late(self) -> bool:
        """Whether somebody may have been told that it was not paid."""
        paid_at, finalized_at = (
            self.status_transitions.paid_at,
            self.status_transitions.finalized_at,
        )
        return bool(paid_at and finalized_at and paid_at > finalized_at + _AT_ONCE)

    @property
    def overdue_at(self) -> int | None:
        """When the day is over on which it was due, in UTC."""
        return None if self.due_date is None else self.due_date // DAY * DAY + DAY

    def is_overdue(self, at: int) -> bool:
        """Whether the customer's time is over."""
        return self.overdue_at is not None and self.overdue_at <= at


class _InvoicePayment(_Record):
    object: Literal["invoice_payment"]


class _CreditNote(_Record):
    object: Literal["credit_note"]
    metadata: dict[str, str] | None = None

    @property
    def is_countered(self) -> bool:
        """Whether it was taken back otherwise than by voiding it."""
        return COUNTERED_BY in (self.metadata or {})


class _Refund(_Record):
    object: Literal["refund"]
    status: str | None


class _Dispute(_Record):
    object: Literal["dispute"]
    status: str


class _Payout(_Record):
    object: Literal["payout"]


class _Data(BaseModel):
    object: dict[str, Any]


class _Told(BaseModel):
    id: Annotated[str, StringConstraints(pattern=r"^evt_\w+$", max_length=100)]
    object: Literal["event"]
    type: str
    created: _Seconds
    livemode: StrictBool
    data: _Data


R = TypeVar("R", bound=_Record)


class _Meaning(NamedTuple, Generic[R]):
    """What a type of Stripe's means: of which record, and for which of these at all, and when."""

    type: str
    record: type[R]
    applies: Callable[[R, int], bool] = lambda _record, _at: True
    data: Callable[[R], dict[str, Any]] = lambda _record: {}


_REFUNDED = _Meaning("refund.issued", _Refund, lambda refund, _: refund.status == "succeeded")
_OVERDUE = _Meaning("invoice.overdue", _Invoice, _Invoice.is_overdue)
# https://docs.stripe.com/api/events/types
TYPES: dict[str, _Meaning[Any]] = {
    "invoice.finalized": _Meaning("invoice.finalized", _Invoice),
    "invoice.voided": _Meaning("invoice.voided", _Invoice),
    "invoice.overdue": _OVERDUE,
    "invoice.paid": _Meaning(
        "invoice.paid_late", _Invoice, lambda invoice, _: invoice.is_paid_late
    ),
    "invoice.payment_failed": _Meaning(
        "payment.failed", _Invoice, data=lambda invoice: {"attempt": invoice.attempt_count}
    ),
    "invoice_payment.paid": _Meaning("payment.succeeded", _InvoicePayment),
    "credit_note.created": _Meaning("credit_note.issued", _CreditNote),
    "credit_note.updated": _Meaning(
        "credit_note.voided", _CreditNote, lambda note, _: note.is_countered
    ),
    "credit_note.voided": _Meaning("credit_note.voided", _CreditNote),
    "refund.created": _REFUNDED,
    "refund.updated": _REFUNDED,
    "charge.dispute.funds_withdrawn": _Meaning("dispute.opened", _Dispute),
    "charge.dispute.closed": _Meaning(
        "dispute.closed", _Dispute, lambda dispute, _: dispute.status in OUTCOMES
    ),
    "payout.reconciliation_completed": _Meaning("payout.settled", _Payout),
}


def translate(event: dict[str, Any], *, connection: str, destination: str) -> Event | None:
    """The canonical event that a partner event stands for; None for one that means nothing to us.

    `destination` is the id of our event destination at Stripe. Raises ContractViolation for a
    malformed event, and for another destination.
    """
    source = _SOURCE.fullmatch(str(event.get("source")))
    if not source:
        raise ContractViolation("unknown source: not a Stripe partner event")
    if source["destination"] != destination:
        raise ContractViolation(
            f"another destination: {source['destination']}, this deployment serves {destination}"
        )
    detail = event.get("detail")
    if isinstance(detail, dict) and detail.get("object") == _THIN:
        raise ContractViolation(
            "a thin event: choose snapshots as the payload of the event destination at Stripe"
        )
    return translate_object(detail, connection=connection)


def translate_object(event: Any, *, connection: str) -> Event | None:
    """The canonical event that one of Stripe's event objects stands for; None for no meaning.

    The same whether it was delivered or listed. Raises ContractViolation for a malformed event.
    """
    told = parse(_Told, event)
    meaning = TYPES.get(told.type)
    if meaning is None:
        return None
    record = parse(meaning.record, told.data.object)
    if not meaning.applies(record, told.created):
        return None
    return _event(meaning, record, told.created, connection, f"{connection}:{told.id}")


def fallen_due(invoice: Any, *, connection: str) -> Event:
    """The canonical event of an invoice that is owed and whose day is over.

    Raises ContractViolation for a malformed invoice, and for one without a due day.
    """
    record = parse(_Invoice, invoice)
    if record.overdue_at is None:
        raise ContractViolation(f"{record.id} has no due day")
    id = f"{SWEEP}{connection}:{record.id}"
    return _event(_OVERDUE, record, record.overdue_at, connection, id)


def _event(meaning: _Meaning[R], record: R, at: int, connection: str, id: str) -> Event:
    data = meaning.data(record)
    # Not of the event's id: whoever tells it again, or twice, names the same execution.
    parts = [record.id, re.sub(r"[._]", "-", meaning.type), *map(str, data.values())]
    return Event(
        id=id,
        type=meaning.type,
        source=connection,
        subject=f"{connection}:{record.id}",
        occurred_at=instant(at),
        correlation_id="-".join(parts),
        data=data,
    )

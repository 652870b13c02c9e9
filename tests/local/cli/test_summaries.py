"""What each event says, in one line of a run's timeline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from interlock.events import Event

from local.cli.transaction import summary

AMOUNT = {"amount": "108.25", "currency": "USD"}
RAISED = {"id": "EX-1", "team": "Finance", "step": "PreparePosting", "message": "no account"}
ASKED = {
    "id": "AP-1",
    "role": "support lead",
    "amount": AMOUNT,
    "kind": "credit",
    "title": "case 4711",
}
NOTHING = {"amount": "0.00", "currency": "USD"}
CHANGED = {
    "contract": {"ends_on": "2028-12-01"},
    "movement": {
        "on": "2027-12-01",
        "expansion": AMOUNT,
        **dict.fromkeys(("new", "contraction", "churn", "transferred"), NOTHING),
    },
}
LOST = {
    "contract": {"ends_on": "2027-12-01"},
    "movement": CHANGED["movement"] | {"churn": {"amount": "-216.50", "currency": "USD"}},
}
DATA: dict[str, dict[str, Any]] = {
    "renewal.due": {"ends_on": "2027-12-01", "days": 90},
    **dict.fromkeys(("contract.signed", "contract.renewed", "contract.amended"), CHANGED),
    "contract.ended": LOST,
    "contract.ending": {"reasons": ["The deal is lost.", "It ends."]},
    "contract.reverted": {"failed_step": "AmendSubscription", "reason": "as agreed"},
    "order.accepted": {"order": "SO-1", "customer": "Larkspur", "total": AMOUNT},
    "order.cancelled": {"failed_step": "CreateErpOrder", "reason": "as agreed"},
    "posting.reversed": {"reason": "invoice.voided"},
    "dunning.changed": {"account": "salesforce:001", "status": "past due"},
    "exception.raised": RAISED,
    "exception.escalated": RAISED,
    "exception.resolved": RAISED
    | {"decision": {"action": "retry", "by": "robin", "reason": "linked"}},
    "approval.requested": ASKED,
    "approval.escalated": ASKED,
    "approval.decided": ASKED | {"status": "approved", "by": "lead@x", "reason": "checked"},
    "service.change_requested": {"action": "suspend", "by": "ana@x", "reason": "not paid"},
    "service.changed": {"service": {"state": "suspended"}},
    "invoice.posted": {"number": "17", "amount": AMOUNT},
    "usage.submitted": {
        "placed": {
            "usage": {
                "id": "product:1",
                "customer_id": "salesforce:001",
                "meter": "api-requests",
                "quantity": "3",
                "occurred_at": "2026-10-31T23:00:00Z",
            },
            "charged_at": "2026-11-23T08:00:00Z",
            "placed_at": "2026-11-23T08:00:00Z",
            "period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
            "is_adjustment": True,
        }
    },
}
SAID = {
    "invoice.posted": "stripe:in_1, 17, 108.25 USD",
    "invoice.finalized": "stripe:in_1",
    "usage.submitted": "stripe:in_1 of 2026-10-31, charged with the period from 2026-11-01",
    "posting.reversed": "stripe:in_1: invoice.voided",
    "dunning.changed": "salesforce:001: past due",
    "exception.raised": "EX-1 for Finance: PreparePosting: no account",
    "exception.resolved": "EX-1: retry by robin: linked",
    "approval.requested": "AP-1 for support lead: credit of 108.25 USD, case 4711",
    "approval.decided": "AP-1: approved by lead@x: checked",
    "service.change_requested": "stripe:in_1: suspend, by ana@x: not paid",
    "service.changed": "stripe:in_1: suspended",
    "renewal.due": "stripe:in_1 ends on 2027-12-01, in 90 days",
    "contract.renewed": "until before 2028-12-01, +108.25 USD a year",
    "contract.ended": "until before 2027-12-01, -108.25 USD a year",
    "contract.ending": "The deal is lost. It ends.",
    "contract.reverted": "at AmendSubscription: as agreed",
}


def event(type: str) -> Event:
    return Event(
        id="e-1",
        type=type,
        source="interlock",
        subject="stripe:in_1",
        occurred_at=datetime(2026, 11, 23, tzinfo=UTC),
        correlation_id="in_1-invoice-finalized",
        data=DATA.get(type, {}),
    )


@pytest.mark.parametrize("type", get_args(Event.model_fields["type"].annotation))
def test_every_event_has_a_summary(type: str) -> None:
    assert summary(event(type))


@pytest.mark.parametrize(("type", "said"), SAID.items())
def test_what_it_says(type: str, said: str) -> None:
    assert summary(event(type)) == said

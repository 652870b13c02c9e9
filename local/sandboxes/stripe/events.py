"""Events: https://docs.stripe.com/api/events and https://docs.stripe.com/api/events/types

An event carries its object as it was at that moment, in the account's version, and is kept for 30
days. It says which API request caused it; what Stripe does by itself has none. Events of products,
prices and invoice items, and `previous_attributes`, are not here. `invoice.overdue` neither: an
account has it only where somebody has set up an automation that sends it.
https://docs.stripe.com/changelog/acacia/2024-09-30/billing-due-date-webhooks

Through an event destination they reach EventBridge:
https://docs.stripe.com/event-destinations/eventbridge
"""

from __future__ import annotations

import json
from typing import Any

from local.sandboxes.stripe.account import EXPAND, PAGE, Account, StripeObject, existing
from local.sandboxes.stripe.agenda import DAY
from local.sandboxes.stripe.parameters import boolean, list_of, read_all, text

# The newest version this sandbox knows, and the account's default.
API_VERSION = "2026-08-26.dahlia"
KEPT_FOR = 30 * DAY
DESTINATION = "ed_test_interlock"
# https://docs.stripe.com/changelog/dahlia/2026-05-27/invoice-object-amount-paid-off-stripe-property
ANSWERS_ONLY = ("amount_paid_off_stripe",)


def emit(account: Account, type: str, subject: StripeObject) -> None:
    """Tell what has happened to an object, as the object is now."""
    snapshot = {name: value for name, value in subject.items() if name not in ANSWERS_ONLY}
    event = {
        "id": account.new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": account.now(),
        # As text until it is asked for: there are many, and few are.
        "data": json.dumps({"object": snapshot}),
        "livemode": False,
        "pending_webhooks": 1,
        "request": dict(account.request),
        "type": type,
    }
    account.events[event["id"]] = event
    _forget(account)
    if account.on_event:
        account.on_event(_told(event))


def partner_event(event: StripeObject, destination: str = DESTINATION) -> dict[str, Any]:
    """What EventBridge gets from the event destination with this id."""
    return {
        "source": f"aws.partner/stripe.com/{destination}",
        "detail-type": event["type"],
        "detail": event,
    }


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/events/<id>`"""
    read_all(raw, EXPAND)
    _forget(account)
    return _told(existing(account.events, id, "event"))


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/events`: of a type or of some types; `invoice.*` means all that begin so."""
    fields = {"type": text(), "types": list_of(text(), 20), "delivery_success": boolean}
    parameters = read_all(raw, {**PAGE, **EXPAND, **fields})
    _forget(account)
    types = [*parameters.get("types", ()), *filter(None, [parameters.get("type")])]
    rows = (row for row in account.events.values() if not types or _one_of(row["type"], types))
    page = account.page(rows, parameters, "/v1/events")
    return {**page, "data": [_told(event) for event in page["data"]]}


def _told(event: StripeObject) -> StripeObject:
    return {**event, "data": json.loads(event["data"])}


def _one_of(type: str, types: list[str]) -> bool:
    return any(
        type.startswith(wanted[:-1]) if wanted.endswith("*") else type == wanted for wanted in types
    )


def _forget(account: Account) -> None:
    """Drop what is too old; the oldest come first."""
    oldest = account.now() - KEPT_FOR
    while account.events and next(iter(account.events.values()))["created"] < oldest:
        account.events.popitem(last=False)

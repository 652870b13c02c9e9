"""Subscriptions, as schedules start them: https://docs.stripe.com/api/subscriptions

Each period is invoiced when it begins, with the usage of the one before and what waits for the
subscription's next invoice. A backdated subscription's first invoice has a line for every period
that has begun:
https://docs.stripe.com/billing/subscriptions/billing-mode/compare
https://docs.stripe.com/billing/subscriptions/backdating

A subscription whose invoices are sent does not become past due here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from local.sandboxes.stripe import (
    collection,
    events,
    invoice_lines,
    invoices,
    metered,
    prorations,
    schedule_phases,
)
from local.sandboxes.stripe.account import EXPAND, PAGE, Account, StripeObject, existing
from local.sandboxes.stripe.calendar_months import later, period
from local.sandboxes.stripe.errors import ApiError, no_such
from local.sandboxes.stripe.parameters import boolean, one_of, read_all, text

STATUSES = (
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)
ENDED = ("canceled", "incomplete_expired")
# From, until, share of the price.
Span = tuple[int, int, Fraction]


def start(account: Account, schedule: StripeObject) -> StripeObject:
    """The subscription of a schedule whose first phase begins.

    Its billing cycle is anchored where the phase starts if the phase says so; left to Stripe, a
    backdated subscription is anchored where it was created, so that a year begins on that day.
    """
    phase = schedule["phases"][0]
    settings = schedule_phases.settings_of(schedule, phase)
    anchoring = (
        phase["billing_cycle_anchor"] or schedule["default_settings"]["billing_cycle_anchor"]
    )
    start_date = phase["start_date"]
    anchor = start_date if anchoring == "phase_start" else max(start_date, schedule["created"])
    id = account.new_id("sub")
    subscription = {
        "id": id,
        "object": "subscription",
        "application": None,
        "billing_cycle_anchor": anchor,
        "billing_mode": schedule["billing_mode"],
        "billing_schedules": [],
        "cancel_at": schedule_phases.ends_at(schedule),
        "cancel_at_period_end": False,
        "canceled_at": None,
        "created": account.now(),
        "currency": phase["currency"],
        "customer": schedule["customer"],
        "default_tax_rates": [],
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {
            "object": "list",
            "data": [_item(account, id, item, anchor) for item in phase["items"]],
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={id}",
        },
        "latest_invoice": None,
        "livemode": False,
        "metadata": dict(phase["metadata"]),
        "schedule": schedule["id"],
        "start_date": start_date,
        "status": "active",
        "test_clock": None,
        "trial_end": None,
        "trial_start": None,
        **settings,
    }
    account.subscriptions[id] = subscription
    events.emit(account, "customer.subscription.created", subscription)
    spans = _spans_until_now(account, subscription)
    lines = _lines(account, subscription, spans)
    collection.bill(account, subscription, lines, "subscription_create")
    _plan_renewal(account, subscription)
    return subscription


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscriptions/<id>`"""
    return account.retrieved(account.subscriptions, id, raw, "subscription")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscriptions`: without a status, all that are not cancelled."""
    fields = {**PAGE, **EXPAND, "customer": text(), "status": one_of(*STATUSES)}
    parameters = read_all(raw, fields)
    customer = parameters.get("customer")
    rows = [
        row
        for row in account.subscriptions.values()
        if customer in (None, row["customer"]) and _listed(row, parameters.get("status"))
    ]
    return account.expanded(account.page(rows, parameters, "/v1/subscriptions"), parameters)


def update(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscriptions/<id>`"""
    parameters = read_all(raw, prorations.UPDATE)
    subscription = live(account, id)
    schedule = account.schedules.get(subscription["schedule"])
    if schedule and "cancel_at_period_end" in parameters:
        message = (
            f"The subscription is managed by the subscription schedule `{schedule['id']}`, and "
            "updating any cancelation behavior directly is not allowed. Please update the schedule "
            "instead."
        )
        raise ApiError(400, message)
    prorations.update(account, subscription, parameters)
    if schedule and "items" in parameters:
        schedule_phases.split(account, schedule, subscription)
    events.emit(account, "customer.subscription.updated", subscription)
    return account.expanded(subscription, parameters)


def cancel(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`DELETE /v1/subscriptions/<id>`: at once; a schedule that manages it ends with it."""
    parameters = read_all(raw, {**EXPAND, "invoice_now": boolean, "prorate": boolean})
    subscription = live(account, id)
    if schedule := account.schedules.get(subscription["schedule"]):
        schedule.update(status="canceled", canceled_at=account.now(), current_phase=None)
        events.emit(account, "subscription_schedule.canceled", schedule)
    end(account, subscription, **_terms(parameters))
    return account.expanded(subscription, parameters)


def end(
    account: Account,
    subscription: StripeObject,
    *,
    prorate: bool = False,
    invoice_now: bool = False,
) -> None:
    """Cancel at once; its invoices are no longer collected by Stripe itself.

    With `prorate` the unused time is credited on the next invoice, which `invoice_now` makes now;
    with neither, what waits for the next invoice is forgotten. The period's usage is on that
    invoice, or on none.
    """
    if prorate:
        prorations.credit_unused(account, subscription, account.now())
    invoices.stop(account, "subscription", subscription["id"])
    waiting = invoice_lines.pending(account, subscription["customer"], subscription["id"])
    usage = _usage_lines(account, subscription, account.now()) if invoice_now else []
    if invoice_now and (waiting or usage):
        collection.bill(account, subscription, usage, "subscription_update", at_once=True)
    elif not prorate:
        for item in waiting:
            invoice_lines.remove(account, item)
    now = account.now()
    subscription.update(status="canceled", canceled_at=now, ended_at=now)
    events.emit(account, "customer.subscription.deleted", subscription)


def _terms(parameters: dict[str, Any]) -> dict[str, bool]:
    return {name: parameters.get(name, False) for name in ("invoice_now", "prorate")}


def begin_period(account: Account, subscription: StripeObject) -> None:
    """Begin a period before the one that runs has ended, and invoice it at once."""
    lines = _next_period(account, subscription, account.now())
    collection.bill(account, subscription, lines, "subscription_update", at_once=True)
    _plan_renewal(account, subscription)


def _plan_renewal(account: Account, subscription: StripeObject) -> None:
    ends = subscription["items"]["data"][0]["current_period_end"]
    account.agenda.at(ends, lambda: _renew(account, subscription, ends))


def _renew(account: Account, subscription: StripeObject, ends: int) -> None:
    period = subscription["items"]["data"][0]
    if subscription["status"] in ENDED or period["current_period_end"] != ends:
        return
    if subscription["cancel_at_period_end"]:
        end(account, subscription, invoice_now=True)
        return
    previous_start = period["current_period_start"]
    lines = _next_period(account, subscription, ends)
    events.emit(account, "customer.subscription.updated", subscription)
    collection.bill(account, subscription, lines, "subscription_cycle", period_start=previous_start)
    _plan_renewal(account, subscription)


def _next_period(account: Account, subscription: StripeObject, ends: int) -> list[StripeObject]:
    """Go on to the period of now; its lines, with the usage of the one before."""
    usage = _usage_lines(account, subscription, ends)
    items = subscription["items"]["data"]
    for item in items:
        item.update(_period(account, item["price"], subscription["billing_cycle_anchor"]))
    span = items[0]["current_period_start"], items[0]["current_period_end"], Fraction(1)
    return usage + _lines(account, subscription, [span])


def _lines(
    account: Account, subscription: StripeObject, spans: Iterable[Span]
) -> list[StripeObject]:
    """What is charged in advance, but not for longer than the subscription lasts."""
    last = subscription["cancel_at"]
    lines = []
    for start, finish, share in spans:
        until = min(finish, last or finish)
        if start < until:
            span = start, until, share * Fraction(until - start, finish - start)
            lines += [
                invoice_lines.subscription_line(account, subscription, item, span)
                for item in subscription["items"]["data"]
                if not metered.is_metered(item["price"])
            ]
    return lines


def _usage_lines(account: Account, subscription: StripeObject, until: int) -> list[StripeObject]:
    """What was used in the current period, by item."""
    return [
        metered.line(account, subscription, item, item["current_period_start"], until)
        for item in subscription["items"]["data"]
        if metered.is_metered(item["price"])
    ]


def _spans_until_now(account: Account, subscription: StripeObject) -> Iterator[Span]:
    """From the start through the period that contains now; the one before the anchor is cut.

    The share of a cut period is that of its seconds.
    """
    recurring = subscription["items"]["data"][0]["price"]["recurring"]
    interval = recurring["interval"], recurring["interval_count"]
    anchor = subscription["billing_cycle_anchor"]
    begin = subscription["start_date"]
    number = 0
    while begin < anchor:
        number += 1
        whole = later(subscription["start_date"], interval[0], interval[1] * number)
        finish = min(whole, anchor)
        yield begin, finish, Fraction(finish - begin, whole - begin)
        begin = finish
    number = 0
    while begin <= account.now():
        number += 1
        finish = later(anchor, interval[0], interval[1] * number)
        yield begin, finish, Fraction(1)
        begin = finish


def _item(account: Account, subscription: str, item: StripeObject, anchor: int) -> StripeObject:
    price = account.prices[item["price"]]
    return {
        "id": account.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now(),
        "discounts": [],
        "metadata": dict(item["metadata"]),
        "price": price,
        **metered.quantity(price, item.get("quantity", 1)),
        "subscription": subscription,
        "tax_rates": [],
        **_period(account, price, anchor),
    }


def _period(account: Account, price: StripeObject, anchor: int) -> dict[str, int]:
    recurring = price["recurring"]
    begin, finish = period(
        anchor, account.now(), recurring["interval"], recurring["interval_count"]
    )
    return {"current_period_start": begin, "current_period_end": finish}


def live(account: Account, id: str) -> StripeObject:
    """The subscription. Raises ApiError when it is unknown or has ended."""
    subscription = existing(account.subscriptions, id, "subscription")
    if subscription["status"] in ENDED:
        raise no_such("subscription", id, param="id")
    return subscription


def _listed(row: StripeObject, status: str | None) -> bool:
    if status == "all":
        return True
    if status == "ended":
        return row["status"] in ENDED
    return row["status"] == status if status else row["status"] not in ENDED

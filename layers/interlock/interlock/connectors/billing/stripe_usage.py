"""Usage at Stripe: which period charges it, and its submission as a meter event.

- A metered item is charged when its period is over, for the events whose time lies in the period.
  The period is the item's own: https://docs.stripe.com/api/subscription_items/object
- The invoice that the end of a period makes stays a draft, for an hour or as long as the account's
  settings say, and counts the usage once more when it becomes final. An event for that period is
  still taken afterwards, and on no invoice:
  https://docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period
- An item that was added to a running subscription charges usage from then on; with another price
  within a period, what was told before counts for the old one:
  https://docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup
- An event is at most 35 days old and 5 minutes ahead. The same identifier sent twice is refused
  with words of its own, for at least a day, whatever its time is:
  https://docs.stripe.com/api/billing/meter-event/create
- Single events cannot be read, but what a minute of them comes to can:
  https://docs.stripe.com/api/billing/meter-event-summary/list
- A value has at most 15 digits:
  https://docs.stripe.com/changelog/dahlia/2026-04-22/billing-meter-event-values-validation

Meters keep the default names of their payload's fields, `stripe_customer_id` and `value`.

Unconfirmed: the words for usage sent twice, which the reference does not have. With other words it
is VendorRejected, and a person decides. Until when exactly a draft takes usage, since events are
counted some time after they are taken: in its last minutes a draft counts as final, and as soon as
the subscription has a later invoice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from interlock.canonical.billing import BillingPeriod, PlacedUsage, UsageWindow
from interlock.connections import Connection
from interlock.connectors.billing.port import SubmittedUsage
from interlock.connectors.billing.stripe_objects import instant
from interlock.connectors.billing.stripe_requests import DUPLICATE_USAGE, VENDOR, Requests, once
from interlock.errors import BusinessRuleViolation, RecordConflict, VendorRejected

METERS = "/v1/billing/meters"
OLDEST = timedelta(days=35)
AHEAD = timedelta(minutes=5)
IDENTIFIER_LENGTH = 100
MOST_DIGITS = 15
# For attempts that fail: usage is given a time that is taken for a day more.
TIME_TO_TRY = timedelta(days=1)
# Stripe's day, less an hour for the clocks.
IS_REFUSED_AGAIN = timedelta(hours=23)
TIME_TO_COUNT = timedelta(minutes=10)
MINUTE = 60
ADDS_UP = ("sum", "count")


class StripeUsage:
    """The part of the billing port on Stripe that is about usage: see this module."""

    def __init__(
        self, connection: Connection, requests: Requests, clock: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._requests = requests
        self._clock = clock

    def get_usage_windows(self, meter: str, *, customer_remote_id: str) -> tuple[UsageWindow, ...]:
        """https://docs.stripe.com/api/subscriptions/list, which leaves out what has ended."""
        operation, found = "get_usage_windows", self._meter(meter, "get_usage_windows")
        selection = {"customer": customer_remote_id, "expand": ["data.latest_invoice"]}
        subscriptions = self._requests.all(
            "/v1/subscriptions", selection, operation, customer_remote_id
        )
        return tuple(
            self._window(found, subscription, item)
            for subscription in subscriptions
            for item in self._items(subscription, operation)
            if item["price"]["recurring"]["meter"] == found["id"]
        )

    def submit_usage(
        self,
        placed: PlacedUsage,
        *,
        first: PlacedUsage,
        customer_remote_id: str,
        idempotency_key: str,
    ) -> SubmittedUsage:
        """https://docs.stripe.com/api/billing/meter-event/create"""
        operation, usage, counted = "submit_usage", placed.usage, placed
        if problems := self._problems(placed):
            raise BusinessRuleViolation(
                problems, vendor=VENDOR, operation=operation, record=usage.id
            )
        if self._now() - first.placed_at > IS_REFUSED_AGAIN:
            self._check_absent(placed, first, customer_remote_id)
        timestamp = int(placed.charged_at.timestamp())
        parameters = {
            "event_name": usage.meter,
            "identifier": usage.id,
            "payload": {"stripe_customer_id": customer_remote_id, "value": f"{usage.quantity:f}"},
            "timestamp": timestamp,
        }

        def submit(key: str) -> None:
            path = "/v1/billing/meter_events"
            self._requests.post(path, parameters, operation, usage.id, key=key)

        try:
            # A key goes with one time. What a failure hides is refused as sent twice.
            once(submit, lambda: None, f"{idempotency_key}@{timestamp}")
        except VendorRejected as refusal:
            if refusal.code != DUPLICATE_USAGE:
                raise
            counted = first
        if counted.usage != usage:
            problem = (
                f"was counted before, as {first.usage.quantity:f} of {first.usage.meter}: link its"
                " own id, and tell the difference under another one"
            )
            raise RecordConflict(problem, vendor=VENDOR, operation=operation, record=usage.id)
        return SubmittedUsage(
            id=usage.id,
            references={self._connection.name: usage.id},
            remote_id=usage.id,
            placed=counted,
        )

    def _meter(self, event_name: str, operation: str) -> dict[str, Any]:
        """https://docs.stripe.com/api/billing/meter/list; one active meter has the name, or none"""
        for meter in self._requests.all(METERS, {"status": "active"}, operation, event_name):
            if meter["event_name"] == event_name:
                return meter
        problem = f"Stripe has no active meter {event_name}: create it, or correct the usage"
        raise BusinessRuleViolation(
            [problem], vendor=VENDOR, operation=operation, record=event_name
        )

    def _items(self, subscription: dict[str, Any], operation: str) -> Iterator[dict[str, Any]]:
        """https://docs.stripe.com/api/subscription_items/list"""
        own = {"subscription": subscription["id"]}
        return self._requests.all(
            "/v1/subscription_items",
            own,
            operation,
            subscription["id"],
            page=subscription["items"],
        )

    def _window(
        self, meter: dict[str, Any], subscription: dict[str, Any], item: dict[str, Any]
    ) -> UsageWindow:
        start, end = item["current_period_start"], item["current_period_end"]
        is_added = item["created"] > subscription["created"]
        return UsageWindow(
            subscription=subscription["id"],
            current=BillingPeriod(start=instant(start), end=instant(end)),
            closing=self._closing(subscription["latest_invoice"], start),
            since=instant(item["created"] if is_added else subscription["start_date"]),
            oldest=self._now() - OLDEST + TIME_TO_TRY,
            read_at=self._now(),
            adds_up=meter["default_aggregation"]["formula"] in ADDS_UP,
        )

    def _closing(self, invoice: dict[str, Any] | None, end: int) -> BillingPeriod | None:
        """The period before this one, while the invoice of its end is a draft for some time yet."""
        if (
            invoice is None
            or invoice["status"] != "draft"
            or invoice["billing_reason"] != "subscription_cycle"
            or not invoice["automatically_finalizes_at"]
            or instant(invoice["automatically_finalizes_at"]) < self._now() + TIME_TO_COUNT
        ):
            return None
        return BillingPeriod(start=instant(invoice["period_start"]), end=instant(end))

    def _check_absent(self, placed: PlacedUsage, first: PlacedUsage, customer: str) -> None:
        """Raises RecordConflict when an attempt that Stripe has forgotten may have succeeded.

        https://docs.stripe.com/api/billing/meter-event-summary/list
        """
        operation, usage = "submit_usage", placed.usage
        path = f"{METERS}/{self._meter(usage.meter, operation)['id']}/event_summaries"
        for second in {int(each.charged_at.timestamp()) for each in (first, placed)}:
            start = second - second % MINUTE
            span = {"customer": customer, "start_time": start, "end_time": start + MINUTE}
            counted = self._requests.get(path, operation, usage.id, span)["data"]
            if any(row["aggregated_value"] for row in counted):
                raise RecordConflict(
                    f"it was tried on {first.placed_at:%Y-%m-%d}, and the meter has usage of the"
                    " minute that it was for: look whether it is this. If so, link its own id; if"
                    " not, skip it here and tell it again under another id",
                    vendor=VENDOR,
                    operation=operation,
                    record=usage.id,
                )

    def _problems(self, placed: PlacedUsage) -> list[str]:
        """What keeps Stripe from taking usage, and what to do about it."""
        problems = []
        usage, moment = placed.usage, placed.charged_at
        if moment < self._now() - OLDEST:
            problems.append(
                f"Stripe takes usage of the past {OLDEST.days} days, and this is placed on "
                f"{moment:%Y-%m-%d}: charge it by hand on the next invoice"
            )
        if moment > self._now() + AHEAD:
            problems.append(
                f"the usage is of {moment:%Y-%m-%d %H:%M} UTC, which is to come: correct its time"
            )
        if len(usage.id) > IDENTIFIER_LENGTH:
            problems.append(
                f"Stripe takes ids of usage up to {IDENTIFIER_LENGTH} characters: shorten "
                f"{usage.id}"
            )
        if sum(map(str.isdigit, f"{usage.quantity.normalize():f}")) > MOST_DIGITS:
            problems.append(
                f"Stripe takes quantities of up to {MOST_DIGITS} digits, not {usage.quantity:f}: "
                "round it, or tell it in parts"
            )
        return problems

    def _now(self) -> datetime:
        return instant(int(self._clock()))

"""What becomes of a subscription at Stripe: it is amended, counted, and ends.

The schedule that began a subscription is given the contract's phases from the current one on, each
with the items that are charged then: https://docs.stripe.com/api/subscription_schedules/update

- The current phase keeps its start, and past ones stay as they are.
- A phase to come within a year charges, when it begins, the rest of that year for what is added,
  and gives it back for what goes. One that begins a term begins a billing cycle, so that its year
  is charged from the term's first day.
- What has begun already is changed on the subscription, as of its first day, which only
  subscriptions know (`proration_date`). So an amendment that is told late comes to the same number
  as one told in time: the yearly amount by the days that are left of the billing year, which is
  what the books have. The schedule follows the subscription by a phase of its own.
  What is taken away like that is kept in the subscription's metadata: phases tell when that was,
  and not as of which day. https://docs.stripe.com/billing/subscriptions/prorations
- Each line has a price of its own: by it Stripe tells what stays as it is. A price that was given
  in place is used once, so a line gets another one, at the same amount, and nothing is prorated.
- A schedule whose last phase is over has released its subscription, which goes on by the year. A
  new schedule takes it over (`from_subscription`). The first schedule's id stays good: the
  subscription knows which schedule manages it.
- A schedule that ends with its last phase invoices what was used until then.

Coupons that people gave are not taken off the yearly revenue, and usage is not in it: what meters
have counted lately is told beside it, which Stripe knows some minutes later.

Unconfirmed: whether Stripe gives back the rest of a year that is charged already when a schedule is
told to end within it: it is asked to, and contracts of whole years do not depend on it. Whether a
schedule that has ended still names its subscription: one that does not has no last invoice. Stripe
has no update on a condition, so of two revisions that are told in the same second the earlier may
stay; the run of the later one has its effect's answer to show for it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal

from interlock.canonical import Money
from interlock.canonical.billing import Invoice
from interlock.canonical.contracts import BilledContract, Contract
from interlock.canonical.customer_view import USAGE_DAYS, RecentUsage, RecurringRevenue
from interlock.connections import Connection
from interlock.connectors.billing import stripe_objects, stripe_phases, stripe_running
from interlock.connectors.billing.stripe_books import INVOICES
from interlock.connectors.billing.stripe_charged import SCHEDULES, SUBSCRIPTIONS
from interlock.connectors.billing.stripe_credits import CUSTOMERS, StripeCredits
from interlock.connectors.billing.stripe_documents import Object
from interlock.connectors.billing.stripe_objects import (
    LINE_NUMBER,
    ORDER_ID,
    REVISION,
    day,
    is_metered,
    money,
)
from interlock.connectors.billing.stripe_phases import AT_ONCE, MONTHS, Amendment
from interlock.connectors.billing.stripe_requests import VENDOR, Requests, once
from interlock.connectors.billing.stripe_running import Change, Running
from interlock.connectors.billing.stripe_usage import METERS, MINUTE
from interlock.errors import BusinessRuleViolation, ContractViolation, NotYetPosted

PRICES = "/v1/prices"
_USAGE_SECONDS = USAGE_DAYS * 24 * 3600
_EXPANDED = {"expand": ["phases.items.price"]}
_ENDED = ("canceled", "completed")
_HAS_BEGUN = ("active", "past_due", "trialing", "unpaid")
# Months of an interval; days and weeks do not come to a year.
_MONTHS = {"month": 1, "year": 12}


class StripeContracts(StripeCredits):
    """The part of the billing port on Stripe that is about contracts: see this module."""

    def __init__(
        self, connection: Connection, requests: Requests, clock: Callable[[], float]
    ) -> None:
        super().__init__(connection, requests, clock)
        self._automatic_tax = _automatic_tax(connection)

    def get_billed_contract(self, remote_id: str) -> BilledContract:
        """https://docs.stripe.com/api/subscription_schedules/retrieve"""
        operation = "get_billed_contract"
        return self._to_billed(self._latest(self._get_schedule(remote_id, operation), operation))

    def amend_subscription(
        self, contract: Contract, *, remote_id: str, idempotency_key: str
    ) -> BilledContract:
        """https://docs.stripe.com/api/subscription_schedules/update

        What is added to a billing year that is over is refused: no invoice to come charges it.
        """
        operation = "amend_subscription"
        first = self._get_schedule(remote_id, operation)
        schedule = self._latest(first, operation)
        if stripe_phases.revision(schedule) >= contract.revision:
            return self._to_billed(schedule)
        amendment = Amendment(contract, int(self._clock()))
        if problems := self._refused(amendment, schedule):
            raise BusinessRuleViolation(
                problems, vendor=VENDOR, operation=operation, record=contract.id
            )
        if schedule["status"] == "not_started":
            return self._plan(amendment, schedule, None, idempotency_key)
        if schedule["status"] == "released":
            own = {"from_subscription": schedule["released_subscription"], **_EXPANDED}
            schedule = self._post(SCHEDULES, own, contract.id, idempotency_key)
        past = stripe_running.charged(first["phases"] + schedule["phases"], amendment.now)
        running = self._running(schedule["subscription"], operation)
        changes = stripe_running.changes(amendment, running, past)
        for moment in sorted(changes):
            self._change(amendment, running, moment, changes[moment], idempotency_key)
            running = self._running(running.id, operation)
        if changes:
            schedule = self._get_schedule(schedule["id"], operation)
        return self._plan(amendment, schedule, running, idempotency_key)

    def get_recurring_revenue(self, customer_remote_id: str) -> RecurringRevenue:
        """https://docs.stripe.com/api/subscriptions/list

        Raises BusinessRuleViolation for a price that has no amount for a year.
        """
        operation = "get_recurring_revenue"
        own = {"customer": customer_remote_id}
        rows = self._requests.all(SUBSCRIPTIONS, own, operation, customer_remote_id)
        live = [row for row in rows if row["status"] in _HAS_BEGUN]
        items = [item for subscription in live for item in self._items(subscription, operation)]
        yearly: dict[str, list[Money]] = defaultdict(list)
        for item in stripe_phases.licensed(items):
            amount = _yearly(item)
            yearly[amount.currency].append(amount)
        return RecurringRevenue(
            subscriptions=len(live),
            yearly=tuple(Money.total(yearly[code], code) for code in sorted(yearly)),
            credit_balance=tuple(self._credit(customer_remote_id, operation)),
            usage=tuple(self._usage(items, customer_remote_id, operation)),
        )

    def get_final_invoice(self, remote_id: str) -> Invoice | None:
        """https://docs.stripe.com/api/invoices/list"""
        operation = "final_invoice"
        schedule = self._latest(self._get_schedule(remote_id, operation), operation)
        if self._status(schedule) not in _ENDED:
            raise self._not_yet("has not ended", remote_id)
        subscription = schedule["subscription"] or schedule["released_subscription"]
        if subscription is None:
            return None
        pending = {"customer": schedule["customer"], "pending": True}
        for item in self._requests.all("/v1/invoiceitems", pending, operation, remote_id):
            details = (item["parent"] or {}).get("subscription_details") or {}
            if details.get("subscription") == subscription:
                raise self._not_yet(f"{item['id']} is not invoiced", remote_id)
        own = {"subscription": subscription, "expand": ["data.customer"]}
        rows = list(self._requests.all(INVOICES, own, operation, remote_id))
        if drafts := [row["id"] for row in rows if row["status"] == "draft"]:
            raise self._not_yet(f"{drafts[0]} is still a draft", remote_id)
        made = [row for row in rows if row["status"] != "void"]
        newest = max(made, key=lambda row: row["created"], default=None)
        return self._to_invoice(newest, operation) if newest else None

    def _get_schedule(self, remote_id: str, operation: str) -> Object:
        return self._requests.get(f"{SCHEDULES}/{remote_id}", operation, remote_id, _EXPANDED)

    def _subscription(self, remote_id: str, operation: str) -> Object:
        """https://docs.stripe.com/api/subscriptions/retrieve"""
        return self._requests.get(f"{SUBSCRIPTIONS}/{remote_id}", operation, remote_id)

    def _latest(self, schedule: Object, operation: str) -> Object:
        """The schedule, or the one that has taken its subscription over."""
        if schedule["released_subscription"] is None:
            return schedule
        follower = self._subscription(schedule["released_subscription"], operation)["schedule"]
        if follower is None:
            return schedule
        latest = self._get_schedule(follower, operation)
        told = max(stripe_phases.revision(schedule), stripe_phases.revision(latest))
        return latest | {
            "metadata": schedule["metadata"] | latest["metadata"] | {REVISION: str(told)}
        }

    def _status(self, schedule: Object) -> str:
        """The schedule's status; after its release, that of the subscription it had started.

        Unless another schedule has taken that one over, and speaks for it.
        """
        if schedule["status"] != "released":
            return schedule["status"]
        if schedule["released_subscription"] is None:
            return "canceled"
        subscription = self._subscription(schedule["released_subscription"], "get_subscription")
        is_followed = subscription["schedule"] and subscription["status"] != "canceled"
        return "released" if is_followed else subscription["status"]

    def _running(self, subscription_id: str, operation: str) -> Running:
        subscription = self._subscription(subscription_id, operation)
        return Running(subscription, list(self._items(subscription, operation)))

    def _refused(self, amendment: Amendment, schedule: Object) -> list[str]:
        contract = amendment.contract
        if self._status(schedule) in _ENDED:
            return [
                f"the subscription of contract {contract.id} has ended, and none is started again: "
                "make a new order for what is to be charged"
            ]
        return amendment.problems(is_running=schedule["status"] != "not_started")

    def _change(
        self, amendment: Amendment, running: Running, moment: int, change: Change, key: str
    ) -> None:
        """https://docs.stripe.com/api/subscriptions/update"""
        contract = amendment.contract
        if moment < running.period_start:
            problem = (
                f"what contract {contract.id} adds on {day(moment)} is told after the end of that "
                f"billing year on {day(running.period_start)}: invoice the time until then by hand,"
                " and let the line begin on that day"
            )
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=contract.id)
        items: list[Object] = [{"id": id, "deleted": True} for id in running.ids_of(change.removed)]
        items += [
            {"id": id, "metadata": stripe_phases.metadata(contract.lines[position])}
            for id, position in change.kept.items()
        ]
        items += [
            amendment.item(position, self._new_price(amendment, position, key))
            for position in change.added
        ]
        parameters = {
            "items": items,
            "metadata": stripe_running.marks(amendment, moment, change),
            "proration_behavior": AT_ONCE,
            "proration_date": moment,
        }
        self._post(f"{SUBSCRIPTIONS}/{running.id}", parameters, contract.id, key)

    def _plan(
        self, amendment: Amendment, schedule: Object, running: Running | None, key: str
    ) -> BilledContract:
        """Let the schedule plan the contract; what runs is charged as that says by now."""
        contract = amendment.contract
        planned = stripe_phases.planned(schedule)
        usage = running.usage if running else stripe_phases.usage(planned[0]["items"])
        known = stripe_running.reusable(planned, running.items if running else ())
        prices = {
            position: next(known[amendment.charge(position)], None)
            or self._new_price(amendment, position, key)
            for position in amendment.charged
        }
        parameters = {
            "default_settings": stripe_objects.settings(
                contract.payment_days, automatic_tax=self._automatic_tax
            ),
            "end_behavior": "release" if amendment.ends is None else "cancel",
            "metadata": amendment.told | {REVISION: contract.revision},
            "phases": amendment.parameters(
                schedule, anchor=running and running.anchor, prices=prices, usage=usage
            ),
            "proration_behavior": AT_ONCE if running and running.is_cut(amendment) else "none",
            **_EXPANDED,
        }
        path = f"{SCHEDULES}/{schedule['id']}"
        return self._to_billed(self._post(path, parameters, contract.id, key))

    def _new_price(self, amendment: Amendment, position: int, key: str) -> str:
        """https://docs.stripe.com/api/prices/create"""
        line = stripe_phases.agreed(amendment.contract.lines[position], position)
        # Lines at equal prices have a price each.
        parameters = stripe_objects.price(line) | {"metadata": {LINE_NUMBER: position}}
        return self._post(PRICES, parameters, amendment.contract.id, key)["id"]

    def _post(self, path: str, parameters: Object, record: str, key: str) -> Object:
        """A write under a key for its content, which another attempt may have to change."""
        content = json.dumps([path, stripe_objects.form(parameters)], sort_keys=True)
        fingerprint = hashlib.sha256(content.encode()).hexdigest()[:16]

        def post(key: str) -> Object:
            return self._requests.post(path, parameters, "amend_subscription", record, key=key)

        return once(post, lambda: None, f"{key}/{fingerprint}")

    def _to_billed(self, schedule: Object) -> BilledContract:
        remote_id = schedule["id"]
        return BilledContract(
            id=schedule["metadata"].get(ORDER_ID) or self._connection.canonical_id(remote_id),
            references={self._connection.name: remote_id},
            revision=stripe_phases.revision(schedule),
            ends=schedule["end_behavior"] == "cancel",
            phases=tuple(stripe_phases.billed(schedule)),
            remote_id=remote_id,
            status=self._status(schedule),
        )

    def _credit(self, customer: str, operation: str) -> Iterator[Money]:
        """https://docs.stripe.com/api/customer_balance_transactions/list, newest first.

        The customer itself tells of one currency alone.
        """
        seen = set()
        path = f"{CUSTOMERS}/{customer}/balance_transactions"
        for entry in self._requests.all(path, {}, operation, customer):
            if entry["currency"] not in seen and entry["ending_balance"] < 0:
                yield money(-entry["ending_balance"], entry["currency"])
            seen.add(entry["currency"])

    def _usage(self, items: list[Object], customer: str, operation: str) -> Iterator[RecentUsage]:
        """https://docs.stripe.com/api/billing/meter-event-summary/list, by whole minutes.

        What a meter counts is the customer's, however many items charge it.
        """
        end = int(self._clock()) // MINUTE * MINUTE
        span = {"customer": customer, "start_time": end - _USAGE_SECONDS, "end_time": end}
        prices = [item["price"] for item in items if is_metered(item["price"])]
        meters = {price["recurring"]["meter"]: price["product"] for price in prices}
        for meter, product in meters.items():
            if meter is not None:  # of a price from before there were meters, nobody can tell
                path = f"{METERS}/{meter}/event_summaries"
                counted = self._requests.get(path, operation, customer, span)["data"]
                used = sum((Decimal(str(row["aggregated_value"])) for row in counted), Decimal(0))
                yield RecentUsage(sku=product, quantity=Decimal(f"{used.normalize():f}"))

    def _not_yet(self, problem: str, record: str) -> NotYetPosted:
        return NotYetPosted(problem, vendor=VENDOR, operation="final_invoice", record=record)


def _yearly(item: Object) -> Money:
    """What an item comes to in a year."""
    price = item["price"]
    recurring = price["recurring"]
    if price["unit_amount_decimal"] is None or recurring["interval"] not in _MONTHS:
        problem = (
            f"{price['id']} of {item['subscription']} has no amount for a year: charge it by the "
            "month or the year, at one price"
        )
        raise BusinessRuleViolation([problem], vendor=VENDOR, record=item["subscription"])
    months = _MONTHS[recurring["interval"]] * recurring["interval_count"]
    each = stripe_objects.unit_price(price).times(item["quantity"])
    return each.times(Decimal(MONTHS) / months)


def _automatic_tax(connection: Connection) -> bool:
    choice = connection.options.get("automatic_tax", "false")
    if choice not in ("true", "false"):
        raise ContractViolation('the connection\'s option automatic_tax is "true" or "false"')
    return choice == "true"

"""Stripe behind the billing port.

A subscription is entered as a *subscription schedule*, since a schedule is the one object that
takes a start date in the past, now, or to come; its id is the port's `remote_id`, and it starts
the subscription itself on that date:
https://docs.stripe.com/billing/subscriptions/subscription-schedules

- The billing cycle is anchored at the phase's start. Left to Stripe, a backdated subscription is
  anchored on the day it was entered: it would charge the elapsed days and then a full year from
  that day. https://docs.stripe.com/billing/subscriptions/backdating
- One phase lasts the contract's term; then the subscription is released and goes on year by year
  until the renewal is decided. What becomes of it is in `stripe_contracts`.
- Prices are given in place, net of tax, and an invoice is sent to the customer's e-mail address.
  The phase's metadata reaches the subscription and its invoices.

Stripe's search lags behind (https://docs.stripe.com/search#data-freshness), so existence is
decided by lists alone, by our id in the metadata: a customer among those with the account's e-mail
address, a subscription among the customer's schedules, and both among all that were made within the
life of a run, since address or customer may have been corrected after an answer was lost.

Unconfirmed: whether Stripe takes 0 for `days_until_due`, whether cancelling stops a first invoice
that is still a draft, and the type in the body of a 409, whose status alone decides.

The connection's secret is `{"api_key": "rk_…"}`, a restricted key that may write customers with
their balances, subscriptions, prices, meter events and credit notes, which may refund charges, and
read all else that this module, `stripe_books`, `stripe_charged`, `stripe_contracts`,
`stripe_credits` and `stripe_usage` name (https://docs.stripe.com/keys/restricted-api-keys). Its
option, as text:

- `automatic_tax` ("false"): "true" has Stripe Tax put tax on the invoices, which needs tax
  registrations at Stripe and customers' addresses (https://docs.stripe.com/tax/set-up). Otherwise
  Stripe's invoices carry no tax.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from interlock.canonical import Account, Customer, Subscription
from interlock.connections import Connection
from interlock.connectors.billing import stripe_objects
from interlock.connectors.billing.port import Catalogue
from interlock.connectors.billing.stripe_charged import LIVE_SCHEDULES, SCHEDULES, SUBSCRIPTIONS
from interlock.connectors.billing.stripe_contracts import StripeContracts
from interlock.connectors.billing.stripe_objects import ACCOUNT_ID, ORDER_ID
from interlock.connectors.billing.stripe_requests import VENDOR, Requests, once, only
from interlock.errors import (
    BusinessRuleViolation,
    RecordNotFound,
)

CUSTOMERS = "/v1/customers"
# A schedule that another one follows is released.
NO_LONGER = ("canceled", "released")
# An attempt is never older than its run, which lasts 90 days at most; one more for the clocks.
RUN_SECONDS = 91 * 24 * 3600


class Stripe(StripeContracts):
    """The billing port on Stripe's API v1: see this module and `connectors.billing.port`.

    Here is what is sold to whom; what becomes of that is in `stripe_contracts`, what comes of it in
    `stripe_books`, and what is given back in `stripe_credits`.

    `transport` replaces the network in tests; `clock` returns seconds since the epoch. Raises
    ContractViolation for a wrong option.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(connection, Requests(connection, transport), clock)

    def get_catalogue(self, skus: tuple[str, ...]) -> Catalogue:
        """https://docs.stripe.com/api/products/list"""
        if not skus:
            return Catalogue(billable_skus=())
        parameters = {"ids": sorted(set(skus)), "active": True}
        active = {
            row["id"] for row in self._requests.all("/v1/products", parameters, "get_catalogue")
        }
        return Catalogue(billable_skus=tuple(sku for sku in skus if sku in active))

    def get_customer(self, remote_id: str) -> Customer:
        """https://docs.stripe.com/api/customers/retrieve"""
        customer = self._requests.get(f"{CUSTOMERS}/{remote_id}", "get_customer", remote_id)
        if customer.get("deleted"):
            raise RecordNotFound(
                "the customer is deleted", vendor=VENDOR, operation="get_customer", record=remote_id
            )
        return self._to_customer(customer)

    def find_customer(self, account: Account) -> Customer | None:
        """https://docs.stripe.com/api/customers/list"""
        same_address = [{"email": account.email}] if account.email else []
        rows = self._carrying(ACCOUNT_ID, account.id, CUSTOMERS, "find_customer", same_address)
        return only([self._to_customer(row) for row in rows], account.id)

    def create_customer(self, account: Account, *, idempotency_key: str) -> Customer:
        """https://docs.stripe.com/api/customers/create

        Raises BusinessRuleViolation for an account without an e-mail address: Stripe sends its
        invoices there.
        """
        parameters = {
            "name": account.name,
            "email": _email(account),
            "address": stripe_objects.address(account.billing_address),
            "metadata": {ACCOUNT_ID: account.id},
        }

        def create(key: str) -> Customer:
            return self._to_customer(
                self._requests.post(CUSTOMERS, parameters, "create_customer", account.id, key=key)
            )

        return once(create, lambda: self.find_customer(account), idempotency_key)

    def delete_customer(self, remote_id: str) -> None:
        """https://docs.stripe.com/api/customers/delete

        Stripe would cancel the customer's live subscriptions with it, so they are looked for first.
        """
        operation = "delete_customer"
        path = f"{CUSTOMERS}/{remote_id}"
        if self._requests.get(path, operation, remote_id).get("deleted"):
            return
        if live := self._live(remote_id, operation):
            problem = f"the customer has live subscriptions: cancel {', '.join(live)} first"
            raise BusinessRuleViolation(
                [problem], vendor=VENDOR, operation=operation, record=remote_id
            )
        self._requests.delete(path, operation, remote_id)

    def get_subscription(self, remote_id: str) -> Subscription:
        """https://docs.stripe.com/api/subscription_schedules/retrieve"""
        return self._to_subscription(self._get_schedule(remote_id, "get_subscription"))

    def find_subscription(self, order_id: str, *, customer_remote_id: str) -> Subscription | None:
        """https://docs.stripe.com/api/subscription_schedules/list"""
        expand, own = ["data.phases.items.price"], [{"customer": customer_remote_id}]
        rows = self._carrying(
            ORDER_ID, order_id, SCHEDULES, "find_subscription", own, expand=expand
        )
        found = [self._to_subscription(row) for row in rows]
        return only([each for each in found if each.status not in NO_LONGER], order_id)

    def create_subscription(
        self, subscription: Subscription, *, customer_remote_id: str, idempotency_key: str
    ) -> Subscription:
        """https://docs.stripe.com/api/subscription_schedules/create

        Raises BusinessRuleViolation for what Stripe cannot charge, and says what to fix.
        """
        operation = "create_subscription"
        if problems := stripe_objects.problems(subscription.lines, subscription.currency):
            raise BusinessRuleViolation(
                problems, vendor=VENDOR, operation=operation, record=subscription.id
            )
        parameters = stripe_objects.schedule(
            subscription, customer_remote_id, automatic_tax=self._automatic_tax
        )

        def create(key: str) -> Subscription:
            return self._to_subscription(
                self._requests.post(SCHEDULES, parameters, operation, subscription.id, key=key)
            )

        def find() -> Subscription | None:
            return self.find_subscription(subscription.id, customer_remote_id=customer_remote_id)

        return once(create, find, idempotency_key)

    def cancel_subscription(self, remote_id: str) -> Subscription:
        """https://docs.stripe.com/api/subscription_schedules/cancel

        A released schedule no longer manages its subscription, which is then cancelled itself:
        https://docs.stripe.com/api/subscriptions/cancel. Stripe stops collecting the invoices that
        were already made; crediting or voiding them is for Finance to decide.
        """
        operation = "cancel_subscription"
        schedule = self._get_schedule(remote_id, operation)
        # Before anything is cancelled: what is missing can be entered until then.
        stripe_objects.subsidiary(schedule)
        terms = {"invoice_now": False, "prorate": False}
        if schedule["status"] in LIVE_SCHEDULES:
            parameters = {**terms, "expand": ["phases.items.price"]}
            path = f"{SCHEDULES}/{remote_id}/cancel"
            schedule = self._requests.post(path, parameters, operation, remote_id)
        elif schedule["status"] == "released" and self._status(schedule) != "canceled":
            path = f"{SUBSCRIPTIONS}/{schedule['released_subscription']}"
            self._requests.delete(path, operation, remote_id, terms)
        return self._to_subscription(schedule)

    def _carrying(
        self,
        name: str,
        value: str,
        path: str,
        operation: str,
        selections: list[dict[str, Any]],
        **parameters: Any,
    ) -> list[dict[str, Any]]:
        """The objects whose metadata says so, in these selections and among the recent ones."""
        recent = {"created": {"gte": int(self._clock() - RUN_SECONDS)}}
        found = {
            row["id"]: row
            for selection in (*selections, recent)
            for row in self._requests.all(path, selection | parameters, operation)
            if row["metadata"].get(name) == value
        }
        return list(found.values())

    def _to_customer(self, customer: dict[str, Any]) -> Customer:
        remote_id = customer["id"]
        own_id = customer["metadata"].get(ACCOUNT_ID)
        return Customer(
            id=own_id or self._connection.canonical_id(remote_id),
            references={self._connection.name: remote_id},
            remote_id=remote_id,
            name=customer["name"] or remote_id,
        )

    def _to_subscription(self, schedule: dict[str, Any]) -> Subscription:
        """From a schedule whose items' prices are expanded: what it began with, until its end."""
        remote_id = schedule["id"]
        own_id = schedule["metadata"].get(ORDER_ID)
        customer_id = schedule["metadata"].get(ACCOUNT_ID)
        phase = schedule["phases"][0]
        start = stripe_objects.day(phase["start_date"])
        end = stripe_objects.day(schedule["phases"][-1]["end_date"])
        return Subscription(
            id=own_id or self._connection.canonical_id(remote_id),
            references={self._connection.name: remote_id},
            customer_id=customer_id or self._connection.canonical_id(schedule["customer"]),
            subsidiary=stripe_objects.subsidiary(schedule),
            currency=phase["currency"].upper(),
            payment_days=stripe_objects.payment_days(schedule),
            start_date=start,
            term_months=stripe_objects.months_between(start, end),
            lines=stripe_objects.lines(phase),
            remote_id=remote_id,
            status=self._status(schedule),
        )


def _email(account: Account) -> str:
    if not account.email:
        problem = f"account {account.id} has no e-mail address to send invoices to: enter one"
        raise BusinessRuleViolation([problem], vendor=VENDOR, record=account.id)
    return account.email

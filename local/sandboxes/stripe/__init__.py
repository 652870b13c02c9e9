"""Our own stand-in for Stripe: no Stripe code, no server of theirs, state in memory.

It speaks the API's paths, form-encoded parameters, error bodies, restricted keys, idempotency
keys, rate limit and pages, in version 2026-08-26.dahlia; the official description of that version
is held against it in the contract tests. It does what Stripe does with subscriptions and their
invoices, payments by its test cards, taxes, credit notes, refunds, disputes, payouts, usage and
events. A parameter that is not here is refused as unknown. What each module leaves out, it says.

What happens by itself (a period is invoiced, a payment is tried again, a payout is made) happens at
its time and in order of time, before the first request after it, or when `advance` is called.

- https://docs.stripe.com/api (authentication, errors, pagination, expansion, versioning)
- https://docs.stripe.com/api/idempotent_requests and https://docs.stripe.com/error-low-level
- https://docs.stripe.com/rate-limits
- https://docs.stripe.com/billing/subscriptions/subscription-schedules
- https://docs.stripe.com/billing/subscriptions/backdating

Unconfirmed: the wording of messages, the error type of a 409, and that a replayed answer names the
first request in `Original-Request`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import Response

from local.sandboxes.sandbox import Fault, Sandbox
from local.sandboxes.stripe import api, catalogue, meters, schedules, taxes
from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.errors import ApiError
from local.sandboxes.stripe.idempotency import IdempotencyKeys, in_use
from local.sandboxes.stripe.parameters import decode, encode
from local.sandboxes.stripe.routes import Operation
from local.sandboxes.stripe.totals import Totals, totals

API_KEY = "rk_test_interlock"
# Services are invoiced from the ERP, so the demo company's PS-IMPLEMENT is not a product here.
PRODUCTS = {
    "PLATFORM-ANNUAL": "Platform, annual subscription",
    "SEAT-ANNUAL": "Seat, annual subscription",
}
METERS = {"api-requests": "API requests"}

T = TypeVar("T")


@dataclass(kw_only=True)
class StripeSandbox(Sandbox):
    """A Stripe account on this machine; `account` is its state, `keys` its idempotency keys."""

    account: Account
    keys: IdempotencyKeys = field(repr=False)

    def advance(self) -> None:
        """Do what has become due by the clock, as every request does first."""
        with self._lock:
            self.account.agenda.catch_up()

    def do(self, operation: Operation, *ids: str, **parameters: Any) -> StripeObject:
        """An operation of `routes` as if somebody did it in the Dashboard, with typed parameters.

        `sandbox.do(refunds.create, charge="ch_1", amount=500)`. Raises ApiError.
        """
        with self._lock:
            self.account.agenda.catch_up()
            answer = operation(self.account, *ids, decode(encode(parameters)))
            self.account.agenda.catch_up()
            return answer

    def charge_usage(
        self,
        customer: str,
        meter: str,
        *,
        currency: str = "usd",
        metadata: Mapping[str, str] | None = None,
    ) -> StripeObject:
        """A subscription by the month from now on, for a seat and what a meter counts.

        The meter is named by its events.
        """
        [counts] = [id for id, one in self.account.meters.items() if one["event_name"] == meter]
        usual = {"currency": currency, "tax_behavior": "exclusive"}
        seat = usual | {"product": "SEAT-ANNUAL", "unit_amount": 1000}
        usage = usual | {"product": "PLATFORM-ANNUAL", "unit_amount": 2}
        metered = {"interval": "month", "usage_type": "metered", "meter": counts}
        price = self.do(catalogue.create_price, **usage, recurring=metered)
        items = [
            {"price_data": seat | {"recurring": {"interval": "month"}}},
            {"price": price["id"]},
        ]
        schedule = self.do(
            schedules.create,
            customer=customer,
            start_date="now",
            default_settings={
                "automatic_tax": {"enabled": True},
                "billing_cycle_anchor": "phase_start",
                "collection_method": "send_invoice",
                "invoice_settings": {"days_until_due": 30},
            },
            phases=[{"duration": {"interval": "year"}, "items": items, "metadata": metadata or {}}],
        )
        return self.account.subscriptions[schedule["subscription"]]

    def by_hand(self, change: Callable[[Account], T]) -> T:
        """A change of the account while no request is under way, as in `disputes.open_on`."""
        with self._lock:
            self.account.agenda.catch_up()
            return change(self.account)

    def totals(self) -> dict[str, Totals]:
        """What the account comes to by now, by currency."""
        return self.by_hand(totals)

    def heal(self) -> None:
        """Forget every fault, and make an expired key valid again."""
        super().heal()
        self.account.api_key_expired = False

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """As every sandbox, and with what idempotency keys add around a request.

        One request at a time has a key, and a failure on demand is kept for its key.
        """
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        if environ["REQUEST_METHOD"] != "POST" or not key:
            return super().__call__(environ, start_response)
        form = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(form)
        asked = ("POST", environ["PATH_INFO"], form.decode())
        statuses: list[int] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            statuses.append(int(status.split()[0]))
            return start_response(status, headers, *rest)

        with self.keys.using(key) as free:
            if not free:
                return api.answer(in_use(), self.account.new_id("req"))(environ, start)
            body = list(super().__call__(environ, start))
            if statuses[0] >= 500:
                request_id = self.account.new_id("req")
                self.keys.keep_failure(key, asked, statuses[0], b"".join(body), request_id)
            return body


def create(
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    api_key: str = API_KEY,
    requests_per_second: int = 100,
) -> StripeSandbox:
    """An empty account. `requests_per_second` is Stripe's limit: 100 live, 25 in its sandboxes."""
    account = Account(clock=clock, api_key=api_key)
    taxes.register(account)
    keys = IdempotencyKeys(clock)

    def expire() -> None:
        account.api_key_expired = True

    def failure(error: Callable[[], ApiError]) -> Callable[[Fault], Response]:
        return lambda fault: _failed(account, error(), fault)

    app = api.build(account, keys, requests_per_second)
    return StripeSandbox(
        name="stripe",
        app=app,
        throttled=failure(api.too_many_requests),
        unavailable=failure(api.server_error),
        expire_tokens=expire,
        account=account,
        keys=keys,
    )


def seed(
    sandbox: StripeSandbox,
    products: Mapping[str, str] = PRODUCTS,
    usage_meters: Mapping[str, str] = METERS,
) -> None:
    """Put products into the catalogue, id (the SKU) and name, and meters, event name and name."""
    for sku, name in products.items():
        catalogue.add_product(sandbox.account, sku, name)
    for event_name, name in usage_meters.items():
        meters.add(sandbox.account, event_name, name)


def _failed(account: Account, error: ApiError, fault: Fault) -> Response:
    response = api.answer(error, account.new_id("req"))
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


__all__ = ["API_KEY", "METERS", "PRODUCTS", "StripeSandbox", "create", "seed"]

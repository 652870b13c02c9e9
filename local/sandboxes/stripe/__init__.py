"""Our own stand-in for Stripe: no Stripe code, no server of theirs, state in memory.

It speaks the API's paths, form-encoded parameters, error bodies, restricted keys, idempotency
keys, rate limit and pages for customers, products, prices, subscription schedules and the
subscriptions they start. Version 2026-08-26.dahlia; the official description of that version is
held against it in the contract tests. Invoices, payments, taxes and events are not here, a
parameter that is not here is refused as unknown, and a schedule has one phase.

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
from typing import Any

from flask import Response

from local.sandboxes.sandbox import Fault, Sandbox
from local.sandboxes.stripe import api, catalogue
from local.sandboxes.stripe.account import Account
from local.sandboxes.stripe.errors import ApiError
from local.sandboxes.stripe.idempotency import IdempotencyKeys, in_use

API_KEY = "rk_test_interlock"
# Services are invoiced from the ERP, so the demo company's PS-IMPLEMENT is not a product here.
PRODUCTS = {
    "PLATFORM-ANNUAL": "Platform, annual subscription",
    "SEAT-ANNUAL": "Seat, annual subscription",
}


@dataclass(kw_only=True)
class StripeSandbox(Sandbox):
    """A Stripe account on this machine; `account` is its state, `keys` its idempotency keys."""

    account: Account
    keys: IdempotencyKeys = field(repr=False)

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


def seed(sandbox: StripeSandbox, products: Mapping[str, str] = PRODUCTS) -> None:
    """Put products into the catalogue: id (the SKU) and name."""
    for sku, name in products.items():
        catalogue.add_product(sandbox.account, sku, name)


def _failed(account: Account, error: ApiError, fault: Fault) -> Response:
    response = api.answer(error, account.new_id("req"))
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


__all__ = ["API_KEY", "PRODUCTS", "StripeSandbox", "create", "seed"]

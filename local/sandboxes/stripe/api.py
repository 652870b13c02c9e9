"""Stripe's HTTP side: keys, versions, rate limit, idempotency, request ids, routes."""

from __future__ import annotations

import hmac
import json
import time
from collections import deque
from typing import Any

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from local.sandboxes.stripe.account import Account
from local.sandboxes.stripe.errors import ApiError, RefusedBeforeExecution
from local.sandboxes.stripe.events import API_VERSION
from local.sandboxes.stripe.idempotency import IdempotencyKeys
from local.sandboxes.stripe.parameters import decode
from local.sandboxes.stripe.routes import ROUTES, Operation


class RateLimit:
    """So many requests in any second: https://docs.stripe.com/rate-limits"""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._recent: deque[float] = deque()

    def count(self) -> None:
        """Count one request. Raises ApiError when it is one too many."""
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= self._per_second:
            raise too_many_requests()
        self._recent.append(now)


def build(account: Account, keys: IdempotencyKeys, requests_per_second: int) -> Flask:
    """The API of one account as a Flask application."""
    app = Flask("stripe")
    limit = RateLimit(requests_per_second)

    @app.before_request
    def _admit() -> Response | None:
        g.request_id = account.new_id("req")
        g.kept = False
        _authenticate(account)
        limit.count()
        account.agenda.catch_up()
        account.request = {"id": g.request_id, "idempotency_key": _key()}
        return _replay(keys)

    @app.after_request
    def _finish(response: Response) -> Response:
        account.request = dict.fromkeys(account.request)
        response.headers["Request-Id"] = g.request_id
        response.headers["Stripe-Version"] = request.headers.get("Stripe-Version", API_VERSION)
        key = _key()
        if key:
            response.headers["Idempotency-Key"] = key
            if g.kept:
                keys.keep(key, _asked(), response.status_code, response.data, g.request_id)
        return response

    @app.errorhandler(ApiError)
    def _refuse(error: ApiError) -> Response:
        g.kept = g.kept and not isinstance(error, RefusedBeforeExecution)
        return answer(error, g.request_id)

    @app.errorhandler(HTTPException)
    def _unrouted(_error: HTTPException) -> Response:
        g.kept = False
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        return answer(ApiError(404, message), g.request_id)

    _route(app, account)
    return app


def answer(error: ApiError, request_id: str) -> Response:
    """An error as Stripe answers it."""
    body = json.dumps(error.body(request_id))
    headers = {**error.headers, "Request-Id": request_id}
    return Response(body, error.status, headers, mimetype="application/json")


def too_many_requests() -> ApiError:
    """429 of the rate limiter, which runs before the idempotency keys are looked at."""
    return RefusedBeforeExecution(
        429,
        "Request rate limit exceeded. See https://docs.stripe.com/rate-limits",
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": "global-rate", "Stripe-Should-Retry": "false"},
    )


def server_error() -> ApiError:
    """500: https://docs.stripe.com/error-low-level"""
    return ApiError(500, "An unknown error occurred.", type="api_error")


def _authenticate(account: Account) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key:
        message = "You did not provide an API key: send it as `Authorization: Bearer <key>`."
        raise RefusedBeforeExecution(401, message)
    if not hmac.compare_digest(key, account.api_key):
        raise RefusedBeforeExecution(401, f"Invalid API Key provided: {key[:8]}***")
    if account.api_key_expired:
        message = f"Expired API Key provided: {key[:8]}***"
        raise RefusedBeforeExecution(401, message, code="api_key_expired")


def _key() -> str | None:
    """The idempotency key; only POST has one."""
    return request.headers.get("Idempotency-Key") if request.method == "POST" else None


def _asked() -> tuple[str, str, str]:
    return request.method, request.path, request.get_data(as_text=True)


def _replay(keys: IdempotencyKeys) -> Response | None:
    key = _key()
    kept = keys.find(key, _asked()) if key else None
    if kept is None:
        g.kept = True
        return None
    headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
    return Response(kept.body, kept.status, headers, mimetype="application/json")


def _parameters() -> dict[str, Any]:
    """The parameters of a request, from the query or the form: Stripe takes both for DELETE."""
    query = request.query_string.decode()
    return decode("&".join(part for part in (query, request.get_data(as_text=True)) if part))


def _route(app: Flask, account: Account) -> None:
    for method, path, operation in ROUTES:

        def view(_operation: Operation = operation, **ids: str) -> Response:
            return jsonify(_operation(account, *ids.values(), _parameters()))

        app.add_url_rule(f"/v1/{path}", f"{method} {path}", view, methods=[method])

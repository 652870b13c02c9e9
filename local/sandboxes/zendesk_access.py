"""Who may call the Zendesk sandbox, and how often: tokens, scopes, limits.

- https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/
- https://developer.zendesk.com/api-reference/introduction/rate-limits/
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

from flask import Response, request

from local.sandboxes.sandbox import Fault
from local.sandboxes.zendesk_messages import answered

TOKEN_LIFETIME = timedelta(minutes=30)


@dataclass(frozen=True)
class AccessToken:
    """What one access token allows, and until when."""

    scopes: frozenset[str]
    expires_at: datetime

    def allows(self, method: str, resource: str) -> bool:
        """Scopes are `read` and `write`, or the same for one resource: `tickets:read`."""
        action = "read" if method in ("GET", "HEAD") else "write"
        return not self.scopes.isdisjoint({action, f"{resource}:{action}"})


@dataclass
class Limit:
    """So many requests in each minute of the clock, for the whole account."""

    per_minute: int
    minute: int = 0
    used: int = 0

    def take(self, now: datetime) -> bool:
        """Count one request; False when the minute's requests are used up."""
        minute = int(now.timestamp() // 60)
        if minute != self.minute:
            self.minute, self.used = minute, 0
        if self.used >= self.per_minute:
            return False
        self.used += 1
        return True


@dataclass
class Access:
    """The account's tokens and limits; `client` is the id and secret of its OAuth client."""

    clock: Callable[[], datetime]
    client: tuple[str, str]
    requests: Limit
    ticket_updates: Limit
    tokens: dict[str, AccessToken] = field(default_factory=dict)

    def create_token(self) -> Response:
        """Client credentials only; this grant has no refresh token, one asks for a new token."""
        wanted = request.get_json(silent=True) or request.form
        if wanted.get("grant_type") != "client_credentials":
            return answered({"error": "unsupported_grant_type"}, HTTPStatus.BAD_REQUEST)
        if (wanted.get("client_id"), wanted.get("client_secret")) != self.client:
            return answered({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        scope = wanted.get("scope", "read")
        seconds = int(wanted.get("expires_in", TOKEN_LIFETIME.total_seconds()))
        token = secrets.token_hex(32)
        expires_at = self.clock() + timedelta(seconds=seconds)
        self.tokens[token] = AccessToken(frozenset(scope.split()), expires_at)
        facts = {"token_type": "bearer", "scope": scope, "expires_in": seconds}
        return answered({"access_token": token} | facts)

    def admit(self) -> Response | None:
        """Refuse a request without a valid token, outside its scopes, or over the limits."""
        if not request.path.startswith("/api/v2/"):
            return None
        now = self.clock()
        token = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if token is None or token.expires_at <= now:
            return answered(
                {"error": "invalid_token", "error_description": "The access token is not valid."},
                HTTPStatus.UNAUTHORIZED,
            )
        updates_ticket = request.method == "PUT" and request.path.startswith("/api/v2/tickets/")
        limits = (self.requests, self.ticket_updates) if updates_ticket else (self.requests,)
        if not all(limit.take(now) for limit in limits):
            return self.throttled()
        resource = request.path.split("/")[3].removesuffix(".json")
        if not token.allows(request.method, resource):
            problem = {"title": "Forbidden", "message": "The token's scopes do not allow this."}
            return answered({"error": problem}, HTTPStatus.FORBIDDEN)
        return None

    def describe_limits(self, answer: Response) -> Response:
        """The headers of every answer."""
        left = self.requests.per_minute - self.requests.used
        answer.headers["X-Zendesk-Request-Id"] = secrets.token_hex(10)
        answer.headers["X-Rate-Limit"] = str(self.requests.per_minute)
        answer.headers["X-Rate-Limit-Remaining"] = str(left)
        return answer

    def throttled(self, fault: Fault | None = None) -> Response:
        """Come back in the clock's next minute, when every limit starts anew."""
        seconds = 60 - int(self.clock().timestamp()) % 60
        if fault and fault.retry_after is not None:
            seconds = fault.retry_after
        body = {"error": "TooManyRequests", "description": "Too many API requests per minute"}
        return answered(body, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})

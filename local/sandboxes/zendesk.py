"""Our own stand-in for Zendesk Support: no Zendesk code, no server of theirs, state in memory.

It speaks the Ticketing API's paths, status codes, error bodies, OAuth, idempotency keys, pages and
rate limits as documented; `zendesk_account` keeps the records.

- https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency
- https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/
- https://developer.zendesk.com/api-reference/introduction/requests/ (statuses and error bodies)
- https://developer.zendesk.com/api-reference/introduction/rate-limits/
- https://developer.zendesk.com/api-reference/introduction/pagination/
- https://developer.zendesk.com/documentation/ticketing/using-the-zendesk-api/side_loading/

Unconfirmed: the wording of the bodies of 401, 403, 409 and 429, that a request that was refused
does not use up its idempotency key, and that the case of a ticket's external id does not count in
a list, as it does not for organizations.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from local.sandboxes.sandbox import Fault, Sandbox
from local.sandboxes.zendesk_account import (
    Record,
    RecordInvalid,
    RecordNotFound,
    UpdateConflict,
    ZendeskAccount,
    existing,
    matching,
)

TOKEN_LIFETIME = timedelta(minutes=30)
IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=2)
PAGE_SIZE = 100


@dataclass(frozen=True)
class AccessToken:
    """What one access token allows, and until when."""

    scopes: frozenset[str]
    expires_at: datetime

    def allows(self, method: str, resource: str) -> bool:
        """Scopes are `read` and `write`, or the same for one resource: `tickets:read`."""
        action = "read" if method in ("GET", "HEAD") else "write"
        return not self.scopes.isdisjoint({action, f"{resource}:{action}"})


@dataclass(frozen=True)
class KeptAnswer:
    """The answer to a ticket's creation, kept under its idempotency key."""

    parameters: Record
    ticket: Record
    expires_at: datetime


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


def zendesk_sandbox(
    *,
    client_id: str = "interlock",
    client_secret: str = "sandbox",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    requests_per_minute: int = 700,
    ticket_updates_per_minute: int = 100,
) -> Sandbox:
    """A Zendesk account with one OAuth client, not served yet.

    The limits are those of the Enterprise plan: 700 requests a minute, of them 100 ticket updates.
    """
    api = ZendeskApi(
        account=ZendeskAccount(clock),
        client=(client_id, client_secret),
        requests=Limit(requests_per_minute),
        ticket_updates=Limit(ticket_updates_per_minute),
    )
    return Sandbox(
        name="zendesk",
        app=api.app(),
        throttled=api.throttled,
        unavailable=_unavailable,
        expire_tokens=api.tokens.clear,
    )


@dataclass
class ZendeskApi:
    """The account's HTTP API; `client` is the id and secret of its OAuth client."""

    account: ZendeskAccount
    client: tuple[str, str]
    requests: Limit
    ticket_updates: Limit
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    kept_answers: dict[str, KeptAnswer] = field(default_factory=dict)

    def app(self) -> Flask:
        """The routes; every address under /api/v2 works with `.json` at its end as well."""
        app = Flask("zendesk")
        app.before_request(self.admit)
        app.after_request(self.describe_limits)
        app.register_error_handler(Exception, _refusal)
        app.add_url_rule("/oauth/tokens", view_func=self.create_token, methods=["POST"])
        for method, path, view in (
            ("POST", "tickets", self.create_ticket),
            ("GET", "tickets", self.list_tickets),
            ("GET", "tickets/<int:number>", self.show_ticket),
            ("PUT", "tickets/<int:number>", self.update_ticket),
            ("GET", "tickets/<int:number>/comments", self.list_comments),
            ("POST", "organizations", self.create_organization),
            ("POST", "organizations/create_or_update", self.create_or_update_organization),
            ("GET", "organizations", self.list_organizations),
            ("GET", "organizations/search", self.search_organizations),
            ("GET", "organizations/<int:number>", self.show_organization),
            ("POST", "users/create_or_update", self.create_or_update_user),
            ("GET", "users/me", self.show_agent),
            ("GET", "users/<int:number>", self.show_user),
        ):
            for rule in (f"/api/v2/{path}", f"/api/v2/{path}.json"):
                app.add_url_rule(rule, f"{method} {rule}", view, methods=[method])
        return app

    # Who may call, and how often.

    def create_token(self) -> Response:
        """Client credentials only; this grant has no refresh token, one asks for a new token."""
        wanted = request.get_json(silent=True) or request.form
        if wanted.get("grant_type") != "client_credentials":
            return _answer({"error": "unsupported_grant_type"}, HTTPStatus.BAD_REQUEST)
        if (wanted.get("client_id"), wanted.get("client_secret")) != self.client:
            return _answer({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        scope = wanted.get("scope", "read")
        seconds = int(wanted.get("expires_in", TOKEN_LIFETIME.total_seconds()))
        token = secrets.token_hex(32)
        expires_at = self.account.clock() + timedelta(seconds=seconds)
        self.tokens[token] = AccessToken(frozenset(scope.split()), expires_at)
        facts = {"token_type": "bearer", "scope": scope, "expires_in": seconds}
        return _answer({"access_token": token} | facts)

    def admit(self) -> Response | None:
        """Refuse a request without a valid token, outside its scopes, or over the limits."""
        if not request.path.startswith("/api/v2/"):
            return None
        now = self.account.clock()
        token = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if token is None or token.expires_at <= now:
            return _answer(
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
            return _answer({"error": problem}, HTTPStatus.FORBIDDEN)
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
        seconds = 60 - int(self.account.clock().timestamp()) % 60
        if fault and fault.retry_after is not None:
            seconds = fault.retry_after
        body = {"error": "TooManyRequests", "description": "Too many API requests per minute"}
        return _answer(body, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})

    # Tickets.

    def create_ticket(self) -> Response:
        """One ticket per idempotency key, for as long as the key is kept."""
        wanted = _body("ticket")
        key = request.headers.get("Idempotency-Key")
        kept = self.kept_answers.get(key or "")
        now = self.account.clock()
        if kept and kept.expires_at > now:
            if kept.parameters != wanted:
                return _error("IdempotentRequestError", HTTPStatus.BAD_REQUEST)
            ticket, lookup = kept.ticket, "hit"
        else:
            ticket, lookup = dict(self.account.create_ticket(wanted)), "miss"
        if key and lookup == "miss":
            self.kept_answers[key] = KeptAnswer(wanted, ticket, now + IDEMPOTENCY_KEY_LIFETIME)
        answer = _saved("ticket", ticket, is_new=True, audit=_audit(ticket))
        if key:
            answer.headers["X-Idempotency-Lookup"] = lookup
        return answer

    def list_tickets(self) -> Response:
        """All, or those with an external id, which need not be unique, nor of the same case."""
        external_id = request.args.get("external_id")
        tickets = list(self.account.tickets.values())
        if external_id is not None:
            tickets = list(matching(self.account.tickets, "external_id", external_id))
        return _page("ticket", tickets, self._side_loads(tickets))

    def show_ticket(self, number: int) -> Response:
        """One ticket, without its comments."""
        ticket = existing(self.account.tickets, number)
        return _answer({"ticket": _shown("ticket", ticket)} | self._side_loads([ticket]))

    def update_ticket(self, number: int) -> Response:
        """The changed ticket, with the audit of the change."""
        ticket = self.account.update_ticket(number, _body("ticket"))
        return _answer({"ticket": _shown("ticket", ticket), "audit": _audit(ticket)})

    def list_comments(self, number: int) -> Response:
        """A ticket's conversation, oldest first."""
        existing(self.account.tickets, number)
        return _page("comment", self.account.comments[number])

    def _side_loads(self, tickets: list[Record]) -> Record:
        """The users of these tickets, if the request asks to include them."""
        if "users" not in request.args.get("include", "").split(","):
            return {}
        roles = ("requester_id", "submitter_id", "assignee_id")
        numbers = sorted({t[role] for t in tickets for role in roles if t[role]})
        return {"users": [_shown("user", self.account.users[number]) for number in numbers]}

    # Organizations and users.

    def create_organization(self) -> Response:
        """A new organization."""
        organization = self.account.create_organization(_body("organization"))
        return _saved("organization", organization, is_new=True)

    def create_or_update_organization(self) -> Response:
        """Found by id or external id."""
        return _saved(
            "organization", *self.account.create_or_update_organization(_body("organization"))
        )

    def list_organizations(self) -> Response:
        """All of them."""
        return _page("organization", self.account.organizations.values())

    def search_organizations(self) -> Response:
        """Those with an external id or a name, exactly but for the case of letters."""
        attribute = "external_id" if "external_id" in request.args else "name"
        wanted = request.args.get(attribute, "")
        return _page("organization", matching(self.account.organizations, attribute, wanted))

    def show_organization(self, number: int) -> Response:
        """One organization."""
        organization = existing(self.account.organizations, number)
        return _answer({"organization": _shown("organization", organization)})

    def create_or_update_user(self) -> Response:
        """Found by external id or address."""
        return _saved("user", *self.account.create_or_update_user(_body("user")))

    def show_agent(self) -> Response:
        """Who the token acts as."""
        return _answer({"user": _shown("user", self.account.agent)})

    def show_user(self, number: int) -> Response:
        """One user."""
        return _answer({"user": _shown("user", existing(self.account.users, number))})


class _InvalidAttribute(Exception):
    """The body lacks the object that the endpoint works on."""


def _body(name: str) -> Record:
    body = request.get_json(silent=True)
    wanted = body.get(name) if isinstance(body, dict) else None
    if not isinstance(wanted, dict):
        raise _InvalidAttribute(name)
    return wanted


def _answer(
    body: Record, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    return Response(json.dumps(body), status, headers, mimetype="application/json")


def _shown(kind: str, record: Record) -> Record:
    if kind == "comment":  # the one record without an address
        return record
    return {"url": f"{request.host_url}api/v2/{kind}s/{record['id']}.json"} | record


def _audit(ticket: Record) -> Record:
    """The ticket's last change, without its events: clients look whether it is there."""
    return {"ticket_id": ticket["id"], "created_at": ticket["updated_at"], "events": []}


def _saved(kind: str, record: Record, is_new: bool, **more: Record) -> Response:
    shown = _shown(kind, record)
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return _answer({kind: shown} | more, status, {"Location": shown["url"]})


def _page(kind: str, records: Iterable[Record], side_loads: Record | None = None) -> Response:
    """A page of a list: by cursor when `page[size]` is given, else by number."""
    shown = [_shown(kind, record) for record in records]
    if "page[size]" in request.args:
        size = min(int(request.args["page[size]"]), PAGE_SIZE)
        start = int(request.args.get("page[after]") or 0)
        end = start + size
        has_more = end < len(shown)
        meta = {"has_more": has_more, "after_cursor": str(end) if has_more else None}
        links = {"next": _this_page({"page[after]": end}) if has_more else None}
        page = {f"{kind}s": shown[start:end], "meta": meta, "links": links}
        return _answer(page | (side_loads or {}))
    size = min(int(request.args.get("per_page", PAGE_SIZE)), PAGE_SIZE)
    number = int(request.args.get("page", 1))
    end = number * size
    page = {
        f"{kind}s": shown[end - size : end],
        "count": len(shown),
        "next_page": _this_page({"page": number + 1}) if end < len(shown) else None,
        "previous_page": _this_page({"page": number - 1}) if number > 1 else None,
    }
    return _answer(page | (side_loads or {}))


def _this_page(changes: dict[str, int]) -> str:
    return f"{request.base_url}?{urlencode(request.args.to_dict() | changes)}"


def _error(error: str, status: int, **more: Any) -> Response:
    """A business-level error, in the form that most endpoints use."""
    return _answer({"error": error, "description": HTTPStatus(status).phrase} | more, status)


def _refusal(error: Exception) -> Response:
    """Zendesk's answer to what went wrong."""
    match error:
        case RecordInvalid():
            reason = {"description": error.description, "error": error.error}
            return _error(
                "RecordInvalid",
                HTTPStatus.UNPROCESSABLE_ENTITY,
                description="Record validation errors",
                details={error.attribute: [reason]},
            )
        case RecordNotFound():
            return _error("RecordNotFound", HTTPStatus.NOT_FOUND)
        case UpdateConflict():
            return _error("UpdateConflict", HTTPStatus.CONFLICT)
        case _InvalidAttribute():
            message = f"Invalid parameter: {error} must be an object"
            problem = {"title": "Invalid attribute", "message": message}
            return _answer({"error": problem}, HTTPStatus.BAD_REQUEST)
        case HTTPException(code=HTTPStatus.NOT_FOUND):
            return _error("InvalidEndpoint", HTTPStatus.NOT_FOUND)
        case HTTPException(code=int(code)):
            return _error(error.name, code)
        case _:
            raise error


def _unavailable(fault: Fault) -> Response:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return Response("<html>Service Unavailable</html>", HTTPStatus.SERVICE_UNAVAILABLE, headers)

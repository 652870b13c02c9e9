"""Our own stand-in for Zendesk Support: no Zendesk code, no server of theirs, state in memory.

It speaks the Ticketing API's paths, status codes, error bodies, OAuth, idempotency keys, pages and
rate limits as documented; `zendesk_account` keeps the records.

- https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency
- https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/
- https://developer.zendesk.com/api-reference/introduction/rate-limits/
- https://developer.zendesk.com/api-reference/ticketing/ticket-management/tags/
- https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/
- https://developer.zendesk.com/documentation/ticketing/using-the-zendesk-api/side_loading/

Unconfirmed: the wording of the bodies of 401, 403, 409 and 429, that a request that was refused
does not use up its idempotency key, and that the case of a ticket's external id does not count in
a list, as it does not for organizations. That the 5 updates of organizations a minute
(https://support.zendesk.com/hc/en-us/articles/4422518967706) are those of one organization, and
that an update of many tickets counts as one. A job is done when it is first looked at.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from flask import Flask, Response, request

from local.sandboxes.sandbox import Fault, Sandbox
from local.sandboxes.zendesk_account import (
    Record,
    RecordInvalid,
    ZendeskAccount,
    existing,
    matching,
)
from local.sandboxes.zendesk_messages import (
    answered,
    audit,
    error,
    page,
    refusal,
    requested,
    saved,
    shown,
    unavailable,
)

TOKEN_LIFETIME = timedelta(minutes=30)
IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=2)
MOST_TICKETS = 100
NO_TAG_LISTS: Record = {"additional_tags": [], "remove_tags": []}
ORGANIZATION_UPDATES_PER_MINUTE = 5


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
        unavailable=unavailable,
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
    organization_updates: dict[int, Limit] = field(
        default_factory=lambda: defaultdict(lambda: Limit(ORGANIZATION_UPDATES_PER_MINUTE))
    )
    jobs: dict[str, Record] = field(default_factory=dict)

    def app(self) -> Flask:
        """The routes; every address under /api/v2 works with `.json` at its end as well."""
        app = Flask("zendesk")
        app.before_request(self.admit)
        app.after_request(self.describe_limits)
        app.register_error_handler(Exception, refusal)
        app.add_url_rule("/oauth/tokens", view_func=self.create_token, methods=["POST"])
        for method, path, view in (
            ("POST", "tickets", self.create_ticket),
            ("GET", "tickets", self.list_tickets),
            ("GET", "tickets/<int:number>", self.show_ticket),
            ("PUT", "tickets/<int:number>", self.update_ticket),
            ("PUT", "tickets/update_many", self.update_tickets),
            ("GET", "job_statuses/<job_id>", self.show_job),
            ("GET", "tickets/<int:number>/comments", self.list_comments),
            ("POST", "organizations", self.create_organization),
            ("POST", "organizations/create_or_update", self.create_or_update_organization),
            ("GET", "organizations", self.list_organizations),
            ("GET", "organizations/search", self.search_organizations),
            ("GET", "organizations/<int:number>", self.show_organization),
            ("PUT", "organizations/<int:number>", self.update_organization),
            ("PUT", "organizations/<int:number>/tags", self.add_tags),
            ("DELETE", "organizations/<int:number>/tags", self.remove_tags),
            ("GET", "organizations/<int:number>/tickets", self.list_organization_tickets),
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
            return answered({"error": "unsupported_grant_type"}, HTTPStatus.BAD_REQUEST)
        if (wanted.get("client_id"), wanted.get("client_secret")) != self.client:
            return answered({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        scope = wanted.get("scope", "read")
        seconds = int(wanted.get("expires_in", TOKEN_LIFETIME.total_seconds()))
        token = secrets.token_hex(32)
        expires_at = self.account.clock() + timedelta(seconds=seconds)
        self.tokens[token] = AccessToken(frozenset(scope.split()), expires_at)
        facts = {"token_type": "bearer", "scope": scope, "expires_in": seconds}
        return answered({"access_token": token} | facts)

    def admit(self) -> Response | None:
        """Refuse a request without a valid token, outside its scopes, or over the limits."""
        if not request.path.startswith("/api/v2/"):
            return None
        now = self.account.clock()
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
        seconds = 60 - int(self.account.clock().timestamp()) % 60
        if fault and fault.retry_after is not None:
            seconds = fault.retry_after
        body = {"error": "TooManyRequests", "description": "Too many API requests per minute"}
        return answered(body, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})

    # Tickets.

    def create_ticket(self) -> Response:
        """One ticket per idempotency key, for as long as the key is kept."""
        wanted = requested("ticket")
        key = request.headers.get("Idempotency-Key")
        kept = self.kept_answers.get(key or "")
        now = self.account.clock()
        if kept and kept.expires_at > now:
            if kept.parameters != wanted:
                return error("IdempotentRequestError", HTTPStatus.BAD_REQUEST)
            ticket, lookup = kept.ticket, "hit"
        else:
            ticket, lookup = dict(self.account.create_ticket(wanted)), "miss"
        if key and lookup == "miss":
            self.kept_answers[key] = KeptAnswer(wanted, ticket, now + IDEMPOTENCY_KEY_LIFETIME)
        answer = saved("ticket", ticket, is_new=True, audit=audit(ticket))
        if key:
            answer.headers["X-Idempotency-Lookup"] = lookup
        return answer

    def list_tickets(self) -> Response:
        """All, or those with an external id, which need not be unique, nor of the same case."""
        external_id = request.args.get("external_id")
        tickets = list(self.account.tickets.values())
        if external_id is not None:
            tickets = list(matching(self.account.tickets, "external_id", external_id))
        return page("ticket", tickets, self._side_loads(tickets))

    def show_ticket(self, number: int) -> Response:
        """One ticket, without its comments."""
        ticket = existing(self.account.tickets, number)
        return answered({"ticket": shown("ticket", ticket)} | self._side_loads([ticket]))

    def update_ticket(self, number: int) -> Response:
        """The changed ticket, with the audit of the change."""
        ticket = self.account.update_ticket(number, requested("ticket"))
        return answered({"ticket": shown("ticket", ticket), "audit": audit(ticket)})

    def update_tickets(self) -> Response:
        """The same change to the tickets with these ids, or each its own: a job that does it."""
        if "ids" in request.args:
            change = requested("ticket")
            changes = [(int(number), change) for number in request.args["ids"].split(",")]
        else:
            tickets = requested("tickets", list)
            # The lists of tags to add and to remove are for the same change alone.
            changes = [(ticket["id"], ticket | NO_TAG_LISTS) for ticket in tickets]
        if len(changes) > MOST_TICKETS:
            raise RecordInvalid("base", f"more than {MOST_TICKETS} tickets", "TooManyValues")
        job_id = secrets.token_hex(16)
        self.jobs[job_id] = {
            "id": job_id,
            "job_type": "Bulk Update Ticket",
            "url": f"{request.host_url}api/v2/job_statuses/{job_id}.json",
            "total": len(changes),
            "progress": len(changes),
            "status": "completed",
            "message": f"Completed at {self.account.now()}",
            "results": [self.account.update_in_job(number, change) for number, change in changes],
        }
        queued = {"status": "queued", "progress": None, "message": None, "results": None}
        return answered({"job_status": self.jobs[job_id] | queued})

    def show_job(self, job_id: str) -> Response:
        """A job, which is done by now."""
        return answered({"job_status": existing(self.jobs, job_id.removesuffix(".json"))})

    def list_comments(self, number: int) -> Response:
        """A ticket's conversation, oldest first."""
        existing(self.account.tickets, number)
        return page("comment", self.account.comments[number])

    def _side_loads(self, tickets: list[Record]) -> Record:
        """The users of these tickets, if the request asks to include them."""
        if "users" not in request.args.get("include", "").split(","):
            return {}
        roles = ("requester_id", "submitter_id", "assignee_id")
        numbers = sorted({t[role] for t in tickets for role in roles if t[role]})
        return {"users": [shown("user", self.account.users[number]) for number in numbers]}

    # Organizations and users.

    def create_organization(self) -> Response:
        """A new organization."""
        organization = self.account.create_organization(requested("organization"))
        return saved("organization", organization, is_new=True)

    def create_or_update_organization(self) -> Response:
        """Found by id or external id."""
        return saved(
            "organization", *self.account.create_or_update_organization(requested("organization"))
        )

    def list_organizations(self) -> Response:
        """All of them."""
        return page("organization", self.account.organizations.values())

    def search_organizations(self) -> Response:
        """Those with an external id or a name, exactly but for the case of letters."""
        attribute = "external_id" if "external_id" in request.args else "name"
        wanted = request.args.get(attribute, "")
        return page("organization", matching(self.account.organizations, attribute, wanted))

    def show_organization(self, number: int) -> Response:
        """One organization."""
        organization = existing(self.account.organizations, number)
        return answered({"organization": shown("organization", organization)})

    def update_organization(self, number: int) -> Response:
        """The changed organization."""
        if not self.organization_updates[number].take(self.account.clock()):
            return self.throttled()
        organization = self.account.update_organization(number, requested("organization"))
        return answered({"organization": shown("organization", organization)})

    def add_tags(self, number: int) -> Response:
        """All tags of the organization, those it had included."""
        tags = self.account.tag_organization(number, add=requested("tags", list))
        return answered({"tags": tags})

    def remove_tags(self, number: int) -> Response:
        """Nothing; the others stay."""
        self.account.tag_organization(number, remove=requested("tags", list))
        return Response(status=HTTPStatus.NO_CONTENT)

    def list_organization_tickets(self, number: int) -> Response:
        """Those that belong to it, whatever their status."""
        existing(self.account.organizations, number)
        tickets = self.account.tickets.values()
        return page("ticket", [each for each in tickets if each["organization_id"] == number])

    def create_or_update_user(self) -> Response:
        """Found by external id or address."""
        return saved("user", *self.account.create_or_update_user(requested("user")))

    def show_agent(self) -> Response:
        """Who the token acts as."""
        return answered({"user": shown("user", self.account.agent)})

    def show_user(self, number: int) -> Response:
        """One user."""
        return answered({"user": shown("user", existing(self.account.users, number))})

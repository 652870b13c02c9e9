"""Our own stand-in for Zendesk Support: no Zendesk code, no server of theirs, state in memory.

It speaks the Ticketing API's paths, status codes, error bodies, OAuth, idempotency keys, pages and
rate limits as documented; `zendesk_account` keeps the records, `zendesk_webhooks` delivers what
happens to them, and `zendesk_desk` lets people act in it.

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
from typing import TypeVar

from flask import Flask, Response, request

from local.sandboxes.sandbox import Sandbox
from local.sandboxes.zendesk_access import Access, Limit
from local.sandboxes.zendesk_account import Record, ZendeskAccount, existing, matching
from local.sandboxes.zendesk_errors import RecordInvalid
from local.sandboxes.zendesk_messages import (
    answered,
    error,
    page,
    refusal,
    requested,
    saved,
    shown,
    unavailable,
)
from local.sandboxes.zendesk_webhooks import Webhooks, under_way

IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=2)
MOST_TICKETS = 100
NO_TAG_LISTS: Record = {"additional_tags": [], "remove_tags": []}
ORGANIZATION_UPDATES_PER_MINUTE = 5

T = TypeVar("T")


@dataclass(frozen=True)
class KeptAnswer:
    """The answer to a ticket's creation, kept under its idempotency key."""

    parameters: Record
    ticket: Record
    expires_at: datetime


@dataclass
class ZendeskSandbox(Sandbox):
    """The sandbox of a Zendesk account; `webhooks` delivers what happens to tickets."""

    account: ZendeskAccount = field(kw_only=True)
    webhooks: Webhooks = field(kw_only=True)

    @property
    def works(self) -> bool:
        """Whether a request is being answered, or a webhook's delivery is under way."""
        return super().works or under_way()

    def by_hand(self, change: Callable[[ZendeskAccount], T]) -> T:
        """What a person does in the account while no request is under way."""
        with self._lock:
            return change(self.account)


def zendesk_sandbox(
    *,
    client_id: str = "interlock",
    client_secret: str = "sandbox",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    requests_per_minute: int = 700,
    ticket_updates_per_minute: int = 100,
) -> ZendeskSandbox:
    """A Zendesk account with one OAuth client, not served yet.

    The limits are those of the Enterprise plan: 700 requests a minute, of them 100 ticket updates.
    """
    webhooks = Webhooks(clock)
    account = ZendeskAccount(clock)
    account.on_change = lambda ticket, audit: webhooks.tell(ticket, audit, account.ticket_fields)
    access = Access(
        clock=clock,
        client=(client_id, client_secret),
        requests=Limit(requests_per_minute),
        ticket_updates=Limit(ticket_updates_per_minute),
    )
    return ZendeskSandbox(
        name="zendesk",
        app=ZendeskApi(account, access, webhooks).app(),
        throttled=access.throttled,
        unavailable=unavailable,
        expire_tokens=access.tokens.clear,
        account=account,
        webhooks=webhooks,
    )


@dataclass
class ZendeskApi:
    """The account's HTTP API."""

    account: ZendeskAccount
    access: Access
    webhooks: Webhooks
    kept_answers: dict[str, KeptAnswer] = field(default_factory=dict)
    organization_updates: dict[int, Limit] = field(
        default_factory=lambda: defaultdict(lambda: Limit(ORGANIZATION_UPDATES_PER_MINUTE))
    )
    jobs: dict[str, Record] = field(default_factory=dict)

    def app(self) -> Flask:
        """The routes; every address under /api/v2 works with `.json` at its end as well."""
        app = Flask("zendesk")
        app.before_request(self.access.admit)
        app.after_request(self.access.describe_limits)
        app.register_error_handler(Exception, refusal)
        app.add_url_rule("/oauth/tokens", view_func=self.access.create_token, methods=["POST"])
        for method, path, view in (
            ("POST", "tickets", self.create_ticket),
            ("GET", "tickets", self.list_tickets),
            ("GET", "tickets/<int:number>", self.show_ticket),
            ("PUT", "tickets/<int:number>", self.update_ticket),
            ("PUT", "tickets/update_many", self.update_tickets),
            ("GET", "job_statuses/<job_id>", self.show_job),
            ("GET", "tickets/<int:number>/comments", self.list_comments),
            ("GET", "tickets/<int:number>/audits", self.list_audits),
            ("POST", "ticket_fields", self.create_ticket_field),
            ("GET", "ticket_fields", self.list_ticket_fields),
            ("GET", "search/export", self.export_search_results),
            ("POST", "webhooks", self.create_webhook),
            ("GET", "webhooks/<id>/signing_secret", self.show_signing_secret),
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
        answer = saved("ticket", ticket, is_new=True, audit=self.account.audits[ticket["id"]][0])
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
        audit = self.account.audits[number][-1]
        return answered({"ticket": shown("ticket", ticket), "audit": audit})

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

    def list_audits(self, number: int) -> Response:
        """A ticket's changes, oldest first."""
        existing(self.account.tickets, number)
        return page("audit", self.account.audits[number])

    def create_ticket_field(self) -> Response:
        """A new custom field, which an administrator makes."""
        made = self.account.create_ticket_field(requested("ticket_field"))
        return saved("ticket_field", made, is_new=True)

    def list_ticket_fields(self) -> Response:
        """The custom fields."""
        return page("ticket_field", self.account.ticket_fields.values())

    def export_search_results(self) -> Response:
        """The tickets with a tag that are not closed: the one search that is known here.

        At once, while Zendesk's index is minutes behind.
        """
        terms = set(request.args.get("query", "").split()) - {"status<closed", "type:ticket"}
        tags = {term.removeprefix("tags:") for term in terms if term.startswith("tags:")}
        if len(terms) != len(tags) or request.args.get("filter[type]") != "ticket":
            return error("invalid", HTTPStatus.UNPROCESSABLE_ENTITY)
        found = [
            ticket | {"result_type": "ticket"}
            for ticket in self.account.tickets.values()
            if tags.issubset(ticket["tags"]) and ticket["status"] != "closed"
        ]
        return page("ticket", found, key="results")

    def create_webhook(self) -> Response:
        """A new webhook; its signing secret is asked for apart."""
        webhook = self.webhooks.create(requested("webhook"))
        described = {name: webhook[name] for name in webhook if name != "signing_secret"}
        return answered({"webhook": described}, HTTPStatus.CREATED)

    def show_signing_secret(self, id: str) -> Response:
        """What a webhook's deliveries are signed with."""
        webhook = existing(self.webhooks.registered, id.removesuffix(".json"))
        return answered({"signing_secret": webhook["signing_secret"]})

    def _side_loads(self, tickets: list[Record]) -> Record:
        """What belongs to these tickets, as far as the request asks to include it."""
        roles = {
            "users": ("requester_id", "submitter_id", "assignee_id"),
            "organizations": ("organization_id",),
        }
        loaded: Record = {}
        for kind in request.args.get("include", "").split(","):
            numbers = {t[role] for t in tickets for role in roles.get(kind, ()) if t[role]}
            if kind in roles:
                records = getattr(self.account, kind)
                loaded[kind] = [shown(kind[:-1], records[number]) for number in sorted(numbers)]
        return loaded

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
            return self.access.throttled()
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

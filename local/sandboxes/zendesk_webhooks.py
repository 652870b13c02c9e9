"""Webhooks of the Zendesk sandbox: who is subscribed to what, and real, signed HTTP deliveries.

- https://developer.zendesk.com/api-reference/webhooks/webhooks-api/webhooks/
- https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/
- https://developer.zendesk.com/documentation/webhooks/verifying/
- https://developer.zendesk.com/documentation/webhooks/anatomy-of-a-webhook-request

A delivery whose answer does not come in ten seconds is sent again, five times at most; one that is
answered with 409, three times; with 429 or 503, where `Retry-After` is below 60 seconds, and here
three times as well. Anything else is not sent again, and no delivery is promised: Zendesk's circuit
breaker, which drops deliveries to an endpoint that mostly fails, is not here.
https://developer.zendesk.com/api-reference/webhooks/introduction/

Unconfirmed: whether each attempt is signed with its own time, as here; and whether a ticket that is
made with custom fields has an event for each of them. Here it has the event of its making alone,
so that nobody relies on more.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from local.sandboxes.zendesk_errors import RecordInvalid

Record = dict[str, Any]

ACCOUNT_ID = 22129848
VERSION = "2022-11-06"
TICKET_EVENT = "zen:event-type:ticket."
TIMEOUT_SECONDS = 10.0
TRIES_AFTER_TIMEOUT = 5
TRIES_AFTER_ANSWER = 3
LONGEST_RETRY_AFTER = 60
THREAD = "zendesk-webhook"


@dataclass(frozen=True)
class Delivery:
    """One event for one webhook; `statuses` are what its attempts were answered, 0 for nothing."""

    webhook: Record
    event: Record
    clock: Callable[[], datetime]
    statuses: list[int] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """What is sent, byte for byte the same each time."""
        return json.dumps(self.event).encode()

    def headers(self) -> dict[str, str]:
        """Those of an attempt that is made now."""
        at = self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret = self.webhook["signing_secret"]["secret"]
        return {
            "Content-Type": "application/json; charset=utf-8",
            "X-Zendesk-Account-Id": str(ACCOUNT_ID),
            "X-Zendesk-Webhook-Id": self.webhook["id"],
            "X-Zendesk-Webhook-Invocation-Id": self.event["id"],
            "X-Zendesk-Webhook-Signature": sign(secret, at, self.body),
            "X-Zendesk-Webhook-Signature-Timestamp": at,
        }

    def send(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Try until it is taken, or Zendesk would give it up."""
        timeouts = refusals = 0
        while True:
            try:
                answer = self._attempt()
            except httpx.HTTPError:
                self.statuses.append(0)
                timeouts += 1
                if timeouts > TRIES_AFTER_TIMEOUT:
                    return
                wait(1.0)
                continue
            self.statuses.append(answer.status_code)
            pause = _retry_after(answer)
            refusals += 1
            if pause is None or refusals > TRIES_AFTER_ANSWER:
                return
            wait(pause)

    def _attempt(self) -> httpx.Response:
        return httpx.post(
            self.webhook["endpoint"],
            content=self.body,
            headers=self.headers(),
            timeout=TIMEOUT_SECONDS,
        )


def in_a_thread(delivery: Delivery) -> None:
    """Send it while whoever caused it goes on."""
    threading.Thread(target=delivery.send, name=THREAD, daemon=True).start()


def under_way() -> bool:
    """Whether a delivery is being sent, or waits to be sent again."""
    return any(thread.name == THREAD for thread in threading.enumerate())


@dataclass
class Webhooks:
    """An account's webhooks. `deliver` gets each delivery: replace it to hold deliveries back."""

    clock: Callable[[], datetime]
    deliver: Callable[[Delivery], None] = in_a_thread
    registered: dict[str, Record] = field(default_factory=dict)

    def create(self, wanted: Record) -> Record:
        """Register one for events. Raises RecordInvalid."""
        for name in ("name", "endpoint", "http_method", "request_format", "status"):
            if not wanted.get(name):
                raise RecordInvalid(name, f"{name}: cannot be blank", "BlankValue")
        method, form = wanted["http_method"], wanted["request_format"]
        if wanted.get("subscriptions") and (method, form) != ("POST", "json"):
            raise RecordInvalid("http_method", "events are sent as JSON, with POST")
        webhook = {
            **wanted,
            "id": f"01{secrets.token_hex(12).upper()}",
            "created_at": self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "signing_secret": {"algorithm": "SHA256", "secret": secrets.token_urlsafe(32)},
        }
        self.registered[webhook["id"]] = webhook
        return webhook

    def tell(self, ticket: Record, audit: Record, fields: dict[int, Record]) -> None:
        """Send what an audit says to each webhook that is subscribed to it."""
        for event in list(events_of(ticket, audit, fields, self.clock())):
            for webhook in self.registered.values():
                subscribed = event["type"] in webhook.get("subscriptions", ())
                if subscribed and webhook["status"] == "active":
                    self.deliver(Delivery(webhook, event, self.clock))


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a body at a time."""
    digest = hmac.digest(secret.encode(), timestamp.encode() + body, hashlib.sha256)
    return b64encode(digest).decode()


def events_of(
    ticket: Record, audit: Record, fields: dict[int, Record], now: datetime
) -> Iterator[Record]:
    """The events of one change of a ticket: of its making, its status, and its custom fields."""
    changes = [each for each in audit["events"] if each["type"] == "Change"]
    told: list[tuple[str, Record]] = []
    if any(each["type"] == "Create" for each in audit["events"]):
        told.append(("created", {}))
    for change in changes:
        name, new, old = change["field_name"], change["value"], change["previous_value"]
        if name == "status":
            told.append(("status_changed", {"current": new.upper(), "previous": old.upper()}))
        elif name.isdigit():
            custom = fields[int(name)]
            about = {"id": name, "title": custom["title"], "type": custom["type"]}
            values = {"current": {"value": new}, "previous": {"value": old}}
            told.append(("custom_field_changed", {"custom_field": about} | values))
    sequence = secrets.token_hex(16).upper()
    for position, (kind, event) in enumerate(told, 1):
        meta = {"sequence": {"id": sequence, "position": position, "total": len(told)}}
        yield {
            "type": f"{TICKET_EVENT}{kind}",
            "account_id": ACCOUNT_ID,
            "id": str(uuid.uuid4()),
            "time": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z",
            "zendesk_event_version": VERSION,
            "subject": f"zen:ticket:{ticket['id']}",
            "detail": _detail(ticket, audit),
            "event": event | {"meta": meta},
        }


def _detail(ticket: Record, audit: Record) -> Record:
    numbers = ("id", "assignee_id", "organization_id", "requester_id", "submitter_id")
    return {
        **{name: str(ticket[name] or "") for name in numbers},
        **{name: ticket[name] for name in ("created_at", "updated_at", "external_id", "subject")},
        "actor_id": str(audit["author_id"]),
        "status": ticket["status"].upper(),
        "tags": ticket["tags"],
        "via": audit["via"],
    }


def _retry_after(answer: httpx.Response) -> float | None:
    """In how many seconds Zendesk tries again; None for never."""
    if answer.status_code == httpx.codes.CONFLICT:
        return 1.0
    seconds = answer.headers.get("Retry-After", "")
    waits = answer.status_code in (429, 503) and seconds.isdigit()
    return float(seconds) if waits and int(seconds) < LONGEST_RETRY_AFTER else None

"""Zendesk's event webhooks: whether one is genuine, and what it means as a canonical event.

- Bodies: https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/
- Signatures: https://developer.zendesk.com/documentation/webhooks/verifying/
- Headers: https://developer.zendesk.com/documentation/webhooks/anatomy-of-a-webhook-request/

An administrator makes the webhook with the one subscription `SUBSCRIPTION`, and puts its signing
secret into the stack's SupportWebhookSecret, as `{"signing_secret": "…"}`. An event only points at
a ticket: the workflow reads the ticket again. So the value alone decides, whichever field it is in;
it is a tag, and ours.

Unconfirmed, and harmless since a sweep tells of every request that no event told of: that `current`
holds the tag as its `value` (another shape is refused or ignored), and that a ticket which is made
with the field set has this event too. That the event's time is the second of its audit, by which
the sweep names the same transaction: `rules.case_sweep` allows for some seconds.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, StringConstraints, TypeAdapter, ValidationError

from interlock.canonical.base import Timestamp
from interlock.connectors.support.zendesk_case_fields import REQUESTED
from interlock.errors import ContractViolation
from interlock.events import Event, credit_requested
from interlock.handler import parse

SUBSCRIPTION = "zen:event-type:ticket.custom_field_changed"
SIGNATURE = "x-zendesk-webhook-signature"
TIMESTAMP = "x-zendesk-webhook-signature-timestamp"

_TIME = TypeAdapter(Timestamp)
_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")


class _Value(BaseModel):
    # A checkbox has a boolean, a field with several choices a list: neither is ours.
    value: object = None


class _Change(BaseModel):
    current: _Value


class _Notice(BaseModel):
    type: str


class _FieldChanged(BaseModel):
    id: Annotated[str, StringConstraints(pattern=r"^[\w-]{1,100}$")]
    time: Timestamp
    subject: Annotated[str, StringConstraints(pattern=r"^zen:ticket:[0-9]{1,30}$")]
    event: _Change


def verify(
    headers: Mapping[str, str],
    raw_body: bytes,
    *,
    secret: str,
    now: datetime,
    tolerance: timedelta,
) -> None:
    """Raises ContractViolation unless our webhook signed this body, not long before or after `now`.

    `headers` by any case of their names. Whoever has seen a delivery can send it again within the
    tolerance, which the event's id makes harmless, and not after it.
    """
    given = {name.lower(): value for name, value in headers.items()}
    signature, timestamp = given.get(SIGNATURE, ""), given.get(TIMESTAMP, "")
    signed = timestamp.encode(errors="replace") + raw_body
    expected = hmac.digest(secret.encode(), signed, hashlib.sha256)
    # The signature first: nobody else learns what else would have been wrong.
    if not hmac.compare_digest(b64encode(expected), signature.encode(errors="replace")):
        raise ContractViolation("not signed by our webhook", vendor="zendesk")
    if abs(now - _signed_at(timestamp)) > tolerance:
        raise ContractViolation("signed too long ago, or in the future", vendor="zendesk")


def translate(raw_body: bytes, *, connection: str) -> Event | None:
    """The request for a credit that a webhook's body tells of; None for any other event.

    Its id is Zendesk's, so a repeated delivery has the same. Raises ContractViolation for a body
    that is no event, or no ticket's.
    """
    try:
        content = json.loads(raw_body)
    except (ValueError, RecursionError):
        raise ContractViolation("malformed: not JSON", vendor="zendesk") from None
    if parse(_Notice, content).type != SUBSCRIPTION:
        return None
    notice = parse(_FieldChanged, content)
    if notice.event.current.value != REQUESTED:
        return None
    case_id = f"{connection}:{notice.subject.rpartition(':')[2]}"
    return credit_requested(case_id, notice.time, told_by=f"{connection}:{notice.id}")


def _signed_at(timestamp: str) -> datetime:
    try:
        if not _ISO_8601.fullmatch(timestamp):
            raise ValueError
        return _TIME.validate_python(timestamp)
    except (ValueError, ValidationError):
        raise ContractViolation("its signature's time is no time", vendor="zendesk") from None

"""Signed links with which a person decides without an AWS identity, as from an e-mail.

A link names the approval, the person, what is approved, and when it expires; an HMAC-SHA256 over
all four holds them together. Whoever has the link is that person until then: it is a credential,
and never part of an event, a log or an audit row.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from interlock import aws
from interlock.callers import Forbidden
from interlock.canonical.base import Canonical, Text
from interlock.errors import ContractViolation
from interlock.handler import parse
from interlock.settings import Settings

PATH = "/approvals/link"


class LinkSettings(Settings):
    """The secret that links are signed with: its ARN."""

    approval_link_secret: str


class Link(Canonical):
    """What a link says. `until` is when it expires, in seconds since the epoch."""

    approval: Text
    person: Text
    subject: Text
    until: int


class _SignedLink(Link):
    signature: Text


@dataclass(frozen=True)
class Links:
    """Makes links and reads them; `clock` returns seconds since the epoch."""

    secret: bytes
    clock: Callable[[], float] = time.time

    @classmethod
    def load(cls) -> Links:
        """With this function's secret, read anew, so that its rotation makes all links worthless.

        https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
        """
        secret_id = LinkSettings.load().approval_link_secret
        found = aws.client("secretsmanager").get_secret_value(SecretId=secret_id)
        return cls(found["SecretString"].encode())

    def address(self, link: Link) -> str:
        """The path of the link, below the API's address."""
        query = link.model_dump() | {"signature": self._signature(link)}
        return f"{PATH}?{urlencode(query)}"

    def read(self, query: dict[str, str]) -> Link:
        """What a link's query says. Raises Forbidden when it was not made here, or has expired."""
        try:
            signed = parse(_SignedLink, query)
        except ContractViolation:
            raise Forbidden("this is no link of ours: open it as it was sent to you") from None
        link = Link(**signed.model_dump(exclude={"signature"}))
        # Compared in constant time: how long it takes tells nothing of the right one.
        if not hmac.compare_digest(signed.signature.encode(), self._signature(link).encode()):
            raise Forbidden("this is no link of ours: open it as it was sent to you")
        if self.clock() >= link.until:
            raise Forbidden("this link has expired: ask for another one")
        return link

    def _signature(self, link: Link) -> str:
        return hmac.new(self.secret, link.model_dump_json().encode(), hashlib.sha256).hexdigest()

"""Whether a webhook's body is Zendesk's, and what it means."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.connectors.support.zendesk_events import SUBSCRIPTION, translate, verify
from interlock.errors import ContractViolation
from interlock.events import credit_requested

# What Zendesk signs tests of a webhook with: https://developer.zendesk.com/documentation/webhooks/verifying/
SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="  # noqa: S105
NOW = datetime(2026, 11, 2, 9, 30, 10, tzinfo=UTC)
TOLERANCE = timedelta(minutes=5)
BODY = b'{"type": "zen:event-type:ticket.created"}'


def headers(
    at: str = "2026-11-02T09:30:10Z", body: bytes = BODY, secret: str = SECRET
) -> dict[str, str]:
    """Those that Zendesk sends with a body."""
    digest = hmac.digest(secret.encode(), at.encode() + body, hashlib.sha256)
    return {
        "X-Zendesk-Webhook-Signature": b64encode(digest).decode(),
        "X-Zendesk-Webhook-Signature-Timestamp": at,
    }


def check(given_headers: dict[str, str], body: bytes = BODY, now: datetime = NOW) -> None:
    verify(given_headers, body, secret=SECRET, now=now, tolerance=TOLERANCE)


class TestVerify:
    def test_genuine(self) -> None:
        check(headers())

    @pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
    def test_headers_of_any_case(self, spell: Any) -> None:
        check({spell(name): value for name, value in headers().items()})

    def test_another_secret(self) -> None:
        with pytest.raises(ContractViolation, match="not signed by our webhook"):
            check(headers(secret="another"))  # noqa: S106

    @given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
    def test_a_body_that_differs_by_one_byte(self, position: int, change: int) -> None:
        altered = bytearray(BODY)
        altered[position] ^= change

        with pytest.raises(ContractViolation, match="not signed by our webhook"):
            check(headers(), bytes(altered))

    @pytest.mark.parametrize("body", [b"", BODY + b" ", BODY[:-1], b"2026"])
    def test_another_body(self, body: bytes) -> None:
        with pytest.raises(ContractViolation, match="not signed by our webhook"):
            check(headers(), body)

    @pytest.mark.parametrize("missing", list(headers()))
    @pytest.mark.parametrize("value", [None, "", "\ud800", "é"])
    def test_a_header_that_is_missing_or_no_signature(
        self, missing: str, value: str | None
    ) -> None:
        sent = headers() | {missing: value}

        with pytest.raises(ContractViolation, match="not signed by our webhook"):
            check({name: text for name, text in sent.items() if text is not None})

    def test_no_headers(self) -> None:
        with pytest.raises(ContractViolation):
            check({})

    @pytest.mark.parametrize("seconds", [-301, 301])
    def test_signed_too_long_ago_or_in_the_future(self, seconds: int) -> None:
        with pytest.raises(ContractViolation, match="signed too long ago, or in the future"):
            check(headers(), now=NOW + timedelta(seconds=seconds))

    @pytest.mark.parametrize("seconds", [-300, 0, 300])
    def test_within_the_tolerance(self, seconds: int) -> None:
        check(headers(), now=NOW + timedelta(seconds=seconds))

    def test_the_time_is_signed_too(self) -> None:
        """Nobody can make an old delivery young."""
        renewed = headers() | {"X-Zendesk-Webhook-Signature-Timestamp": "2026-11-02T10:30:10Z"}

        with pytest.raises(ContractViolation, match="not signed by our webhook"):
            check(renewed, now=NOW + timedelta(hours=1))

    @pytest.mark.parametrize(
        "at",
        ["1793611810", "2026-11-02", "2026-11-02T09:30:10", "now", "2026-13-02T09:30:10Z", " "],
    )
    def test_a_time_that_is_none(self, at: str) -> None:
        with pytest.raises(ContractViolation, match="its signature's time is no time"):
            check(headers(at))

    @pytest.mark.parametrize("at", ["2026-11-02T09:30:10.123456789Z", "2026-11-02T10:30:10+01:00"])
    def test_other_spellings_of_a_time(self, at: str) -> None:
        check(headers(at))

    def test_an_error_tells_no_secret(self) -> None:
        with pytest.raises(ContractViolation) as refused:
            check(headers(secret="another"))  # noqa: S106

        expected = headers()["X-Zendesk-Webhook-Signature"]
        assert SECRET not in str(refused.value)
        assert expected not in str(refused.value)


def changed(**fields: Any) -> dict[str, Any]:
    """The event of a ticket whose credit was asked for."""
    custom_field = {"id": "101", "title": "Credit", "type": "tagger"}
    values = {
        "current": {"value": "interlock_credit_requested"},
        "previous": {"value": None},
    }
    return {
        "type": SUBSCRIPTION,
        "account_id": 22129848,
        "id": "2b24ef10-19d4-4740-93cf-8f98ec4776c0",
        "time": "2026-11-02T09:30:10.672717030Z",
        "zendesk_event_version": "2022-11-06",
        "subject": "zen:ticket:35",
        "detail": {"id": "35", "status": "OPEN"},
        "event": {"custom_field": custom_field, **values, "meta": {}},
        **fields,
    }


def translated(event: Any) -> Any:
    return translate(json.dumps(event).encode(), connection="zendesk")


class TestTranslate:
    def test_a_request(self) -> None:
        event = translated(changed())

        assert event.id == "zendesk:2b24ef10-19d4-4740-93cf-8f98ec4776c0"
        assert (event.type, event.source) == ("credit.requested", "zendesk")
        assert event.subject == "zendesk:35"
        assert event.occurred_at == datetime(2026, 11, 2, 9, 30, 10, 672717, tzinfo=UTC)
        assert event.correlation_id == "zendesk-35-1793611810"

    def test_a_delivery_that_is_repeated(self) -> None:
        assert translated(changed()) == translated(changed())

    def test_the_sweep_names_the_same_transaction(self) -> None:
        """An audit's time has no fractions of a second."""
        swept = credit_requested("zendesk:35", datetime(2026, 11, 2, 9, 30, 10, tzinfo=UTC))

        assert swept.correlation_id == translated(changed()).correlation_id
        assert swept.id == "sweep:zendesk-35-1793611810"

    @pytest.mark.parametrize(
        "value", [None, "", "interlock_credit_answered", True, ["interlock_credit_requested"], 1]
    )
    def test_another_value_is_nothing(self, value: object) -> None:
        values = {"current": {"value": value}, "previous": {"value": "interlock_credit_requested"}}

        assert translated(changed(event=values)) is None

    @pytest.mark.parametrize(
        "kind", ["zen:event-type:ticket.created", "zen:event-type:user.created", "test", ""]
    )
    def test_another_event_is_nothing(self, kind: str) -> None:
        assert translated({"type": kind}) is None

    @pytest.mark.parametrize(
        "fields",
        [
            {"id": None},
            {"id": "a b"},
            {"time": "soon"},
            {"time": "2026-11-02T09:30:10"},
            {"subject": "zen:user:35"},
            {"subject": "zen:ticket:35/../36"},
            {"subject": "zen:ticket:35\n"},
            {"subject": "zen:ticket:"},
            {"subject": "zen:ticket:٣٥"},
            {"event": {}},
            {"event": {"current": "interlock_credit_requested"}},
            {"event": None},
        ],
    )
    def test_malformed(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ContractViolation):
            translated(changed(**fields))

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"null", b"[]", b"7", b'"x"', b"{}"])
    def test_no_event(self, body: bytes) -> None:
        with pytest.raises(ContractViolation):
            translate(body, connection="zendesk")

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        )
    )
    def test_whatever_comes_is_judged(self, content: Any) -> None:
        for event in (content, {"type": SUBSCRIPTION, "event": content}, changed(event=content)):
            with suppress(ContractViolation):
                translated(event)

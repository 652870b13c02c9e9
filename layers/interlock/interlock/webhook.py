"""Answering a vendor's webhook behind API Gateway: what the vendor is to send again, and what not.

The event is that of a REST API's proxy integration:
https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-example-event

An answer says what the vendor has to do, and not why: whoever asks may be a stranger. The log says
why. What failed here, for whatever reason, is to be sent again: 503 with `Retry-After`, which
Zendesk heeds, while after another 5xx it gives up.
https://developer.zendesk.com/api-reference/webhooks/introduction/#webhook-retries
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from interlock.errors import ContractViolation
from interlock.telemetry import logger, metrics

# What EventBridge takes; no event of a vendor comes near it.
MAX_BYTES = 262_144
# Zendesk heeds less than 60.
RETRY_SECONDS = 20


@dataclass(frozen=True)
class Request:
    """A request as it arrived: its headers, and the very bytes that were signed."""

    headers: dict[str, str]
    body: bytes


def answer(
    event: dict[str, Any],
    *,
    verify: Callable[[Request], None],
    receive: Callable[[Request], None],
) -> dict[str, Any]:
    """The answer to a request: 200 once it was received.

    401 when `verify` raises ContractViolation, 400 when `receive` does or the body cannot be read,
    413 for a body that is too large; none of these is to be sent again. 503 for anything else.
    """
    try:
        return _answer(_judge(event, verify, receive))
    except Exception:
        metrics.add_metric(name="WebhookFailed", unit=MetricUnit.Count, value=1)
        logger.exception("webhook failed")
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_SECONDS)})


def _judge(
    event: dict[str, Any],
    verify: Callable[[Request], None],
    receive: Callable[[Request], None],
) -> HTTPStatus:
    body = event.get("body") or ""
    try:
        raw = b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, ValueError):
        return _refused(HTTPStatus.BAD_REQUEST, "a body that cannot be read")
    if len(raw) > MAX_BYTES:
        return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{len(raw)} bytes")
    request = Request(event.get("headers") or {}, raw)
    try:
        verify(request)
    except ContractViolation as error:
        return _refused(HTTPStatus.UNAUTHORIZED, str(error))
    try:
        receive(request)
    except ContractViolation as error:
        return _refused(HTTPStatus.BAD_REQUEST, str(error))
    return HTTPStatus.OK


def _refused(status: HTTPStatus, reason: str) -> HTTPStatus:
    metrics.add_metric(name="WebhookRefused", unit=MetricUnit.Count, value=1)
    logger.warning("webhook refused", extra={"status": status.value, "reason": reason})
    return status


def _answer(status: HTTPStatus, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {"statusCode": status.value, "headers": headers or {}, "body": ""}

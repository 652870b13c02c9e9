"""What every function behind the API shares: the request, the answer, and errors as answers.

    @api_operation
    def handler(request: ApiRequest) -> Approval:
        ...

API Gateway gives a function the request, and takes status, headers and body from its answer.
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, unquote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from interlock import pages
from interlock.callers import Forbidden
from interlock.errors import (
    BusinessRuleViolation,
    ContractViolation,
    RecordConflict,
    RecordNotFound,
    TransientError,
)
from interlock.handler import parse
from interlock.telemetry import logger, tracer

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Malformed(ContractViolation):
    """What the caller has sent does not have the agreed shape; the text names each wrong field."""


STATUSES: dict[type[Exception], int] = {
    Malformed: 400,
    Forbidden: 403,
    RecordNotFound: 404,
    BusinessRuleViolation: 409,
    RecordConflict: 409,
    TransientError: 503,
}
# What is answered is of its reader alone, and shows in no frame. A link's address is a credential.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
JSON, HTML = "application/json", "text/html; charset=utf-8"

Texts = Annotated[dict[str, str], BeforeValidator(lambda value: value or {})]
# Unconfirmed: that they come encoded, as REST APIs are said to send them. No id of ours has a `%`,
# so what is plain stays as it is.
Decoded = AfterValidator(lambda texts: {name: unquote(text) for name, text in texts.items()})


class _Model(BaseModel):
    """A part of a request; what is not named here is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Identity(_Model):
    caller_arn: str | None = Field(alias="userArn", default=None)


class _Context(_Model):
    identity: _Identity = _Identity()


class ApiRequest(_Model):
    """A request in the payload format 1.0. `parameters` are those of its path."""

    method: str = Field(alias="httpMethod")
    parameters: Annotated[Texts, Decoded] = Field(alias="pathParameters", default={})
    query: Texts = Field(alias="queryStringParameters", default={})
    body: str | None = None
    context: _Context = Field(alias="requestContext", default=_Context())

    @property
    def caller_arn(self) -> str | None:
        """Whom API Gateway authenticated by the request's signature; None for a public method."""
        return self.context.identity.caller_arn

    def content(self, model: type[M]) -> M:
        """The JSON body. Raises Malformed."""
        try:
            content = json.loads(self.body or "")
        except (ValueError, RecursionError):
            raise Malformed("the body is not JSON") from None
        return _read(model, content)

    def form(self, model: type[M]) -> M:
        """The body of a form that a page has sent. Raises Malformed."""
        return _read(model, dict(parse_qsl(self.body or "")))

    def options(self, model: type[M]) -> M:
        """The query. Raises Malformed."""
        return _read(model, self.query)


def _read(model: type[M], content: Any) -> M:
    try:
        return parse(model, content)
    except ContractViolation as error:
        raise Malformed(error.message) from None


def api_operation(function: Callable[[ApiRequest], Any]) -> Handler:
    """A Lambda handler around a function that answers a request with a canonical record.

    Its errors are answers too: a status, and `message`, which says what is wrong.
    """
    return _served(function, JSON, _json, lambda message: _json({"message": message}))


def page_operation(function: Callable[[ApiRequest], str]) -> Handler:
    """A Lambda handler around a function that answers a request with an HTML page."""
    return _served(function, HTML, str, lambda message: pages.notice("Sorry", message))


def _served(
    function: Callable[[ApiRequest], Any],
    content_type: str,
    told: Callable[[Any], str],
    refused: Callable[[str], str],
) -> Handler:
    def answer(status: int, body: str) -> dict[str, Any]:
        headers = HEADERS | {"Content-Type": content_type}
        return {"statusCode": status, "headers": headers, "body": body}

    @wraps(function)
    @tracer.capture_lambda_handler(capture_response=False)
    def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        logger.append_keys(function_name=context.function_name)
        try:
            return answer(200, told(function(parse(ApiRequest, event))))
        except tuple(STATUSES) as error:
            status = next(code for kind, code in STATUSES.items() if isinstance(error, kind))
            logger.warning(str(error), extra={"error": type(error).__name__, "status": status})
            return answer(status, refused(str(error)))
        except Exception:
            logger.exception("failed")
            problem = f"this failed here, not with you: request {context.aws_request_id}"
            return answer(500, refused(problem))

    return lambda_handler


def _json(content: Any) -> str:
    return content.model_dump_json() if isinstance(content, BaseModel) else json.dumps(content)

"""Stripe's error answers: https://docs.stripe.com/api/errors"""

from __future__ import annotations

from typing import Any

INVALID_REQUEST = "invalid_request_error"


class ApiError(Exception):
    """An answer of 400 or more; an Idempotency-Key replays it, since the endpoint had begun.

    `details` are further fields of the error object.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = INVALID_REQUEST,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        **details: str,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.headers = headers or {}
        self.details = details

    def fields(self) -> dict[str, Any]:
        """The error object; fields without a value are left out, as Stripe does."""
        fields = {
            **self.details,
            "code": self.code,
            "doc_url": self.code and f"https://stripe.com/docs/error-codes/{_dashed(self.code)}",
            "message": self.message,
            "param": self.param,
            "type": self.type,
        }
        return {name: value for name, value in fields.items() if value}

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer to a request."""
        log = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": {**self.fields(), "request_log_url": log}}


class RefusedBeforeExecution(ApiError):
    """Refused before the endpoint began: an Idempotency-Key does not remember it."""


def unknown_parameter(name: str) -> ApiError:
    """400 for a parameter that the endpoint does not have."""
    message = f"Received unknown parameter: {name}"
    return RefusedBeforeExecution(400, message, code="parameter_unknown", param=name)


def missing_parameter(name: str) -> ApiError:
    """400 for a parameter that is required."""
    message = f"Missing required param: {name}."
    return RefusedBeforeExecution(400, message, code="parameter_missing", param=name)


def invalid_parameter(name: str, message: str, code: str | None = None) -> ApiError:
    """400 for a value that the parameter cannot have."""
    return RefusedBeforeExecution(400, message, code=code, param=name)


def no_such(kind: str, id: str, *, param: str, status: int = 404) -> ApiError:
    """404 for the addressed object, 400 for one that a parameter refers to."""
    message = f"No such {kind}: '{id}'"
    return ApiError(status, message, code="resource_missing", param=param)


def _dashed(code: str) -> str:
    return code.replace("_", "-")

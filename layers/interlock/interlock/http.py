"""HTTP to a vendor: one client per connection, and one translation of its failures.

The client itself repeats only a connection that was never made; every other failure is an error of
`interlock.errors`, whose retry belongs to the state machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from interlock.budget.transport import budgeted, retry_after
from interlock.errors import (
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordNotFound,
    TransientError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)

if TYPE_CHECKING:
    from interlock.connections import Connection

TIMEOUT = httpx.Timeout(connect=3.0, read=15.0, write=5.0, pool=3.0)


@dataclass(frozen=True)
class ErrorTable:
    """How one vendor tells what went wrong.

    `code` reads the vendor's own error code from an answer ("" when it has none); `errors` maps
    (status, code), or (status, "") for any code, to an error. What the table does not know: 401
    and 403 CredentialsRejected, 404 RecordNotFound, 429 VendorThrottled, anything else below 500
    VendorRejected (a redirect too: the base address is wrong), and 5xx OutcomeUnknown for a write,
    VendorUnavailable for a read. `request_id` is the header that carries the vendor's request id.
    """

    code: Callable[[httpx.Response], str]
    errors: Mapping[tuple[int, str], type[InterlockError]] = field(default_factory=dict)
    request_id: str = "x-request-id"

    def classify(
        self, response: httpx.Response, *, write: bool
    ) -> tuple[type[InterlockError], str]:
        """The error that an answer stands for, and the vendor's code."""
        status = response.status_code
        try:
            code = self.code(response)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            code = ""
        known = self.errors.get((status, code)) or self.errors.get((status, ""))
        return known or _DEFAULTS.get(status) or _by_class(status, write=write), code


_DEFAULTS: dict[int, type[InterlockError]] = {
    401: CredentialsRejected,
    403: CredentialsRejected,
    404: RecordNotFound,
    429: VendorThrottled,
}


def _by_class(status: int, *, write: bool) -> type[InterlockError]:
    if status < 500:
        return VendorRejected
    return OutcomeUnknown if write else VendorUnavailable


_ADVICE: dict[type[InterlockError], str] = {
    CredentialsRejected: "refused the connection's credentials or permissions",
    OutcomeUnknown: "failed after it may have applied the write",
    RecordNotFound: "does not have this record",
    VendorRejected: "refuses the request as it is",
    VendorThrottled: "allows no more requests now",
    VendorUnavailable: "does not work now",
}


class VendorClient:
    """An httpx client that raises the errors of `interlock.errors`, and nothing else.

    It stays within the connection's budget. `root` is a path below the connection's address;
    `transport` replaces the network in tests.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        auth: httpx.Auth,
        errors: ErrorTable,
        headers: Mapping[str, str] | None = None,
        root: str = "",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._vendor = connection.vendor
        self._errors = errors
        self._client = httpx.Client(
            base_url=connection.url + root,
            auth=auth,
            headers=dict(headers or {}),
            timeout=TIMEOUT,
            transport=budgeted(transport or httpx.HTTPTransport(retries=2), connection),
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        record: str | None = None,
        write: bool | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Send one request; returns a successful answer (2xx).

        `operation` and `record` name the call in errors. `write` says whether the call may change
        something there: any method but GET, unless told.
        """
        write = method != "GET" if write is None else write
        where = {"vendor": self._vendor, "operation": operation, "record": record}
        try:
            response = self._client.request(method, path, extensions={"where": where}, **request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise VendorUnavailable("could not be reached", **where) from None
        except httpx.RequestError as error:
            failure = OutcomeUnknown if write else VendorUnavailable
            raise failure(f"did not answer ({type(error).__name__})", **where) from None
        if response.is_success:
            return response
        raise self._failure(response, write=write, where=where)

    def _failure(
        self, response: httpx.Response, *, write: bool, where: dict[str, str | None]
    ) -> InterlockError:
        error, code = self._errors.classify(response, write=write)
        details: dict[str, Any] = {
            **where,
            "status": response.status_code,
            "code": code or None,
            "request_id": response.headers.get(self._errors.request_id),
        }
        if issubclass(error, TransientError):
            details["retry_after"] = retry_after(response)
        return error(_ADVICE.get(error, "refuses the request"), **details)

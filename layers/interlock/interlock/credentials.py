"""How a connection proves who it is: bearer keys, and OAuth 2.0 tokens that are renewed.

Both are httpx authentication flows (https://www.python-httpx.org/advanced/authentication/), so a
request that meets an expired token is sent again by the client itself, once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

import httpx

from interlock.errors import CredentialsRejected, VendorUnavailable


class BearerKey(httpx.Auth):
    """A key that does not expire, read anew for each request so that a rotation is picked up.

    `secret` returns the connection's secret, `field` is the key's name in it.
    """

    def __init__(self, secret: Callable[[], dict[str, str]], field: str, *, vendor: str) -> None:
        self._secret = secret
        self._field = field
        self._vendor = vendor

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the Authorization header."""
        key = _required(self._secret(), self._field, self._vendor)
        request.headers["Authorization"] = f"Bearer {key}"
        yield request


class OAuthClientCredentials(httpx.Auth):
    """OAuth 2.0 client credentials (RFC 6749, section 4.4); the token is kept until it is refused.

    A vendor tells that a token has expired with 401: the token is fetched anew and the request is
    sent again, once; a second 401 is the vendor's answer. The token is shared by the process's
    threads and never logged.
    """

    def __init__(
        self,
        secret: Callable[[], dict[str, str]],
        token_url: str,
        *,
        vendor: str,
        extra: dict[str, str] | None = None,
    ) -> None:
        self._secret = secret
        self._token_url = token_url
        self._vendor = vendor
        self._extra = extra or {}
        self._token: str | None = None
        self._lock = threading.Lock()

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token; on 401 renew it and send the request once more."""
        with self._lock:
            if self._token is None:
                self._token = self._read((yield self._token_request(request)))
            token = self._token
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            with self._lock:
                # None when another thread failed to renew it.
                if self._token in (None, token):
                    self._token = None
                    self._token = self._read((yield self._token_request(request)))
                token = self._token
            request.headers["Authorization"] = f"Bearer {token}"
            yield request

    def _token_request(self, request: httpx.Request) -> httpx.Request:
        """The request of a token, with the timeouts of the request that needs it."""
        secret = self._secret()
        form = {
            "grant_type": "client_credentials",
            "client_id": _required(secret, "client_id", self._vendor),
            "client_secret": _required(secret, "client_secret", self._vendor),
            **self._extra,
        }
        return httpx.Request("POST", self._token_url, data=form, extensions=request.extensions)

    def _read(self, response: httpx.Response) -> str:
        response.read()
        where: dict[str, Any] = {
            "vendor": self._vendor,
            "operation": "fetch_token",
            "status": response.status_code,
        }
        if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise VendorUnavailable("no token: the authorization server does not answer", **where)
        try:
            token = response.raise_for_status().json()["access_token"]
        except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
            token = None
        if not token:
            raise CredentialsRejected(
                "no token: check client_id and client_secret in the connection's secret", **where
            )
        return token


def _required(secret: dict[str, str], field: str, vendor: str) -> str:
    value = secret.get(field)
    if not value:
        raise CredentialsRejected(
            f"the connection's secret has no {field!r}: set it in Secrets Manager", vendor=vendor
        )
    # What no header can carry would fail with an error that repeats it.
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise CredentialsRejected(
            f"the connection's {field!r} is no key: was it pasted with a line break?", vendor=vendor
        )
    return value

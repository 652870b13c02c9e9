"""How Stripe is asked: version, key, errors, pages. What the adapter's modules share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from interlock.connections import Connection
from interlock.connectors.billing.stripe_objects import form
from interlock.credentials import BearerKey
from interlock.errors import InterlockError, OutcomeUnknown, RecordConflict, RecordNotFound
from interlock.http import ErrorTable, VendorClient

VENDOR = "stripe"
# Pinned, since the adapter is written for it: https://docs.stripe.com/api/versioning
API_VERSION = "2026-08-26.dahlia"
PAGE_SIZE = 100

# Codes of our own, for what Stripe tells by other means than its error code.
# How many idempotency keys a create may use, each but the first after a kept failure: more than
# the attempts of a day, after which Stripe forgets a key.
MOST_KEYS = 40
REPLAYED_FAILURE = "replayed_failure"
DUPLICATE_USAGE = "duplicate_usage"
_DUPLICATE = "An event already exists with identifier"


def _error_code(response: httpx.Response) -> str:
    if response.is_error and response.headers.get("idempotent-replayed") == "true":
        return REPLAYED_FAILURE
    error = response.json()["error"]
    if error.get("message", "").startswith(_DUPLICATE):
        return DUPLICATE_USAGE
    return error.get("code") or error["type"]


# https://docs.stripe.com/api/errors, https://docs.stripe.com/error-low-level and
# https://docs.stripe.com/error-codes; every other answer is as ErrorTable has it.
ERRORS = ErrorTable(
    code=_error_code,
    errors={
        (400, "resource_missing"): RecordNotFound,
        (400, "idempotency_error"): RecordConflict,
        # The first request with this idempotency key is still under way.
        (409, ""): OutcomeUnknown,
        # Something that Stripe depends on failed on the way.
        (424, ""): OutcomeUnknown,
    },
    request_id="request-id",
)


R = TypeVar("R")


class Requests:
    """Requests to one account. `record` names in errors what a request is about."""

    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None) -> None:
        self._client = VendorClient(
            connection,
            auth=BearerKey(connection.secret, "api_key", vendor=VENDOR),
            errors=ERRORS,
            headers={"Stripe-Version": API_VERSION},
            transport=transport,
        )

    def get(
        self,
        path: str,
        operation: str,
        record: str | None,
        parameters: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One object, or one page of a list."""
        return self._client.request(
            "GET", path, params=form(parameters or {}), operation=operation, record=record
        ).json()

    def post(
        self,
        path: str,
        parameters: Mapping[str, Any],
        operation: str,
        record: str,
        *,
        key: str | None = None,
    ) -> dict[str, Any]:
        """The object as it is after a write; `key` is the idempotency key."""
        return self._client.request(
            "POST",
            path,
            data=form(parameters),
            headers={"Idempotency-Key": key} if key else {},
            operation=operation,
            record=record,
        ).json()

    def delete(
        self,
        path: str,
        operation: str,
        record: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Delete an object, or cancel a subscription."""
        self._client.request(
            "DELETE", path, params=form(parameters or {}), operation=operation, record=record
        )

    def all(
        self,
        path: str,
        parameters: Mapping[str, Any],
        operation: str,
        record: str | None = None,
        *,
        page: Mapping[str, Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Every object of a list, page by page: https://docs.stripe.com/api/pagination

        `page` is its first page where that is known already, as a list embedded in an object is.
        """
        query = {**parameters, "limit": PAGE_SIZE}
        while True:
            page = page or self.get(path, operation, record, query)
            yield from page["data"]
            if not page["has_more"]:
                return
            query["starting_after"] = page["data"][-1]["id"]
            page = None


def only(found: list[R], key: str) -> R | None:
    """The one that carries a key, if any. Raises RecordConflict for several."""
    if len(found) > 1:
        raise RecordConflict(f"{len(found)} records carry {key}: keep one", vendor=VENDOR)
    return found[0] if found else None


def once(
    create: Callable[[str], R], find: Callable[[], R | None], key: str, keys: int = MOST_KEYS
) -> R:
    """Create under an idempotency key, and under a further one where a failure is kept for it.

    Stripe keeps the first answer to a key for at least 24 hours, a refusal and a 500 too, and
    replays it. So a create that failed without effect could never succeed under its key, whatever
    was repaired: once the failure is replayed and the record is not there, the next key is used.
    An answer that was only lost is asked for again under the same key.
    https://docs.stripe.com/error-low-level#idempotency
    """
    try:
        return create(key)
    except InterlockError as failure:
        if failure.code != REPLAYED_FAILURE or keys == 1:
            raise
    return find() or once(create, find, f"{key}+", keys - 1)

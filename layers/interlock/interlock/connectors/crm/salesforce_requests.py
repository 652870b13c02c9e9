"""How Salesforce is asked: tokens, errors, queries, writes. What the adapter's modules share.

Documentation, below https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/ :

- Queries: dome_query.htm, resources_query_more_results.htm
- Updates: dome_update_fields.htm
- Upserts: dome_upsert.htm
- Several writes that all take effect, or none: resources_composite_graph.htm
- Call options, which name the client of a change: headers_calloptions.htm
- Errors, which it lists with no status for each code: errorcodes.htm
- Tokens: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_client_credentials_flow.htm

Unconfirmed, and why being wrong is harmless: with which status UNABLE_TO_LOCK_ROW comes (clients
have seen 500, others tell of 400) and ENTITY_IS_DELETED (404 is likely, as for what is not found).
Each code means the same with every status that the page has. With one that it does not have, a
write is a VendorRejected, or of unknown outcome if it is a 5xx: then it is looked up before it is
written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx

from interlock.connections import Connection
from interlock.connectors.crm.salesforce_events import CLIENT
from interlock.credentials import OAuthClientCredentials
from interlock.errors import (
    ContractViolation,
    CredentialsRejected,
    InterlockError,
    RecordConflict,
    RecordNotFound,
    VendorThrottled,
    VendorUnavailable,
)
from interlock.http import ErrorTable, VendorClient

VENDOR = "salesforce"
API_VERSION = "v66.0"
_CALL_OPTIONS = {"Sforce-Call-Options": f"client={CLIENT}"}
_RECORD_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")

_BY_CODE: dict[str, type[InterlockError]] = {
    "REQUEST_LIMIT_EXCEEDED": VendorThrottled,
    # Another transaction holds the row, or the query took too long: nothing was applied.
    "UNABLE_TO_LOCK_ROW": VendorUnavailable,
    "QUERY_TIMEOUT": VendorUnavailable,
    "ENTITY_IS_DELETED": RecordNotFound,
    "DUPLICATE_VALUE": RecordConflict,
    "DUPLICATES_DETECTED": RecordConflict,
    # The integration's user lacks a permission on an object, a record or a field.
    "INSUFFICIENT_ACCESS": CredentialsRejected,
    "INSUFFICIENT_ACCESS_OR_READONLY": CredentialsRejected,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": CredentialsRejected,
    "INVALID_FIELD_FOR_INSERT_UPDATE": CredentialsRejected,
}
# Those of an error in the documentation of errors.
_STATUSES = (400, 403, 404, 409, 429, 500, 503)

ERRORS = ErrorTable(
    code=lambda response: response.json()[0]["errorCode"],
    errors={(status, code): error for code, error in _BY_CODE.items() for status in _STATUSES},
)

Row = dict[str, Any]


class Requests:
    """Requests to one organisation. `record` names in errors what a request is about."""

    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None) -> None:
        self._connection = connection
        self._base = f"/services/data/{connection.options.get('api_version', API_VERSION)}"
        self._client = VendorClient(
            connection,
            auth=OAuthClientCredentials(
                connection.secret, f"{connection.url}/services/oauth2/token", vendor=VENDOR
            ),
            errors=ERRORS,
            headers={"Accept": "application/json", **_CALL_OPTIONS},
            transport=transport,
        )

    def record_id(self, canonical_id: str) -> str:
        """The id there; checked, since it becomes a part of queries and addresses."""
        return checked(self._connection.remote_id(canonical_id))

    def row(self, sobject: str, record_id: str, fields: tuple[str, ...], *, operation: str) -> Row:
        """One record. Raises RecordNotFound."""
        query = f"SELECT {', '.join(fields)} FROM {sobject} WHERE Id = '{record_id}'"
        for row in self.rows(query, operation=operation, record=record_id):
            return row
        raise RecordNotFound(
            f"there is no such {sobject.lower()}, or the integration's user may not see it",
            vendor=VENDOR,
            operation=operation,
            record=record_id,
        )

    def rows(self, query: str, *, operation: str, record: str | None) -> Iterator[Row]:
        """The records that a query finds; each page is read when its first one is asked for."""
        page = self._get(f"{self._base}/query", operation, record, params={"q": query})
        yield from self.records(page, operation=operation)

    def records(self, page: Row | None, *, operation: str) -> Iterator[Row]:
        """The records of a page and of those that follow; null stands for no child records."""
        while page:
            yield from page["records"]
            following = page.get("nextRecordsUrl")
            page = self._get(following, operation, None) if following else None

    def update(self, sobject: str, record_id: str, fields: Row, *, operation: str) -> None:
        """Set fields of a record.

        The change event of this write names us in its changeOrigin, by the call options.
        """
        path = f"{self._base}/sobjects/{sobject}/{record_id}"
        self._client.request("PATCH", path, operation=operation, record=record_id, json=fields)

    def upsert(self, sobject: str, field: str, value: str, fields: Row, *, operation: str) -> str:
        """Make the record whose external id has this value, or set its fields; its id there."""
        path = f"{self._base}/sobjects/{sobject}/{field}/{quote(value, safe='')}"
        answer = self._client.request(
            "PATCH", path, operation=operation, record=value, json=fields
        ).json()
        return answer["id"]

    def write_together(self, *writes: Row, operation: str, record: str) -> None:
        """Make all of these writes, or none: `method`, `path` below sobjects, and `body`.

        Raises what the first one that failed would have raised alone.
        """
        nodes = [
            {
                "method": write["method"],
                "url": f"{self._base}/sobjects/{write['path']}",
                "referenceId": f"node{number}",
                # Only those that say who asks, and in which format, are the request's own.
                "httpHeaders": _CALL_OPTIONS,
                **({"body": write["body"]} if "body" in write else {}),
            }
            for number, write in enumerate(writes)
        ]
        body = {"graphs": [{"graphId": operation, "compositeRequest": nodes}]}
        # A number there is a double. https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/primitive_data_types.htm
        text = json.dumps(body, default=float)
        [graph] = self._client.request(
            "POST",
            f"{self._base}/composite/graph",
            operation=operation,
            record=record,
            content=text,
            headers={"Content-Type": "application/json"},
        ).json()["graphs"]
        if not graph["isSuccessful"]:
            raise _failure(graph["graphResponse"]["compositeResponse"], operation, record)

    def _get(self, path: str, operation: str, record: str | None, **request: Any) -> Row:
        response = self._client.request("GET", path, operation=operation, record=record, **request)
        try:
            page = json.loads(response.content, parse_float=Decimal)
        except ValueError:
            page = None
        if not isinstance(page, dict) or not isinstance(page.get("records"), list):
            raise ContractViolation(
                "answered a query with something else than records: check the base_url",
                vendor=VENDOR,
                operation=operation,
                record=record,
            )
        return page


def checked(record_id: str) -> str:
    """A record's id, if it looks like one. Raises ContractViolation."""
    if not _RECORD_ID.fullmatch(record_id):
        raise ContractViolation(
            "a Salesforce record id has 15 or 18 letters and digits",
            vendor=VENDOR,
            record=record_id,
        )
    return record_id


def literal(text: str) -> str:
    """A text as it is written in a query.

    https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _failure(parts: list[Row], operation: str, record: str) -> InterlockError:
    """The error of the part that failed; of the others it is only said that they were undone."""
    answers = [httpx.Response(part["httpStatusCode"], json=part["body"]) for part in parts]
    failures = [ERRORS.classify(answer, write=True) for answer in answers if answer.is_error]
    error, code = next(
        (failure for failure in failures if failure[1] != "PROCESSING_HALTED"), failures[0]
    )
    return error(
        "refused one of several writes, and made none of them",
        vendor=VENDOR,
        operation=operation,
        record=record,
        code=code or None,
    )

"""Tryton's REST API: addresses, encodings and errors; it knows no model of Tryton.

    GET    /<database>/rest/model/<model>?d=<domain>&f=<field>…     search
    GET    /<database>/rest/model/<model>/<id>?f=<field>…           read
    POST   /<database>/rest/model/<model>                           create
    PUT    /<database>/rest/model/<model>/<id>                      write
    DELETE /<database>/rest/model/<model>/<id>                      delete
    POST   /<database>/rest/model/<model>/<id>/<button>             press a button of the form

The API came with series 8.0 (https://code.tryton.org/tryton/commit/44edc21632c6); Tryton's own
client for it is https://pypi.org/project/tryton-naiad/. Seen on a running 8.2:

- A domain and the context (which company one works in) are JSON in URL-safe base64.
- Decimals and dates are JSON objects that name their class. Money arrives as Decimal and never
  passes through a float.
- 400 is a refusal by a rule of Tryton, with a sentence for people and no code. 401 is a wrong or
  cancelled key, 404 a missing record. An unknown model or field is a 500 with a page of HTML, so
  a 500 does not say that nothing was applied; but each request is one transaction.
- A field that the client shows as read-only is refused here too, and so is what it shows so in
  the record's state. Wizards are not offered.
- A button that would warn a person answers 400, unless the context says to skip warnings.
"""

from __future__ import annotations

import base64
import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx

from interlock.credentials import BearerKey
from interlock.errors import OutcomeUnknown, VendorUnavailable
from interlock.http import ErrorTable, VendorClient

if TYPE_CHECKING:
    from interlock.connections import Connection

VENDOR = "tryton"

# 423: another user changed the record while Tryton worked on it; the transaction was undone.
ERRORS = ErrorTable(code=lambda response: "", errors={(423, ""): VendorUnavailable})


class TrytonRest:
    """One connection to one database of Tryton. Raises the errors of `interlock.errors`.

    `fields` may follow relations (`party.code`); `company` is the id of the company to work in.
    """

    def __init__(
        self, connection: Connection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._client = VendorClient(
            connection,
            auth=BearerKey(connection.secret, "key", vendor=VENDOR),
            errors=ERRORS,
            headers={"Accept": "application/json"},
            root="/rest/model/",
            transport=transport,
        )

    def search(
        self,
        model: str,
        domain: list,
        fields: list[str],
        *,
        company: int | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The active records that fit, oldest first; no more than `limit`, if it is given.

        https://docs.tryton.org/latest/server/topics/domain.html
        """
        parameters = {"d": _base64(domain), "o": _base64([["id", "ASC"]])}
        if limit is not None:
            parameters["s"] = str(limit)
        return self._send("GET", model, fields, context=_context(company), parameters=parameters)

    def newest(
        self, model: str, domain: list, field: str, *, company: int | None = None
    ) -> dict[str, Any] | None:
        """Of the active records that fit, the one with the highest value of a field."""
        parameters = {"d": _base64(domain), "o": _base64([[field, "DESC"]]), "s": "1"}
        found = self._send("GET", model, [field], context=_context(company), parameters=parameters)
        return found[0] if found else None

    def exists(self, model: str, domain: list) -> bool:
        """Whether any active record fits."""
        parameters = {"d": _base64(domain), "s": "1"}
        return bool(self._send("GET", model, ["id"], parameters=parameters))

    def read(
        self, model: str, record_id: str | int, fields: list[str], *, company: int | None = None
    ) -> dict[str, Any]:
        """One record, active or not."""
        return self._send("GET", f"{model}/{record_id}", fields, context=_context(company))

    def create(
        self,
        model: str,
        values: dict[str, Any],
        fields: list[str],
        *,
        record: str,
        company: int | None = None,
    ) -> dict[str, Any]:
        """Make a record; `record` names it in errors."""
        return self._send(
            "POST", model, fields, context=_context(company), values=values, record=record
        )

    def write(
        self, model: str, record_id: str | int, values: dict[str, Any], fields: list[str]
    ) -> dict[str, Any]:
        """Change a record, active or not."""
        context = {"active_test": False}
        return self._send("PUT", f"{model}/{record_id}", fields, context=context, values=values)

    def press(
        self,
        model: str,
        record_id: str | int,
        button: str,
        fields: list[str],
        *,
        company: int,
        skip_warnings: bool = False,
    ) -> dict[str, Any]:
        """Press a button. One that the record's state does not offer is a VendorRejected."""
        path = f"{model}/{record_id}/{button}"
        context = _context(company) | ({"_skip_warnings": True} if skip_warnings else {})
        return self._send("POST", path, fields, context=context, values={})

    def delete(self, model: str, record_id: str | int) -> None:
        """Delete a record. One that its state does not let go is a VendorRejected."""
        path = f"{model}/{record_id}"
        self._client.request("DELETE", path, operation=f"DELETE {path}")

    def _send(
        self,
        method: str,
        path: str,
        fields: list[str],
        *,
        context: dict[str, Any] | None = None,
        parameters: dict[str, str] | None = None,
        values: dict[str, Any] | None = None,
        record: str | None = None,
    ) -> Any:
        headers = {"Content-Type": "application/json"}
        if context:
            headers["X-Tryton-Context"] = _base64(context)
        response = self._client.request(
            method,
            path,
            operation=f"{method} {path}",
            record=record,
            params={"f": fields, **(parameters or {})},
            headers=headers,
            content=None if values is None else _encode(values),
        )
        try:
            return _decode(response.text)
        except ValueError:
            failure = VendorUnavailable if method == "GET" else OutcomeUnknown
            raise failure("answered, but not in JSON", vendor=VENDOR, operation=path) from None


def _context(company: int | None) -> dict[str, Any]:
    return {} if company is None else {"company": company}


def _encode(values: Any) -> str:
    return json.dumps(values, default=_tagged)


def _tagged(value: Any) -> dict[str, Any]:
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, date):
        return {
            "__class__": "date",
            "year": value.year,
            "month": value.month,
            "day": value.day,
        }
    raise TypeError(f"no encoding for {type(value).__name__}")


def _decode(text: str) -> Any:
    return json.loads(text, object_hook=_untagged, parse_float=Decimal)


def _untagged(value: dict[str, Any]) -> Any:
    if value.get("__class__") == "Decimal":
        return Decimal(value["decimal"])
    if value.get("__class__") == "date":
        return date(value["year"], value["month"], value["day"])
    return value


def _base64(value: Any) -> str:
    return base64.urlsafe_b64encode(_encode(value).encode()).decode()

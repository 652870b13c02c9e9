"""The messages of the Zendesk sandbox: what a request wants, and what it is answered.

- https://developer.zendesk.com/api-reference/introduction/requests/ (statuses and error bodies)
- https://developer.zendesk.com/api-reference/introduction/pagination/
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.exceptions import HTTPException

from local.sandboxes.sandbox import Fault
from local.sandboxes.zendesk_errors import RecordInvalid, RecordNotFound, UpdateConflict

Record = dict[str, Any]

PAGE_SIZE = 100


class InvalidAttribute(Exception):
    """The body lacks the value that the endpoint works on."""


def requested(name: str, kind: type = dict) -> Any:
    """What the request's body has under a name. Raises InvalidAttribute."""
    body = request.get_json(silent=True)
    wanted = body.get(name) if isinstance(body, dict) else None
    if not isinstance(wanted, kind):
        raise InvalidAttribute(name)
    return wanted


def answered(
    body: Record, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """An answer of JSON."""
    return Response(json.dumps(body), status, headers, mimetype="application/json")


def shown(kind: str, record: Record) -> Record:
    """A record as answers have it."""
    if kind in ("comment", "audit"):  # those without an address
        return record
    return {"url": f"{request.host_url}api/v2/{kind}s/{record['id']}.json"} | record


def saved(kind: str, record: Record, is_new: bool, **more: Record) -> Response:
    """A record that was created or updated, and where it is."""
    now = shown(kind, record)
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return answered({kind: now} | more, status, {"Location": now["url"]})


def page(
    kind: str,
    records: Iterable[Record],
    side_loads: Record | None = None,
    *,
    key: str | None = None,
) -> Response:
    """A page of a list, under `key`: by cursor when `page[size]` is given, else by number."""
    key = key or f"{kind}s"
    every = [shown(kind, record) for record in records]
    if "page[size]" in request.args:
        size = min(int(request.args["page[size]"]), PAGE_SIZE)
        start = int(request.args.get("page[after]") or 0)
        end = start + size
        has_more = end < len(every)
        meta = {"has_more": has_more, "after_cursor": str(end) if has_more else None}
        links = {"next": _this_page({"page[after]": end}) if has_more else None}
        part = {key: every[start:end], "meta": meta, "links": links}
        return answered(part | (side_loads or {}))
    size = min(int(request.args.get("per_page", PAGE_SIZE)), PAGE_SIZE)
    number = int(request.args.get("page", 1))
    end = number * size
    part = {
        key: every[end - size : end],
        "count": len(every),
        "next_page": _this_page({"page": number + 1}) if end < len(every) else None,
        "previous_page": _this_page({"page": number - 1}) if number > 1 else None,
    }
    return answered(part | (side_loads or {}))


def _this_page(changes: dict[str, int]) -> str:
    return f"{request.base_url}?{urlencode(request.args.to_dict() | changes)}"


def error(name: str, status: int, **more: Any) -> Response:
    """A business-level error, in the form that most endpoints use."""
    return answered({"error": name, "description": HTTPStatus(status).phrase} | more, status)


def refusal(failure: Exception) -> Response:
    """Zendesk's answer to what went wrong."""
    match failure:
        case RecordInvalid():
            reason = {"description": failure.description, "error": failure.error}
            return error(
                "RecordInvalid",
                HTTPStatus.UNPROCESSABLE_ENTITY,
                description="Record validation errors",
                details={failure.attribute: [reason]},
            )
        case RecordNotFound():
            return error("RecordNotFound", HTTPStatus.NOT_FOUND)
        case UpdateConflict():
            return error("UpdateConflict", HTTPStatus.CONFLICT)
        case InvalidAttribute():
            message = f"Invalid parameter: {failure} is missing, or of another type"
            problem = {"title": "Invalid attribute", "message": message}
            return answered({"error": problem}, HTTPStatus.BAD_REQUEST)
        case HTTPException(code=HTTPStatus.NOT_FOUND):
            return error("InvalidEndpoint", HTTPStatus.NOT_FOUND)
        case HTTPException(code=int(code)):
            return error(failure.name, code)
        case _:
            raise failure


def unavailable(fault: Fault) -> Response:
    """What stands before Zendesk answers when Zendesk does not."""
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return Response("<html>Service Unavailable</html>", HTTPStatus.SERVICE_UNAVAILABLE, headers)

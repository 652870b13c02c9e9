"""The custom fields of tickets in the Zendesk sandbox, and the tags that drop-downs put there.

- https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_fields/
- https://support.zendesk.com/hc/en-us/articles/203661866 (types, and which have tags)

Unconfirmed, and here as seen: a field that nobody made is ignored, a choice that a drop-down does
not have is refused, and a text that is emptied is null. Tags that are set do not choose in a
drop-down here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from local.sandboxes.zendesk_errors import RecordInvalid

Record = dict[str, Any]

TYPES = ("text", "textarea", "regexp", "date", "integer", "decimal", "checkbox", "tagger")


def checked_field(wanted: Record) -> Record:
    """A field that an administrator makes. Raises RecordInvalid."""
    if not wanted.get("title"):
        raise RecordInvalid("title", "Title: cannot be blank", "BlankValue")
    kind = wanted.get("type", "text")
    options = wanted.get("custom_field_options", [])
    if kind not in TYPES or (kind == "tagger") != bool(options):
        raise RecordInvalid("type", "Type: is not valid")
    field = {"type": kind, "title": wanted["title"], "active": True, "removable": True}
    if kind == "tagger":
        field["custom_field_options"] = [
            {"name": option["name"], "value": option["value"].lower()} for option in options
        ]
    pattern = wanted.get("regexp_for_validation")
    return field | ({"regexp_for_validation": pattern} if kind == "regexp" else {})


def checked_values(fields: dict[int, Record], values: Iterable[Record]) -> dict[int, Any]:
    """What a client wants the fields to have, by their ids. Raises RecordInvalid."""
    wanted = {int(each["id"]): each.get("value") or None for each in values}
    known = {number: value for number, value in wanted.items() if number in fields}
    for number, value in known.items():
        if value is not None and not _allows(fields[number], value):
            raise RecordInvalid("base", f"{fields[number]['title']}: is invalid")
    return known


def tags_of(fields: dict[int, Record], values: dict[int, Any]) -> set[str]:
    """The tags of what is chosen."""
    return {
        value
        for number, value in values.items()
        if value is not None and fields[number]["type"] == "tagger"
    }


def _allows(field: Record, value: Any) -> bool:
    match field["type"]:
        case "tagger":
            return value in {option["value"] for option in field["custom_field_options"]}
        case "regexp":
            return re.search(field["regexp_for_validation"], str(value)) is not None
        case "date":
            return re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)) is not None
    return True

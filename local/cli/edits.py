"""One value of a run's records, changed: `--set order.lines.0.sku=SEAT-ANNUAL`."""

from __future__ import annotations

from typing import Any

from local.cli.errors import Failure


def patch_for(records: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) that sets the value at a path that is there.

    A merge patch replaces a list as a whole, so one with an element changed is given in full; a
    value of null removes its field. Raises Failure for a path that is not there: a typo would be
    an edit that changes nothing.
    """
    name, *rest = path
    changed = _changed(records, path, value)[name]
    if rest and isinstance(changed, dict):
        return {name: patch_for(records[name], rest, value)}
    return {name: changed}


def _changed(content: Any, path: list[str], value: Any) -> Any:
    """A copy of the content with the value set."""
    if not path:
        return value
    name, *rest = path
    if isinstance(content, list):
        position = _position(content, name)
        element = _changed(content[position], rest, value)
        return [*content[:position], element, *content[position + 1 :]]
    if not isinstance(content, dict) or name not in content:
        known = ", ".join(content) if isinstance(content, dict) else "no fields"
        raise Failure(f"--set: there is no {name!r} here; there are {known}")
    return content | {name: _changed(content[name], rest, value)}


def _position(elements: list[Any], name: str) -> int:
    if name.isdigit() and int(name) < len(elements):
        return int(name)
    raise Failure(f"--set: {name!r} is no position in a list of {len(elements)}, from 0")

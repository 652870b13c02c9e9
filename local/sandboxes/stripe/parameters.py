"""Request parameters: form-encoded nesting, types, and the refusal of what is unknown.

Stripe reads `a[b][0][c]=x` as nested objects and lists, `a[]=x` as the next element of a list, and
an empty value as "unset this": https://docs.stripe.com/api?lang=curl,
https://docs.stripe.com/api/metadata
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlencode

from local.sandboxes.stripe.errors import (
    invalid_parameter,
    missing_parameter,
    unknown_parameter,
)

# Reads one raw value, which has the given name in the request; raises ApiError.
Reader = Callable[[Any, str], Any]

COMPARISONS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
DECIMALS = 12
METADATA_KEYS = 50
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500


def decode(text: str) -> dict[str, Any]:
    """The nested parameters of a query string or a form body; every leaf is text."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, *rest = name.split("[")
        path = [head, *(part.rstrip("]") for part in rest)]
        node = root
        for part in path[:-1]:
            node = node.setdefault(part or str(len(node)), {})
            if not isinstance(node, dict):
                raise invalid_parameter(name, f"Invalid parameter: {name}")
        node[path[-1] or str(len(node))] = value
    return {name: _lists(value) for name, value in root.items()}


def encode(parameters: Mapping[str, Any]) -> str:
    """The other way round, of typed values; None is left out."""
    return urlencode(list(_leaves(parameters, "")))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _leaves(child, f"{name}[{key}]" if name else key)
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _leaves(child, f"{name}[{index}]")
    elif value is not None:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    children = {name: _lists(child) for name, child in value.items()}
    if children and all(name.isdigit() for name in children):
        return [children[name] for name in sorted(children, key=int)]
    return children


def text(maximum: int = 5000) -> Reader:
    """Text; empty means unset."""

    def read(value: Any, name: str) -> str | None:
        if not isinstance(value, str):
            raise invalid_parameter(name, f"Invalid string: {name}")
        if len(value) > maximum:
            message = f"Invalid string: {name} must be at most {maximum} characters"
            raise invalid_parameter(name, message, "parameter_invalid_string_too_long")
        return value or None

    return read


def integer(minimum: int | None = None, maximum: int | None = None) -> Reader:
    """A whole number, written without a decimal point."""

    def read(value: Any, name: str) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError):
            message = f"Invalid integer: {value}"
            raise invalid_parameter(name, message, "parameter_invalid_integer") from None
        if minimum is not None and number < minimum:
            raise invalid_parameter(name, f"This value must be greater than or equal to {minimum}.")
        if maximum is not None and number > maximum:
            raise invalid_parameter(name, f"This value must be less than or equal to {maximum}.")
        return number

    return read


def range_of_integers(value: Any, name: str) -> dict[str, int]:
    """A range, `[gte]=1`, or one number: https://docs.stripe.com/api/charges/list"""
    if isinstance(value, str):
        number = integer()(value, name)
        return {"gte": number, "lte": number}
    return hash_of(dict.fromkeys(COMPARISONS, integer()))(value, name)


def in_range(value: int | None, asked: dict[str, int] | None) -> bool:
    """Whether a value lies in a range that was asked for, if one was."""
    if not asked:
        return True
    return value is not None and all(
        COMPARISONS[name](value, bound) for name, bound in asked.items()
    )


def decimal(value: Any, name: str) -> Decimal:
    """A number from 0 with at most twelve decimals: how Stripe prices what is finer than a cent."""
    try:
        number = Decimal(value)
    except (TypeError, InvalidOperation):
        raise invalid_parameter(name, f"Invalid decimal: {value}") from None
    if not number.is_finite() or number < 0 or number.as_tuple().exponent < -DECIMALS:
        message = f"Invalid decimal: {value} must be at least 0, with at most {DECIMALS} decimals"
        raise invalid_parameter(name, message)
    return number


def boolean(value: Any, name: str) -> bool:
    """`true` or `false`."""
    if value not in ("true", "false"):
        raise invalid_parameter(name, f"Invalid boolean: {value}")
    return value == "true"


def one_of(*choices: str) -> Reader:
    """One of some words."""

    def read(value: Any, name: str) -> str:
        if value not in choices:
            raise invalid_parameter(name, f"Invalid {name}: must be one of {', '.join(choices)}")
        return value

    return read


def timestamp_or_now(now: Callable[[], datetime]) -> Reader:
    """Seconds since the epoch, or the word `now`."""

    def read(value: Any, name: str) -> int:
        return int(now().timestamp()) if value == "now" else integer(0)(value, name)

    return read


def metadata(value: Any, name: str) -> dict[str, str]:
    """Pairs of text; an empty value unsets its key, an empty `metadata` all keys."""
    if value == "":
        return {}
    if not isinstance(value, dict) or any(not isinstance(pair, str) for pair in value.values()):
        raise invalid_parameter(name, "Metadata must be a flat hash of strings.")
    if len(value) > METADATA_KEYS:
        raise invalid_parameter(name, f"Metadata can have at most {METADATA_KEYS} keys.")
    for key, pair in value.items():
        if len(key) > METADATA_KEY_LENGTH or len(pair) > METADATA_VALUE_LENGTH:
            message = f"Metadata keys have at most {METADATA_KEY_LENGTH} characters, values "
            raise invalid_parameter(f"{name}[{key}]", f"{message}{METADATA_VALUE_LENGTH}.")
    return value


def list_of(reader: Reader, maximum: int = 100) -> Reader:
    """A list of one kind of value."""

    def read(value: Any, name: str) -> list[Any]:
        if not isinstance(value, list):
            raise invalid_parameter(name, "Invalid array")
        if len(value) > maximum:
            raise invalid_parameter(name, f"Array {name} exceeded maximum {maximum} elements.")
        return [reader(element, f"{name}[{index}]") for index, element in enumerate(value)]

    return read


def hash_of(fields: Mapping[str, Reader], *, required: tuple[str, ...] = ()) -> Reader:
    """An object with these fields and no others."""

    def read(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid_parameter(name, "Invalid object")
        return _read_fields(value, fields, required, lambda field: f"{name}[{field}]")

    return read


def read_all(
    raw: Mapping[str, Any], fields: Mapping[str, Reader], *, required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The typed parameters of a request. Raises ApiError for an unknown, wrong or missing one."""
    return _read_fields(raw, fields, required, lambda field: field)


def _read_fields(
    raw: Mapping[str, Any],
    fields: Mapping[str, Reader],
    required: tuple[str, ...],
    name_of: Callable[[str], str],
) -> dict[str, Any]:
    for field in raw:
        if field not in fields:
            raise unknown_parameter(name_of(field))
    for field in required:
        if raw.get(field, "") == "":
            raise missing_parameter(name_of(field))
    return {field: fields[field](value, name_of(field)) for field, value in raw.items()}

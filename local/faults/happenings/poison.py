"""Events that no function can make sense of: each must be set aside with its reason.

All of them still contain the id of the deal they were made of, so that they can be found.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]
TOO_LARGE = 262_144


def not_json(event: Event, deal: str) -> str:
    """Cut off in the middle."""
    return json.dumps(event)[:-20]


def no_object(event: Event, deal: str) -> str:
    """A list."""
    return json.dumps([event])


def no_header(event: Event, deal: str) -> str:
    """A payload without its header."""
    event["detail"]["payload"] = {"Id": deal}
    return json.dumps(event)


def no_records(event: Event, deal: str) -> str:
    """A change of no record."""
    header = _header(event)
    header["recordIds"] = []
    header["commitUser"] = deal
    return json.dumps(event)


def no_record_id(event: Event, deal: str) -> str:
    """The ids are no ids of opportunities."""
    _header(event)["recordIds"] = [f"{deal}' OR Id != '"]
    return json.dumps(event)


def beyond_time(event: Event, deal: str) -> str:
    """A commit that no calendar has."""
    _header(event)["commitTimestamp"] = 10**30
    return json.dumps(event)


def of_another_organisation(event: Event, deal: str) -> str:
    """Somebody else's."""
    source = event["source"].split("/")
    source[2] = "00DHs00000Other"
    return json.dumps(event | {"source": "/".join(source)})


def of_unknown_kind(event: Event, deal: str) -> str:
    """An object that nobody asked for."""
    return json.dumps(event | {"detail-type": "ContactChangeEvent"})


def too_large(event: Event, deal: str) -> str:
    """More than a state machine's input may be."""
    event["detail"]["payload"]["Description"] = "x" * TOO_LARGE
    return json.dumps(event)


def unspeakable(event: Event, deal: str) -> str:
    """Characters that SQS does not take in an attribute, where the reason would repeat them."""
    return json.dumps(event | {"detail-type": "\x00\ud800\x1b" + deal})


def deep(event: Event, deal: str) -> str:
    """Nested deeper than a parser goes."""
    return f'{{"{deal}": ' + "[" * 100_000 + "]" * 100_000 + "}"


def _header(event: Event) -> Event:
    return event["detail"]["payload"]["ChangeEventHeader"]


POISONS: dict[str, Callable[[Event, str], str]] = {
    poison.__name__: poison
    for poison in (
        not_json,
        no_object,
        no_header,
        no_records,
        no_record_id,
        beyond_time,
        of_another_organisation,
        of_unknown_kind,
        too_large,
        unspeakable,
        deep,
    )
}

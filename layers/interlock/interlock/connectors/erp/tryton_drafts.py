"""Nothing twice in a system without idempotency keys: a draft first, and only one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from interlock.connectors.erp.tryton_rest import VENDOR
from interlock.errors import OutcomeUnknown

Record = dict[str, Any]


def keep_one(
    mine: Record, others: Iterable[Record], withdraw: Callable[[Record], bool], *, key: str
) -> None:
    """Leave one record for this business key, whatever other attempts are doing.

    Whoever is last to make a draft sees the other one. One that is final wins, of two drafts the
    newer; a loser withdraws its own and raises OutcomeUnknown. `withdraw` says whether a record is
    gone: False when it became final meanwhile.
    """
    for rival in others:
        if rival["id"] == mine["id"]:
            continue
        if rival["id"] < mine["id"] and withdraw(rival):
            continue
        withdraw(mine)
        raise other_attempt(key)


def other_attempt(key: str) -> OutcomeUnknown:
    """What a loser ends with: it is to look again."""
    return OutcomeUnknown("is entering this record for another attempt", vendor=VENDOR, record=key)

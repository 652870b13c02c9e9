"""The state of one Stripe account: its objects, newest last, and how they are listed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.sandboxes.stripe.errors import no_such
from local.sandboxes.stripe.parameters import Reader, hash_of, integer, list_of, text

StripeObject = dict[str, Any]

# https://docs.stripe.com/api/pagination
PAGE: dict[str, Reader] = {
    "limit": integer(1, 100),
    "starting_after": text(),
    "ending_before": text(),
    "created": hash_of({"gte": integer(0)}),
}
# https://docs.stripe.com/api/expanding_objects
EXPAND: dict[str, Reader] = {"expand": list_of(text())}


@dataclass
class Account:
    """What the account holds, by id. `clock` tells Stripe's time, in UTC."""

    clock: Callable[[], datetime]
    api_key: str
    api_key_expired: bool = False
    customers: dict[str, StripeObject] = field(default_factory=dict)
    products: dict[str, StripeObject] = field(default_factory=dict)
    prices: dict[str, StripeObject] = field(default_factory=dict)
    schedules: dict[str, StripeObject] = field(default_factory=dict)
    subscriptions: dict[str, StripeObject] = field(default_factory=dict)
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def now(self) -> int:
        """The time in seconds since the epoch."""
        return int(self.clock().timestamp())

    def new_id(self, prefix: str) -> str:
        """An id as Stripe writes them, unique in this account."""
        return f"{prefix}_{next(self._numbers):014d}"

    def page(
        self, objects: Iterable[StripeObject], parameters: dict[str, Any], url: str
    ) -> StripeObject:
        """One page of a list, newest first."""
        since = parameters.get("created", {}).get("gte", 0)
        rows = [row for row in objects if row.get("created", since) >= since][::-1]
        limit = parameters.get("limit", 10)
        if after := parameters.get("starting_after"):
            rows = rows[_position(rows, after, "starting_after") + 1 :]
        if before := parameters.get("ending_before"):
            preceding = rows[: _position(rows, before, "ending_before")]
            return _list(url, preceding[-limit:], has_more=len(preceding) > limit)
        return _list(url, rows[:limit], has_more=len(rows) > limit)

    def expand(self, answer: StripeObject, paths: Iterable[str]) -> StripeObject:
        """The answer with ids replaced by their objects along dotted paths."""
        for path in paths:
            answer = self._expanded(answer, path.split("."))
        return answer

    def _expanded(self, value: Any, path: list[str]) -> Any:
        if isinstance(value, list):
            return [self._expanded(element, path) for element in value]
        name, *rest = path
        child = value.get(name)
        if isinstance(child, str):
            child = self._referred(name)[child]
        if rest and child is not None:
            child = self._expanded(child, rest)
        return {**value, name: child}

    def _referred(self, name: str) -> dict[str, StripeObject]:
        objects = {
            "customer": self.customers,
            "price": self.prices,
            "product": self.products,
            "schedule": self.schedules,
            "subscription": self.subscriptions,
            "released_subscription": self.subscriptions,
        }
        return objects[name]


def _position(rows: list[StripeObject], id: str, param: str) -> int:
    for index, row in enumerate(rows):
        if row["id"] == id:
            return index
    raise no_such("object", id, param=param, status=400)


def _list(url: str, data: list[StripeObject], *, has_more: bool) -> StripeObject:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}

"""An account at Stripe that only answers what is asked: objects, lists and expansions.

Each object, request and answer is held against Stripe's description, where that is available.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import httpx
from interlock.connections import Connection
from interlock.connectors.billing.stripe import Stripe

from local.sandboxes.stripe.parameters import decode
from tests.stripe_description import available
from tests.unit.connectors.billing.made import NOW, Object

# https://docs.stripe.com/expand
MAXIMUM_DEPTH = 4
SECRET_VALUE = "rk_test_never_in_an_error"  # noqa: S105 - of these tests alone

Answer = Callable[[httpx.Request], httpx.Response]


class UnitConnection(Connection):
    """A connection whose secret needs no Secrets Manager."""

    def secret(self) -> dict[str, str]:
        """The key."""
        return {"api_key": SECRET_VALUE}


def port_on(answer: Answer, **options: str) -> Stripe:
    """The billing port on a function instead of a network."""
    connection = UnitConnection(
        name="stripe",
        vendor="stripe",
        base_url="https://api.stripe.example",
        secret_id="unused",  # noqa: S106 - a name, and no secret
        options=options,
    )
    return Stripe(connection, transport=httpx.MockTransport(answer), clock=NOW.timestamp)


class StripeAccount:
    """Objects by id, and which balance transactions each payout has.

    `page` is how many objects a list has at most, `embedded` how many one inside of an object has.
    """

    def __init__(self, *objects: Object, page: int = 100, embedded: int = 10) -> None:
        self.objects = {row["id"]: row for row in objects}
        self.payouts: dict[str, list[str]] = {}
        self.page = page
        self.embedded = embedded
        self.requests: list[httpx.Request] = []
        self._description = available()
        if self._description:
            for row in objects:
                self._description.check_object(row)

    def port(self) -> Stripe:
        """The billing port on this account."""
        return port_on(self)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        answer = self._answer(request)
        response = httpx.Response(200 if answer else 404, json=answer or _MISSING)
        if self._description:
            self._description.check_request(request)
            self._description.check_response(request, response)
        return response

    def _answer(self, request: httpx.Request) -> Object | None:
        query = decode(request.url.query.decode())
        _, _, collection, *rest = request.url.path.split("/")
        if rest and rest[0] not in self.objects:
            return None
        if rest[1:] == ["lines"]:
            answer = self._page(self.objects[rest[0]]["lines"]["data"], query, request.url.path)
        elif rest:
            answer = self._embedding(self.objects[rest[0]])
        else:
            answer = self._page(self._selected(collection, query), query, request.url.path)
        for path in query.get("expand", ()):
            assert path.count(".") < MAXIMUM_DEPTH
            self._expand(answer, path.split("."))
        return answer

    def _selected(self, collection: str, query: dict[str, Any]) -> list[Object]:
        """The objects that are asked for, newest first."""
        kind = collection.removesuffix("s")
        rows = [row for row in self.objects.values() if row["object"] == kind]
        for name in ("customer", "invoice", "status", "type"):
            rows = [row for row in rows if query.get(name) in (None, row.get(name))]
        if "payment" in query:
            intent = query["payment"]["payment_intent"]
            rows = [row for row in rows if row["payment"].get("payment_intent") == intent]
        if "payout" in query:
            rows = [self.objects[id] for id in self.payouts[query["payout"]]]
        if "types" in query:
            rows = [row for row in rows if row["type"] in query["types"]]
        if "created" in query:
            rows = [row for row in rows if row["created"] >= int(query["created"]["gte"])]
        if due := query.get("due_date"):
            dues = range(int(due["gte"]), int(due["lt"]))
            rows = [row for row in rows if row["due_date"] in dues]
        return sorted(rows, key=lambda row: row["created"])[::-1]

    def _page(self, rows: list[Object], query: dict[str, Any], path: str) -> Object:
        ids = [row["id"] for row in rows]
        start = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        end = start + min(self.page, int(query.get("limit", 10)))
        data = [self._embedding(row) for row in rows[start:end]]
        return {"object": "list", "data": data, "has_more": end < len(rows), "url": path}

    def _embedding(self, row: Object) -> Object:
        """A copy with no more than the first lines."""
        answer = copy.deepcopy(row)
        if "lines" in answer:
            lines = answer["lines"]
            lines["has_more"] = len(lines["data"]) > self.embedded
            lines["data"] = lines["data"][: self.embedded]
        return answer

    def _expand(self, value: Any, path: list[str]) -> None:
        if isinstance(value, list):
            for element in value:
                self._expand(element, path)
        elif path and (child := value.get(path[0])) is not None:
            if isinstance(child, str):
                child = value[path[0]] = self._embedding(self.objects[child])
            self._expand(child, path[1:])


_MISSING = {"error": {"type": "invalid_request_error", "code": "resource_missing"}}

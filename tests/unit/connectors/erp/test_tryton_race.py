"""Two attempts at one order in every order of events: exactly one order is confirmed.

Tryton is replaced by `SaleBook`, a model of the states of its orders; each request is one
transaction, as in Tryton. That the real one behaves so is shown by the contract tests.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interlock.canonical import Line, LineKind, Money, Order, UnitPrice
from interlock.connections import Connection
from interlock.connectors.erp.tryton import Tryton
from interlock.errors import OutcomeUnknown

TRANSITIONS = {
    "quote": {"draft": "quotation"},
    "confirm": {"quotation": "confirmed"},
    "cancel": {"draft": "cancelled", "quotation": "cancelled"},
}
TAXES = {"account_category": {"customer_taxes_used": [1]}}
FACTS = {
    "company.company": [{"id": 1}],
    "currency.currency": [{"id": 1}],
    "ir.configuration/1": {"id": 1, "product_price_decimal": 4},
    "account.invoice.payment_term": [{"id": 1}],
    "party.party/5": {"id": 5, "code": "crm:1", "active": True, "addresses": [8]},
    "product.product": [{"id": 3, "code": "SEAT", "sale_uom": 1, "template": TAXES}],
}
PRICE = Money.of("100", "USD")
LINE = Line(
    number=1,
    sku="SEAT",
    description="Seat",
    kind=LineKind.RECURRING,
    quantity=Decimal(1),
    unit_price=UnitPrice.of("100", "USD"),
    amount=PRICE,
)
ORDER = Order(
    id="crm:6",
    bill_to="crm:1",
    subsidiary="WEST",
    currency="USD",
    payment_terms="NET30",
    payment_days=30,
    start_date=date(2027, 1, 1),
    term_months=12,
    lines=(LINE,),
    net=PRICE,
)


class SaleBook:
    """The orders and their states; `ids` are given out in the order of creation."""

    def __init__(self, ids: Iterable[int]) -> None:
        self._ids = iter(ids)
        self.states: dict[int, str] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        method = request.method
        _, record, button = (*request.url.path.split("/model/")[1].split("/"), "", "")[:3]
        if method == "POST" and not record:
            new = next(self._ids)
            self.states[new] = "draft"
            return httpx.Response(200, json=self._sale(new))
        if method == "GET" and not record:
            found = [self._sale(key) for key in sorted(self.states)]
            return httpx.Response(200, json=[s for s in found if s["state"] != "cancelled"])
        key = int(record)
        if button:
            if self.states[key] not in TRANSITIONS[button]:
                return httpx.Response(400, json={"message": "not in this state"})
            self.states[key] = TRANSITIONS[button][self.states[key]]
        return httpx.Response(200, json=self._sale(key))

    def _sale(self, key: int) -> dict:
        amount = {"__class__": "Decimal", "decimal": "100.00"}
        line = {
            "sequence": 1,
            "product": {"code": "SEAT"},
            "description": "Seat",
            "note": "Recurring: x",
            "quantity": 1.0,
            "unit_price": amount,
            "amount": amount,
        }
        return {
            "id": key,
            "number": f"SO-{key}",
            "reference": "crm:6",
            "state": self.states[key],
            "description": "Service from 2027-01-01 for 12 months",
            "company": {"id": 1, "party": {"code": "WEST"}},
            "party": {"id": 5, "code": "crm:1"},
            "currency": {"code": "USD"},
            "payment_term": {"name": "NET30", "lines": [{"relativedeltas": []}]},
            "untaxed_amount": amount,
            "tax_amount": {"__class__": "Decimal", "decimal": "0"},
            "total_amount": amount,
            "invoices": [],
            "lines": [line],
        }


class Race:
    """Attempts that take turns: one request at a time, in the order that `turns` chooses."""

    def __init__(self, book: SaleBook, attempts: int, turns: list[int]) -> None:
        self._book = book
        self._turns = iter(turns)
        self._events: queue.Queue[tuple[int, bool]] = queue.Queue()
        self._go = [threading.Semaphore(0) for _ in range(attempts)]
        self.results: list[Order | None] = [None] * attempts

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._attempt, args=(number,), daemon=True)
            for number in range(len(self._go))
        ]
        for thread in threads:
            thread.start()
        waiting = {number for number, asks in map(self._next_event, threads) if asks}
        while waiting:
            choice = sorted(waiting)[next(self._turns, 0) % len(waiting)]
            self._go[choice].release()
            if not self._next_event()[1]:
                waiting.discard(choice)
        for thread in threads:
            thread.join(5)

    def _next_event(self, _: object = None) -> tuple[int, bool]:
        """The next attempt that asks for something, or (False) has ended."""
        return self._events.get(timeout=5)

    def _attempt(self, number: int) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            path = request.url.path.split("/model/")[1]
            if path in FACTS:
                return httpx.Response(200, json=FACTS[path])
            self._events.put((number, True))
            self._go[number].acquire(timeout=5)
            return self._book.answer(request)

        try:
            adapter = Tryton(KeyedConnection(**ADDRESS), transport=httpx.MockTransport(answer))
            self.results[number] = adapter.create_order(ORDER, customer_remote_id="5")
        except OutcomeUnknown:
            pass
        finally:
            self._events.put((number, False))


class KeyedConnection(Connection):
    """A connection whose secret needs no Secrets Manager."""

    def secret(self) -> dict[str, str]:
        return {"key": "key"}


ADDRESS = {
    "name": "tryton",
    "vendor": "tryton",
    "base_url": "https://erp.example/books",
    "secret_id": "tryton",
}


@settings(max_examples=150, deadline=None)
@given(
    ids=st.permutations([1, 2, 3]),
    turns=st.lists(st.integers(min_value=0, max_value=5), max_size=24),
    attempts=st.integers(min_value=2, max_value=3),
)
def test_exactly_one_order_is_confirmed(ids: list[int], turns: list[int], attempts: int):
    book = SaleBook(ids)
    race = Race(book, attempts, turns)
    race.run()
    assert sorted(book.states.values()) == ["cancelled"] * (attempts - 1) + ["confirmed"]
    entered = [order for order in race.results if order is not None]
    assert len(entered) <= 1
    for order in entered:
        assert book.states[int(order.remote_id)] == "confirmed"


@pytest.mark.parametrize("left", ["draft", "quotation"])
def test_what_a_crashed_attempt_left_is_cancelled(left: str):
    book = SaleBook([2])
    book.states[1] = left
    race = Race(book, 1, [])
    race.run()
    assert book.states == {1: "cancelled", 2: "confirmed"}
    assert race.results[0].number == "SO-2"

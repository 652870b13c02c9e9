"""The state of one Stripe account: its objects, newest last, and how they are listed."""

from __future__ import annotations

import itertools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.sandboxes.stripe.agenda import Agenda
from local.sandboxes.stripe.errors import ApiError, no_such
from local.sandboxes.stripe.parameters import (
    Reader,
    in_range,
    integer,
    list_of,
    range_of_integers,
    read_all,
    text,
)

StripeObject = dict[str, Any]
Objects = dict[str, StripeObject]

# https://docs.stripe.com/api/pagination
PAGE: dict[str, Reader] = {
    "limit": integer(1, 100),
    "starting_after": text(),
    "ending_before": text(),
    "created": range_of_integers,
}
# https://docs.stripe.com/api/expanding_objects
EXPAND: dict[str, Reader] = {"expand": list_of(text())}
# What an object may have or not, such as a payment outside Stripe, can be asked for of any.
OPTIONAL = ("payment_intent",)
# How many of its lines a document carries; the others are had in pages.
EMBEDDED = 10


@dataclass
class Account:
    """What the account holds, by id. `clock` tells Stripe's time, in UTC.

    `on_event` is called with each event at once: it must neither call the sandbox nor wait for
    something that does. `request` is the API request that is being answered, as events name it.
    `payouts_weekly` pays out on Mondays only. `settles` says what is converted: in which currency
    another one is settled, and at which rate, as text.
    """

    clock: Callable[[], datetime]
    api_key: str
    api_key_expired: bool = False
    payouts_weekly: bool = False
    settles: dict[str, tuple[str, str]] = field(default_factory=dict)
    on_event: Callable[[StripeObject], None] | None = None
    customers: Objects = field(default_factory=dict)
    products: Objects = field(default_factory=dict)
    prices: Objects = field(default_factory=dict)
    payment_methods: Objects = field(default_factory=dict)
    tax_rates: Objects = field(default_factory=dict)
    schedules: Objects = field(default_factory=dict)
    subscriptions: Objects = field(default_factory=dict)
    invoice_items: Objects = field(default_factory=dict)
    invoices: Objects = field(default_factory=dict)
    invoice_payments: Objects = field(default_factory=dict)
    payment_intents: Objects = field(default_factory=dict)
    charges: Objects = field(default_factory=dict)
    refunds: Objects = field(default_factory=dict)
    disputes: Objects = field(default_factory=dict)
    credit_notes: Objects = field(default_factory=dict)
    customer_balance_transactions: Objects = field(default_factory=dict)
    balance_transactions: Objects = field(default_factory=dict)
    payouts: Objects = field(default_factory=dict)
    meters: Objects = field(default_factory=dict)
    meter_events: list[StripeObject] = field(default_factory=list)
    # When the identifier of a meter event was last used.
    meter_identifiers: dict[str, int] = field(default_factory=dict)
    events: OrderedDict[str, StripeObject] = field(default_factory=OrderedDict)
    # The invoice items of a customer that wait for an invoice.
    pending: dict[str, list[StripeObject]] = field(default_factory=lambda: defaultdict(list))
    # The credit balance of a customer, by its id and the currency.
    credit: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    # All lines of an invoice or credit note, and the payments of an invoice, by its id.
    lines: dict[str, list[StripeObject]] = field(default_factory=lambda: defaultdict(list))
    payments: dict[str, list[StripeObject]] = field(default_factory=lambda: defaultdict(list))
    # What is in the balance, by currency, and what each payout took from it, by its id.
    balance: dict[str, list[StripeObject]] = field(default_factory=lambda: defaultdict(list))
    payout_lines: dict[str, list[StripeObject]] = field(default_factory=lambda: defaultdict(list))
    request: dict[str, str | None] = field(
        default_factory=lambda: {"id": None, "idempotency_key": None}
    )
    agenda: Agenda = field(init=False)
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.agenda = Agenda(self.clock)

    def now(self) -> int:
        """The time in seconds since the epoch."""
        return self.agenda.now()

    def new_id(self, prefix: str) -> str:
        """An id as Stripe writes them, unique in this account."""
        return f"{prefix}_{next(self._numbers):014d}"

    def page(
        self, objects: Iterable[StripeObject], parameters: dict[str, Any], url: str
    ) -> StripeObject:
        """One page of a list, newest first."""
        created = parameters.get("created")
        rows = [row for row in objects if in_range(row.get("created"), created)][::-1]
        limit = parameters.get("limit", 10)
        if after := parameters.get("starting_after"):
            rows = rows[_position(rows, after, "starting_after") + 1 :]
        if before := parameters.get("ending_before"):
            preceding = rows[: _position(rows, before, "ending_before")]
            return as_list(preceding[-limit:], url, has_more=len(preceding) > limit)
        return as_list(rows[:limit], url, has_more=len(rows) > limit)

    def listed(
        self,
        objects: Iterable[StripeObject],
        raw: dict[str, Any],
        url: str,
        *equal: str,
        ranges: tuple[str, ...] = (),
    ) -> StripeObject:
        """The answer to a list request that may ask for equal fields and for ranges of others."""
        fields = dict.fromkeys(equal, text()) | dict.fromkeys(ranges, range_of_integers)
        parameters = read_all(raw, {**PAGE, **EXPAND, **fields})
        rows = (
            row
            for row in objects
            if all(parameters.get(name) in (None, row[name]) for name in equal)
            and all(in_range(row[name], parameters.get(name)) for name in ranges)
        )
        return self.expanded(self.page(rows, parameters, url), parameters)

    def retrieved(self, objects: Objects, id: str, raw: dict[str, Any], kind: str) -> StripeObject:
        """The answer to a request for one object. Raises ApiError when there is none."""
        parameters = read_all(raw, EXPAND)
        return self.expanded(existing(objects, id, kind), parameters)

    def expanded(self, answer: StripeObject, parameters: dict[str, Any]) -> StripeObject:
        """The answer with ids replaced by their objects along the dotted paths asked for."""
        for path in parameters.get("expand", ()):
            answer = self._expanded(answer, path.split("."))
        return answer

    def _expanded(self, value: Any, path: list[str]) -> Any:
        if isinstance(value, list):
            return [self._expanded(element, path) for element in value]
        name, *rest = path
        if isinstance(value, dict) and name in OPTIONAL and name not in value:
            return value
        if not isinstance(value, dict) or name not in (*value, "payments"):
            raise ApiError(400, f"This property cannot be expanded ({name}).", param="expand")
        child = value.get(name)
        if name == "payments" and value.get("object") == "invoice":
            url = f"/v1/invoice_payments?invoice={value['id']}"
            child = as_list(self.payments[value["id"]], url)
        if isinstance(child, str):
            child = self._referred(name, child)
        if rest and child is not None:
            child = self._expanded(child, rest)
        return {**value, name: child}

    def _referred(self, name: str, id: str) -> StripeObject:
        objects = {
            "cus": self.customers,
            "sub": self.subscriptions,
            "sub_sched": self.schedules,
            "price": self.prices,
            "pm": self.payment_methods,
            "txr": self.tax_rates,
            "in": self.invoices,
            "pi": self.payment_intents,
            "ch": self.charges,
            "re": self.refunds,
            "du": self.disputes,
            "cn": self.credit_notes,
            "cbtxn": self.customer_balance_transactions,
            "txn": self.balance_transactions,
            "po": self.payouts,
        }
        prefix = id.rpartition("_")[0]
        found = (self.products if name == "product" else objects.get(prefix, {})).get(id)
        if found is None:
            raise ApiError(400, f"This property cannot be expanded ({name}).", param="expand")
        return found


def existing(
    objects: Objects, id: str, kind: str, *, param: str = "id", status: int = 404
) -> StripeObject:
    """The object with this id. Raises ApiError when there is none."""
    if id not in objects:
        raise no_such(kind, id, param=param, status=status)
    return objects[id]


def live_customer(
    account: Account, id: str, *, param: str = "customer", status: int = 400
) -> StripeObject:
    """The customer. Raises ApiError when it is unknown or deleted."""
    customer = account.customers.get(id)
    if customer is None or customer.get("deleted"):
        raise no_such("customer", id, param=param, status=status)
    return customer


def as_list(data: list[StripeObject], url: str, *, has_more: bool = False) -> StripeObject:
    """A list object: https://docs.stripe.com/api/pagination"""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def first_lines(lines: list[StripeObject], url: str) -> StripeObject:
    """The lines that a document carries of its own."""
    return as_list(lines[:EMBEDDED], url, has_more=len(lines) > EMBEDDED)


def _position(rows: list[StripeObject], id: str, param: str) -> int:
    for index, row in enumerate(rows):
        if row["id"] == id:
            return index
    raise no_such("object", id, param=param, status=400)

"""What Stripe is asked and answers about contracts, where a whole account is not needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest
from interlock.canonical import Money
from interlock.connectors.billing.stripe import Stripe
from interlock.errors import BusinessRuleViolation, NotYetPosted, OutcomeUnknown

from tests.contracts.billing.contract_samples import contract, line
from tests.unit.connectors.billing import made
from tests.unit.connectors.billing.made import Object
from tests.unit.connectors.billing.stripe_account import port_on

NOON = 12 * 3600


def noon(day: date) -> int:
    """A day's beginning at Stripe."""
    return made.seconds(day.year, day.month, day.day) + NOON


def price(amount: str | None = "24000", **recurring: Any) -> Object:
    """A price by the year, or as `recurring` says."""
    usual = {"interval": "year", "interval_count": 1, "usage_type": "licensed", "meter": None}
    return {
        "id": f"price_{amount}",
        "active": True,
        "product": "SEAT-ANNUAL",
        "currency": "usd",
        "unit_amount_decimal": amount,
        "recurring": usual | recurring,
    }


def item(number: int, price: Object, quantity: int = 3, **metadata: str) -> Object:
    """An item of a subscription or of a phase."""
    return {
        "id": f"si_{number}",
        "price": price,
        "quantity": quantity,
        "metadata": metadata,
        "subscription": "sub_1",
        "current_period_start": noon(date(2026, 11, 1)),
        "current_period_end": noon(date(2027, 11, 1)),
    }


def listed(*rows: Object) -> Object:
    """A list of one page."""
    return {"object": "list", "data": list(rows), "has_more": False}


def subscription(*items: Object, **changes: Any) -> Object:
    """A running subscription."""
    return {
        "id": "sub_1",
        "status": "active",
        "schedule": "sub_sched_1",
        "start_date": noon(date(2026, 11, 1)),
        "billing_cycle_anchor": noon(date(2026, 11, 1)),
        "cancel_at": None,
        "metadata": {},
        "items": listed(*items),
    } | changes


def schedule(*items: Object, **changes: Any) -> Object:
    """A running schedule, in its only phase."""
    window = {"start_date": noon(date(2026, 11, 1)), "end_date": noon(date(2027, 11, 1))}
    phase = {
        **window,
        "billing_cycle_anchor": "phase_start",
        "proration_behavior": "create_prorations",
        "items": list(items),
    }
    return {
        "id": "sub_sched_1",
        "status": "active",
        "customer": "cus_1",
        "current_phase": window,
        "end_behavior": "release",
        "metadata": {"interlock_order_id": "crm:deal"},
        "phases": [phase],
        "released_subscription": None,
        "subscription": "sub_1",
    } | changes


def answering(**answers: Object) -> Stripe:
    """The port on objects by the last part of their path."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.path.rpartition("/")[2]])

    return port_on(answer)


class TestRecurringRevenue:
    @pytest.mark.parametrize(
        ("charged", "yearly"),
        [
            (price(), "720"),
            (price("2000", interval="month"), "720"),
            (price("6000", interval="month", interval_count=3), "720"),
            (price("48000", interval_count=2), "720"),
            # What one invoice comes to is rounded, as Stripe does, and then counted.
            (price("33.35", interval="month"), "12"),
        ],
    )
    def test_by_the_year(self, charged: Object, yearly: str) -> None:
        usage = item(2, price("1", usage_type="metered"))
        port = answering(
            subscriptions=listed(
                subscription(item(1, charged), usage),
                subscription(item(3, price()), status="incomplete"),
            ),
            balance_transactions=listed(),
        )

        revenue = port.get_recurring_revenue("cus_1")

        assert revenue.subscriptions == 1
        assert revenue.yearly == (Money.of(yearly, "USD"),)

    @pytest.mark.parametrize("charged", [price(None), price(interval="day")])
    def test_of_a_price_that_has_none(self, charged: Object) -> None:
        port = answering(subscriptions=listed(subscription(item(1, charged))))

        with pytest.raises(BusinessRuleViolation, match="no amount for a year"):
            port.get_recurring_revenue("cus_1")

    def test_credit_is_what_the_last_entry_left(self) -> None:
        entries = [("eur", -700), ("usd", 0), ("usd", -5000), ("jpy", 300)]
        rows = [{"currency": code, "ending_balance": left} for code, left in entries]
        port = answering(subscriptions=listed(), balance_transactions=listed(*rows))

        assert port.get_recurring_revenue("cus_1").credit_balance == (Money.of(7, "EUR"),)


class TestBilledContract:
    def test_of_items_that_people_added(self) -> None:
        usage = {**item(2, price("1", usage_type="metered")), "metadata": None}
        port = answering(sub_sched_1=schedule(item(1, price()), usage))

        billed = port.get_billed_contract("sub_sched_1")

        (phase,) = billed.phases
        assert phase.lines == (line(quantity=3).model_copy(update={"description": ""}),)
        assert (billed.id, billed.revision, billed.ends) == ("crm:deal", 0, False)

    def test_of_a_subscription_that_went_on_by_itself(self) -> None:
        released = schedule(
            item(1, price()),
            status="released",
            current_phase=None,
            subscription=None,
            released_subscription="sub_1",
        )
        port = answering(sub_sched_1=released, sub_1=subscription(schedule=None))

        billed = port.get_billed_contract("sub_sched_1")

        assert (billed.status, billed.phases, billed.remote_id) == ("active", (), "sub_sched_1")

    def test_another_schedule_speaks_for_it_and_knows_its_revision(self) -> None:
        released = schedule(
            status="released",
            current_phase=None,
            subscription=None,
            released_subscription="sub_1",
            metadata={"interlock_order_id": "crm:deal", "interlock_contract_revision": "4"},
        )
        taken_over = schedule(item(1, price()), id="sub_sched_2", metadata={})
        port = answering(
            sub_sched_1=released,
            sub_1=subscription(schedule="sub_sched_2"),
            sub_sched_2=taken_over,
        )

        billed = port.get_billed_contract("sub_sched_1")

        assert (billed.id, billed.revision) == ("crm:deal", 4)
        assert (billed.remote_id, billed.status) == ("sub_sched_2", "active")
        changed = contract(id="crm:deal", revision=4)
        told = port.amend_subscription(changed, remote_id="sub_sched_1", idempotency_key="k")
        assert told == billed


class TestFinalInvoice:
    @pytest.fixture
    def port(self) -> Callable[..., Stripe]:
        """On an ended subscription with these invoices and pending items."""

        def on(*invoices: Object, pending: tuple[Object, ...] = ()) -> Stripe:
            ended = schedule(status="completed", current_phase=None)
            lines = {"lines": listed()}
            return answering(
                sub_sched_1=ended,
                invoices=listed(*invoices),
                invoiceitems=listed(*pending),
                **lines,
            )

        return on

    def test_is_the_newest_that_is_not_void(self, port: Any) -> None:
        rows = [
            made.invoice(id="in_3", status="void", created=made.CREATED + 2),
            made.invoice(id="in_2", created=made.CREATED + 1),
            made.invoice(id="in_1"),
        ]
        for row in rows:
            row["customer"] = made.customer()

        assert port(*rows).get_final_invoice("sub_sched_1").id == "stripe:in_2"

    def test_when_there_is_none(self, port: Any) -> None:
        assert port().get_final_invoice("sub_sched_1") is None

    def test_what_waits_for_another_invoice_does_not_matter(self, port: Any) -> None:
        others = (
            {"id": "ii_1", "parent": None},
            {"id": "ii_2", "parent": {"subscription_details": {"subscription": "sub_2"}}},
        )
        own = {"id": "ii_3", "parent": {"subscription_details": {"subscription": "sub_1"}}}

        assert port(pending=others).get_final_invoice("sub_sched_1") is None
        with pytest.raises(NotYetPosted, match="ii_3 is not invoiced"):
            port(pending=(*others, own)).get_final_invoice("sub_sched_1")


class TestIdempotency:
    def test_a_key_goes_with_one_content(self) -> None:
        """Another attempt finds the schedule as it is by then, and may have to tell another."""
        keys: list[str] = []
        running = [schedule(item(1, price(), interlock_starts_on="2026-11-01"))]

        def answer(request: httpx.Request) -> httpx.Response:
            name = request.url.path.rpartition("/")[2]
            if request.method == "POST":
                keys.append(request.headers["Idempotency-Key"])
                return httpx.Response(503, json={"error": {"type": "api_error"}})
            row = subscription(item(1, price(), interlock_starts_on="2026-11-01"))
            return httpx.Response(200, json=running[0] if name == "sub_sched_1" else row)

        changed = contract(line(quantity=3), revision=2)
        port = port_on(answer)

        def attempt() -> None:
            with pytest.raises(OutcomeUnknown):
                port.amend_subscription(
                    changed, remote_id="sub_sched_1", idempotency_key="crm:deal/2"
                )

        attempt()
        attempt()
        running[0]["phases"][0]["start_date"] += 3600
        running[0]["current_phase"]["start_date"] += 3600
        attempt()

        assert all(key.startswith("crm:deal/2/") for key in keys)
        assert keys[0] == keys[1] != keys[2]

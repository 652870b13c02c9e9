"""Usage at Stripe: which period charges it, and that it counts once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from interlock.canonical.billing import BillingPeriod, PlacedUsage
from interlock.errors import (
    BusinessRuleViolation,
    OutcomeUnknown,
    RecordConflict,
    VendorRejected,
)

from tests.unit.connectors.billing.made import NOW, Object, seconds
from tests.unit.connectors.billing.stripe_account import Answer, port_on
from tests.unit.finance_samples import placed, usage

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
METER = {
    "id": "mtr_1",
    "event_name": "api-requests",
    "default_aggregation": {"formula": "sum"},
}
SENT_BEFORE = "An event already exists with identifier product:tick-1."


def refused(message: str) -> httpx.Response:
    """An answer of Stripe."""
    error = {"type": "invalid_request_error", "message": message}
    return httpx.Response(400, json={"error": error})


def here(**values: Any) -> PlacedUsage:
    """Usage of three days ago, in its own period."""
    given = {"usage": usage(occurred_at=NOW - 3 * DAY), "charged_at": NOW - 3 * DAY}
    return placed(**({"placed_at": NOW} | given | values))


def submit(answer: Answer, now: PlacedUsage | None = None, first: PlacedUsage | None = None) -> Any:
    """Submit usage to a Stripe that answers so."""
    now = now or here()
    return port_on(answer).submit_usage(
        now, first=first or now, customer_remote_id="cus_1", idempotency_key="key-1"
    )


class TestSubmission:
    def test_as_it_is_sent(self) -> None:
        requests: list[httpx.Request] = []

        def take(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return httpx.Response(200, json={"object": "billing.meter_event"})

        taken = submit(take)

        assert (taken.id, taken.remote_id, taken.placed) == ("product:tick-1", taken.id, here())
        [request] = requests
        moment = seconds(2026, 11, 17, 10)
        assert request.url.path == "/v1/billing/meter_events"
        assert request.headers["Idempotency-Key"] == f"key-1@{moment}"
        assert parse_qs(request.content.decode()) == {
            "event_name": ["api-requests"],
            "identifier": ["product:tick-1"],
            "payload[stripe_customer_id]": ["cus_1"],
            "payload[value]": ["12.50"],
            "timestamp": [str(moment)],
        }

    def test_large_quantity_has_no_exponent(self) -> None:
        def check(request: httpx.Request) -> httpx.Response:
            assert parse_qs(request.content.decode())["payload[value]"] == ["1000000"]
            return httpx.Response(200, json={})

        submit(check, here(usage=usage(quantity=Decimal("1E+6"))))

    def test_what_was_sent_before_counts_where_it_was_sent(self) -> None:
        moved = here(charged_at=NOW, is_adjustment=True)

        taken = submit(lambda _request: refused(SENT_BEFORE), moved, first=here())

        assert taken.placed == here()

    def test_what_was_sent_before_with_another_quantity_is_a_conflict(self) -> None:
        edited = here(usage=usage(quantity=13))

        with pytest.raises(RecordConflict, match=r"as 12.50 of api-requests: link its own id"):
            submit(lambda _request: refused(SENT_BEFORE), edited, first=here())

    def test_other_refusals_and_failures_are_told(self) -> None:
        with pytest.raises(VendorRejected):
            submit(lambda _request: refused("No active meter found."))
        with pytest.raises(OutcomeUnknown):
            submit(lambda _request: httpx.Response(500, json={}))

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"charged_at": NOW - timedelta(days=35, seconds=1)}, "past 35 days"),
            ({"charged_at": NOW + timedelta(minutes=5, seconds=1)}, "to come"),
            ({"usage": usage(id="x" * 101)}, "up to 100 characters"),
            ({"usage": usage(quantity=10**15)}, "up to 15 digits, not 1000000000000000:"),
            ({"usage": usage(quantity="0.1234567890123456")}, "round it, or tell it in parts"),
        ],
    )
    def test_refused_before_it_is_sent(self, changes: dict[str, Any], problem: str) -> None:
        def never(request: httpx.Request) -> httpx.Response:
            raise AssertionError(request.url)

        with pytest.raises(BusinessRuleViolation, match=problem):
            submit(never, here(**changes))

    @pytest.mark.parametrize(
        "changes",
        [
            {"charged_at": NOW - timedelta(days=35)},
            {"charged_at": NOW + timedelta(minutes=5)},
            {"usage": usage(quantity="99999999999999.9")},
        ],
    )
    def test_just_taken(self, changes: dict[str, Any]) -> None:
        taken = submit(lambda _request: httpx.Response(200, json={}), here(**changes))

        assert taken.remote_id == "product:tick-1"


class TestLongAfterAFirstAttempt:
    """Stripe may take the same identifier again, so what is there is looked at."""

    first = here(placed_at=NOW - DAY)
    moved = here(charged_at=NOW, is_adjustment=True)

    def stripe(self, *used: int) -> tuple[Answer, list[str]]:
        """A Stripe whose meter has usage of the minutes in which these seconds are."""
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path.rpartition("/")[2])
            if request.url.path.endswith("/meters"):
                return httpx.Response(200, json={"data": [METER], "has_more": False})
            if request.method == "POST":
                return httpx.Response(200, json={})
            span = request.url.params
            assert (span["customer"], int(span["start_time"]) % 60) == ("cus_1", 0)
            start, end = int(span["start_time"]), int(span["end_time"])
            value = sum(start <= second < end for second in used)
            return httpx.Response(200, json={"data": [{"aggregated_value": value}]})

        return answer, asked

    def test_sent_again_when_nothing_was_counted(self) -> None:
        answer, asked = self.stripe(seconds(2026, 11, 17, 9, 59, 59), seconds(2026, 11, 17, 10, 1))

        assert submit(answer, self.moved, self.first).placed == self.moved
        assert asked == ["meters", "event_summaries", "event_summaries", "meter_events"]

    @pytest.mark.parametrize(
        "second", [seconds(2026, 11, 17, 10, 0, 59), seconds(2026, 11, 20, 10)]
    )
    def test_people_look_when_something_was(self, second: int) -> None:
        answer, asked = self.stripe(second)

        with pytest.raises(RecordConflict, match="tried on 2026-11-19") as told:
            submit(answer, self.moved, self.first)
        assert told.value.record == "product:tick-1"
        assert "meter_events" not in asked

    def test_not_asked_within_a_day(self) -> None:
        answer, asked = self.stripe(seconds(2026, 11, 17, 10))
        submit(answer, self.moved, here(placed_at=NOW - 23 * HOUR))

        assert asked == ["meter_events"]


class TestWindow:
    CYCLE = (seconds(2026, 11, 20, 9, 45), seconds(2026, 12, 20, 9, 45))

    def subscription(self, draft: Object | None = None, **item: Any) -> Object:
        """One that charges the meter, and whose period began a quarter of an hour ago."""
        given = {
            "id": "si_1",
            "created": seconds(2026, 1, 20, 9, 45),
            "current_period_start": self.CYCLE[0],
            "current_period_end": self.CYCLE[1],
            "price": {"recurring": {"meter": "mtr_1"}},
        }
        seats = given | {"id": "si_0", "price": {"recurring": {"meter": None}}}
        return {
            "id": "sub_1",
            "created": seconds(2026, 1, 20, 9, 45),
            "start_date": seconds(2026, 1, 1),
            "latest_invoice": draft,
            "items": {"data": [seats, given | item], "has_more": False},
        }

    def draft(self, **changes: Any) -> Object:
        """The invoice of the period before."""
        given = {
            "status": "draft",
            "billing_reason": "subscription_cycle",
            "automatically_finalizes_at": seconds(2026, 11, 20, 10, 45),
            "period_start": seconds(2026, 10, 20, 9, 45),
        }
        return given | changes

    def windows(self, *subscriptions: Object, meter: str = "api-requests", **of: Any) -> Any:
        """What the port makes of them."""

        def answer(request: httpx.Request) -> httpx.Response:
            meters = request.url.path.endswith("/meters")
            rows = [METER | of] if meters else list(subscriptions)
            return httpx.Response(200, json={"data": rows, "has_more": False})

        return port_on(answer).get_usage_windows(meter, customer_remote_id="cus_1")

    def test_of_the_item_that_has_the_meter(self) -> None:
        [window] = self.windows(self.subscription())

        assert window.subscription == "sub_1"
        assert window.current.start.timestamp() == self.CYCLE[0]
        assert window.current.end.timestamp() == self.CYCLE[1]
        assert (window.closing, window.adds_up) == (None, True)
        assert window.since.timestamp() == seconds(2026, 1, 1)
        assert (window.read_at, window.oldest) == (NOW, NOW - 34 * DAY)

    def test_of_an_item_that_was_added_since_then(self) -> None:
        [window] = self.windows(self.subscription(created=seconds(2026, 11, 20, 9, 50)))

        assert window.since.timestamp() == seconds(2026, 11, 20, 9, 50)

    def test_draft_still_takes_usage_of_its_period(self) -> None:
        [window] = self.windows(self.subscription(self.draft()))

        start = NOW.replace(month=10, minute=45, hour=9)
        assert window.closing == BillingPeriod(start=start, end=window.current.start)

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": "open"},
            {"billing_reason": "subscription_update"},
            {"automatically_finalizes_at": None},
            {"automatically_finalizes_at": seconds(2026, 11, 20, 10, 9)},
        ],
    )
    def test_a_draft_that_may_be_final_at_any_time_does_not(self, changes: Object) -> None:
        [window] = self.windows(self.subscription(self.draft(**changes)))

        assert window.closing is None

    def test_none_of_another_meter(self) -> None:
        other = self.subscription(price={"recurring": {"meter": "mtr_2"}})

        assert self.windows(other) == ()
        assert self.windows() == ()

    def test_each_subscription_that_charges(self) -> None:
        two = self.windows(self.subscription(), self.subscription() | {"id": "sub_2"})

        assert [window.subscription for window in two] == ["sub_1", "sub_2"]

    @pytest.mark.parametrize(("formula", "adds_up"), [("count", True), ("last", False)])
    def test_how_the_meter_counts(self, formula: str, adds_up: bool) -> None:
        [window] = self.windows(self.subscription(), default_aggregation={"formula": formula})

        assert window.adds_up is adds_up

    def test_unknown_meter(self) -> None:
        with pytest.raises(BusinessRuleViolation, match="no active meter storage: create it"):
            self.windows(meter="storage")

"""Phases of schedules at the Stripe sandbox, by Stripe's own client, as Stripe documents them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe as official

from tests.contracts.billing.samples import NOW, Later
from tests.contracts.billing.stripe_samples import HOUR, customer, metered, schedule

pytestmark = pytest.mark.usefixtures("described")

DAY = timedelta(days=1)
YEAR = 24000
# A year from now has 365 days.
START, END = int(NOW.timestamp()), int(NOW.replace(year=2027).timestamp())


def seats(client: official.StripeClient, amount: int = YEAR, quantity: int = 3) -> dict[str, Any]:
    """An item of seats, with a price that may be used again."""
    price: Any = {
        "currency": "usd",
        "product": "SEAT-ANNUAL",
        "recurring": {"interval": "year"},
        "tax_behavior": "exclusive",
        "unit_amount": amount,
    }
    return {"price": client.v1.prices.create(price).id, "quantity": quantity}


def phase(start: int, end: int, *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A phase with these items."""
    told = {"metadata": {"order": "4711"}, "proration_behavior": "always_invoice"}
    return {"start_date": start, "end_date": end, "items": list(items), **told, **changes}


def begun(
    client: official.StripeClient, item: dict[str, Any], **changes: Any
) -> official.SubscriptionSchedule:
    """A schedule that has begun, with a year of an item."""
    wanted: Any = schedule(customer(client), items=[item], **changes)
    return client.v1.subscription_schedules.create(wanted)


def change(
    client: official.StripeClient, id: str, *phases: dict[str, Any], **changes: Any
) -> official.SubscriptionSchedule:
    """Give a schedule these phases."""
    wanted: Any = {"phases": list(phases), "proration_behavior": "none", **changes}
    return client.v1.subscription_schedules.update(id, wanted)


def invoiced(client: official.StripeClient) -> list[list[tuple[int, int, int]]]:
    """From, until and amount of the lines of every invoice, oldest first."""
    return [
        [(line.period.start, line.period.end, line.amount) for line in invoice.lines]
        for invoice in client.v1.invoices.list().data[::-1]
    ]


class TestTransitions:
    def test_items_that_come_within_a_year_are_charged_by_its_rest(
        self, client: official.StripeClient, later: Later
    ) -> None:
        base, more = seats(client), seats(client, 12000, 5)
        made = begun(client, base)
        day = START + 73 * 86400
        told = {"metadata": {"order": "4712"}}
        changed = change(
            client, made.id, phase(START, day, base), phase(day, END, base, more, **told)
        )
        assert [each.start_date for each in changed.phases] == [START, day]

        later(73 * DAY - HOUR)
        assert len(invoiced(client)) == 1
        later(2 * HOUR)

        subscription = client.v1.subscriptions.retrieve(str(made.subscription))
        assert [item.quantity for item in subscription["items"]] == [3, 5]
        assert subscription.metadata["order"] == "4712"
        assert invoiced(client)[1] == [(day, END, 5 * 12000 * 292 // 365)]
        (added, _) = client.v1.invoices.list()
        assert added.parent.subscription_details.metadata["order"] == "4712"
        now = client.v1.subscription_schedules.retrieve(made.id)
        assert (now.current_phase.start_date, now.current_phase.end_date) == (day, END)

    def test_what_goes_within_a_year_is_given_back_by_its_rest(
        self, client: official.StripeClient, later: Later
    ) -> None:
        many, few = seats(client, quantity=10), seats(client, quantity=4)
        made = begun(client, many)
        day = START + 73 * 86400
        change(client, made.id, phase(START, day, many), phase(day, END, few))

        later(74 * DAY)

        assert invoiced(client)[1] == [
            (day, END, 4 * YEAR * 292 // 365),
            (day, END, -10 * YEAR * 292 // 365),
        ]

    @pytest.mark.parametrize("behavior", ["none", "create_prorations", "always_invoice"])
    def test_a_phase_that_begins_with_a_period_is_that_periods_price(
        self, client: official.StripeClient, later: Later, behavior: str
    ) -> None:
        base, renewed = seats(client), seats(client, 25000)
        made = begun(client, base)
        later(10 * DAY)
        after = int(NOW.replace(year=2028).timestamp())
        next_term = phase(
            END, after, renewed, billing_cycle_anchor="phase_start", proration_behavior=behavior
        )
        change(client, made.id, phase(START, END, base), next_term)

        later(400 * DAY)

        assert invoiced(client) == [[(START, END, 72000)], [(END, after, 75000)]]
        subscription = client.v1.subscriptions.retrieve(str(made.subscription))
        assert subscription.billing_cycle_anchor == END

    def test_a_new_billing_cycle_within_a_year_gives_its_rest_back(
        self, client: official.StripeClient, later: Later
    ) -> None:
        base, renewed = seats(client), seats(client, 36500)
        made = begun(client, base)
        half = START + 73 * 86400
        until = int(datetime.fromtimestamp(half, UTC).replace(year=2028).timestamp())
        anew = {"billing_cycle_anchor": "phase_start"}
        change(client, made.id, phase(START, half, base), phase(half, until, renewed, **anew))

        later(80 * DAY)

        assert invoiced(client)[1] == [
            (half, END, -3 * YEAR * 292 // 365),
            (half, until, 3 * 36500),
        ]
        later(400 * DAY)
        assert invoiced(client)[2][0][0] == until

    def test_leap_day_keeps_its_end_of_february(
        self, client: official.StripeClient, later: Later
    ) -> None:
        leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
        ends = [int(datetime(year, 2, 28, 12, tzinfo=UTC).timestamp()) for year in (2029, 2030)]
        base, renewed = seats(client), seats(client, 25000)
        wanted: Any = schedule(customer(client), int(leap.timestamp()), items=[base])
        made = client.v1.subscription_schedules.create(wanted)
        assert made.phases[0].end_date == ends[0]
        first = phase(made.phases[0].start_date, ends[0], base, billing_cycle_anchor="phase_start")
        second = phase(*ends, renewed, billing_cycle_anchor="phase_start")
        change(client, made.id, first, second)

        later(leap - NOW + 500 * DAY)

        assert invoiced(client) == [
            [(int(leap.timestamp()), ends[0], 72000)],
            [(ends[0], ends[1], 75000)],
        ]


class TestUpdates:
    def test_current_phase_is_changed_at_once(
        self, client: official.StripeClient, later: Later
    ) -> None:
        base = seats(client)
        made = begun(client, base)
        later(73 * DAY)

        change(
            client,
            made.id,
            phase(START, END, {**base, "quantity": 8}),
            proration_behavior="always_invoice",
        )

        assert sum(amount for _, _, amount in invoiced(client)[1]) == 5 * YEAR * 292 // 365
        change(client, made.id, phase(START, END, {**base, "quantity": 9}))
        assert len(invoiced(client)) == 2

    def test_current_phase_ends_now(self, client: official.StripeClient, later: Later) -> None:
        base, more = seats(client), seats(client, 1200, 1)
        made = begun(client, base)
        later(10 * DAY)
        now = START + 10 * 86400

        first, second = phase(START, 0, base), phase(0, END, base, more)
        changed = change(
            client, made.id, {**first, "end_date": "now"}, {**second, "start_date": "now"}
        )

        assert [(each.start_date, each.end_date) for each in changed.phases] == [
            (START, now),
            (now, END),
        ]
        assert changed.current_phase.start_date == now
        later(DAY)
        onwards = client.v1.subscription_schedules.update(
            made.id, {"phases": [phase(now, END, base)]}
        )
        assert [each.start_date for each in onwards.phases] == [START, now]

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ([(START + 1, END)], "start date of the current phase"),
            ([(None, END)], "Missing required param"),
            ([(START, START + 86400)], "end in the past"),
            ([(START, START + 86400), (START + 86400, END)], "end in the past"),
            ([(START, END), (END + 1, END + 2)], "starts when the one before it ends"),
        ],
    )
    def test_refused(
        self,
        client: official.StripeClient,
        later: Later,
        changes: list[tuple[Any, int]],
        problem: str,
    ) -> None:
        base = seats(client)
        made = begun(client, base)
        later(30 * DAY)
        phases = [phase(start, end, base) for start, end in changes]
        for each in phases:
            if each["start_date"] is None:
                del each["start_date"]

        with pytest.raises(official.InvalidRequestError, match=problem):
            change(client, made.id, *phases)

        unchanged = client.v1.subscription_schedules.retrieve(made.id)
        assert [(each.start_date, each.end_date) for each in unchanged.phases] == [(START, END)]

    def test_price_of_its_own_is_used_once(self, client: official.StripeClient) -> None:
        made = client.v1.subscription_schedules.create(schedule(customer(client)))
        own = str(made.phases[0]["items"][0].price)

        with pytest.raises(official.InvalidRequestError, match="only accepts active prices"):
            change(client, made.id, phase(START, END, {"price": own, "quantity": 3}))

    def test_metadata_and_settings_alone(self, client: official.StripeClient) -> None:
        made = begun(client, seats(client))
        told: Any = {
            "metadata": {"revision": "2"},
            "default_settings": {"invoice_settings": {"days_until_due": 60}},
        }

        changed = client.v1.subscription_schedules.update(made.id, told)

        assert changed.metadata.to_dict() == {"order": "4711", "revision": "2"}
        assert changed.default_settings.collection_method == "send_invoice"
        subscription = client.v1.subscriptions.retrieve(str(made.subscription))
        assert subscription.days_until_due == 60

    def test_one_that_has_not_started_is_given_other_phases(
        self, client: official.StripeClient, later: Later
    ) -> None:
        base = seats(client, quantity=7)
        wanted: Any = schedule(customer(client), START + 30 * 86400)
        made = client.v1.subscription_schedules.create(wanted)
        sooner = START + 10 * 86400

        change(client, made.id, phase(sooner, END, base, billing_cycle_anchor="phase_start"))
        later(11 * DAY)

        started = client.v1.subscription_schedules.retrieve(made.id)
        assert (started.status, started.current_phase.start_date) == ("active", sooner)
        later(30 * DAY)
        assert len(client.v1.subscriptions.list().data) == 1

    def test_one_that_has_ended(self, client: official.StripeClient) -> None:
        made = begun(client, seats(client))
        client.v1.subscription_schedules.cancel(made.id)

        with pytest.raises(official.InvalidRequestError, match="cannot be updated"):
            client.v1.subscription_schedules.update(made.id, {"end_behavior": "cancel"})


class TestEnds:
    def test_last_usage_is_invoiced_at_the_end(
        self, client: official.StripeClient, later: Later
    ) -> None:
        buyer = customer(client)
        subscription = metered(client, buyer)
        client.v1.subscription_schedules.update(
            str(subscription.schedule), {"end_behavior": "cancel"}
        )
        later(360 * DAY)
        used: Any = {
            "event_name": "api-requests",
            "payload": {"stripe_customer_id": buyer, "value": "100"},
            "timestamp": int((NOW + 360 * DAY).timestamp()),
        }
        client.v1.billing.meter_events.create(used)
        later(6 * DAY)

        ended = client.v1.subscriptions.retrieve(subscription.id)
        assert (ended.status, ended.ended_at) == ("canceled", END)
        last = client.v1.invoices.list().data[0]
        assert (last.id, last.total) == (ended.latest_invoice, 50)
        completed = client.v1.subscription_schedules.retrieve(str(subscription.schedule))
        assert completed.status == "completed"

    def test_an_end_within_a_year_gives_its_rest_back_and_may_be_taken_back(
        self, client: official.StripeClient, later: Later
    ) -> None:
        base = seats(client)
        made = begun(client, base)
        later(DAY)
        end = START + 73 * 86400
        at_once = {"proration_behavior": "always_invoice"}

        change(client, made.id, phase(START, end, base), end_behavior="cancel", **at_once)
        assert client.v1.subscriptions.retrieve(str(made.subscription)).cancel_at == end
        change(client, made.id, phase(START, END, base), end_behavior="release", **at_once)

        given_back, charged = invoiced(client)[1:]
        assert given_back == [(end, END, -3 * YEAR * 292 // 365)]
        assert charged == [(end, END, 3 * YEAR * 292 // 365)]
        assert client.v1.subscriptions.retrieve(str(made.subscription)).cancel_at is None

    def test_a_year_that_will_end_sooner_is_charged_until_then(
        self, client: official.StripeClient, later: Later
    ) -> None:
        base = seats(client)
        made = begun(client, base)
        end = END + 61 * 86400
        change(client, made.id, phase(START, end, base), end_behavior="cancel")

        later(500 * DAY)

        assert invoiced(client)[1:] == [[(END, end, 3 * YEAR * 61 // 366)]]
        assert client.v1.subscriptions.retrieve(str(made.subscription)).status == "canceled"


class TestSubscriptions:
    def test_items_changed_directly_begin_a_phase(
        self, client: official.StripeClient, later: Later
    ) -> None:
        base, more = seats(client), seats(client, 36500, 1)
        made = begun(client, base)
        later(10 * DAY)
        as_of = START + 5 * 86400

        client.v1.subscriptions.update(
            str(made.subscription),
            {"items": [more], "proration_date": as_of, "proration_behavior": "always_invoice"},
        )

        assert invoiced(client)[1] == [(as_of, END, 36000)]
        now = START + 10 * 86400
        split = client.v1.subscription_schedules.retrieve(made.id)
        assert [(each.start_date, each.end_date) for each in split.phases] == [
            (START, now),
            (now, END),
        ]
        assert split.phases[1].billing_cycle_anchor == "phase_start"
        prices = [item.price for item in split.phases[1]["items"]]
        assert prices == [base["price"], more["price"]]
        later(360 * DAY)
        assert client.v1.subscription_schedules.retrieve(made.id).status == "released"

    def test_taken_into_a_schedule_again(self, client: official.StripeClient, later: Later) -> None:
        base = seats(client)
        made = begun(client, base)
        later(400 * DAY)
        assert client.v1.subscription_schedules.retrieve(made.id).status == "released"

        again = client.v1.subscription_schedules.create(
            {"from_subscription": str(made.subscription)}
        )

        after = int(NOW.replace(year=2028).timestamp())
        assert (again.status, again.subscription) == ("active", made.subscription)
        assert (again.phases[0].start_date, again.phases[0].end_date) == (END, after)
        assert again.phases[0].metadata.to_dict() == {"order": "4711"}
        assert again.default_settings.collection_method == "send_invoice"
        with pytest.raises(official.InvalidRequestError, match="already attached"):
            client.v1.subscription_schedules.create({"from_subscription": str(made.subscription)})
        change(client, again.id, phase(END, after, base), end_behavior="cancel")
        later(400 * DAY)
        assert client.v1.subscriptions.retrieve(str(made.subscription)).status == "canceled"

"""Our Stripe sandbox, driven by Stripe's own client as by any other integration."""

from __future__ import annotations

import threading
import time as real_time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stripe as official

from local.sandboxes import stripe as stripe_sandbox
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import StripeSandbox
from tests.contracts.billing.samples import NOW, Later

CUSTOMER = {"name": "Acme", "email": "billing@acme.example", "metadata": {"tier": "gold"}}


def schedule(customer: str, start_date: int | str = "now", **changes: Any) -> dict[str, Any]:
    """A year of three seats."""
    price = {
        "currency": "usd",
        "product": "SEAT-ANNUAL",
        "recurring": {"interval": "year"},
        "unit_amount": 24000,
    }
    phase = {
        "items": [{"price_data": price, "quantity": 3}],
        "duration": {"interval": "year", "interval_count": 1},
        "billing_cycle_anchor": "phase_start",
        "metadata": {"order": "4711"},
    }
    return {
        "customer": customer,
        "start_date": start_date,
        "default_settings": {
            "collection_method": "send_invoice",
            "invoice_settings": {"days_until_due": 30},
        },
        "metadata": {"order": "4711"},
        "phases": [{**phase, **changes}],
    }


@pytest.fixture
def customer(client: official.StripeClient) -> str:
    """A customer with an e-mail address."""
    return client.v1.customers.create(CUSTOMER).id


class TestKeysAndVersions:
    def test_wrong_and_missing_key(self, sandbox: StripeSandbox) -> None:
        wrong = official.StripeClient("rk_test_wrong", base_addresses={"api": sandbox.url})
        with pytest.raises(official.AuthenticationError) as refused:
            wrong.v1.customers.list()
        assert refused.value.request_id
        assert refused.value.http_status == 401

        answer = httpx.get(f"{sandbox.url}/v1/customers")
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"

    def test_expired_key(self, client: official.StripeClient, sandbox: StripeSandbox) -> None:
        sandbox.fail(FaultKind.EXPIRED_TOKEN)

        for _ in range(2):
            with pytest.raises(official.AuthenticationError) as refused:
                client.v1.customers.list()
            assert refused.value.error.code == "api_key_expired"

    def test_pinned_version_is_echoed(self, client: official.StripeClient) -> None:
        answer = client.v1.customers.list()

        assert answer.last_response.headers["Stripe-Version"] == "2026-08-26.dahlia"
        assert answer.last_response.headers["Request-Id"].startswith("req_")

    def test_unknown_path(self, sandbox: StripeSandbox) -> None:
        headers = {"Authorization": f"Bearer {stripe_sandbox.API_KEY}"}

        answer = httpx.get(f"{sandbox.url}/v1/unicorns", headers=headers)

        assert (answer.status_code, answer.json()["error"]["type"]) == (
            404,
            "invalid_request_error",
        )


class TestParameters:
    @pytest.mark.parametrize(
        ("parameters", "code", "param"),
        [
            ({"nickname": "A"}, "parameter_unknown", "nickname"),
            ({"address": {"planet": "Mars"}}, "parameter_unknown", "address[planet]"),
            ({"email": "a" * 513}, "parameter_invalid_string_too_long", "email"),
            ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        ],
    )
    def test_refused_with_the_parameters_name(
        self,
        client: official.StripeClient,
        parameters: dict[str, Any],
        code: str | None,
        param: str,
    ) -> None:
        with pytest.raises(official.InvalidRequestError) as refused:
            client.v1.customers.create(parameters)

        assert (refused.value.http_status, refused.value.code) == (400, code)
        assert refused.value.param == param

    @pytest.mark.parametrize(
        ("changes", "param"),
        [
            ({"items": []}, "phases[0][items]"),
            ({"iterations": 12}, "phases[0][iterations]"),
            ({"end_date": 1}, "phases[0][duration]"),
            ({"proration_behavior": "some"}, "phases[0][proration_behavior]"),
        ],
    )
    def test_refused_inside_a_phase(
        self,
        client: official.StripeClient,
        customer: str,
        changes: dict[str, Any],
        param: str,
    ) -> None:
        with pytest.raises(official.InvalidRequestError) as refused:
            client.v1.subscription_schedules.create(schedule(customer, **changes))

        assert refused.value.param == param

    @pytest.mark.parametrize(
        ("item", "param"),
        [
            ({"currency": "eur"}, "phases[0][items]"),
            ({"product": "NO-SUCH"}, "phases[0][items][1][price_data][product]"),
            ({"unit_amount": "1.5"}, "phases[0][items][1][price_data][unit_amount]"),
            ({"unit_amount_decimal": "1.5"}, "phases[0][items][1][price_data][unit_amount]"),
        ],
    )
    def test_refused_inside_an_item(
        self,
        client: official.StripeClient,
        sandbox: StripeSandbox,
        customer: str,
        item: dict[str, Any],
        param: str,
    ) -> None:
        wanted = schedule(customer)
        first = wanted["phases"][0]["items"][0]
        second = {"price_data": {**first["price_data"], **item}}
        wanted["phases"][0]["items"] = [first, second]

        with pytest.raises(official.InvalidRequestError) as refused:
            client.v1.subscription_schedules.create(wanted)

        assert refused.value.param == param
        assert not sandbox.account.schedules

    def test_sent_invoices_need_an_address_and_days(self, client: official.StripeClient) -> None:
        silent = client.v1.customers.create({"name": "Silent"}).id
        with pytest.raises(official.InvalidRequestError, match="email"):
            client.v1.subscription_schedules.create(schedule(silent))

        customer = client.v1.customers.create(CUSTOMER).id
        without_days = {**schedule(customer)}
        without_days["default_settings"] = {"collection_method": "send_invoice"}
        with pytest.raises(official.InvalidRequestError) as refused:
            client.v1.subscription_schedules.create(without_days)
        assert refused.value.code == "parameter_missing"

    @pytest.mark.parametrize(("currency", "amount"), [("isk", 501), ("kwd", 74125), ("tnd", 1)])
    def test_amounts_a_currency_cannot_have(
        self, client: official.StripeClient, customer: str, currency: str, amount: int
    ) -> None:
        wanted = schedule(customer)
        wanted["phases"][0]["items"][0]["price_data"].update(currency=currency, unit_amount=amount)

        with pytest.raises(official.InvalidRequestError, match="divisible"):
            client.v1.subscription_schedules.create(wanted)

    @pytest.mark.parametrize("amount", ["0.0000000000001", "-1", "NaN", "1,5"])
    def test_decimal_amounts_that_are_none(
        self, client: official.StripeClient, customer: str, amount: str
    ) -> None:
        wanted = schedule(customer)
        price = wanted["phases"][0]["items"][0]["price_data"]
        del price["unit_amount"]
        with pytest.raises(official.InvalidRequestError, match="exactly one"):
            client.v1.subscription_schedules.create(wanted)

        price["unit_amount_decimal"] = amount
        with pytest.raises(official.InvalidRequestError, match="Invalid decimal"):
            client.v1.subscription_schedules.create(wanted)


class TestCustomers:
    def test_update_merges_metadata_and_unsets(
        self, client: official.StripeClient, customer: str
    ) -> None:
        client.v1.customers.update(customer, {"metadata": {"region": "emea", "tier": ""}})
        client.v1.customers.update(customer, {"email": "", "address": {"city": "Berlin"}})

        read = client.v1.customers.retrieve(customer)
        assert read.metadata.to_dict() == {"region": "emea"}
        assert read.email is None
        assert (read.name, read.address.city, read.address.line1) == ("Acme", "Berlin", None)

    def test_list_by_email_is_exact_and_pages(
        self, client: official.StripeClient, customer: str
    ) -> None:
        twins = [client.v1.customers.create(CUSTOMER).id for _ in range(4)]
        client.v1.customers.create({"email": "Billing@acme.example"})

        page = client.v1.customers.list({"email": CUSTOMER["email"], "limit": 2})

        assert page.has_more
        assert [row.id for row in page] == [twins[3], twins[2]]
        every = [row.id for row in page.auto_paging_iter()]
        assert every == [*reversed(twins), customer]

    def test_deleted_customer_leaves_a_stub(
        self, client: official.StripeClient, customer: str
    ) -> None:
        live = client.v1.subscription_schedules.create(schedule(customer))

        assert client.v1.customers.delete(customer).deleted

        assert client.v1.customers.retrieve(customer).deleted
        assert client.v1.customers.list().data == []
        assert client.v1.subscriptions.retrieve(live.subscription).status == "canceled"
        with pytest.raises(official.InvalidRequestError) as refused:
            client.v1.customers.delete(customer)
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


class TestCatalogue:
    def test_products_by_id(self, client: official.StripeClient) -> None:
        asked = {"ids": ["SEAT-ANNUAL", "PS-IMPLEMENT"], "active": True}

        assert [row.id for row in client.v1.products.list(asked)] == ["SEAT-ANNUAL"]
        assert client.v1.products.retrieve("PLATFORM-ANNUAL").active
        with pytest.raises(official.InvalidRequestError):
            client.v1.products.retrieve("PS-IMPLEMENT")


class TestSchedules:
    def test_backdated_subscription_keeps_its_anniversary(
        self, client: official.StripeClient, customer: str
    ) -> None:
        start = int((NOW - timedelta(days=40)).timestamp())

        made = client.v1.subscription_schedules.create(
            {**schedule(customer, start), "expand": ["subscription", "phases.items.price"]}
        )

        subscription = made.subscription
        assert made.status == "active"
        assert made.phases[0]["items"][0]["price"].unit_amount == 24000
        assert (subscription.start_date, subscription.billing_cycle_anchor) == (start, start)
        item = subscription["items"].data[0]
        assert item.current_period_start == start
        assert item.current_period_end == int(datetime(2027, 9, 23, 9, 30, tzinfo=UTC).timestamp())
        assert subscription.metadata.to_dict() == {"order": "4711"}

    def test_backdated_subscription_left_to_stripe_is_anchored_today(
        self, client: official.StripeClient, customer: str
    ) -> None:
        start = int((NOW - timedelta(days=40)).timestamp())
        made = client.v1.subscription_schedules.create(
            schedule(customer, start, billing_cycle_anchor="automatic")
        )

        subscription = client.v1.subscriptions.retrieve(made.subscription)

        assert subscription.start_date == start
        assert subscription.billing_cycle_anchor == int(NOW.timestamp())

    def test_future_start_and_the_years_after(
        self, client: official.StripeClient, customer: str, later: Later
    ) -> None:
        start = int((NOW + timedelta(days=10)).timestamp())
        made = client.v1.subscription_schedules.create(schedule(customer, start))
        assert (made.status, made.subscription) == ("not_started", None)
        assert client.v1.subscriptions.list({"customer": customer}).data == []

        later(timedelta(days=11))
        started = client.v1.subscription_schedules.retrieve(made.id)
        assert started.status == "active"
        assert client.v1.subscriptions.retrieve(started.subscription).schedule == made.id

        later(timedelta(days=400))
        ended = client.v1.subscription_schedules.retrieve(made.id)
        assert (ended.status, ended.released_subscription) == ("released", started.subscription)
        evergreen = client.v1.subscriptions.retrieve(started.subscription)
        assert (evergreen.status, evergreen.schedule) == ("active", None)
        period_start = evergreen["items"].data[0].current_period_start
        assert period_start == int(datetime(2027, 11, 12, 9, 30, tzinfo=UTC).timestamp())

    def test_schedule_that_cancels_at_its_end(
        self, client: official.StripeClient, customer: str, later: Later
    ) -> None:
        made = client.v1.subscription_schedules.create(
            {**schedule(customer), "end_behavior": "cancel"}
        )

        later(timedelta(days=366))

        assert client.v1.subscription_schedules.retrieve(made.id).status == "completed"
        assert client.v1.subscriptions.retrieve(made.subscription).status == "canceled"

    def test_cancel_and_release(self, client: official.StripeClient, customer: str) -> None:
        cancelled = client.v1.subscription_schedules.create(schedule(customer))
        released = client.v1.subscription_schedules.create(schedule(customer))

        client.v1.subscription_schedules.cancel(cancelled.id, {"prorate": False})
        client.v1.subscription_schedules.release(released.id)

        listed = {row.id: row.status for row in client.v1.subscription_schedules.list()}
        assert listed == {cancelled.id: "canceled", released.id: "released"}
        live = client.v1.subscriptions.list({"customer": customer})
        assert [row.id for row in live] == [released.subscription]
        every = client.v1.subscriptions.list({"customer": customer, "status": "all"})
        assert len(every.data) == 2
        with pytest.raises(official.InvalidRequestError):
            client.v1.subscription_schedules.cancel(cancelled.id)

    def test_cancelled_subscription_ends_its_schedule(
        self, client: official.StripeClient, customer: str
    ) -> None:
        made = client.v1.subscription_schedules.create(schedule(customer))

        client.v1.subscriptions.cancel(made.subscription, {"prorate": False})

        assert client.v1.subscription_schedules.retrieve(made.id).status == "canceled"


class TestIdempotencyKeys:
    def test_first_answer_is_replayed(
        self, client: official.StripeClient, sandbox: StripeSandbox
    ) -> None:
        first = client.v1.customers.create(CUSTOMER, {"idempotency_key": "k"})
        second = client.v1.customers.create(CUSTOMER, {"idempotency_key": "k"})

        assert first.id == second.id
        assert "Idempotent-Replayed" not in first.last_response.headers
        headers = second.last_response.headers
        assert headers["Idempotent-Replayed"] == "true"
        assert headers["Original-Request"] == first.last_response.headers["Request-Id"]
        assert len(sandbox.account.customers) == 1

    def test_other_parameters_or_endpoint(
        self, client: official.StripeClient, customer: str
    ) -> None:
        client.v1.customers.create(CUSTOMER, {"idempotency_key": "k"})

        for write in (
            lambda: client.v1.customers.create({"name": "B"}, {"idempotency_key": "k"}),
            lambda: client.v1.customers.update(customer, CUSTOMER, {"idempotency_key": "k"}),
        ):
            with pytest.raises(official.IdempotencyError) as refused:
                write()
            assert refused.value.http_status == 400

    @pytest.mark.parametrize("applied", [True, False])
    def test_failure_is_replayed_too(
        self, client: official.StripeClient, sandbox: StripeSandbox, applied: bool
    ) -> None:
        kind = FaultKind.UNAVAILABLE_AFTER_WRITE if applied else FaultKind.UNAVAILABLE
        sandbox.fail(kind, method="POST")

        for replayed in (None, "true"):
            with pytest.raises(official.APIError) as failed:
                client.v1.customers.create(CUSTOMER, {"idempotency_key": "k"})
            assert failed.value.http_status == 500
            assert failed.value.headers.get("Idempotent-Replayed") == replayed
        assert len(sandbox.account.customers) == int(applied)

    def test_refused_in_execution_is_replayed_and_refused_before_it_is_not(
        self, client: official.StripeClient, customer: str
    ) -> None:
        unknown = {"nickname": "A"}
        with pytest.raises(official.InvalidRequestError):
            client.v1.customers.create(unknown, {"idempotency_key": "k"})
        assert client.v1.customers.create(CUSTOMER, {"idempotency_key": "k"}).id

        with pytest.raises(official.InvalidRequestError):
            client.v1.subscription_schedules.create(
                schedule("cus_missing"), {"idempotency_key": "m"}
            )
        with pytest.raises(official.InvalidRequestError) as replayed:
            client.v1.subscription_schedules.create(
                schedule("cus_missing"), {"idempotency_key": "m"}
            )
        assert replayed.value.headers["Idempotent-Replayed"] == "true"

    def test_forgotten_after_a_day(self, client: official.StripeClient, later: Later) -> None:
        first = client.v1.customers.create(CUSTOMER, {"idempotency_key": "k"})
        later(timedelta(hours=24))

        assert client.v1.customers.create(CUSTOMER, {"idempotency_key": "k"}).id != first.id

    def test_too_long(self, client: official.StripeClient) -> None:
        with pytest.raises(official.IdempotencyError):
            client.v1.customers.create(CUSTOMER, {"idempotency_key": "k" * 256})

    def test_in_use(self, client: official.StripeClient, sandbox: StripeSandbox) -> None:
        sandbox.fail(FaultKind.LATENCY, method="POST", seconds=0.5)
        options = {"idempotency_key": "k"}
        slow = threading.Thread(target=client.v1.customers.create, args=(CUSTOMER, options))
        slow.start()
        while sandbox.faults:  # until the slow request holds the key
            real_time.sleep(0.01)

        with pytest.raises(official.APIError) as refused:
            client.v1.customers.create(CUSTOMER, options)
        slow.join()

        assert refused.value.http_status == 409
        assert refused.value.error.code == "idempotency_key_in_use"
        assert client.v1.customers.create(CUSTOMER, options).id
        assert len(sandbox.account.customers) == 1


class TestRateLimit:
    def test_one_request_too_many(self) -> None:
        sandbox = stripe_sandbox.create(requests_per_second=3).serve()
        client = official.StripeClient(
            stripe_sandbox.API_KEY, base_addresses={"api": sandbox.url}, max_network_retries=0
        )

        def hurry() -> None:
            for _ in range(50):
                client.v1.customers.create(CUSTOMER, {"idempotency_key": "k"})

        with pytest.raises(official.RateLimitError) as refused:
            hurry()
        sandbox.close()

        assert refused.value.http_status == 429
        assert refused.value.error.code == "rate_limit"
        assert refused.value.headers["Stripe-Rate-Limited-Reason"] == "global-rate"

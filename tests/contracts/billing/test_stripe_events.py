"""What the Stripe sandbox tells, and the usage that it is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import stripe as official

from local.sandboxes.stripe import StripeSandbox, events
from tests.contracts.billing.samples import NOW, Later
from tests.contracts.billing.stripe_samples import HOUR, customer, schedule, settled

pytestmark = pytest.mark.usefixtures("described")

VISA = "pm_card_visa"


def told(client: official.StripeClient, *types: str) -> list[str]:
    """The types of the events, oldest first; of these kinds alone if there are any."""
    parameters: dict[str, Any] = {"limit": 100, **({"types": list(types)} if types else {})}
    return [each.type for each in client.v1.events.list(parameters).auto_paging_iter()][::-1]


class TestEvents:
    def test_the_life_of_a_paid_invoice(self, client: official.StripeClient, later: Later) -> None:
        settled(client, later, VISA)
        later(timedelta(days=4))

        assert told(client)[3:] == [
            "subscription_schedule.created",
            "customer.subscription.created",
            "invoice.created",
            "invoice.finalized",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice_payment.paid",
            "invoice.paid",
            "invoice.payment_succeeded",
            "payout.created",
            "payout.reconciliation_completed",
            "payout.paid",
        ]

    def test_of_a_failed_payment_a_refund_and_a_dispute(
        self, client: official.StripeClient, later: Later
    ) -> None:
        settled(client, later, "pm_card_chargeCustomerFail")
        failed = told(client, "invoice.payment_failed", "charge.*", "customer.subscription.updated")
        assert failed == [
            "charge.failed",
            "invoice.payment_failed",
            "customer.subscription.updated",
        ]

        settled(client, later, VISA)
        client.v1.refunds.create({"charge": client.v1.charges.list().data[0].id})
        assert told(client, "refund.*", "charge.refunded") == ["refund.created", "charge.refunded"]

        settled(client, later, "pm_card_createDispute")
        (dispute,) = client.v1.disputes.list()
        won = {"evidence": {"uncategorized_text": "winning_evidence"}}
        client.v1.disputes.update(dispute.id, won)
        assert told(client, "charge.dispute.*") == [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.dispute.closed",
            "charge.dispute.funds_reinstated",
        ]

    def test_carries_the_object_as_it_was(
        self, client: official.StripeClient, later: Later
    ) -> None:
        settled(client, later, VISA)
        (created,) = client.v1.events.list({"type": "invoice.created"})

        read = client.v1.events.retrieve(created.id)

        assert (read.api_version, read.created) == ("2026-08-26.dahlia", int(NOW.timestamp()))
        assert read.data.object["status"] == "draft"
        assert "amount_paid_off_stripe" not in read.data.object

    def test_names_the_request_that_caused_it(
        self, client: official.StripeClient, later: Later
    ) -> None:
        buyer = customer(client)
        options: Any = {"idempotency_key": "k"}
        client.v1.subscription_schedules.create(schedule(buyer), options)
        later(HOUR)

        (created,) = client.v1.events.list({"type": "subscription_schedule.created"})
        (finalized,) = client.v1.events.list({"type": "invoice.finalized"})

        assert created.request.idempotency_key == "k"
        assert created.request.id.startswith("req_")
        assert (finalized.request.id, finalized.request.idempotency_key) == (None, None)

    def test_forgotten_after_thirty_days(self, client: official.StripeClient, later: Later) -> None:
        customer(client)
        (event,) = client.v1.events.list({"created": {"gte": int(NOW.timestamp())}})

        later(timedelta(days=30))
        assert told(client) == ["customer.created"]
        later(timedelta(seconds=1))

        assert told(client) == []
        with pytest.raises(official.InvalidRequestError):
            client.v1.events.retrieve(event.id)


def test_each_event_is_handed_over_in_the_form_of_eventbridge(
    client: official.StripeClient, sandbox: StripeSandbox
) -> None:
    handed: list[dict[str, Any]] = []
    sandbox.account.on_event = lambda event: handed.append(events.partner_event(event, "ed_1"))

    customer(client)

    (envelope,) = handed
    assert envelope["source"] == "aws.partner/stripe.com/ed_1"
    assert envelope["detail-type"] == envelope["detail"]["type"] == "customer.created"


class TestUsage:
    @pytest.fixture
    def meter(self, client: official.StripeClient) -> str:
        """The seeded meter."""
        (meter,) = client.v1.billing.meters.list()
        return meter.id

    def usage(self, buyer: str, value: str, **fields: Any) -> Any:
        """An event of the seeded meter."""
        payload = {"stripe_customer_id": buyer, "value": value}
        return {"event_name": "api-requests", "payload": payload, **fields}

    def test_sums_by_customer_and_day(self, client: official.StripeClient, meter: str) -> None:
        buyer, other = customer(client), customer(client)
        today = int(NOW.timestamp()) // 86400 * 86400
        for moment, value in ((today - 60, "5"), (today, "7"), (today + 600, "0.5")):
            made = client.v1.billing.meter_events.create(
                self.usage(buyer, value, timestamp=moment, identifier=f"use-{moment}")
            )
            assert made.identifier == f"use-{moment}"
        client.v1.billing.meter_events.create(self.usage(other, "100"))
        client.v1.billing.meter_events.create(self.usage(buyer, "many"))

        span: Any = {"customer": buyer, "start_time": today - 86400, "end_time": today + 86400}
        summaries = client.v1.billing.meters.event_summaries
        (whole,) = summaries.list(meter, span)
        by_day = summaries.list(meter, {**span, "value_grouping_window": "day"})

        assert whole.aggregated_value == 12.5
        assert [each.aggregated_value for each in by_day] == [7.5, 5]

    def test_an_identifier_counts_once_a_day(
        self, client: official.StripeClient, later: Later
    ) -> None:
        event = self.usage(customer(client), "1", identifier="use-1")
        client.v1.billing.meter_events.create(event)

        with pytest.raises(official.InvalidRequestError, match="already exists"):
            client.v1.billing.meter_events.create(event)
        later(timedelta(days=1))

        assert client.v1.billing.meter_events.create(event).identifier == "use-1"

    @pytest.mark.parametrize("off", [timedelta(days=-35, seconds=-1), timedelta(seconds=301)])
    def test_too_old_or_too_new(self, client: official.StripeClient, off: timedelta) -> None:
        moment = int((NOW + off).timestamp())

        with pytest.raises(official.InvalidRequestError, match="35 days"):
            client.v1.billing.meter_events.create(self.usage("cus_1", "1", timestamp=moment))

    def test_a_meter_of_its_own(self, client: official.StripeClient) -> None:
        made = client.v1.billing.meters.create(
            {
                "display_name": "Storage",
                "event_name": "storage",
                "default_aggregation": {"formula": "last"},
                "customer_mapping": {"event_payload_key": "buyer", "type": "by_id"},
                "value_settings": {"event_payload_key": "bytes"},
            }
        )

        assert client.v1.billing.meters.retrieve(made.id).default_aggregation.formula == "last"
        with pytest.raises(official.InvalidRequestError, match="no buyer and no bytes"):
            client.v1.billing.meter_events.create({"event_name": "storage", "payload": {"a": "b"}})
        with pytest.raises(official.InvalidRequestError, match="No active meter"):
            client.v1.billing.meter_events.create(
                {"event_name": "unknown", "payload": {"value": "1"}}
            )

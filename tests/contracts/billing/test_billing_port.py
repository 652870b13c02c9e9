"""What every billing adapter must do, run over HTTP against the vendor's sandbox."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from interlock.canonical import Money, Subscription, UnitPrice
from interlock.connectors.billing.port import BillingPort
from interlock.errors import (
    BusinessRuleViolation,
    ContractViolation,
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
    VendorThrottled,
    VendorUnavailable,
)

from local.sandboxes.sandbox import FaultKind, Sandbox
from tests.contracts.billing.samples import (
    ACCOUNT,
    NOW,
    Connect,
    Later,
    line,
    subscription,
)
from tests.contracts.unreachable import unreachable

CUSTOMERS = "/v1/customers$"
SCHEDULES = "/v1/subscription_schedules$"


def applied(sandbox: Sandbox, method: str, path: str) -> int:
    """How many such requests reached the vendor's behaviour and were accepted."""
    return sum(r.method == method and r.path == path and r.status < 400 for r in sandbox.requests)


@pytest.fixture
def customer_id(billing: BillingPort) -> str:
    """A customer at the vendor."""
    return billing.create_customer(ACCOUNT, idempotency_key="customer-1").remote_id


@pytest.fixture
def created(billing: BillingPort, customer_id: str) -> Subscription:
    """Today's subscription of that customer."""
    return billing.create_subscription(
        subscription(), customer_remote_id=customer_id, idempotency_key="subscription-1"
    )


class TestCatalogue:
    def test_only_active_products_are_billable(
        self, billing: BillingPort, sandbox: Sandbox
    ) -> None:
        sandbox.account.products["SEAT-ANNUAL"]["active"] = False

        catalogue = billing.get_catalogue(("SEAT-ANNUAL", "PS-IMPLEMENT", "PLATFORM-ANNUAL"))

        assert catalogue.billable_skus == ("PLATFORM-ANNUAL",)

    def test_nothing_asked(self, billing: BillingPort) -> None:
        assert billing.get_catalogue(()).billable_skus == ()


class TestCustomers:
    def test_created_customer_reads_back_and_is_found(self, billing: BillingPort) -> None:
        customer = billing.create_customer(ACCOUNT, idempotency_key="key-1")

        assert customer.id == ACCOUNT.id
        assert customer.name == ACCOUNT.name
        assert customer.references == {"stripe": customer.remote_id}
        assert billing.get_customer(customer.remote_id) == customer
        assert billing.find_customer(ACCOUNT) == customer

    def test_account_without_address_for_invoices(self, billing: BillingPort) -> None:
        silent = ACCOUNT.model_copy(update={"email": None})

        with pytest.raises(BusinessRuleViolation, match="e-mail address"):
            billing.create_customer(silent, idempotency_key="key-1")

    def test_missing_customer(self, billing: BillingPort) -> None:
        with pytest.raises(RecordNotFound):
            billing.get_customer("cus_missing")

    def test_deleted_customer_is_gone_and_deleted_again_without_error(
        self, billing: BillingPort, customer_id: str
    ) -> None:
        billing.delete_customer(customer_id)
        billing.delete_customer(customer_id)

        assert billing.find_customer(ACCOUNT) is None
        with pytest.raises(RecordNotFound):
            billing.get_customer(customer_id)

    @pytest.mark.parametrize("days_ahead", [-1, 30])
    def test_customer_with_a_live_subscription_stays(
        self, billing: BillingPort, customer_id: str, days_ahead: int
    ) -> None:
        deal = subscription(start_date=NOW.date() + timedelta(days=days_ahead))
        live = billing.create_subscription(
            deal, customer_remote_id=customer_id, idempotency_key="key-1"
        )

        with pytest.raises(BusinessRuleViolation, match=str(live.remote_id)):
            billing.delete_customer(customer_id)

        assert billing.get_customer(customer_id)

    def test_customer_of_a_cancelled_subscription_is_deleted(
        self, billing: BillingPort, customer_id: str, created: Subscription
    ) -> None:
        billing.cancel_subscription(created.remote_id)

        billing.delete_customer(customer_id)

        assert billing.find_customer(ACCOUNT) is None


class TestSubscriptions:
    @pytest.mark.parametrize(
        ("start_date", "status"),
        [
            (date(2026, 10, 20), "active"),
            (date(2025, 10, 20), "active"),
            (date(2026, 11, 2), "not_started"),  # today at noon, and it is half past nine
            (date(2027, 1, 31), "not_started"),
        ],
    )
    def test_starts_on_its_date_and_reads_back(
        self, billing: BillingPort, customer_id: str, start_date: date, status: str
    ) -> None:
        deal = subscription(start_date=start_date, term_months=36)

        entered = billing.create_subscription(
            deal, customer_remote_id=customer_id, idempotency_key="key-1"
        )

        expected = deal.model_copy(
            update={
                "remote_id": entered.remote_id,
                "references": {"stripe": entered.remote_id},
                "status": status,
            }
        )
        assert entered == expected
        assert billing.get_subscription(entered.remote_id) == expected
        assert billing.find_subscription(deal.id, customer_remote_id=customer_id) == expected

    def test_future_subscription_becomes_active(
        self, billing: BillingPort, customer_id: str, later: Later
    ) -> None:
        deal = subscription(start_date=NOW.date() + timedelta(days=30))
        entered = billing.create_subscription(
            deal, customer_remote_id=customer_id, idempotency_key="key-1"
        )

        later(timedelta(days=31))

        assert billing.get_subscription(entered.remote_id).status == "active"

    def test_goes_on_after_its_term(
        self, billing: BillingPort, customer_id: str, created: Subscription, later: Later
    ) -> None:
        later(timedelta(days=400))

        evergreen = billing.find_subscription(created.id, customer_remote_id=customer_id)

        assert evergreen
        assert (evergreen.remote_id, evergreen.status) == (created.remote_id, "active")
        assert billing.cancel_subscription(created.remote_id).status == "canceled"
        assert billing.find_subscription(created.id, customer_remote_id=customer_id) is None

    @pytest.mark.parametrize(
        ("currency", "price", "units"),
        [
            ("USD", "240.50", 24050),
            ("EUR", "0.01", 1),
            ("JPY", "36000", 36000),
            ("KWD", "74.120", 74120),
            ("ISK", "5", 500),
            ("MGA", "5000", 5000),
            ("USD", "84.9915", None),
            ("JPY", "84.9915", None),
        ],
    )
    def test_prices_are_exact_in_every_currency(
        self,
        billing: BillingPort,
        sandbox: Sandbox,
        customer_id: str,
        currency: str,
        price: str,
        units: int | None,
    ) -> None:
        deal = subscription(
            currency, lines=(line(1, "SEAT-ANNUAL", 3, UnitPrice.of(price, currency)),)
        )

        entered = billing.create_subscription(
            deal, customer_remote_id=customer_id, idempotency_key="key-1"
        )

        assert entered.lines == deal.lines
        assert [row["unit_amount"] for row in sandbox.account.prices.values()] == [units]

    def test_half_a_cent_is_not_left_to_the_vendor_to_round(
        self, billing: BillingPort, customer_id: str
    ) -> None:
        half = line(1, "SEAT-ANNUAL", 1, UnitPrice.of("94.905", "USD"))

        entered = billing.create_subscription(
            subscription(lines=(half,)), customer_remote_id=customer_id, idempotency_key="key-1"
        )

        assert entered.lines[0].amount == half.amount == Money.of("94.91", "USD")
        assert entered.lines[0].unit_price == UnitPrice.of("94.91", "USD")

    @pytest.mark.parametrize("days", [0, 45])
    def test_an_invoice_is_due_as_the_payment_terms_say(
        self, billing: BillingPort, sandbox: Sandbox, customer_id: str, days: int
    ) -> None:
        deal = subscription(payment_days=days, start_date=NOW.date() - timedelta(days=1))

        entered = billing.create_subscription(
            deal, customer_remote_id=customer_id, idempotency_key="key-1"
        )

        assert entered.payment_days == days
        (started,) = sandbox.account.subscriptions.values()
        assert started["days_until_due"] == days

    def test_tells_its_invoices_whose_books_they_belong_to(
        self, billing: BillingPort, sandbox: Sandbox, customer_id: str
    ) -> None:
        deal = subscription(subsidiary="TESSALINE-JP", start_date=NOW.date() - timedelta(days=1))

        entered = billing.create_subscription(
            deal, customer_remote_id=customer_id, idempotency_key="key-1"
        )

        assert entered.subsidiary == "TESSALINE-JP"
        (started,) = sandbox.account.subscriptions.values()
        assert started["metadata"]["interlock_subsidiary"] == "TESSALINE-JP"

    @pytest.mark.parametrize(
        ("lines", "problem"),
        [
            ((), "1 to 20 lines"),
            (
                tuple(line(n, "SEAT-ANNUAL", 1, UnitPrice.of(9, "USD")) for n in range(21)),
                "20 lines",
            ),
            ((line(1, "SEAT-ANNUAL", 1, UnitPrice.of(9, "EUR")),), "not in USD"),
            (
                (
                    line(1, "SEAT-ANNUAL", 1, UnitPrice.of(9, "USD")).model_copy(
                        update={"quantity": Decimal("1.5")}
                    ),
                ),
                "whole quantities",
            ),
            (
                (
                    line(1, "SEAT-ANNUAL", 2, UnitPrice.of(9, "USD")).model_copy(
                        update={"amount": Money.of(17, "USD")}
                    ),
                ),
                "cannot come to 17.00 USD for 2 at 9.00 USD",
            ),
        ],
    )
    def test_what_cannot_be_charged_is_refused_before_anything_is_sent(
        self, billing: BillingPort, sandbox: Sandbox, lines: tuple, problem: str
    ) -> None:
        with pytest.raises(BusinessRuleViolation, match=problem):
            billing.create_subscription(
                subscription(lines=lines), customer_remote_id="cus_1", idempotency_key="key-1"
            )

        assert not sandbox.requests

    def test_unknown_product_and_unknown_customer(
        self, billing: BillingPort, customer_id: str
    ) -> None:
        services = subscription(lines=(line(1, "PS-IMPLEMENT", 1, UnitPrice.of(9, "USD")),))
        for deal, customer in ((services, customer_id), (subscription(), "cus_missing")):
            with pytest.raises(RecordNotFound):
                billing.create_subscription(
                    deal, customer_remote_id=customer, idempotency_key=f"key-{customer}"
                )

    def test_missing_subscription(self, billing: BillingPort) -> None:
        with pytest.raises(RecordNotFound):
            billing.get_subscription("sub_sched_missing")


class TestCancellation:
    @pytest.mark.parametrize("days_ahead", [-10, 30])
    def test_cancels_at_once_without_proration_and_only_once(
        self, billing: BillingPort, sandbox: Sandbox, customer_id: str, days_ahead: int
    ) -> None:
        deal = subscription(start_date=NOW.date() + timedelta(days=days_ahead))
        entered = billing.create_subscription(
            deal, customer_remote_id=customer_id, idempotency_key="key-1"
        )

        cancelled = billing.cancel_subscription(entered.remote_id)

        assert cancelled == entered.model_copy(update={"status": "canceled"})
        assert billing.cancel_subscription(entered.remote_id) == cancelled
        assert billing.find_subscription(deal.id, customer_remote_id=customer_id) is None
        assert {row["status"] for row in sandbox.account.subscriptions.values()} <= {"canceled"}
        cancels = [r for r in sandbox.requests if r.path.endswith("/cancel")]
        assert len(cancels) == 1
        assert {"prorate=false", "invoice_now=false"} <= set(cancels[0].body.split("&"))

    def test_nothing_is_cancelled_that_does_not_say_whose_books_it_belongs_to(
        self, billing: BillingPort, sandbox: Sandbox, created: Subscription
    ) -> None:
        metadata = sandbox.account.schedules[created.remote_id]["metadata"]
        del metadata["interlock_subsidiary"]

        with pytest.raises(ContractViolation, match="enter the subsidiary"):
            billing.cancel_subscription(created.remote_id)
        metadata["interlock_subsidiary"] = created.subsidiary

        assert billing.get_subscription(created.remote_id) == created

    def test_may_be_sold_again_after_it(
        self, billing: BillingPort, customer_id: str, created: Subscription
    ) -> None:
        billing.cancel_subscription(created.remote_id)

        again = billing.create_subscription(
            subscription(), customer_remote_id=customer_id, idempotency_key="subscription-2"
        )

        assert again.remote_id != created.remote_id
        found = billing.find_subscription(again.id, customer_remote_id=customer_id)
        assert found == again

    def test_lost_answer_to_a_cancellation(
        self, billing: BillingPort, sandbox: Sandbox, created: Subscription
    ) -> None:
        sandbox.fail(FaultKind.LOST_ANSWER, path="/cancel$")

        with pytest.raises(OutcomeUnknown):
            billing.cancel_subscription(created.remote_id)

        assert billing.cancel_subscription(created.remote_id).status == "canceled"


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            (FaultKind.THROTTLE, VendorThrottled),
            (FaultKind.UNAVAILABLE, VendorUnavailable),
            (FaultKind.LOST_ANSWER, VendorUnavailable),
            (FaultKind.EXPIRED_TOKEN, CredentialsRejected),
        ],
    )
    def test_failed_read(
        self,
        billing: BillingPort,
        sandbox: Sandbox,
        customer_id: str,
        kind: FaultKind,
        error: type[InterlockError],
    ) -> None:
        sandbox.fail(kind, method="GET")

        with pytest.raises(error):
            billing.get_customer(customer_id)

        sandbox.heal()
        assert billing.get_customer(customer_id)

    @pytest.mark.parametrize(
        ("kind", "error", "done"),
        [
            (FaultKind.THROTTLE, VendorThrottled, False),
            (FaultKind.EXPIRED_TOKEN, CredentialsRejected, False),
            (FaultKind.UNAVAILABLE, OutcomeUnknown, False),
            (FaultKind.UNAVAILABLE_AFTER_WRITE, OutcomeUnknown, True),
            (FaultKind.LOST_ANSWER, OutcomeUnknown, True),
        ],
    )
    def test_failed_write_is_found_or_repeated_and_never_doubled(
        self,
        billing: BillingPort,
        sandbox: Sandbox,
        customer_id: str,
        kind: FaultKind,
        error: type[InterlockError],
        done: bool,
    ) -> None:
        deal = subscription()

        def create() -> Subscription:
            return billing.create_subscription(
                deal, customer_remote_id=customer_id, idempotency_key="key-1"
            )

        sandbox.fail(kind, method="POST", path=SCHEDULES)
        with pytest.raises(error):
            create()
        sandbox.heal()

        found = billing.find_subscription(deal.id, customer_remote_id=customer_id)
        assert (found is not None) == done
        assert create() == billing.find_subscription(deal.id, customer_remote_id=customer_id)
        assert len(sandbox.account.schedules) == 1

    @pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE, FaultKind.UNAVAILABLE_AFTER_WRITE])
    def test_a_kept_failure_does_not_block_the_customer(
        self, billing: BillingPort, sandbox: Sandbox, kind: FaultKind
    ) -> None:
        sandbox.fail(kind, method="POST", path=CUSTOMERS)
        with pytest.raises(OutcomeUnknown):
            billing.create_customer(ACCOUNT, idempotency_key="key-1")

        customer = billing.create_customer(ACCOUNT, idempotency_key="key-1")

        assert billing.find_customer(ACCOUNT) == customer

    def test_throttled_says_when_to_try_again(self, billing: BillingPort, sandbox: Sandbox) -> None:
        sandbox.fail(FaultKind.THROTTLE, retry_after=7)

        with pytest.raises(VendorThrottled) as throttled:
            billing.get_catalogue(("SEAT-ANNUAL",))

        assert throttled.value.retry_after == 7

    def test_slow_answer_is_an_answer(self, billing: BillingPort, sandbox: Sandbox) -> None:
        sandbox.fail(FaultKind.LATENCY, seconds=0.1)

        assert billing.get_catalogue(("SEAT-ANNUAL",)).billable_skus == ("SEAT-ANNUAL",)

    def test_repeated_key_with_the_same_content_writes_once(
        self, billing: BillingPort, sandbox: Sandbox
    ) -> None:
        first = billing.create_customer(ACCOUNT, idempotency_key="key-1")
        second = billing.create_customer(ACCOUNT, idempotency_key="key-1")

        assert first == second
        assert len(sandbox.account.customers) == 1

    def test_repeated_key_with_other_content_is_a_conflict(self, billing: BillingPort) -> None:
        billing.create_customer(ACCOUNT, idempotency_key="key-1")
        renamed = ACCOUNT.model_copy(update={"name": "Acme Robotics SE"})

        with pytest.raises(RecordConflict):
            billing.create_customer(renamed, idempotency_key="key-1")

    def test_wrong_key_is_not_shown(self, connect: Connect) -> None:
        with pytest.raises(CredentialsRejected) as rejected:
            connect("rk_test_wrong_key").get_catalogue(("SEAT-ANNUAL",))

        assert "wrong_key" not in str(rejected.value)
        assert rejected.value.request_id

    def test_vendor_that_is_not_there(self, connect: Connect, sandbox: Sandbox) -> None:
        with unreachable(sandbox), pytest.raises(VendorUnavailable):
            connect().create_customer(ACCOUNT, idempotency_key="key-1")

    def test_too_many_requests_change_nothing(
        self, billing: BillingPort, sandbox: Sandbox, customer_id: str
    ) -> None:
        sandbox.fail(FaultKind.THROTTLE, method="POST", path=SCHEDULES)

        with pytest.raises(VendorThrottled):
            billing.create_subscription(
                subscription(), customer_remote_id=customer_id, idempotency_key="key-1"
            )

        assert applied(sandbox, "POST", "/v1/subscription_schedules") == 0

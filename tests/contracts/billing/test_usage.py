"""Usage through the billing port, placed by the rule: what is charged for it, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import stripe as official
from interlock.canonical.billing import PlacedUsage, UsageRecord
from interlock.connectors.billing.port import BillingPort, SubmittedUsage
from interlock.errors import BusinessRuleViolation, RecordConflict, TransientError
from interlock.rules import usage_window

from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import StripeSandbox
from tests.contracts.billing.samples import ACCOUNT, NOW, Later
from tests.contracts.billing.stripe_samples import HOUR, metered

pytestmark = pytest.mark.usefixtures("described")

Charged = Callable[[], list[tuple[str, Decimal]]]
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
DECEMBER, JANUARY = NOW.replace(month=12), NOW.replace(month=1, year=2027)
EVENTS = "/v1/billing/meter_events"


@pytest.fixture
def customer(billing: BillingPort, client: official.StripeClient) -> str:
    """One whose usage is charged by the month, from now on."""
    customer = billing.create_customer(ACCOUNT, idempotency_key="c").remote_id
    metered(client, customer, unit_amount="100")
    return customer


def of(moment: datetime, quantity: str = "1", id: str = "product:1") -> UsageRecord:
    """What the customer used."""
    return UsageRecord(
        id=id,
        customer_id=ACCOUNT.id,
        meter="api-requests",
        quantity=quantity,
        occurred_at=moment,
    )


def place(billing: BillingPort, customer: str, usage: UsageRecord) -> PlacedUsage:
    """Where it would be charged now."""
    windows = billing.get_usage_windows(usage.meter, customer_remote_id=customer)
    return usage_window.place(usage, windows)


def use(
    billing: BillingPort, customer: str, usage: UsageRecord, first: PlacedUsage | None = None
) -> SubmittedUsage:
    """Place and submit it, perhaps after a first attempt."""
    placed = place(billing, customer, usage)
    return billing.submit_usage(
        usage_window.again(placed, first or placed),
        first=first or placed,
        customer_remote_id=customer,
        idempotency_key="key",
    )


@pytest.fixture
def charged(billing: BillingPort, client: official.StripeClient, later: Later) -> Charged:
    """Waits, and tells on which day each invoice charges usage, and how much; oldest first."""

    def invoices() -> list[tuple[str, Decimal]]:
        later(90 * DAY)
        rows = [billing.get_invoice(f"stripe:{row.id}") for row in client.v1.invoices.list()]
        return [
            (invoice.issued_on.isoformat(), line.amount.amount)
            for invoice in reversed(rows)
            for line in invoice.lines
            if line.sku == "PLATFORM-ANNUAL" and line.amount.amount
        ]

    return invoices


def test_in_its_own_period(
    billing: BillingPort, customer: str, later: Later, charged: Charged
) -> None:
    later(DAY)
    taken = use(billing, customer, of(NOW, "2.5"))
    assert taken.placed
    assert (taken.placed.charged_at, taken.placed.is_adjustment) == (NOW, False)
    assert (taken.placed.period.start, taken.placed.period.end) == (NOW, DECEMBER)

    assert charged() == [("2026-12-02", Decimal("2.50"))]


def test_in_its_own_period_as_long_as_the_draft_takes_it(
    billing: BillingPort, customer: str, later: Later, charged: Charged
) -> None:
    later(DECEMBER - NOW + 50 * MINUTE)
    last = use(billing, customer, of(DECEMBER - MINUTE, "2", "product:1"))
    later(MINUTE)
    late = use(billing, customer, of(DECEMBER - MINUTE, "3", "product:2"))
    assert last.placed
    assert late.placed
    assert (last.placed.is_adjustment, late.placed.is_adjustment) == (False, True)

    assert charged() == [("2026-12-02", Decimal(2)), ("2027-01-02", Decimal(3))]


def test_late_usage_is_the_next_periods_adjustment(
    billing: BillingPort, customer: str, later: Later, charged: Charged
) -> None:
    later(DECEMBER - NOW + 5 * DAY)
    taken = use(billing, customer, of(NOW + DAY, "7"))
    again = use(billing, customer, of(NOW + DAY, "7"), first=taken.placed)
    assert taken.placed == again.placed
    assert taken.placed
    assert (taken.placed.charged_at, taken.placed.is_adjustment) == (DECEMBER + 5 * DAY, True)

    assert charged() == [("2027-01-02", Decimal(7))]


@pytest.mark.parametrize(
    ("fault", "counted", "on"),
    [
        (FaultKind.LOST_ANSWER, "2026-11-30", "2026-12-02"),
        (FaultKind.UNAVAILABLE, "2026-12-02", "2027-01-02"),
    ],
)
def test_period_is_over_before_the_retry(
    billing: BillingPort,
    customer: str,
    sandbox: StripeSandbox,
    later: Later,
    fault: FaultKind,
    counted: str,
    on: str,
    charged: Charged,
) -> None:
    """Whatever became of the first attempt, it is charged once, and where the answer says."""
    usage = of(DECEMBER - 2 * DAY, "4")
    later(DECEMBER - NOW - HOUR)
    first = place(billing, customer, usage)
    sandbox.fail(fault, method="POST", path=EVENTS)
    with pytest.raises(TransientError):
        use(billing, customer, usage)
    later(3 * HOUR)

    taken = use(billing, customer, usage, first)

    assert taken.placed
    assert taken.placed.charged_at.date().isoformat() == counted
    assert taken.placed.is_adjustment == (fault is FaultKind.UNAVAILABLE)
    assert charged() == [(on, Decimal(4))]


def test_a_day_after_a_first_attempt_that_nobody_knows_of(
    billing: BillingPort, customer: str, later: Later
) -> None:
    """Stripe would count it a second time."""
    first = use(billing, customer, of(NOW)).placed
    later(25 * HOUR)

    with pytest.raises(RecordConflict, match="look whether it is this"):
        use(billing, customer, of(NOW), first)


def test_a_day_after_a_first_attempt_that_never_arrived(
    billing: BillingPort, customer: str, later: Later, charged: Charged
) -> None:
    first = place(billing, customer, of(NOW, "5"))
    use(billing, customer, of(NOW + MINUTE, id="product:2"))
    later(25 * HOUR)
    use(billing, customer, of(NOW, "5"), first)

    assert charged() == [("2026-12-02", Decimal(6))]


def test_usage_that_no_subscription_charges(
    billing: BillingPort, client: official.StripeClient
) -> None:
    customer = billing.create_customer(ACCOUNT, idempotency_key="c").remote_id
    with pytest.raises(BusinessRuleViolation, match="no running subscription"):
        place(billing, customer, of(NOW))
    subscription = metered(client, customer)
    client.v1.subscriptions.cancel(subscription.id)
    with pytest.raises(BusinessRuleViolation, match="no running subscription"):
        place(billing, customer, of(NOW))
    for _ in range(2):
        metered(client, customer)
    with pytest.raises(BusinessRuleViolation, match="several subscriptions would charge"):
        place(billing, customer, of(NOW))

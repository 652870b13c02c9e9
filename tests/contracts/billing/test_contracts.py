"""What a contract comes to through the billing port: amended, renewed, ended, and counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
import stripe as official
from interlock.canonical import Money
from interlock.canonical.billing import Invoice
from interlock.canonical.contracts import BilledContract, Contract, ContractLine, ContractStatus
from interlock.canonical.customer_view import RecentUsage
from interlock.connectors.billing.port import BillingPort
from interlock.errors import (
    BusinessRuleViolation,
    InterlockError,
    NotYetPosted,
    RecordNotFound,
)

from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import StripeSandbox
from tests.contracts.billing.contract_samples import (
    AFTER,
    END,
    PLATFORM,
    RENEWED,
    SEATS,
    START,
    contract,
    line,
    sold,
)
from tests.contracts.billing.samples import ACCOUNT, NOW, Later
from tests.contracts.billing.stripe_samples import metered

pytestmark = pytest.mark.usefixtures("described")

Until = Callable[[date], None]
Invoices = Callable[[], list[Invoice]]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEAR = Decimal(365)
ENDING = {"status": ContractStatus.ENDING}
UPSOLD = date(2027, 3, 1)


@pytest.fixture
def customer(billing: BillingPort) -> str:
    """A customer at the vendor."""
    return billing.create_customer(ACCOUNT, idempotency_key="c").remote_id


@pytest.fixture
def until(time: list[datetime]) -> Until:
    """Lets the time pass until the afternoon of a day."""

    def move(day: date) -> None:
        time[0] = datetime.combine(day, AFTERNOON)

    return move


AFTERNOON = time(15, tzinfo=UTC)


@pytest.fixture
def begin(billing: BillingPort, customer: str) -> Callable[..., str]:
    """Starts the subscription of a contract; its id there."""

    def create(signed: Contract | None = None, term_months: int = 12) -> str:
        made = billing.create_subscription(
            sold(signed or contract(), term_months),
            customer_remote_id=customer,
            idempotency_key="s",
        )
        return str(made.remote_id)

    return create


@pytest.fixture
def amend(billing: BillingPort) -> Callable[..., BilledContract]:
    """Tells a revision of a contract."""

    def tell(remote_id: str, *lines: ContractLine, revision: int = 2, **changes: Any) -> Any:
        changed = contract(*lines, revision=revision, **changes)
        key = f"amend-{revision}"
        return billing.amend_subscription(changed, remote_id=remote_id, idempotency_key=key)

    return tell


@pytest.fixture
def invoices(
    billing: BillingPort, client: official.StripeClient, sandbox: StripeSandbox
) -> Invoices:
    """The customer's invoices as the books read them, oldest first; each adds up."""

    def read() -> list[Invoice]:
        ids = [row.id for row in client.v1.invoices.list({"limit": 100})][::-1]
        found = [billing.get_invoice(f"stripe:{id}") for id in ids]
        for invoice in found:
            assert invoice.order_id == contract().id
            assert (invoice.customer_id, invoice.subsidiary) == (ACCOUNT.id, "TESSALINE-DE")
            amounts = (each.amount for each in invoice.lines)
            assert Money.total(amounts, invoice.currency) == invoice.net
            assert all(each.sku and each.service_period for each in invoice.lines)
        return found

    return read


def nets(invoices: Invoices) -> list[Decimal]:
    """What each invoice comes to."""
    return [invoice.net.amount for invoice in invoices()]


def share(yearly: str, days: int, year: Decimal = YEAR) -> Decimal:
    """So many days of a yearly amount."""
    return (Decimal(yearly) * days / year).quantize(Decimal("0.01"))


class TestReading:
    def test_as_it_was_sold(self, billing: BillingPort, begin: Any) -> None:
        remote_id = begin()

        billed = billing.get_billed_contract(remote_id)

        assert (billed.id, billed.remote_id) == (contract().id, remote_id)
        assert (billed.revision, billed.ends, billed.status) == (0, False, "active")
        assert billed.phases == contract().phases

    def test_missing(self, billing: BillingPort) -> None:
        with pytest.raises(RecordNotFound):
            billing.get_billed_contract("sub_sched_missing")

    def test_the_contract_as_it_was_signed_changes_nothing(
        self, billing: BillingPort, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()

        billed = amend(remote_id, revision=1)

        assert (billed.revision, billed.ends) == (1, False)
        assert billed.phases == contract().phases
        assert billing.get_billed_contract(remote_id) == billed
        until(END + DAY)
        assert nets(invoices) == [18000, 18000]


class TestRenewal:
    def test_before_the_end(
        self, billing: BillingPort, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()
        until(date(2027, 8, 1))

        billed = amend(remote_id, PLATFORM, SEATS, *RENEWED)

        renewed = contract(PLATFORM, SEATS, *RENEWED)
        assert billed.phases == renewed.phases
        assert nets(invoices) == [18000]
        until(END + DAY)
        first, second = invoices()
        assert second.net == renewed.yearly_on(END) == Money.of(20160, "USD")
        assert [(each.sku, each.quantity) for each in second.lines] == [
            ("PLATFORM-ANNUAL", 1),
            ("SEAT-ANNUAL", 30),
        ]
        assert not any(each.is_proration for each in second.lines)
        for invoice, start, after in ((first, START, END), (second, END, AFTER)):
            for each in invoice.lines:
                assert each.service_period.first_day == start
                # Noon is the end: that day is the last, as it is the next one's first.
                assert each.service_period.last_day == after
        until(AFTER + DAY)
        assert nets(invoices) == [18000, 20160, 20160]

    def test_taken_back_the_earlier_phases_are_there_again(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()
        until(date(2027, 8, 1))
        amend(remote_id, PLATFORM, SEATS, *RENEWED)

        billed = amend(remote_id, revision=3)

        assert billed.phases == contract().phases
        until(END + DAY)
        assert nets(invoices) == [18000, 18000]

    def test_renewed_again_after_it_was_taken_back(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()
        amend(remote_id, PLATFORM, SEATS, *RENEWED)
        amend(remote_id, revision=3)

        amend(remote_id, PLATFORM, SEATS, *RENEWED, revision=4)

        until(END + DAY)
        assert nets(invoices) == [18000, 20160]

    def test_one_that_is_told_after_the_end_is_charged_from_then_on(
        self,
        billing: BillingPort,
        customer: str,
        begin: Any,
        amend: Any,
        invoices: Invoices,
        until: Until,
    ) -> None:
        remote_id = begin()
        until(END + 20 * DAY)
        assert billing.get_billed_contract(remote_id).phases == ()

        billed = amend(remote_id, PLATFORM, SEATS, *RENEWED)

        assert billed.remote_id != remote_id
        assert billing.get_billed_contract(remote_id) == billed
        assert sum(nets(invoices)) == 18000 + 20160
        (found,) = [
            billing.find_subscription(contract().id, customer_remote_id=customer),
        ]
        assert found
        assert found.remote_id == billed.remote_id
        until(AFTER + DAY)
        assert sum(nets(invoices)) == 18000 + 2 * 20160
        assert billing.cancel_subscription(remote_id).status == "canceled"
        assert billing.get_billed_contract(remote_id).status == "canceled"

    def test_at_the_same_price_told_after_the_end_no_invoice_is_made(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()
        until(END + 20 * DAY)
        again = [
            each.model_copy(update={"starts_on": END, "ends_on": AFTER})
            for each in (PLATFORM, SEATS)
        ]

        billed = amend(remote_id, PLATFORM, SEATS, *again)

        assert nets(invoices) == [18000, 18000]
        assert billed.phases[0].lines == tuple(again)

    def test_leap_day(
        self, begin: Any, amend: Any, invoices: Invoices, time: list[datetime], until: Until
    ) -> None:
        leap, end, after = date(2028, 2, 29), date(2029, 2, 28), date(2030, 2, 28)
        seats, next_seats = line(starts_on=leap, ends_on=end), line(starts_on=end, ends_on=after)
        until(date(2028, 2, 20))
        remote_id = begin(contract(seats))
        until(date(2028, 12, 1))

        billed = amend(remote_id, seats, next_seats)

        assert billed.phases == contract(seats, next_seats).phases
        until(date(2030, 3, 1))
        made = invoices()
        assert [each.lines[0].service_period.first_day for each in made] == [leap, end, after]
        assert nets(invoices) == [6000, 6000, 6000]

    def test_a_term_of_one_and_a_half_years_gives_its_rest_back(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        end, after = date(2028, 5, 1), date(2029, 5, 1)
        seats, next_seats = line(ends_on=end), line(price="300", starts_on=end, ends_on=after)
        remote_id = begin(contract(seats), term_months=18)

        amend(remote_id, seats, next_seats)

        until(end + DAY)
        used = (end - END).days
        assert sum(nets(invoices)) == 6000 + share("6000", used, Decimal(366)) + 7500
        until(after + DAY)
        assert nets(invoices)[-1] == 7500

    def test_a_ramp_is_charged_year_by_year(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        last = date(2029, 11, 1)
        steps = (
            line(quantity=10),
            line(quantity=20, starts_on=END, ends_on=AFTER),
            line(quantity=30, starts_on=AFTER, ends_on=last),
        )
        remote_id = begin(contract(*steps), term_months=36)

        billed = amend(remote_id, *steps, revision=1)

        assert billed.phases == contract(*steps).phases
        until(AFTER + DAY)
        assert nets(invoices) == [2400, 4800, 7200]


class TestUpsell:
    @pytest.mark.parametrize(
        ("told_on", "at"),
        [
            (date(2027, 2, 10), 15),
            (UPSOLD, 9),
            (UPSOLD, 15),
            (UPSOLD + DAY, 9),
            (date(2027, 5, 20), 3),
        ],
        ids=["before", "in the morning", "in the afternoon", "a day late", "weeks late"],
    )
    def test_is_charged_by_the_days_that_are_left_whenever_it_is_told(
        self,
        begin: Any,
        amend: Any,
        invoices: Invoices,
        time: list[datetime],
        until: Until,
        told_on: date,
        at: int,
    ) -> None:
        remote_id = begin()
        time[0] = datetime.combine(told_on, AFTERNOON.replace(hour=at))
        more = line(quantity=7, price="199.99", starts_on=UPSOLD)

        amend(remote_id, PLATFORM, SEATS, more)

        until(max(UPSOLD, told_on))
        first, upsell = invoices()
        assert first.net == Money.of(18000, "USD")
        expected = share("1399.93", (END - UPSOLD).days)
        assert upsell.net.amount == expected
        assert [each.amount.amount for each in upsell.lines] == [expected]
        (charged,) = upsell.lines
        assert (charged.sku, charged.quantity, charged.is_proration) == ("SEAT-ANNUAL", 7, True)
        assert charged.service_period.first_day == UPSOLD
        until(END + DAY)
        assert nets(invoices)[2:] == [Decimal("19399.93")]

    @pytest.mark.parametrize("told_on", [date(2027, 2, 10), date(2027, 5, 20)])
    def test_another_quantity_replaces_the_line(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until, told_on: date
    ) -> None:
        remote_id = begin()
        until(told_on)
        fewer = line(quantity=10, starts_on=UPSOLD)

        amend(remote_id, PLATFORM, line(ends_on=UPSOLD), fewer)

        until(date(2027, 5, 21))
        days = (END - UPSOLD).days
        assert nets(invoices)[1:] == [share("2400", days) - share("6000", days)]

    @pytest.mark.parametrize("told_on", [date(2027, 2, 10), date(2027, 5, 20)])
    def test_taken_back_nothing_is_charged_of_it(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until, told_on: date
    ) -> None:
        remote_id = begin()
        until(told_on)
        amend(remote_id, PLATFORM, SEATS, line(quantity=7, starts_on=UPSOLD))
        until(max(told_on, UPSOLD) + 40 * DAY)

        billed = amend(remote_id, revision=3)

        assert billed.phases[-1].lines == (PLATFORM, SEATS)
        assert sum(nets(invoices)) == 18000
        until(END + DAY)
        assert nets(invoices)[-1] == 18000

    @pytest.mark.parametrize("told_on", [date(2027, 2, 10), date(2027, 5, 20)])
    def test_less_that_is_taken_back_is_charged_as_before(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until, told_on: date
    ) -> None:
        remote_id = begin()
        until(told_on)
        amend(remote_id, PLATFORM, line(ends_on=UPSOLD), line(quantity=10, starts_on=UPSOLD))
        until(date(2027, 6, 20))

        billed = amend(remote_id, revision=3)

        assert billed.phases[0].lines == (PLATFORM, SEATS)
        assert sum(nets(invoices)) == 18000

    def test_while_a_renewal_is_planned(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()
        until(date(2027, 2, 10))
        amend(remote_id, PLATFORM, SEATS, *RENEWED)
        more = line(quantity=5, starts_on=UPSOLD, ends_on=AFTER)

        billed = amend(remote_id, PLATFORM, SEATS, more, *RENEWED, revision=3)

        assert [len(phase.lines) for phase in billed.phases] == [2, 3, 3]
        until(END + DAY)
        assert nets(invoices) == [18000, share("1200", (END - UPSOLD).days), 21360]

    def test_equal_lines_are_both_charged(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()
        until(date(2027, 5, 20))
        more = line(quantity=5, starts_on=UPSOLD)

        amend(remote_id, PLATFORM, SEATS, more, more)

        assert nets(invoices)[1:] == [2 * share("1200", (END - UPSOLD).days)]
        amend(remote_id, PLATFORM, SEATS, more, revision=3)
        assert sum(nets(invoices)[1:]) == share("1200", (END - UPSOLD).days)

    def test_of_several_days_told_at_once(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        later = date(2027, 4, 1)
        remote_id = begin(contract(SEATS))
        until(date(2027, 5, 20))

        amend(
            remote_id,
            line(ends_on=UPSOLD),
            line(quantity=30, starts_on=UPSOLD, ends_on=later),
            line(quantity=40, starts_on=later),
        )

        days, rest = (END - UPSOLD).days, (END - later).days
        assert sum(nets(invoices)[1:]) == share("1200", days) + share("2400", rest)

    def test_of_days_that_are_over_is_charged_once(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()
        until(date(2027, 5, 20))
        over = line(quantity=5, starts_on=UPSOLD, ends_on=date(2027, 4, 1))

        for revision in (2, 3):
            billed = amend(remote_id, PLATFORM, SEATS, over, revision=revision)

        assert billed.phases[0].lines == (PLATFORM, SEATS)
        assert sum(nets(invoices)[1:]) == share("1200", 31)

    def test_before_it_has_begun(
        self, billing: BillingPort, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        start, end = date(2027, 1, 15), date(2028, 1, 15)
        seats = line(starts_on=start, ends_on=end)
        remote_id = begin(contract(seats))

        billed = amend(remote_id, seats, line(quantity=5, starts_on=start, ends_on=end))

        assert billed.status == "not_started"
        until(start)
        assert nets(invoices) == [7200]
        assert billing.get_billed_contract(remote_id).status == "active"

    def test_of_a_year_that_is_over_is_refused(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        seats = line(ends_on=AFTER)
        remote_id = begin(contract(seats), term_months=24)
        until(END + 20 * DAY)

        with pytest.raises(BusinessRuleViolation, match="invoice the time until then by hand"):
            amend(remote_id, seats, line(quantity=5, starts_on=UPSOLD, ends_on=AFTER))

        assert nets(invoices) == [6000, 6000]

    def test_usage_goes_on_to_be_charged(
        self,
        billing: BillingPort,
        client: official.StripeClient,
        customer: str,
        begin: Any,
        amend: Any,
    ) -> None:
        counted = metered(client, customer)["items"].data[1].price
        yearly: Any = {
            "currency": "usd",
            "product": "PLATFORM-ANNUAL",
            "recurring": {
                "interval": "year",
                "meter": counted.recurring.meter,
                "usage_type": "metered",
            },
            "unit_amount": 1,
        }
        usage = client.v1.prices.create(yearly).id
        remote_id = begin()
        schedule = client.v1.subscription_schedules.retrieve(remote_id)
        own = str(schedule.subscription)
        client.v1.subscriptions.update(own, {"items": [{"price": usage}]})

        billed = amend(remote_id, PLATFORM, SEATS, *RENEWED)

        assert [phase.lines for phase in billed.phases] == [(PLATFORM, SEATS), RENEWED]
        planned = client.v1.subscription_schedules.retrieve(remote_id).phases
        assert all(usage in [each.price for each in phase["items"]] for phase in planned[-2:])
        assert billing.get_subscription(remote_id).lines == sold(contract()).lines


class TestCredits:
    def test_what_can_be_credited_of_an_upsell_and_of_a_renewal(
        self, billing: BillingPort, customer: str, begin: Any, amend: Any, until: Until
    ) -> None:
        remote_id = begin()
        more = line(quantity=5, starts_on=UPSOLD, ends_on=AFTER)
        amend(remote_id, PLATFORM, SEATS, more, *RENEWED)
        until(END + DAY)

        def charged(first_day: date, last_day: date) -> list[tuple[str, Decimal, date]]:
            context = billing.get_billing_context(
                ACCOUNT.id, customer_remote_id=customer, first_day=first_day, last_day=last_day
            )
            assert context.is_active
            assert {invoice.subsidiary for invoice in context.invoices} == {"TESSALINE-DE"}
            return [
                (each.sku, each.creditable.amount, each.service_period.first_day)
                for invoice in context.invoices
                for each in invoice.lines
            ]

        assert charged(date(2027, 6, 1), date(2027, 6, 30)) == [
            ("SEAT-ANNUAL", share("1200", (END - UPSOLD).days), UPSOLD),
            ("PLATFORM-ANNUAL", 12000, START),
            ("SEAT-ANNUAL", 6000, START),
        ]
        assert charged(date(2028, 6, 1), date(2028, 6, 30)) == [
            ("SEAT-ANNUAL", 1200, END),
            ("PLATFORM-ANNUAL", 12600, END),
            ("SEAT-ANNUAL", 7560, END),
        ]


class TestEnd:
    def test_ends_and_does_not(
        self, billing: BillingPort, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()

        assert amend(remote_id, **ENDING).ends
        assert not amend(remote_id, PLATFORM, SEATS, *RENEWED, revision=3).ends

        until(END + DAY)
        assert nets(invoices) == [18000, 20160]
        assert billing.get_billed_contract(remote_id).status == "active"

    def test_after_its_end_it_charges_no_more(
        self, billing: BillingPort, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        remote_id = begin()
        amend(remote_id, **ENDING)
        until(END + DAY)

        ended = billing.get_billed_contract(remote_id)

        assert (ended.status, ended.phases, ended.revision) == ("completed", (), 2)
        assert nets(invoices) == [18000]
        with pytest.raises(BusinessRuleViolation, match="make a new order"):
            amend(remote_id, PLATFORM, SEATS, *RENEWED, revision=3)
        assert amend(remote_id, **ENDING) == ended

    def test_cancelled_by_hand(self, billing: BillingPort, begin: Any, amend: Any) -> None:
        remote_id = begin()
        billing.cancel_subscription(remote_id)

        with pytest.raises(BusinessRuleViolation, match="has ended"):
            amend(remote_id, PLATFORM, SEATS, *RENEWED)

    def test_within_a_year_the_rest_is_given_back_and_charged_when_it_does_not_end(
        self, begin: Any, amend: Any, invoices: Invoices, until: Until
    ) -> None:
        end, after = date(2028, 5, 1), date(2029, 5, 1)
        seats, next_seats = line(ends_on=end), line(price="300", starts_on=end, ends_on=after)
        remote_id = begin(contract(seats), term_months=18)
        until(date(2027, 12, 1))
        used = share("6000", (end - END).days, Decimal(366))

        amend(remote_id, seats, **ENDING)
        assert sum(nets(invoices)) == 6000 + used

        amend(remote_id, seats, next_seats, revision=3)
        until(end + DAY)
        assert sum(nets(invoices)) == 6000 + used + 7500

    def test_of_one_that_goes_on_after_its_end_people_decide(
        self, begin: Any, amend: Any, until: Until
    ) -> None:
        remote_id = begin()
        until(END + 3 * DAY)

        with pytest.raises(BusinessRuleViolation, match="cancel it at Stripe"):
            amend(remote_id, **ENDING)


class TestOrder:
    def test_an_earlier_revision_never_overwrites_a_later_one(
        self, billing: BillingPort, begin: Any, amend: Any
    ) -> None:
        remote_id = begin()
        latest = amend(remote_id, PLATFORM, SEATS, *RENEWED, revision=3)

        assert amend(remote_id, revision=2, **ENDING) == latest
        assert amend(remote_id, PLATFORM, SEATS, *RENEWED, revision=3) == latest
        assert billing.get_billed_contract(remote_id) == latest

    def test_nor_does_it_after_another_schedule_has_taken_over(
        self, billing: BillingPort, begin: Any, amend: Any, until: Until
    ) -> None:
        remote_id = begin()
        until(END + 20 * DAY)
        latest = amend(remote_id, PLATFORM, SEATS, *RENEWED, revision=5)

        assert amend(remote_id, PLATFORM, SEATS, *RENEWED, revision=4, **ENDING) == latest

    @pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.UNAVAILABLE])
    @pytest.mark.parametrize("path", ["/prices$", "/subscriptions/", "/subscription_schedules"])
    @pytest.mark.parametrize("days", [30, 385], ids=["planned", "released"])
    def test_failing_anywhere_it_is_charged_once(
        self,
        begin: Any,
        amend: Any,
        invoices: Invoices,
        sandbox: StripeSandbox,
        until: Until,
        kind: FaultKind,
        path: str,
        days: int,
    ) -> None:
        remote_id = begin()
        told_on = START + days * DAY
        until(told_on)
        start, end = (START, END) if told_on < END else (END, AFTER)
        lines = [
            line("PLATFORM-ANNUAL", 1, "12000", start, end),
            line(starts_on=start, ends_on=end),
        ]
        more = line(quantity=5, starts_on=told_on - 10 * DAY, ends_on=end)
        sandbox.fail(kind, method="POST", path=path)

        with pytest.raises(InterlockError):
            amend(remote_id, *lines, more)
        sandbox.heal()
        billed = amend(remote_id, *lines, more)

        assert billed.revision == 2
        assert billed.phases[0].lines == (*lines, more)
        days_left = (end - more.starts_on).days
        length = Decimal((end - start).days)
        assert sum(nets(invoices)) % 18000 == share("1200", days_left, length)


class TestRefusals:
    @pytest.mark.parametrize(
        ("lines", "problem"),
        [
            ((PLATFORM, line(starts_on=AFTER, ends_on=date(2029, 11, 1))), "has no gap"),
            (
                (
                    PLATFORM,
                    *(line(ends_on=START + (30 + day) * DAY) for day in range(10)),
                ),
                "plans 10 phases, not 11",
            ),
            (tuple(line(quantity=n + 1) for n in range(21)), "1 to 20 lines"),
            (
                (PLATFORM, SEATS.model_copy(update={"quantity": Decimal("1.5")})),
                "whole quantities",
            ),
            ((PLATFORM, line(currency="EUR")), "not in USD"),
        ],
    )
    def test_what_cannot_be_charged(
        self,
        begin: Any,
        amend: Any,
        sandbox: StripeSandbox,
        lines: tuple[ContractLine, ...],
        problem: str,
    ) -> None:
        remote_id = begin()
        before = len([each for each in sandbox.requests if each.method == "POST"])

        with pytest.raises(BusinessRuleViolation, match=problem):
            amend(remote_id, *lines)

        assert len([each for each in sandbox.requests if each.method == "POST"]) == before


class TestFinalInvoice:
    def test_of_one_that_has_not_ended(
        self, billing: BillingPort, begin: Any, amend: Any, until: Until
    ) -> None:
        remote_id = begin()
        for day in (START + DAY, END + DAY):
            until(day)
            with pytest.raises(NotYetPosted, match="has not ended"):
                billing.get_final_invoice(remote_id)

    def test_of_one_that_has_ended(
        self, billing: BillingPort, begin: Any, amend: Any, until: Until, invoices: Invoices
    ) -> None:
        remote_id = begin()
        amend(remote_id, **ENDING)
        until(END + DAY)

        assert [billing.get_final_invoice(remote_id)] == invoices()

    def test_waits_for_what_is_to_be_invoiced(
        self,
        billing: BillingPort,
        begin: Any,
        amend: Any,
        client: official.StripeClient,
        until: Until,
    ) -> None:
        remote_id = begin()
        subscription = client.v1.subscription_schedules.retrieve(remote_id).subscription
        until(date(2027, 3, 1))
        client.v1.subscriptions.cancel(str(subscription), {"prorate": True})

        with pytest.raises(NotYetPosted, match="is not invoiced"):
            billing.get_final_invoice(remote_id)

    def test_waits_for_a_draft(self, billing: BillingPort, begin: Any) -> None:
        remote_id = begin()
        billing.cancel_subscription(remote_id)

        with pytest.raises(NotYetPosted, match="still a draft"):
            billing.get_final_invoice(remote_id)

    def test_of_one_that_never_began(self, billing: BillingPort, begin: Any) -> None:
        remote_id = begin(contract(line(starts_on=date(2027, 1, 15), ends_on=date(2028, 1, 15))))
        billing.cancel_subscription(remote_id)

        assert billing.get_final_invoice(remote_id) is None


class TestRecurringRevenue:
    def test_of_live_subscriptions_by_currency(
        self,
        billing: BillingPort,
        customer: str,
        begin: Any,
        client: official.StripeClient,
        until: Until,
    ) -> None:
        remote_id = begin()
        euros = contract(line(currency="EUR", price="1.005"), id="crm:euros")
        billing.create_subscription(sold(euros), customer_remote_id=customer, idempotency_key="e")
        metered(client, customer)
        for value, days in ((12000, 31), (700, 29), (800, 1)):
            counted: Any = {
                "event_name": "api-requests",
                "payload": {"stripe_customer_id": customer, "value": str(value)},
                "timestamp": int((NOW - timedelta(days=days)).timestamp()),
            }
            client.v1.billing.meter_events.create(counted)
        for currency, amount in (("usd", -5000), ("usd", 2000), ("eur", 700)):
            client.v1.customers.balance_transactions.create(
                customer, cast("Any", {"amount": amount, "currency": currency})
            )

        revenue = billing.get_recurring_revenue(customer)

        # Twenty-five at 1.005 EUR, and by the month three seats at 240 USD.
        assert revenue.yearly == (Money.of("25.13", "EUR"), Money.of(18000 + 12 * 720, "USD"))
        assert revenue.subscriptions == 3
        assert revenue.credit_balance == (Money.of(30, "USD"),)
        assert revenue.usage == (RecentUsage(sku="PLATFORM-ANNUAL", quantity=Decimal(1500)),)
        billing.cancel_subscription(remote_id)
        assert billing.get_recurring_revenue(customer).yearly[1] == Money.of(12 * 720, "USD")

    def test_of_one_that_is_to_come(self, billing: BillingPort, customer: str, begin: Any) -> None:
        begin(contract(line(starts_on=date(2027, 1, 15), ends_on=date(2028, 1, 15))))

        revenue = billing.get_recurring_revenue(customer)

        assert (revenue.subscriptions, revenue.yearly, revenue.credit_balance) == (0, (), ())

    def test_by_the_week(
        self, billing: BillingPort, customer: str, client: official.StripeClient, later: Later
    ) -> None:
        plan: Any = {
            "currency": "usd",
            "product": "SEAT-ANNUAL",
            "recurring": {"interval": "week"},
            "unit_amount": 100,
        }
        wanted: Any = {
            "customer": customer,
            "start_date": int(NOW.timestamp()),
            "default_settings": {
                "collection_method": "send_invoice",
                "invoice_settings": {"days_until_due": 30},
            },
            "phases": [{"items": [{"price_data": plan}], "duration": {"interval": "year"}}],
        }
        client.v1.subscription_schedules.create(wanted)

        with pytest.raises(BusinessRuleViolation, match="no amount for a year"):
            billing.get_recurring_revenue(customer)

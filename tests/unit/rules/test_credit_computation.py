"""What a customer is due for an incident: worked by hand, and whatever the incidents."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.billing import ServicePeriod
from interlock.canonical.credits import BillingContext, Case, ComputedCredit, Incident, Severity
from interlock.errors import BusinessRuleViolation
from interlock.rules.allowance import Allowance, Grant
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.credit_computation import compute, currency_of, months_of

from tests.unit.credit_samples import (
    CASE,
    PLATFORM,
    SEAT,
    TRANSACTION,
    allowance,
    at,
    case,
    charged,
    context,
    grant,
    incident,
    invoice,
    terms,
    tiers,
    usd,
)

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


def computed(
    asked: Case | None = None,
    *granted: Grant,
    of: BillingContext | None = None,
    by: AppliedTerms | None = None,
) -> ComputedCredit:
    """The credit of a case, after what November was granted before."""
    asked, of = asked or case(), of or context()
    currency = currency_of(of)
    allowances = tuple(
        allowance(month, *(granted if month == NOVEMBER else ()), currency=currency)
        for month in months_of(asked)
    )
    return compute(asked, of, by or terms(), allowances, transaction=TRANSACTION)


# ---- Worked by hand


def test_an_incident_as_its_working_says() -> None:
    """3 h 10 min of 720 h are 0.43981 %; a tenth of 30 days of 100 USD are 300 USD."""
    credit = computed()

    [month] = credit.months
    [product] = month.products
    assert credit.amount == month.amount == month.due == product.amount == usd("300.00")
    assert product.fee == usd("3000.00")
    assert (product.down_seconds, product.excluded_seconds) == (11_400, 0)
    assert (product.availability, product.percent) == (Decimal("99.5601"), Decimal(10))
    assert (month.cap, month.granted_before, month.revision) == (usd("1800.00"), usd("0"), 0)
    assert (credit.incident.case_id, credit.account_id) == (CASE, case().account_id)
    assert credit.working == (
        "by the agreement standard of the terms 2026-11-01",
        "2026-11: zendesk:12, critical: 2026-11-03 10:00:00 UTC to 2026-11-03 13:10:00 UTC,"
        " PLATFORM-ANNUAL",
        "2026-11, PLATFORM-ANNUAL: 3 h 10 min down (zendesk:12); available 99.5601 % of 720 h;"
        " below 99.9 %: 10 %",
        "2026-11, PLATFORM-ANNUAL: fee of the month: 30 of 365 days of 36,500.00 USD (ACME-0001)"
        " are 3,000.00 USD",
        "2026-11, PLATFORM-ANNUAL: 10 % of 3,000.00 USD are 300.00 USD",
        "2026-11: due 300.00 USD; cap: 50 % of all fees of the month, 3,600.00 USD, are"
        " 1,800.00 USD; granted before: 0.00 USD; left: 300.00 USD",
        "credit, net of tax: 300.00 USD",
    )


def test_an_overlapping_incident_that_was_credited_counts_once() -> None:
    """Together from 10:00 to 18:00: 8 h of 720 h, 98.8888 %, a quarter; 300 USD are granted."""
    before = grant(incident("2026-11-03 12:00", "2026-11-03 18:00"), "300.00")
    credit = computed(None, before)

    [month] = credit.months
    assert month.products[0].down_seconds == 8 * 3600
    assert (month.due, month.granted_before) == (usd("750.00"), usd("300.00"))
    assert (credit.amount, month.revision) == (usd("450.00"), 1)
    assert any("8 h down (zendesk:12, zendesk:15)" in each for each in credit.working)


def test_two_that_are_too_short_alone_are_due_together() -> None:
    """40 min of 720 h leave 99.9074 %; 80 min leave 99.8148 %."""
    short = case(end="2026-11-03 10:40")
    other = grant(incident("2026-11-20 08:00", "2026-11-20 08:40"), "0")

    assert computed(short).amount == usd("0")
    assert "not below a tier: nothing" in computed(short).working[2]
    assert computed(short, other).amount == usd("300.00")


def test_all_products_when_the_case_names_none() -> None:
    assert computed(case(skus=())).amount == usd("360.00")


def test_a_product_of_another_case_is_due_as_before() -> None:
    """Seats were credited 60 USD; the platform adds its own 300."""
    seats = grant(incident("2026-11-05 08:00", "2026-11-05 09:00", skus=(SEAT,)), "60.00")
    credit = computed(None, seats)

    assert [product.sku for product in credit.months[0].products] == [PLATFORM, SEAT]
    assert credit.amount == usd("300.00")


def test_another_cases_product_that_is_no_longer_charged() -> None:
    """What was granted for it counts all the same."""
    gone = grant(incident("2026-11-05 08:00", "2026-11-05 09:00", skus=("GONE",)), "60.00")

    assert computed(None, gone).amount == usd("240.00")


def test_the_cap_is_of_all_products_together() -> None:
    credit = computed(by=terms(cap_percent=5))

    assert (credit.months[0].due, credit.amount) == (usd("300.00"), usd("180.00"))
    assert credit.months[0].cap == usd("180.00")


def test_a_cap_that_others_have_used_up() -> None:
    other = grant(incident("2026-11-05 08:00", "2026-11-05 09:00", skus=(SEAT,)), "180.00")

    assert computed(None, other, by=terms(cap_percent=5)).amount == usd("0")


def test_what_this_transaction_reserved_itself_is_not_granted_before() -> None:
    own = grant(incident("2026-11-03 10:00", "2026-11-03 13:10", 12), "300.00", TRANSACTION)

    assert computed(None, own).months[0].granted_before == usd("0")
    assert computed(None, own).amount == usd("300.00")


def test_a_case_that_was_corrected_counts_as_it_is_now() -> None:
    """It moved by a day: not twice 3 h 10 min, which were below 99.5 %."""
    before = grant(incident("2026-11-04 10:00", "2026-11-04 13:10", 12), "300.00", "T-11")
    graded = terms(tiers=tiers(("99.9", 10), ("99.5", 20)))

    assert computed(None, before, by=graded).months[0].due == usd("300.00")
    assert computed(None, before, by=graded).amount == usd("0")


def test_more_was_granted_than_is_due_now() -> None:
    """It was said to be longer, and nothing is taken back."""
    before = grant(incident("2026-11-03 10:00", "2026-11-03 18:00", 12), "750.00", "T-11")
    credit = computed(None, before)

    assert (credit.months[0].due, credit.amount) == (usd("300.00"), usd("0"))


@pytest.mark.parametrize(
    ("excluded", "amount", "says"),
    [
        ({}, "300.00", "3 h 10 min down (zendesk:12); "),
        # 40 min are left: 99.9074 %.
        (
            {"maintenance": [{"weekday": "tuesday", "start": "10:00", "end": "12:30"}]},
            "0",
            "3 h 10 min down (zendesk:12), of them 2 h 30 min not counted (maintenance); ",
        ),
        # 40 min are taken off, once.
        (
            {
                "maintenance": [{"weekday": "tuesday", "start": "09:00", "end": "10:30"}],
                "excluded": [
                    {"start": "2026-11-03T10:10:00Z", "end": "2026-11-03T10:40:00Z", "reason": "x"}
                ],
            },
            "300.00",
            "of them 40 min not counted (maintenance, x); available 99.6527 % of 720 h; ",
        ),
        ({"maintenance": [{"weekday": "monday", "start": "10:00", "end": "13:00"}]}, "300.00", ""),
    ],
)
def test_what_does_not_count(excluded: dict[str, Any], amount: str, says: str) -> None:
    credit = computed(by=terms(**excluded))

    assert credit.amount == usd(amount)
    assert says in credit.working[2]


def test_a_window_until_midnight() -> None:
    night = case("2026-11-03 22:00", "2026-11-04 01:00")
    window = {"weekday": "tuesday", "start": "23:00", "end": "00:00"}

    [month] = computed(night, by=terms(maintenance=[window])).months
    assert (month.products[0].down_seconds, month.products[0].excluded_seconds) == (7200, 3600)


def test_a_severity_that_does_not_count() -> None:
    minor = grant(
        incident("2026-11-05 08:00", "2026-11-05 20:00", severity=Severity.MINOR), "0", "T-1"
    )

    assert computed(None, minor).amount == usd("300.00")
    assert computed(case(severity=Severity.MINOR)).amount == usd("0")


def test_over_the_end_of_a_month_each_month_by_itself() -> None:
    """2 h of November's 720 h, 4 h of December's 744 h: 31 days of 100 USD."""
    credit = computed(case("2026-11-30 22:00", "2026-12-01 04:00"))

    november, december = credit.months
    assert (november.month, november.amount) == (NOVEMBER, usd("300.00"))
    assert (december.month, december.amount) == (DECEMBER, usd("310.00"))
    assert [each.products[0].down_seconds for each in credit.months] == [7200, 14400]
    assert credit.amount == usd("610.00")


def test_an_incident_until_midnight_does_not_touch_the_next_month() -> None:
    assert months_of(case("2026-11-30 22:00", "2026-12-01 00:00")) == (NOVEMBER,)
    assert months_of(case("2026-12-31 23:00", "2027-02-01 00:01")) == (
        DECEMBER,
        date(2027, 1, 1),
        date(2027, 2, 1),
    )


def test_an_incident_of_no_length_or_unknown_times() -> None:
    credit = computed(case(end="2026-11-03 10:00"))

    assert (credit.months, credit.amount) == ((), usd("0"))
    assert months_of(case(ended_at=None)) == months_of(case(started_at=None)) == ()


def test_the_times_are_those_of_utc() -> None:
    """Where clocks go back on 1 November, the month has 720 hours all the same."""
    berlin = {"started_at": "2026-11-01T00:30:00+01:00", "ended_at": "2026-11-01T02:00:00+01:00"}
    asked = Case.model_validate(case().model_dump() | berlin)

    assert months_of(asked) == (date(2026, 10, 1), NOVEMBER)
    assert computed(asked).months[1].products[0].down_seconds == 3600


def test_a_month_without_a_charge() -> None:
    credit = computed(case("2026-10-31 20:00", "2026-11-01 02:00"))

    october, november = credit.months
    assert (october.products, october.cap, october.amount) == ((), usd("0"), usd("0"))
    assert "2026-10, PLATFORM-ANNUAL: not charged for this month" in credit.working
    assert credit.amount == november.amount == usd("300.00")


def test_a_leap_day_is_a_day() -> None:
    """366 days, 29 of them in February: 100 USD each; 696 hours."""
    year = ServicePeriod(first_day=date(2028, 1, 1), last_day=date(2028, 12, 31))
    asked = case("2028-02-29 23:00", "2028-03-01 00:00", requested_at=at("2028-03-01 09:00"))
    credit = computed(asked, of=context(invoice(charged(amount="36600.00", service_period=year))))

    [product] = credit.months[0].products
    assert (product.fee, product.availability) == (usd("2900.00"), Decimal("99.8563"))
    assert credit.amount == usd("290.00")


def test_yen_have_no_fraction() -> None:
    """30 of 365 days of 10,000 are 821.9, so 822; a quarter of them are 205.5, so 206."""
    yearly = charged(money=Money.of(10_000, "JPY"))
    credit = computed(of=context(invoice(yearly)), by=terms(tiers=tiers(("99.9", 25))))

    [product] = credit.months[0].products
    assert (product.fee, product.amount) == (Money.of(822, "JPY"), Money.of(206, "JPY"))
    assert "30 of 365 days of 10,000 JPY (ACME-0001) are 822 JPY" in credit.working[3]


def test_a_fee_is_rounded_once_for_all_its_lines() -> None:
    """Thrice a third of a cent is a cent; a half cent is rounded up."""
    quarter = ServicePeriod(first_day=NOVEMBER, last_day=date(2027, 1, 29))
    thirds = [charged(amount="0.01", service_period=quarter) for _ in range(3)]
    ten_months = ServicePeriod(first_day=NOVEMBER, last_day=date(2026, 12, 30))

    [month] = computed(of=context(invoice(*thirds))).months
    assert month.products[0].fee == usd("0.01")
    [month] = computed(
        of=context(invoice(charged(amount="0.05", service_period=ten_months)))
    ).months
    assert month.products[0].fee == usd("0.03")


def test_a_change_within_the_month_counts_by_its_days() -> None:
    """From the 16th on, 200 USD a day instead of 100: 15 days of either."""
    later = ServicePeriod(first_day=date(2026, 11, 16), last_day=date(2026, 11, 30))
    month = ServicePeriod(first_day=NOVEMBER, last_day=date(2026, 11, 30))
    first = invoice(charged(amount="3000.00", service_period=month))
    second = invoice(
        charged(amount="-1500.00", service_period=later),
        charged(amount="3000.00", service_period=later),
        number=2,
    )
    credit = computed(of=context(second, first))

    assert credit.months[0].products[0].fee == usd("4500.00")
    assert (
        "15 of 15 days of -1,500.00 USD (ACME-0002) + 15 of 15 days of 3,000.00 USD (ACME-0002)"
        " + 30 of 30 days of 3,000.00 USD (ACME-0001) are 4,500.00 USD" in credit.working[3]
    )


def test_a_product_of_which_more_was_given_back_than_charged_has_no_fee() -> None:
    given_back = charged(SEAT, "-7300.00")
    credit = computed(case(skus=()), of=context(invoice(charged(), given_back)))

    assert credit.amount == usd("300.00")


def test_what_earlier_credit_notes_took_does_not_lower_the_fee() -> None:
    credited = charged(creditable=usd("0"))

    assert computed(of=context(invoice(credited))).amount == usd("300.00")


@pytest.mark.parametrize(
    ("minutes", "percent"),
    # 0.1 % of 720 h are 43 min 12 s; 1 % are 432 min; 5 % are 36 h.
    [("43:12", 0), ("43:12.000001", 10), ("432:00", 10), ("432:01", 25), ("2161:00", 50)],
)
def test_a_tier_begins_below_its_bound(minutes: str, percent: int) -> None:
    whole, seconds = minutes.split(":")
    start = at("2026-11-03 10:00")
    end = start + timedelta(minutes=int(whole), seconds=float(seconds))

    [month] = computed(case(ended_at=end)).months
    assert month.products[0].percent == percent
    assert (month.products[0].availability < Decimal("99.9")) == (percent > 0)


def test_several_currencies_are_finances() -> None:
    euros = invoice(charged(money=Money.of("100", "EUR")), number=2)
    with pytest.raises(BusinessRuleViolation, match=r"in EUR and USD .* Finance") as error:
        computed(of=context(invoice(), euros))

    assert error.value.operation == "compute_credit"


def test_who_was_charged_nothing_has_no_currency() -> None:
    with pytest.raises(BusinessRuleViolation, match=r"charged nothing .* the case's account"):
        currency_of(context().model_copy(update={"invoices": ()}))


def test_a_case_that_does_not_say_enough() -> None:
    with pytest.raises(BusinessRuleViolation, match="zendesk:12 does not say how bad"):
        computed(case(severity=None))


# ---- Whatever the incidents

MINUTES = 30 * 24 * 60
START = at("2026-11-01 00:00")
GRADED = terms(tiers=tiers(("99.9", 10), ("99.0", 25), ("95.0", 50)), cap_percent=40)
SKUS = st.sampled_from([(), (PLATFORM,), (SEAT,), (PLATFORM, SEAT), ("OTHER",)])


def minute(number: int) -> datetime:
    """Of November."""
    return START + timedelta(minutes=number)


@st.composite
def _incidents(draw: st.DrawFn, most: int = 5) -> list[Incident]:
    """One of each of some cases, within November."""
    incidents = []
    for number in range(20, 20 + draw(st.integers(1, most))):
        start = draw(st.integers(0, MINUTES - 1))
        end = min(MINUTES, start + draw(st.integers(0, 600) | st.integers(0, 5000)))
        incidents.append(
            Incident(
                case_id=f"zendesk:{number}",
                severity=draw(st.sampled_from(list(Severity))),
                started_at=minute(start),
                ended_at=minute(end),
                skus=draw(SKUS),
            )
        )
    return incidents


@st.composite
def _exclusions(draw: st.DrawFn) -> dict[str, Any]:
    excluded = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, MINUTES - 1))
        end = minute(start + draw(st.integers(1, 3000)))
        excluded.append({"start": minute(start), "end": end, "reason": "agreed"})
    windows = [
        {"weekday": day, "start": "02:00", "end": "04:30"}
        for day in draw(st.sets(st.sampled_from(["sunday", "tuesday", "friday"])))
    ]
    return {"excluded": excluded, "maintenance": windows}


def of(each: Incident) -> Case:
    """The case of an incident."""
    return case(
        id=each.case_id,
        severity=each.severity,
        started_at=each.started_at,
        ended_at=each.ended_at,
        skus=each.skus,
    )


def granted(incidents: list[Incident], by: AppliedTerms = GRADED) -> tuple[list[Money], Allowance]:
    """What each comes to, one after the other, and the allowance after all of them."""
    amounts, grants = [], []
    for number, each in enumerate(incidents):
        used = allowance(NOVEMBER, *grants)
        credit = compute(of(each), context(), by, (used,), transaction=f"T-{number}")
        amounts.append(credit.amount)
        grants.append(
            Grant(transaction=f"T-{number}", amount=credit.amount, incident=credit.incident)
        )
    return amounts, allowance(NOVEMBER, *grants)


def together(incidents: list[Incident], by: AppliedTerms = GRADED) -> Decimal:
    """What incidents come to when all but the first are known, and nothing was granted."""
    [first, *others] = incidents
    known = [grant(each, "0", each.case_id) for each in others]
    used = (allowance(NOVEMBER, *known),)
    return compute(of(first), context(), by, used, transaction="T").amount.amount


def lasting(incidents: list[Incident]) -> list[Incident]:
    """Those that have any length: a case of none touches no month."""
    return [each for each in incidents if each.started_at < each.ended_at]


@given(incidents=_incidents(), data=st.data())
def test_case_by_case_in_any_order_is_all_at_once(
    incidents: list[Incident], data: st.DataObject
) -> None:
    incidents = lasting(incidents)
    shuffled = data.draw(st.permutations(incidents))
    if not incidents:
        return
    amounts, used = granted(shuffled)

    assert sum(amount.amount for amount in amounts) == together(incidents)
    assert used.granted.amount == together(incidents)


@given(incidents=_incidents(), exclusions=_exclusions())
def test_never_above_the_cap_and_never_negative(
    incidents: list[Incident], exclusions: dict[str, Any]
) -> None:
    amounts, used = granted(lasting(incidents), terms(cap_percent=13, **exclusions))

    assert all(amount.amount >= 0 for amount in amounts)
    assert used.granted.amount <= usd("468.00").amount  # 13 % of 3,600


@given(incidents=_incidents(3))
def test_a_repeated_request_comes_to_nothing(incidents: list[Incident]) -> None:
    incidents = lasting(incidents)
    _, used = granted(incidents)
    for each in incidents:
        again = compute(of(each), context(), GRADED, (used,), transaction="T-again")
        assert again.amount == usd("0")


@given(incidents=_incidents(), exclusions=_exclusions())
def test_exclusions_never_increase_the_credit(
    incidents: list[Incident], exclusions: dict[str, Any]
) -> None:
    if incidents := lasting(incidents):
        assert together(incidents, terms(**exclusions)) <= together(incidents, terms())


@given(incidents=_incidents(), more=_incidents(2), longer=st.integers(0, 3000))
def test_more_downtime_never_gives_less(
    incidents: list[Incident], more: list[Incident], longer: int
) -> None:
    if not (incidents := lasting(incidents)):
        return
    renamed = [
        each.model_copy(update={"case_id": f"zendesk:{number}"}) for number, each in enumerate(more)
    ]
    end = min(minute(MINUTES), incidents[0].ended_at + timedelta(minutes=longer))
    extended = [incidents[0].model_copy(update={"ended_at": end}), *incidents[1:]]

    assert together(incidents) <= together([*incidents, *renamed])
    assert together(incidents) <= together(extended)


@given(
    lengths=st.lists(st.integers(1, 2000), min_size=1, max_size=6),
    exclusions=_exclusions(),
)
def test_downtime_adds_up_where_nothing_overlaps(
    lengths: list[int], exclusions: dict[str, Any]
) -> None:
    """What counts and what does not are all of it."""
    starts = [sum(lengths[:n]) + 7 * n for n in range(len(lengths))]
    incidents = [
        incident("2026-11-01 00:00", "2026-11-01 00:00", number).model_copy(
            update={"started_at": minute(start), "ended_at": minute(start + each)}
        )
        for number, (start, each) in enumerate(zip(starts, lengths, strict=True))
    ]
    known = allowance(NOVEMBER, *(grant(each, "0", each.case_id) for each in incidents[1:]))
    by = terms(**exclusions)
    [month] = compute(of(incidents[0]), context(), by, (known,), transaction="T").months

    [product] = month.products
    assert product.down_seconds + product.excluded_seconds == 60 * sum(lengths)


@given(
    start=st.integers(0, MINUTES - 2),
    first=st.integers(1, 4000),
    shift=st.integers(-4000, 4000),
    second=st.integers(1, 4000),
)
def test_two_incidents_are_down_as_long_as_any_of_them(
    start: int, first: int, shift: int, second: int
) -> None:
    def span(begin: int, length: int) -> tuple[int, int]:
        return max(0, begin), max(min(MINUTES, begin + length), max(0, begin) + 1)

    spans = [span(start, first), span(min(start + shift, MINUTES - 1), second)]
    minutes = {each for begin, end in spans for each in range(begin, min(end, MINUTES))}
    one, other = (
        incident("2026-11-01 00:00", "2026-11-01 00:00", number).model_copy(
            update={"started_at": minute(begin), "ended_at": minute(end)}
        )
        for number, (begin, end) in enumerate(spans)
    )
    known = allowance(NOVEMBER, grant(other, "0", "T-0"))
    [month] = compute(of(one), context(), GRADED, (known,), transaction="T").months

    assert month.products[0].down_seconds == 60 * len(minutes)


@given(before=st.integers(1, 20 * 24 * 60), after=st.integers(1, 20 * 24 * 60), skus=SKUS)
def test_an_incident_over_the_end_of_a_month_is_its_two_parts(
    before: int, after: int, skus: tuple[str, ...]
) -> None:
    turn = at("2026-12-01 00:00")
    start, end = turn - timedelta(minutes=before), turn + timedelta(minutes=after)
    whole = computed(case(started_at=start, ended_at=end, skus=skus))
    parts = [
        computed(case(started_at=start, ended_at=turn, skus=skus)),
        computed(case(started_at=turn, ended_at=end, skus=skus)),
    ]

    assert whole.months == tuple(month for part in parts for month in part.months)
    assert whole.amount == parts[0].amount + parts[1].amount


@given(
    first=st.dates(date(2024, 1, 1), date(2028, 12, 31)),
    length=st.integers(1, 800),
    cents=st.integers(1, 10**9),
)
def test_the_fees_of_all_months_are_the_charge(first: date, length: int, cents: int) -> None:
    """But for half a cent by month."""
    last = first + timedelta(days=length - 1)
    line = charged(
        money=Money.from_minor_units(cents, "USD"),
        service_period=ServicePeriod(first_day=first, last_day=last),
    )
    asked = case(
        started_at=datetime.combine(first, datetime.min.time(), at("2026-01-01").tzinfo),
        ended_at=datetime.combine(last, datetime.max.time(), at("2026-01-01").tzinfo),
    )
    months = computed(asked, of=context(invoice(line))).months

    fees = sum(month.products[0].fee.minor_units for month in months)
    assert abs(fees - cents) <= (len(months) + 1) // 2

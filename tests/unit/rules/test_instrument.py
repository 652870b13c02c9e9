"""On which invoices a credit is given, and how it reaches the customer."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.billing import ServicePeriod
from interlock.canonical.credits import (
    BillingContext,
    Case,
    ChargedInvoice,
    ComputedCredit,
    Credit,
    Instrument,
)
from interlock.errors import BusinessRuleViolation
from interlock.rules.credit_computation import compute, months_of
from interlock.rules.instrument import choose

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
    usd,
)
from tests.unit.samples import ACCOUNT

ALL = case(skus=())
OCTOBER = ServicePeriod(first_day=date(2025, 11, 1), last_day=date(2026, 10, 31))


def computed(asked: Case, *granted: Any, **agreed: Any) -> ComputedCredit:
    """300 USD for the platform, 60 USD for seats."""
    allowances = tuple(allowance(month, *granted) for month in months_of(asked))
    return compute(asked, context(), terms(**agreed), allowances, transaction=TRANSACTION)


def chosen(
    *invoices: ChargedInvoice, asked: Case = ALL, of: ComputedCredit | None = None, **values: Any
) -> tuple[Credit, ...]:
    """How a credit is given on these invoices."""
    credit, agreed = of or computed(asked), values.pop("agreed", {})
    return choose(
        credit, asked, context(*invoices, **values), terms(**agreed), transaction=TRANSACTION
    )


def amounts(*credits: Credit) -> list[tuple[str, dict[str, str]]]:
    """By invoice and line."""
    return [
        (each.invoice_id, {line.remote_id: str(line.amount.amount) for line in each.lines})
        for each in credits
    ]


def test_on_the_invoice_that_charged_the_product() -> None:
    [credit] = chosen(asked=case())

    assert (credit.id, credit.case_id, credit.account_id) == (f"{CASE}/T-12/1", CASE, ACCOUNT)
    assert (credit.invoice_id, credit.instrument) == ("stripe:in_1", Instrument.BALANCE)
    assert (credit.net, [line.sku for line in credit.lines]) == (usd("300.00"), [PLATFORM])
    assert credit.memo == "Service credit for case 12: PLATFORM-ANNUAL, 2026-11"


def test_each_product_on_its_own_line() -> None:
    [credit] = chosen()

    assert amounts(credit) == [
        ("stripe:in_1", {"il_PLATFORM-ANNUAL": "300.00", "il_SEAT-ANNUAL": "60.00"})
    ]
    assert credit.memo == "Service credit for case 12: PLATFORM-ANNUAL, SEAT-ANNUAL, 2026-11"


def test_a_capped_credit_is_shared_as_it_is_due() -> None:
    """36 USD for 300 and 60: 30 and 6; with 11 left, 9.16 and 1.84."""
    other = grant(incident("2026-11-05 08:00", "2026-11-05 08:01"), "25.00")

    capped = chosen(of=computed(ALL, cap_percent=1))
    left = chosen(of=computed(ALL, other, cap_percent=1))

    assert amounts(*capped)[0][1] == {"il_PLATFORM-ANNUAL": "30.00", "il_SEAT-ANNUAL": "6.00"}
    assert amounts(*left)[0][1] == {"il_PLATFORM-ANNUAL": "9.16", "il_SEAT-ANNUAL": "1.84"}


def test_what_another_case_was_granted_is_not_given_on_this_ones_product() -> None:
    seats = grant(incident("2026-11-05 08:00", "2026-11-05 09:00", skus=(SEAT,)), "60.00")

    [credit] = chosen(asked=case(), of=computed(case(), seats))

    assert amounts(credit)[0][1] == {"il_PLATFORM-ANNUAL": "300.00"}


def test_better_terms_than_those_of_an_earlier_case() -> None:
    """The case itself adds nothing: what is due is for the other's product."""
    seats = grant(incident("2026-11-05 08:00", "2026-11-05 09:00", skus=(SEAT,)), "20.00")
    short = case(end="2026-11-03 10:01")

    [credit] = chosen(asked=short, of=computed(short, seats))

    assert amounts(credit)[0][1] == {"il_SEAT-ANNUAL": "40.00"}


def test_open_invoices_first_then_the_latest() -> None:
    line = charged(creditable=usd("120.00"))
    paid = [invoice(line.model_copy(update={"remote_id": f"il_{n}"}), number=n) for n in (3, 2, 1)]
    latest, open_, earliest = paid
    open_ = open_.model_copy(update={"due": usd("1.00")})

    credits = chosen(latest, open_, earliest, asked=case())

    assert amounts(*credits) == [
        ("stripe:in_2", {"il_2": "120.00"}),
        ("stripe:in_3", {"il_3": "120.00"}),
        ("stripe:in_1", {"il_1": "60.00"}),
    ]
    assert [credit.id for credit in credits] == [f"{CASE}/T-12/{n}" for n in (1, 2, 3)]


def test_a_line_that_has_too_little_left_is_helped_by_the_others() -> None:
    lines = charged(creditable=usd("250.00")), charged(SEAT, "7300.00")

    assert amounts(*chosen(invoice(*lines))) == [
        ("stripe:in_1", {"il_PLATFORM-ANNUAL": "250.00", "il_SEAT-ANNUAL": "110.00"})
    ]


@pytest.mark.parametrize(
    "line",
    [
        charged("OTHER", remote_id="il_0"),
        charged(service_period=OCTOBER, remote_id="il_0"),
        charged(amount="-500.00", remote_id="il_0"),
        charged(creditable=usd("0"), remote_id="il_0"),
    ],
)
def test_a_line_that_nothing_is_given_on(line: Any) -> None:
    credits = chosen(invoice(line, number=2), invoice(), asked=case())

    assert amounts(*credits) == [("stripe:in_1", {"il_PLATFORM-ANNUAL": "300.00"})]


def test_another_currencys_invoice_came_since() -> None:
    euros = invoice(charged(money=Money.of("36500.00", "EUR"), remote_id="il_0"), number=2)

    assert [each.invoice_id for each in chosen(euros, invoice(), asked=case())] == ["stripe:in_1"]


@pytest.mark.parametrize(
    ("is_active", "agreed", "expected"),
    [
        (True, Instrument.BALANCE, Instrument.BALANCE),
        (True, Instrument.REFUND, Instrument.REFUND),
        (False, Instrument.BALANCE, Instrument.REFUND),
    ],
)
def test_how_it_reaches_the_customer(
    is_active: bool, agreed: Instrument, expected: Instrument
) -> None:
    [credit] = chosen(is_active=is_active, agreed={"instrument": agreed})

    assert credit.instrument == expected


def test_a_refund_is_no_more_than_was_paid_here_and_is_due() -> None:
    latest = invoice(charged(remote_id="il_2"), number=2, refundable=usd("90.00"))
    earlier = invoice(refundable=usd("199.00"), due=usd("11.00"))

    credits = chosen(latest, earlier, asked=case(), is_active=False)

    assert [(each.invoice_id, each.net) for each in credits] == [
        ("stripe:in_1", usd("210.00")),
        ("stripe:in_2", usd("90.00")),
    ]
    with pytest.raises(BusinessRuleViolation, match=r"only 289.00 USD can be refunded on"):
        chosen(latest, earlier.model_copy(update={"due": usd("0")}), asked=case(), is_active=False)


def test_a_balance_does_not_need_a_payment_to_refund() -> None:
    [credit] = chosen(invoice(refundable=usd("0")), asked=case())

    assert credit.net == usd("300.00")


def test_too_little_is_left() -> None:
    with pytest.raises(BusinessRuleViolation) as error:
        chosen(invoice(charged(creditable=usd("299.99"))), asked=case())

    [problem] = error.value.problems
    assert problem.startswith(
        "300.00 USD are granted, and only 299.99 USD can be credited on the invoices that charged"
        " PLATFORM-ANNUAL for 2026-11: Finance"
    )
    assert (error.value.operation, error.value.record) == ("choose_instrument", CASE)


def test_nothing_is_due() -> None:
    assert chosen(asked=case(end="2026-11-03 10:01")) == ()


def test_a_memo_of_many_products_is_cut() -> None:
    lines = [charged(f"{number:064}", "36500.00", remote_id=f"il_{number}") for number in range(20)]
    of = context(invoice(*lines))
    unused = tuple(allowance(month) for month in months_of(ALL))
    credit = compute(ALL, of, terms(), unused, transaction=TRANSACTION)

    [given_] = choose(credit, ALL, of, terms(), transaction=TRANSACTION)

    assert len(given_.memo) <= 1000
    assert given_.memo.startswith("Service credit for case 12: 000")


# ---- Whatever the invoices

UNITS = st.integers(0, 40_000)


@st.composite
def _contexts(draw: st.DrawFn) -> BillingContext:
    invoices = []
    for number in range(draw(st.integers(1, 4))):
        lines = [
            charged(
                draw(st.sampled_from([PLATFORM, SEAT, "OTHER"])),
                remote_id=f"il_{number}_{n}",
                creditable=Money.from_minor_units(draw(UNITS), "USD"),
                service_period=draw(st.sampled_from([charged().service_period, OCTOBER])),
            )
            for n in range(draw(st.integers(1, 4)))
        ]
        due, refundable = (Money.from_minor_units(draw(UNITS), "USD") for _ in range(2))
        invoices.append(invoice(*lines, number=number, due=due, refundable=refundable))
    return context(*invoices, is_active=draw(st.booleans()))


@given(of=_contexts(), end=st.integers(0, 59), cap=st.integers(0, 50), skus=st.booleans())
def test_all_of_the_amount_and_no_more_than_is_left(
    of: BillingContext, end: int, cap: int, skus: bool
) -> None:
    asked = case(ended_at=at(f"2026-11-04 08:{end:02}"), skus=() if skus else (SEAT,))
    credit = computed(asked, cap_percent=cap)
    lines = {line.remote_id: line for each in of.invoices for line in each.lines}
    by_id = {each.id: each for each in of.invoices}
    left = 0
    for each in of.invoices:
        usable = sum(
            line.creditable.minor_units
            for line in each.lines
            if line.sku in ((PLATFORM, SEAT) if skus else (SEAT,))
            and line.service_period != OCTOBER
        )
        refundable = (each.due + each.refundable).minor_units
        left += usable if of.is_active else min(usable, refundable)
    if left < credit.amount.minor_units:
        with pytest.raises(BusinessRuleViolation):
            choose(credit, asked, of, terms(), transaction=TRANSACTION)
        return
    credits = choose(credit, asked, of, terms(), transaction=TRANSACTION)

    assert Money.total((each.net for each in credits), "USD") == credit.amount
    assert len({each.invoice_id for each in credits}) == len(credits)
    for each in credits:
        assert each.net == Money.total((line.amount for line in each.lines), "USD")
        if each.instrument is Instrument.REFUND:
            invoiced = by_id[each.invoice_id]
            assert each.net.amount <= (invoiced.due + invoiced.refundable).amount
        for line in each.lines:
            assert 0 < line.amount.amount <= lines[line.remote_id].creditable.amount
            assert line.sku == lines[line.remote_id].sku

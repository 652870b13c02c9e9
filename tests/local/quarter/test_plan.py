"""The plan of a quarter: drawn from a seed, and with every case that matters."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from local.quarter.plan import DISPUTED, What, draw

TODAY = date(2026, 11, 23)


def test_a_seed_draws_the_same_quarter_again():
    assert draw(7, 20, TODAY) == draw(7, 20, TODAY)
    assert draw(7, 20, TODAY) != draw(8, 20, TODAY)


@pytest.mark.parametrize(
    ("today", "first"),
    [
        (TODAY, date(2026, 12, 7)),
        (date(2026, 12, 31), date(2027, 1, 4)),
        (date(2026, 1, 31), date(2026, 2, 2)),
        (date(2026, 5, 2), date(2026, 6, 1)),
    ],
)
def test_it_is_thirteen_weeks_from_the_first_monday_of_next_month(today: date, first: date):
    days = draw(1, 3, today).days

    assert days[0] == first
    assert days[0].weekday() == 0
    assert (days[-1] - days[0]).days == 90


def test_customers_are_spread_over_three_companies_and_currencies():
    deals = [buyer.deal for buyer in draw(1, 20, TODAY).buyers]

    currencies = Counter((deal.subsidiary, deal.currency) for deal in deals)
    assert sorted(currencies.values()) == [6, 7, 7]
    assert {currency for _, currency in currencies} == {"USD", "EUR", "JPY"}


@pytest.mark.parametrize("seed", range(50))
def test_all_happens_within_the_quarter_after_the_subscription_began(seed: int):
    quarter = draw(seed, 20, TODAY)

    assert sum(len(quarter.on(day)) for day in quarter.days) == len(quarter.happenings)
    assert {each.what for each in quarter.happenings} == set(What)
    for each in quarter.happenings:
        began = (quarter.buyers[each.customer].starts - quarter.first_day).days
        assert began < each.day


def test_one_payment_is_disputed_and_one_invoice_stays_open():
    quarter = draw(1, 20, TODAY)

    [disputed] = [each for each in quarter.happenings if each.card == DISPUTED]
    assert disputed.what is What.PAY
    paying = {each.customer for each in quarter.happenings if each.what is What.PAY}
    assert len(set(range(20)) - paying) == 1

"""The portfolio that a seed draws: every story is possible on the days that it has."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from interlock.rules.milestones import MILESTONES

from local.renewals.portfolio import (
    DAYS_OF_ENDS,
    Portfolio,
    draw,
)
from local.renewals.stories import CONSOLIDATED, HOST, NEW, OVERDUE, STORIES, UNSEEN, USUAL

SINCE = date(2026, 11, 24)
PORTFOLIOS = [draw(seed, 50, SINCE) for seed in range(5)]
every = pytest.mark.parametrize("portfolio", PORTFOLIOS)


def test_a_seed_draws_the_same_again():
    assert draw(3, 50, SINCE) == draw(3, 50, SINCE)
    assert draw(3, 50, SINCE) != draw(4, 50, SINCE)


@every
def test_each_story_is_there_and_then_the_usual_ones(portfolio: Portfolio):
    told = [signed.story for signed in portfolio.contracts]

    assert len(told) == 50
    assert tuple(told[: len(STORIES)]) == STORIES
    assert set(told[len(STORIES) :]) <= set(USUAL)


@every
def test_everything_happens_within_the_year(portfolio: Portfolio):
    for signed in portfolio.contracts:
        assert portfolio.since <= signed.signed_on < portfolio.until
        for act in signed.story.acts:
            assert portfolio.since < signed.day_of(act) < portfolio.until
            assert signed.day_of(act) in portfolio.days
        if signed.story is not NEW:
            first_milestone = signed.ends_on - timedelta(days=MILESTONES[0])
            assert portfolio.since < first_milestone
            assert signed.starts_on <= portfolio.since < signed.ends_on < portfolio.until


@every
def test_the_merged_customer_has_two_contracts_of_one_currency(portfolio: Portfolio):
    [merged] = [each for each in portfolio.contracts if each.story is CONSOLIDATED]
    host = portfolio.contracts[merged.joins]

    assert host.story is HOST
    assert merged.customer == host.customer == host.number
    assert merged.deal.currency == host.deal.currency
    assert merged.ends_on < host.ends_on


@every
def test_nothing_else_happens_while_support_is_down(portfolio: Portfolio):
    [unseen] = [each for each in portfolio.contracts if each.story is UNSEEN]
    days = {unseen.ends_on - timedelta(days=n) for n in (91, 90, 89)}

    for other in portfolio.contracts:
        if other is not unseen:
            assert not days & {other.day_of(act) for act in other.story.acts}
            assert not days & {other.ends_on, other.ends_on + timedelta(days=1)}
            assert not days & {other.ends_on - timedelta(days=n) for n in MILESTONES}


@every
def test_most_ends_are_shared(portfolio: Portfolio):
    ends = [each.ends_on for each in portfolio.contracts if each.story is not UNSEEN]

    assert {end.day for end in ends} <= set(DAYS_OF_ENDS)


@every
def test_a_deal_that_waits_for_the_money_does_not_go_on_by_itself(portfolio: Portfolio):
    for signed in portfolio.contracts:
        if signed.story is OVERDUE:
            assert not signed.deal.renewal.auto_renews


def test_a_ramp_is_a_step_of_the_year():
    ramped = [each for p in PORTFOLIOS for each in p.contracts if each.ramp_on]

    assert ramped
    for each in ramped:
        assert SINCE < each.ramp_on < each.ends_on
        assert each.seats.quantity == each.deal.lines[1].quantity + 10


def test_a_few_contracts_are_enough():
    assert len(draw(1, 3, SINCE).contracts) == 3

"""A seed of every kind keeps the promises, and a seed takes the same way in any company."""

from __future__ import annotations

import pytest

from local.faults.campaign import Campaign, Outcome
from local.faults.happenings import KINDS, Happening
from local.faults.harness import Harness

# A campaign of its own, of half a minute.
pytestmark = pytest.mark.slow

AGAIN = 3


@pytest.fixture(scope="module")
def campaign(harness: Harness) -> Campaign:
    return Campaign(harness)


@pytest.fixture(scope="module")
def outcomes(campaign: Campaign) -> dict[str, Outcome]:
    """By kind, of its first seed; `make chaos` plays two hundred."""
    first: dict[type[Happening], int] = {}
    seed = 0
    while len(first) < len(KINDS):
        seed += 1
        first.setdefault(type(campaign.scenario(seed).happening), seed)
    played = campaign.play(sorted(first.values()))
    return {outcome.scenario.happening.kind: outcome for outcome in played}


@pytest.mark.parametrize("kind", [kind.kind for kind in KINDS])
def test_promises_are_kept(outcomes: dict[str, Outcome], kind: str) -> None:
    assert outcomes[kind].violations == [], outcomes[kind].trace
    assert outcomes[kind].happened


def test_same_seed_same_trace(campaign: Campaign, outcomes: dict[str, Outcome]) -> None:
    """Played once more, with fewer beside it: the calls, their faults, and what a team decided."""
    before = {outcome.scenario.seed: outcome for outcome in outcomes.values()}
    faulty = [seed for seed, outcome in before.items() if outcome.faults]
    for outcome in campaign.play(sorted(faulty)[:AGAIN]):
        assert outcome.trace == before[outcome.scenario.seed].trace
        assert outcome.ending == before[outcome.scenario.seed].ending

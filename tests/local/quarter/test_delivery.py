"""Events in disorder: shuffled, doubled, some lost, all by a seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from local.quarter.delivery import Disorder

KNOWN, UNKNOWN = "invoice.finalized", "invoice.updated"


def event(number: int, type: str = KNOWN) -> dict[str, Any]:
    return {"id": f"evt_{number}", "type": type}


def arriving(disorder: Disorder, events: list[dict[str, Any]]) -> list[str]:
    for each in events:
        disorder.keep(each)
    return [each["id"] for each in disorder.arriving()]


def test_each_arrives_twice_in_another_order_or_never():
    events = [event(number) for number in range(1000)]

    disorder = Disorder(1)
    ids = arriving(disorder, events)

    assert set(Counter(ids).values()) == {2}
    assert list(dict.fromkeys(ids)) != sorted(set(ids), key=lambda id: int(id[4:]))
    assert disorder.lost == 50
    assert disorder.delivered == len(ids) == 2 * 950


@pytest.mark.parametrize("seed", range(10))
def test_one_of_each_twenty_is_lost(seed: int):
    disorder = Disorder(seed)
    places = set()
    for first in range(0, 100, 20):
        arrived = arriving(disorder, [event(number) for number in range(first, first + 20)])
        [lost] = [place for place in range(20) if f"evt_{first + place}" not in arrived]
        places.add(lost)

    assert len(places) > 1


def test_a_seed_loses_and_shuffles_the_same_again():
    events = [event(number) for number in range(100)]

    assert arriving(Disorder(3), events) == arriving(Disorder(3), events)
    assert arriving(Disorder(3), events) != arriving(Disorder(4), events)


def test_what_has_arrived_is_no_longer_on_its_way():
    disorder = Disorder(1)

    arriving(disorder, [event(1)])

    assert disorder.arriving() == []


def test_what_means_nothing_is_neither_lost_nor_counted():
    disorder = Disorder(1)

    assert len(arriving(disorder, [event(number, UNKNOWN) for number in range(100)])) == 200

    assert (disorder.delivered, disorder.lost) == (0, 0)

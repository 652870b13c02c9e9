"""Of any number of facts, a digest of a fixed size tells which differ."""

from __future__ import annotations

from collections import Counter
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind
from interlock.rules.digest import CELLS_PER_TABLE, TABLES, Digest
from pydantic import ValidationError

DAY = date(2026, 11, 3)


def fact(number: int, amount: str = "10.00", currency: str = "USD", who: str = "sf:1") -> Fact:
    return Fact(
        kind=FactKind.INVOICE,
        id=f"stripe:in_{number}",
        customer_id=who,
        amount=Money.of(amount, currency),
        day=DAY,
    )


def digest(*facts: Fact) -> Digest:
    return Digest().with_facts(facts)


FACTS = st.builds(
    fact,
    st.integers(0, 10_000),
    st.sampled_from(["10.00", "-10.00", "0.01", "99999999999.99"]),
    st.sampled_from(["USD", "EUR"]),
    st.sampled_from(["sf:1", "sf:2"]),
)
SOME = st.lists(FACTS, max_size=12)


@given(SOME, SOME, SOME)
def test_digests_are_put_together_in_any_order(one: list, two: list, three: list) -> None:
    a, b, c = digest(*one), digest(*two), digest(*three)

    assert (a + b) + c == a + (b + c)
    assert a + b == b + a == digest(*two, *one)
    assert a + Digest() == a
    assert a - a == Digest()


@given(SOME, st.randoms(use_true_random=False))
def test_neither_order_nor_pages_matter(facts: list[Fact], random: Random) -> None:
    shuffled = facts[:]
    random.shuffle(shuffled)
    paged = Digest()
    while shuffled:
        size = random.randint(1, 4)
        paged, shuffled = paged.with_facts(shuffled[:size]), shuffled[size:]

    assert paged == digest(*facts)


@given(SOME, SOME, SOME)
@settings(max_examples=200)
def test_the_difference_is_exactly_that_of_the_facts(common: list, one: list, two: list) -> None:
    left, right = Counter([*common, *one]), Counter([*common, *two])
    expected = {each.id for each in left | right if left[each] != right[each]}

    found = digest(*common, *one).differences(digest(*common, *two))

    assert found.is_complete
    assert set(found.ids) == expected


@given(SOME)
def test_it_survives_json(facts: list[Fact]) -> None:
    made = digest(*facts)

    assert Digest.model_validate_json(made.model_dump_json()) == made


def test_it_counts_and_adds_up_by_currency() -> None:
    made = digest(fact(1), fact(2, "2.50"), fact(3, "1000", "JPY"))

    assert {code: (one.count, str(one.total)) for code, one in made.figures.items()} == {
        "USD": (2, "12.50 USD"),
        "JPY": (1, "1,000 JPY"),
    }


def test_one_that_is_there_twice_is_told() -> None:
    found = digest(fact(1), fact(2)).differences(digest(fact(1), fact(2), fact(2)))

    assert found.ids == ("stripe:in_2",)
    assert found.is_complete


def test_too_many_differences_are_never_taken_for_all() -> None:
    """The cells cannot tell thousands, and they know it."""
    many = [fact(number) for number in range(3000)]

    found = digest(*many).differences(Digest())

    assert not found.is_complete
    assert set(found.ids) <= {each.id for each in many}


@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_differences_are_told(seed: int) -> None:
    many = [fact(number) for number in range(seed * 1000, seed * 1000 + 1000)]

    found = digest(*many).differences(digest(*many[100:]))

    assert found.is_complete
    assert set(found.ids) == {each.id for each in many[:100]}


def test_its_size_does_not_grow() -> None:
    """Two of them fit into what a function is given, 256 KB."""
    made = digest(*(fact(number) for number in range(20_000)))

    assert len(made.cells) == TABLES * CELLS_PER_TABLE
    assert len(made.model_dump_json()) < 80_000


def test_an_id_that_no_key_has_room_for_is_refused() -> None:
    with pytest.raises(ValidationError):
        Fact(kind="invoice", id="x" * 141, customer_id=None, amount=Money.of(1, "USD"), day=DAY)

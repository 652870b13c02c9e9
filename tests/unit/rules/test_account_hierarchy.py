"""Is an account hierarchy sound, and who gets the bill?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Account, Address
from interlock.errors import BusinessRuleViolation
from interlock.rules.account_hierarchy import MAX_DEPTH, validate

from tests.unit import samples

HAMBURG = Address(city="Hamburg", country="DE")


def chain(*addressed: bool) -> tuple[Account, ...]:
    """An account and its parents upwards, and whether each has a billing address."""
    return tuple(
        samples.account(
            id=f"salesforce:{level}",
            name=f"Level {level}",
            parent_id=f"salesforce:{level + 1}" if level + 1 < len(addressed) else None,
            billing_address=HAMBURG if has_address else None,
        )
        for level, has_address in enumerate(addressed)
    )


def problems(accounts: tuple[Account, ...]) -> list[str]:
    """What is wrong with a hierarchy."""
    with pytest.raises(BusinessRuleViolation) as violation:
        validate(accounts)
    return violation.value.problems


def test_an_account_alone_is_its_own_ultimate_parent_and_payer() -> None:
    hierarchy = validate(chain(True))

    assert hierarchy.ultimate_parent == hierarchy.bill_to == "salesforce:0"


def test_parents_come_first() -> None:
    hierarchy = validate(chain(True, False, True))

    assert [account.name for account in hierarchy.accounts] == ["Level 2", "Level 1", "Level 0"]
    assert hierarchy.ultimate_parent == "salesforce:2"


@pytest.mark.parametrize(
    ("addressed", "payer"),
    [
        ((True, True), "salesforce:0"),
        ((False, True, True), "salesforce:1"),
        ((False, False, True), "salesforce:2"),
    ],
)
def test_the_nearest_account_with_an_address_gets_the_bill(
    addressed: tuple[bool, ...], payer: str
) -> None:
    assert validate(chain(*addressed)).bill_to == payer


def test_nobody_can_get_the_bill() -> None:
    [problem] = problems(chain(False, False))

    assert problem.startswith("neither Level 0 (salesforce:0) nor a parent has a billing address")


def test_a_cycle_is_shown_as_it_goes_round() -> None:
    first, second = chain(True, True)

    [problem] = problems((first, second, first))

    assert "cycle: Level 0 (salesforce:0) → Level 1 (salesforce:1) → Level 0" in problem


def test_an_account_that_is_its_own_parent() -> None:
    [alone] = chain(True)

    assert "cycle" in problems((alone, alone))[0]


@given(st.integers(1, 12))
def test_only_so_many_levels(levels: int) -> None:
    accounts = chain(*[True] * levels)

    if levels <= MAX_DEPTH:
        assert len(validate(accounts).accounts) == levels
    else:
        assert "more than 5 levels" in problems(accounts)[0]


def test_every_problem_is_named_at_once() -> None:
    assert len(problems(chain(*[False] * 6))) == 2

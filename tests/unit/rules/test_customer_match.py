"""Which customer of the ERP is this account?"""

from __future__ import annotations

import pytest
from interlock.connectors.erp.port import CustomerCandidate
from interlock.errors import BusinessRuleViolation
from interlock.rules.customer_match import match

from tests.unit import samples

CALDER = samples.account()


def candidate(remote_id: str, by: str, name: str = "Calder Robotics") -> CustomerCandidate:
    """A customer of the ERP that fits by one criterion."""
    return CustomerCandidate(remote_id=remote_id, name=name, by=by)


def test_nobody_fits() -> None:
    assert match(CALDER, (), taken=set()) is None


@pytest.mark.parametrize("by", ["external_id", "tax_id"])
def test_the_only_one_by_an_id_is_certain_whatever_its_name(by: str) -> None:
    assert match(CALDER, (candidate("42", by, "Another name"),), taken=set()) == "42"


@pytest.mark.parametrize("name", ["Calder Robotics", "CALDER ROBOTICS"])
def test_a_domain_counts_together_with_the_name(name: str) -> None:
    assert match(CALDER, (candidate("42", "domain", name),), taken=set()) == "42"


def test_of_several_with_the_domain_the_one_with_the_name() -> None:
    group = (candidate("41", "domain", "Calder Holding"), candidate("42", "domain"))

    assert match(CALDER, group, taken=set()) == "42"


@pytest.mark.parametrize(
    "candidates",
    [
        (candidate("42", "domain", "Calder Holding"),),
        (candidate("41", "domain"), candidate("42", "domain")),
        (candidate("41", "tax_id"), candidate("42", "tax_id")),
        (candidate("41", "external_id"), candidate("42", "external_id")),
    ],
)
def test_what_is_not_certain_is_for_a_person(candidates: tuple[CustomerCandidate, ...]) -> None:
    with pytest.raises(BusinessRuleViolation) as violation:
        match(CALDER, candidates, taken=set())

    [problem] = violation.value.problems
    assert violation.value.record == CALDER.id
    assert all(f"(customer {c.remote_id})" in problem for c in candidates)
    assert "'new'" in problem


def test_a_customer_stands_for_one_account_alone() -> None:
    candidates = (candidate("41", "tax_id"), candidate("42", "tax_id"))

    assert match(CALDER, candidates, taken={"41"}) == "42"
    assert match(CALDER, candidates, taken={"41", "42"}) is None

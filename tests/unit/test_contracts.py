"""Our own record of contracts: signed once, changed by one of many, and taken back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interlock import aws
from interlock.canonical.contracts import ContractStatus
from interlock.contracts import Contracts
from interlock.errors import RecordConflict, RecordNotFound

from tests.unit.conftest import Cloud, forget
from tests.unit.contract_samples import (
    ACCOUNT,
    CONTRACT,
    ENDS,
    STARTS,
    after,
    change,
    contract,
    line,
)

THREADS = 8
LATER = ENDS + timedelta(days=365)


@pytest.fixture
def contracts(cloud: Cloud) -> Contracts:
    """None is recorded yet."""
    return Contracts(cloud.table("ContractsTable"), aws.dynamodb())


# ---- Signing


def test_what_was_never_signed_is_not_there(contracts: Contracts) -> None:
    assert contracts.get(CONTRACT) is None
    assert contracts.of_account(ACCOUNT) == ()


def test_a_contract_is_kept_as_it_was_signed(contracts: Contracts) -> None:
    signed = contract()

    assert contracts.record(signed, "T1") == signed

    assert contracts.get(CONTRACT) == signed
    assert contracts.of_account(ACCOUNT) == (signed,)


def test_the_same_transaction_again_finds_what_has_become_of_it(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")
    amended = after(contract(), ends_on=LATER)
    contracts.change(amended, "T2")

    assert contracts.record(contract(), "T1") == amended


def test_the_same_contract_of_another_transaction_is_the_same(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")

    assert contracts.record(contract(), "T2") == contract()


def test_another_contract_with_the_same_id_is_a_conflict(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")

    with pytest.raises(RecordConflict, match="with other content was recorded before"):
        contracts.record(contract(payment_days=60), "T2")

    assert contracts.get(CONTRACT) == contract()


# ---- Changing


def test_a_change_is_written_over_the_revision_that_it_was_decided_by(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")
    renewed = after(contract(), ends_on=LATER)

    assert contracts.change(renewed, "R1") == renewed
    assert contracts.change(after(contract(), payment_days=60), "A1") is None

    assert contracts.get(CONTRACT) == renewed


def test_the_same_change_again_finds_it_done_whatever_came_since(contracts: Contracts) -> None:
    """A run whose answer got lost must go on with what follows from its change."""
    contracts.record(contract(), "T1")
    renewed = after(contract(), ends_on=LATER)
    amended = after(renewed, payment_days=60)
    contracts.change(renewed, "R1")

    assert contracts.change(renewed, "R1") == renewed
    contracts.change(amended, "A1")
    assert contracts.change(renewed, "R1") == amended


def test_what_was_never_recorded_cannot_change(contracts: Contracts) -> None:
    with pytest.raises(RecordNotFound, match="no such contract"):
        contracts.change(after(contract()), "R1")


def test_of_many_changes_at_once_one_is_made(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")
    together = threading.Barrier(THREADS)

    def decide(number: int) -> bool:
        together.wait()
        return contracts.change(after(contract(), payment_days=number), f"R{number}") is not None

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(decide, range(THREADS))) == 1
    found = contracts.get(CONTRACT)
    assert found is not None
    assert found.revision == 2


def test_of_many_signatures_at_once_all_find_the_same(contracts: Contracts) -> None:
    together = threading.Barrier(THREADS)

    def sign(number: int) -> int:
        together.wait()
        return contracts.record(contract(), f"T{number}").revision

    with ThreadPoolExecutor(THREADS) as threads:
        assert set(threads.map(sign, range(THREADS))) == {1}


# ---- Finding


def test_contracts_that_are_served_are_found_by_their_end(contracts: Contracts) -> None:
    ends = {f"salesforce:{n}": ENDS + timedelta(days=n) for n in (9, 2, 5)}
    for id, day in ends.items():
        contracts.record(contract(id=id, ends_on=day), "T1")
    letting_go = after(contract(id="salesforce:2", ends_on=ends["salesforce:2"]))
    contracts.change(letting_go.model_copy(update={"status": ContractStatus.ENDING}), "R1")

    found = [each.id for each in contracts.served()]

    assert found == ["salesforce:5", "salesforce:9", "salesforce:2"]
    assert [each.id for each in contracts.by_status(ContractStatus.ENDING)] == ["salesforce:2"]


# ---- Taking back


def test_what_a_transaction_recorded_it_can_take_back(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")

    ended = contracts.take_back(CONTRACT, "T1")

    assert ended is not None
    assert (ended.status, ended.ends_on, ended.revision) == (ContractStatus.ENDED, STARTS, 2)
    assert ended.yearly_on(STARTS).amount == 0
    assert contracts.get(CONTRACT) == ended
    assert contracts.take_back(CONTRACT, "T1") == ended


def test_what_a_transaction_did_not_record_is_left_alone(contracts: Contracts) -> None:
    assert contracts.take_back(CONTRACT, "T1") is None
    contracts.record(contract(), "T1")

    assert contracts.take_back(CONTRACT, "T2") is None

    assert contracts.get(CONTRACT) == contract()


def test_what_was_changed_since_is_not_taken_back(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")
    contracts.change(after(contract(), payment_days=60), "A1")

    with pytest.raises(RecordConflict, match="was changed since it was recorded"):
        contracts.take_back(CONTRACT, "T1")


@pytest.mark.parametrize("transaction", ["T1", "T2"])
def test_what_was_taken_back_can_be_signed_again(contracts: Contracts, transaction: str) -> None:
    """Billing knows the revisions, so they go on."""
    contracts.record(contract(), "T1")
    contracts.take_back(CONTRACT, "T1")
    again = contract(lines=(line(quantity=70),))

    signed = contracts.record(again, transaction)

    assert signed == again.model_copy(update={"revision": 3})
    assert contracts.record(again, transaction) == signed
    assert contracts.take_back(CONTRACT, transaction) is not None


def test_a_change_is_taken_back_by_a_further_one(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")
    made = change(contract(), ends_on=LATER)
    contracts.change(made.after, "R1")

    rehearsed = contracts.change_back(made, "R1", dry_run=True)
    assert contracts.get(CONTRACT) == made.after
    back = contracts.change_back(made, "R1")

    assert back == rehearsed
    assert back is not None
    assert (back.after.ends_on, back.after.revision) == (ENDS, 3)
    assert contracts.get(CONTRACT) == back.after
    assert contracts.change_back(made, "R1") == back
    assert contracts.change_back(made, "R1", dry_run=True) == back


def test_a_change_that_was_never_made_is_not_taken_back(contracts: Contracts) -> None:
    made = change(contract(), ends_on=LATER)
    assert contracts.change_back(made, "R1") is None
    contracts.record(contract(), "T1")
    contracts.change(made.after, "R2")

    assert contracts.change_back(made, "R1") is None

    assert contracts.get(CONTRACT) == made.after


def test_a_change_that_another_one_followed_is_not_taken_back(contracts: Contracts) -> None:
    contracts.record(contract(), "T1")
    made = change(contract(), ends_on=LATER)
    contracts.change(made.after, "R1")
    contracts.change(after(made.after, payment_days=60), "R1")

    for dry_run in (True, False):
        with pytest.raises(RecordConflict, match="was changed again since"):
            contracts.change_back(made, "R1", dry_run=dry_run)


DECISIONS = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 4)), max_size=12)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(decisions=DECISIONS)
def test_in_any_order_each_revision_is_made_once(cloud: Cloud, decisions: list) -> None:
    """Decided by any revision, told any number of times: the first one of each is the one."""
    cloud.mock.reset()
    forget()
    contracts = Contracts(cloud.table("ContractsTable"), aws.dynamodb())
    contracts.record(contract(), "T1")
    made = {1: "T1"}
    for transaction, decided_by in decisions:
        changed = contract(revision=decided_by + 1, ends_on=date(2028, 1, decided_by))
        if decided_by == max(made):
            made[decided_by + 1] = transaction
        found = contracts.change(changed, transaction)
        assert (found is not None) == (made.get(decided_by + 1) == transaction)

    now = contracts.get(CONTRACT)
    assert now is not None
    assert now.revision == max(made)

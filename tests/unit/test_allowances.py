"""The cap of each month: reserved at once or not at all, and never exceeded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interlock import aws
from interlock.allowances import Allowances, Released
from interlock.canonical.credits import ComputedCredit
from interlock.errors import BusinessRuleViolation, OutcomeUnknown
from interlock.rules.allowance import Allowance

from local.samples.credit_stores import ACCOUNT, NOVEMBER, OCTOBER, credit, eur, incident, month
from tests.unit.conftest import Cloud, forget

THREADS = 8


@pytest.fixture
def allowances(cloud: Cloud) -> Allowances:
    """Nothing is granted yet."""
    return Allowances(cloud.table("AllowancesTable"), aws.dynamodb())


def november(allowances: Allowances) -> Allowance:
    """The allowance of the month that most samples are of."""
    [allowance] = allowances.read(ACCOUNT, "EUR", [NOVEMBER])
    return allowance


def test_a_month_without_a_row_is_empty(allowances: Allowances) -> None:
    found = allowances.read(ACCOUNT, "EUR", [OCTOBER, NOVEMBER])

    assert found == tuple(
        Allowance(account_id=ACCOUNT, currency="EUR", month=each) for each in (OCTOBER, NOVEMBER)
    )


def test_a_reservation_is_a_grant_with_its_incident(allowances: Allowances) -> None:
    assert allowances.reserve("T1", credit(month(250)))

    after = november(allowances)
    assert (after.revision, after.granted) == (1, eur(250))
    [grant] = after.grants
    assert (grant.transaction, grant.amount, grant.incident) == ("T1", eur(250), incident())


def test_the_same_reservation_again_changes_nothing(allowances: Allowances) -> None:
    allowances.reserve("T1", credit(month(250)))
    allowances.reserve("T2", credit(month(50, before=250, revision=1)))

    assert allowances.reserve("T1", credit(month(250)))

    assert november(allowances).revision == 2


def test_what_was_computed_with_an_older_allowance_is_computed_again(
    allowances: Allowances,
) -> None:
    allowances.reserve("T1", credit(month(250)))

    assert not allowances.reserve("T2", credit(month(250)))

    assert november(allowances).granted == eur(250)


def test_another_reservation_takes_the_place_of_the_first(allowances: Allowances) -> None:
    allowances.reserve("T1", credit(month(250)))

    assert allowances.reserve("T1", credit(month(400, revision=1)))

    after = november(allowances)
    assert (after.granted, len(after.grants)) == (eur(400), 1)


def test_other_months_take_the_place_of_those_before(allowances: Allowances) -> None:
    """A team corrected when the incident was: nothing may stay in the wrong month."""
    allowances.reserve("T1", credit(month(250)))

    assert allowances.reserve("T1", credit(month(70, of=OCTOBER)))

    before, after = allowances.read(ACCOUNT, "EUR", [OCTOBER, NOVEMBER])
    assert (before.granted, after.granted) == (eur(70), eur(0))


def test_all_months_are_reserved_or_none(allowances: Allowances) -> None:
    allowances.reserve("T1", credit(month(250)))

    assert not allowances.reserve("T2", credit(month(10, of=OCTOBER), month(10)))

    [october] = allowances.read(ACCOUNT, "EUR", [OCTOBER])
    assert october.revision == 0


def test_a_month_in_which_nothing_is_due_keeps_its_incident(allowances: Allowances) -> None:
    """Together with another one it may come to something."""
    assert allowances.reserve("T1", credit(month(10, of=OCTOBER), month(0)))

    assert [grant.incident for grant in november(allowances).grants] == [incident()]


def test_more_than_the_cap_is_never_reserved(allowances: Allowances) -> None:
    with pytest.raises(BusinessRuleViolation, match=r"credited 501\.00 EUR of at most"):
        allowances.reserve("T1", credit(month(501)))
    allowances.reserve("T1", credit(month(400)))
    with pytest.raises(BusinessRuleViolation, match=r"credited 600\.00 EUR of at most"):
        allowances.reserve("T2", credit(month(200, revision=1)))

    assert november(allowances).granted == eur(400)


def test_the_counter_itself_guards_the_cap(
    allowances: Allowances, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should what was read ever be wrong, the condition in the table still holds."""
    allowances.reserve("T1", credit(month(400)))
    empty = november(allowances).model_copy(update={"grants": ()})
    read = allowances._read
    monkeypatch.setattr(allowances, "_read", lambda key: empty)

    assert not allowances.reserve("T2", credit(month(200, revision=1)))
    assert allowances.reserve("T2", credit(month(100, revision=1)))

    assert read(f"{ACCOUNT}#EUR#2026-11").revision == 2


def test_a_cap_that_was_lowered_takes_nothing_more_and_fails_nothing(
    allowances: Allowances,
) -> None:
    allowances.reserve("T1", credit(month(400)))

    assert allowances.reserve("T2", credit(month(0, cap=300, revision=1)))


def test_currencies_and_customers_have_their_own(allowances: Allowances) -> None:
    other = credit(month(250), account_id="salesforce:001Hs00000OTHER")

    assert allowances.reserve("T1", credit(month(250)))
    assert allowances.reserve("T2", other)

    assert november(allowances).granted == eur(250)


# ---- Giving back


def test_a_release_gives_back_the_transactions_own(allowances: Allowances) -> None:
    allowances.reserve("T1", credit(month(250)))
    allowances.reserve("T2", credit(month(50, before=250, revision=1)))

    released = allowances.release("T1")

    assert released == (Released(account_id=ACCOUNT, month=NOVEMBER, amount=eur(250)),)
    assert [grant.transaction for grant in november(allowances).grants] == ["T2"]


def test_a_release_again_or_of_nothing_is_harmless(allowances: Allowances) -> None:
    allowances.reserve("T1", credit(month(250)))
    allowances.release("T1")

    assert allowances.release("T1") == ()
    assert allowances.release("T9") == ()
    assert november(allowances).revision == 2


def test_what_was_released_can_be_reserved_again(allowances: Allowances) -> None:
    allowances.reserve("T1", credit(month(250)))
    allowances.release("T1")

    assert not allowances.reserve("T1", credit(month(250)))
    assert allowances.reserve("T1", credit(month(250, revision=2)))
    assert len(allowances.release("T1")) == 1


def test_a_release_beside_another_run_is_tried_again(
    allowances: Allowances, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowances.reserve("T1", credit(month(250)))
    stale = november(allowances)
    allowances.reserve("T2", credit(month(50, revision=1)))
    monkeypatch.setattr(allowances, "_read", lambda key: stale)

    with pytest.raises(OutcomeUnknown, match="another run is changing"):
        allowances.release("T1")
    monkeypatch.undo()

    assert len(allowances.release("T1")) == 1


def test_no_row_expires(allowances: Allowances) -> None:
    allowances.reserve("T1", credit(month(250)))

    rows = aws.dynamodb().scan(TableName=allowances.table)["Items"]

    assert len(rows) == 2
    assert not any({"expires_at", "expiration", "ttl"} & set(row) for row in rows)


# ---- Many at once


def test_many_at_once_never_exceed_the_cap(allowances: Allowances) -> None:
    """Each computes as the rule does: what is left of the cap, at most 120."""
    together = threading.Barrier(THREADS)

    def request(number: int) -> Decimal:
        together.wait()
        while True:
            now = november(allowances)
            left = min(Decimal(120), Decimal(500) - now.granted.amount)
            wanted = credit(month(left, before=now.granted.amount, revision=now.revision))
            if allowances.reserve(f"T{number}", wanted):
                return left

    with ThreadPoolExecutor(THREADS) as threads:
        granted = sorted(threads.map(request, range(THREADS)))

    assert granted == [0, 0, 0, 20, 120, 120, 120, 120]
    assert november(allowances).granted == eur(500)


def test_of_many_with_the_same_computation_one_reserves(allowances: Allowances) -> None:
    together = threading.Barrier(THREADS)

    def request(number: int) -> bool:
        together.wait()
        return allowances.reserve(f"T{number}", credit(month(400)))

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(request, range(THREADS))) == 1
    assert november(allowances).granted == eur(400)


AMOUNTS = st.integers(0, 300)
STEPS = st.lists(st.tuples(st.sampled_from("ABC"), AMOUNTS | st.none()), max_size=12)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_in_any_order_it_is_what_a_dictionary_would_hold(cloud: Cloud, steps: list) -> None:
    """Reservations, replaced and released: each transaction has its last one, within the cap."""
    cloud.mock.reset()
    forget()
    allowances = Allowances(cloud.table("AllowancesTable"), aws.dynamodb())
    model: dict[str, int] = {}
    for name, amount in steps:
        if amount is None:
            released = allowances.release(name)
            assert [int(each.amount.amount) for each in released] == (
                [model.pop(name)] if name in model else []
            )
            continue
        others = sum(held for holder, held in model.items() if holder != name)
        amount = min(amount, 500 - others)
        wanted: ComputedCredit = credit(month(amount, revision=november(allowances).revision))
        assert allowances.reserve(name, wanted)
        model[name] = amount

    assert {g.transaction: int(g.amount.amount) for g in november(allowances).grants} == model

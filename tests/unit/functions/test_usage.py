"""The functions that place usage in a period and submit it there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from interlock.canonical.billing import PlacedUsage
from interlock.connectors.billing.port import SubmittedUsage
from interlock.crossref import CrossReferences
from interlock.errors import BudgetExhausted, BusinessRuleViolation, OutcomeUnknown, RecordConflict

from tests.unit import finance_samples, samples
from tests.unit.conftest import Cloud, forget
from tests.unit.finance_samples import MOMENT, MONTH, placed, usage
from tests.unit.functions.calling import connect, module

# The same usage once its month is over.
DECEMBER = MONTH.model_copy(update={"start": MONTH.end, "end": MONTH.end + timedelta(days=31)})
MOVED = placed(charged_at=MONTH.end, placed_at=MONTH.end, period=DECEMBER, is_adjustment=True)


class System:
    """A billing system that counts an id once, and may fail before or after that."""

    def __init__(self) -> None:
        self.counted: dict[str, PlacedUsage] = {}
        self.tried: list[tuple[PlacedUsage, PlacedUsage]] = []
        self.before: Exception | None = None
        self.after: Exception | None = None

    def get_usage_windows(self, meter: str, *, customer_remote_id: str) -> Any:
        """November runs."""
        assert (meter, customer_remote_id) == ("api-requests", "cus_1")
        return (finance_samples.window(),)

    def submit_usage(self, placed: PlacedUsage, *, first: PlacedUsage, **_: Any) -> SubmittedUsage:
        """Where it counts."""
        self.tried.append((placed, first))
        failure, self.before = self.before, None
        if failure:
            raise failure
        is_new = placed.usage.id not in self.counted
        counted = self.counted.setdefault(placed.usage.id, placed)
        failure, self.after = self.after, None
        if failure:
            raise failure
        id = placed.usage.id
        return SubmittedUsage(id=id, remote_id=id, placed=counted if is_new else first)


@pytest.fixture
def system(cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch) -> System:
    """It is connected, and knows the account."""
    forget()
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})
    monkeypatch.setattr(CrossReferences, "require", lambda *_: "cus_1")
    system = System()
    connect(monkeypatch, "billing", system)
    return system


@pytest.fixture
def submit(system: System, context: Any) -> Any:
    """Calls the function, for a transaction."""

    def call(where: PlacedUsage, transaction: str = "T1", **decision: Any) -> PlacedUsage | None:
        command = samples.command(transaction, **decision).model_dump(mode="json")
        command |= {"placed": where.model_dump(mode="json")}
        answer = module("billing/submit_usage").handler(command, context)
        return SubmittedUsage.model_validate(answer).placed

    return call


def test_placed_as_the_billing_systems_periods_are(system: System, context: Any) -> None:
    command = samples.command("T1").model_dump(mode="json")

    def place(**changes: Any) -> PlacedUsage:
        told = command | {"usage": usage(**changes).model_dump(mode="json")}
        return PlacedUsage.model_validate(module("billing/place_usage").handler(told, context))

    assert place() == placed()
    assert place(occurred_at=MONTH.start - timedelta(days=1)).is_adjustment
    with pytest.raises(BusinessRuleViolation, match="usage counts from 0"):
        place(quantity=-1)


def test_told_twice_it_is_submitted_once(system: System, submit: Any) -> None:
    """Also when its month is over by then, and it would be placed elsewhere."""
    assert submit(placed()) == placed()

    assert submit(MOVED, "T2") == placed()
    assert len(system.tried) == 1


def test_the_same_id_with_another_quantity_is_a_conflict(submit: Any) -> None:
    submit(placed())

    with pytest.raises(RecordConflict, match="another content"):
        submit(placed(usage=usage(quantity=7)), "T2")


def test_a_retry_keeps_the_time_in_its_period(system: System, submit: Any) -> None:
    system.after = OutcomeUnknown("no answer")
    with pytest.raises(OutcomeUnknown):
        submit(placed())

    assert submit(placed(charged_at=MOMENT, placed_at=MOMENT + timedelta(hours=1))) == placed()
    assert system.tried == [(placed(), placed())] * 2


@pytest.mark.parametrize("transaction", ["T1", "T2"])
def test_a_retry_after_the_period_was_counted_there_or_here(
    system: System, submit: Any, transaction: str
) -> None:
    """Whichever transaction tries again."""
    for failing in ("after", "before"):
        setattr(system, failing, OutcomeUnknown("no answer"))
        where = placed(usage=usage(id=f"product:{failing}"))
        moved = MOVED.model_copy(update={"usage": where.usage})
        with pytest.raises(OutcomeUnknown):
            submit(where)

        assert submit(moved, transaction) == (where if failing == "after" else moved)
        assert system.tried[-1] == (moved, where)
        assert system.counted[where.usage.id] == (where if failing == "after" else moved)


def test_an_attempt_that_sent_nothing_is_none(system: System, submit: Any) -> None:
    system.before = BudgetExhausted("others first", untouched=True)
    with pytest.raises(BudgetExhausted):
        submit(placed())

    assert submit(MOVED) == MOVED
    assert system.tried[-1] == (MOVED, MOVED)


def test_usage_that_people_entered(system: System, submit: Any) -> None:
    decision = {"action": "link", "remote_id": "by-hand-1", "record": "product:tick-1"}

    assert submit(placed(), **decision) is None
    assert system.tried == []

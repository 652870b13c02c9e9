"""The functions that decide on a customer's flag, and show it in CRM and support."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.dunning import DunningFlag, DunningStatus
from interlock.effects import EffectKey, ledger
from interlock.errors import OutcomeUnknown, RecordConflict

from tests.unit import samples
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import connect, module, sample

FLAG = DunningFlag(
    account_id=samples.ACCOUNT,
    status=DunningStatus.PAST_DUE,
    overdue=Money.of("36000.00", "USD"),
    since=date(2026, 11, 2),
)
NO_FLAG = DunningFlag(account_id=samples.ACCOUNT, status=DunningStatus.NONE)
BOTH = pytest.mark.parametrize("area", ["crm", "support"])

Run = Callable[..., dict[str, Any]]


class System:
    """A CRM or a support system with one account, or none that it knows."""

    def __init__(self, flag: DunningFlag | None = NO_FLAG) -> None:
        self.flag = flag
        self.written: list[DunningFlag] = []
        self.loses_answer = False

    def read_dunning(self, account_id: str) -> DunningFlag | None:
        """As it is now."""
        assert account_id == samples.ACCOUNT
        return self.flag

    def write_dunning(self, flag: DunningFlag) -> DunningFlag | None:
        """Applied, though the answer may be lost."""
        self.written.append(flag)
        if self.flag is not None:
            self.flag = flag
        if self.loses_answer:
            self.loses_answer = False
            raise OutcomeUnknown("no answer")
        return self.flag


@pytest.fixture
def run(cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch, context: Any) -> Run:
    """Calls the function of an area, which is connected to a system, with a flag."""
    forget()
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})

    def run(
        area: str, system: System, flag: DunningFlag = FLAG, *, round: int = 1, **told: Any
    ) -> dict[str, Any]:
        connect(monkeypatch, area, system)
        command = samples.command("T1", **told).model_dump(mode="json")
        command |= {"flag": flag.model_dump(mode="json"), "round": round}
        return module(f"{area}/flag_dunning").handler(command, context)

    return run


def state(round: int = 1) -> str:
    """How the ledger has the flag of a round."""
    key = EffectKey("vendor", "flag_dunning", f"{samples.ACCOUNT}/T1/{round}")
    return ledger()._read(key)["state"]


@BOTH
def test_a_flag_is_written_once_a_round(run: Run, area: str) -> None:
    system = System()

    first, again = run(area, system), run(area, system)

    assert DunningFlag.model_validate(first) == FLAG
    assert again == first
    assert system.written == [FLAG]
    assert state() == "DONE"


@BOTH
def test_each_round_shows_what_it_is_told(run: Run, area: str) -> None:
    system = System()

    run(area, system)
    run(area, system, NO_FLAG, round=2)
    run(area, system, round=3)

    assert system.written == [FLAG, NO_FLAG, FLAG]


@BOTH
def test_a_flag_that_is_there_already_is_not_written(run: Run, area: str) -> None:
    system = System(FLAG)

    assert DunningFlag.model_validate(run(area, system)) == FLAG
    assert system.written == []
    assert state() == "DONE"


@BOTH
def test_one_that_another_wrote_meanwhile_is_overwritten(run: Run, area: str) -> None:
    """Two transactions of one account: each shows what it was told, the last one stays."""
    system = System(FLAG.model_copy(update={"status": DunningStatus.ON_HOLD}))

    run(area, system)

    assert system.flag == FLAG


@BOTH
def test_a_lost_answer_is_looked_up(run: Run, area: str) -> None:
    system = System()
    system.loses_answer = True
    with pytest.raises(OutcomeUnknown):
        run(area, system)

    run(area, system)

    assert system.written == [FLAG]
    assert state() == "DONE"


@BOTH
def test_a_round_has_one_flag(run: Run, area: str) -> None:
    system = System()
    run(area, system)

    with pytest.raises(RecordConflict):
        run(area, system, NO_FLAG)


@BOTH
def test_a_dry_run_says_what_would_change(run: Run, area: str) -> None:
    system = System()

    run(area, system, dry_run="D1")

    assert system.written == []


def test_a_customer_that_support_does_not_know_has_no_flag(run: Run) -> None:
    system = System(None)

    first, again = run("support", system), run("support", system)

    assert DunningFlag.model_validate(first) == NO_FLAG
    assert again == first
    assert state() == "DONE"


def test_a_team_may_skip_it(run: Run) -> None:
    system = System()

    answer = run("crm", system, action="skip")

    assert answer == {"skipped": {"by": "ana", "reason": "seen"}}
    assert system.written == []


@pytest.mark.parametrize(
    ("at", "status"), [(datetime(2027, 1, 12, tzinfo=UTC), "past due"), (None, "none")]
)
def test_a_decision_is_for_now_unless_told(
    at: datetime | None, status: str, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = module("workflow/decide_dunning")

    class Clock(datetime):
        """It is the day before the invoice is due."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            """The time now."""
            return datetime(2026, 12, 30, tzinfo=tz)

    monkeypatch.setattr(decide, "datetime", Clock)
    command = sample("workflow/decide_dunning") | {"at": at and at.isoformat()}

    decision = decide.handler(command, context)

    assert decision["flag"]["status"] == status
    assert decision["hold_at"] == ("2027-01-30T00:00:00Z" if at else None)
    assert decision["policy_version"] == decide.POLICY.version

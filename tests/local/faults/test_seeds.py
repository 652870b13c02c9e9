"""How a team of a seed decides."""

from __future__ import annotations

import json

import pytest

from local.faults.seeds import COMPENSATE, LEAVE, REPAIR, Team

ALL = ["retry", "skip", "link", "compensate"]


def decide(team: Team, actions: list[str], advice: str | None = None) -> str | None:
    content = {"actions": actions, "step": "Pay", "error": "Refused", "correlation_id": "T1"}
    return team.decide({"content": json.dumps(content)}, advice)


@pytest.mark.parametrize(
    ("actions", "last"), [(ALL, "compensate"), (["retry", "skip"], "skip"), (["retry"], None)]
)
def test_what_still_fails_is_compensated_or_skipped(actions: list[str], last: str | None) -> None:
    team = Team(REPAIR)
    assert [decide(team, actions) for _ in range(3)] == ["retry", "retry", last]
    assert team.compensated is (last == "compensate")
    assert team.left is (last is None)


def test_a_team_that_compensates_does_so_where_it_may() -> None:
    team = Team(COMPENSATE)
    assert decide(team, ["retry", "skip"]) == "retry"
    assert decide(team, ALL) == "compensate"


def test_advice_goes_before_the_mood() -> None:
    assert decide(Team(REPAIR), ALL, "compensate") == "compensate"
    assert decide(Team(COMPENSATE), ALL, "retry") == "retry"


def test_what_is_left_open_is_told_once() -> None:
    team = Team(LEAVE)
    assert [decide(team, ALL) for _ in range(3)] == [None] * 3
    assert team.decided == ["Pay: Refused: leaves it open"]
    assert team.left

"""Which team gets a failed step: the rules, and the file that is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from interlock import errors
from interlock.rules.routing import Routing
from pydantic import ValidationError

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "functions/exceptions/raise_exception/routing.toml"
DEFINITIONS = sorted((ROOT / "statemachines").glob("*.asl.yaml"))

RULES = """
default_actions = ["retry", "compensate"]
[actions]
Write = ["retry", "link"]
[[routes]]
steps = ["Write"]
errors = ["VendorRejected"]
team = "Finance"
due_hours = 8
[[routes]]
errors = ["VendorRejected"]
team = "RevOps"
due_hours = 24
"""
LAST = '[[routes]]\nteam = "Platform"\ndue_hours = 4\n'


def load(tmp_path: Path, text: str) -> Routing:
    """The routing of a file with this text."""
    path = tmp_path / "routing.toml"
    path.write_text(text)
    return Routing.load(path)


@pytest.mark.parametrize(
    ("step", "error", "team", "hours"),
    [
        ("Write", "VendorRejected", "Finance", 8),
        ("Read", "VendorRejected", "RevOps", 24),
        ("Write", "States.Timeout", "Platform", 4),
        ("Unknown", "Unknown", "Platform", 4),
    ],
)
def test_the_first_route_that_fits(
    tmp_path: Path, step: str, error: str, team: str, hours: int
) -> None:
    route = load(tmp_path, RULES + LAST).route(step, error)

    assert (route.team, route.due.total_seconds()) == (team, hours * 3600)


def test_actions_of_a_step_or_the_default(tmp_path: Path) -> None:
    routing = load(tmp_path, RULES + LAST)

    assert routing.actions_for("Write") == ("retry", "link")
    assert routing.actions_for("Read") == ("retry", "compensate")


def test_the_last_route_takes_everything(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="last route must take every step"):
        load(tmp_path, RULES)


@pytest.mark.parametrize(
    "wrong",
    [
        RULES.replace("link", "explode") + LAST,
        RULES.replace("due_hours = 8", "due_hours = 0") + LAST,
        RULES.replace("team", "owner") + LAST,
        LAST,
    ],
)
def test_what_is_no_routing(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ValidationError):
        load(tmp_path, wrong)


# ---- The shipped file


@pytest.fixture(scope="module")
def steps() -> set[str]:
    """The top-level states of all workflows."""
    return {name for path in DEFINITIONS for name in yaml.safe_load(path.read_text())["States"]}


def test_the_shipped_file_names_steps_that_there_are(steps: set[str]) -> None:
    routing = Routing.load(SHIPPED)

    named = set(routing.actions) | {step for route in routing.routes for step in route.steps}

    assert named - steps == set()


def test_the_shipped_file_names_errors_that_there_are() -> None:
    named = {error for route in Routing.load(SHIPPED).routes for error in route.errors}

    ours = {error for error in named if not error.startswith("States.")}
    assert {error for error in ours if not hasattr(errors, error)} == set()


def test_every_permanent_error_of_every_step_has_a_team(steps: set[str]) -> None:
    routing = Routing.load(SHIPPED)
    permanent = [error.__name__ for error in errors.PermanentError.__subclasses__()]

    teams = {
        routing.route(step, error).team
        for step in steps
        for error in [*permanent, "States.Timeout"]
    }

    assert teams == {"Platform", "Finance", "Support", "RevOps"}


def test_a_step_that_can_fail_can_be_tried_again(steps: set[str]) -> None:
    routing = Routing.load(SHIPPED)

    assert all("retry" in routing.actions_for(step) for step in steps)

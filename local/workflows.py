"""A state machine's definition, read as the business process it is: for pictures and for tests.

It relies on what every workflow of the project has in common: a failure goes to `StepFailed`, a
team is asked in `AwaitRemediation`, and `Resume` goes back to the failed step or compensates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.paths import ROOT

DEFINITIONS = ROOT / "statemachines"

RECOVERY = ("StepFailed", "BackOff", "DryRunFailed", "AwaitRemediation", "Resume", "NoSuchStep")
_SUBSTITUTION = re.compile(r"\$\{(\w+)}")


@dataclass(frozen=True)
class Transition:
    """A way from a state to the next one; `label` says when it is taken, if there are several."""

    source: str
    target: str
    label: str = ""
    condition: str = ""


@dataclass(frozen=True)
class Workflow:
    """One definition. `name` is its file's, `text` the file as it is."""

    name: str
    text: str
    definition: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Workflow:
        """Read `statemachines/<name>.asl.yaml`."""
        text = path.read_text()
        return cls(path.name.removesuffix(".asl.yaml"), text, yaml.safe_load(text))

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """The states by name; those within a Map or a Parallel are part of it."""
        return self.definition["States"]

    @property
    def forward(self) -> tuple[str, ...]:
        """The states of a run in which nothing fails, in order."""
        return self._reached(self.definition["StartAt"])

    @property
    def compensation(self) -> tuple[str, ...]:
        """The states that take back what was written, in order."""
        starts = [rule["Next"] for rule in self._compensating_rules()]
        return tuple(dict.fromkeys(name for start in starts for name in self._reached(start)))

    def transitions(self, name: str) -> Iterator[Transition]:
        """Where a state goes when it does not fail, in the order in which its rules are tried."""
        state = self.states[name]
        rules = [
            rule
            for rule in state.get("Choices", [])
            if name in RECOVERY or rule["Next"] not in RECOVERY
        ]
        for rule in rules:
            label = rule.get("Comment", "yes" if len(rules) == 1 else "")
            yield Transition(name, rule["Next"], label, rule["Condition"])
        if "Default" in state:
            labelled = len(rules) > 1 or any("Comment" in rule for rule in rules)
            otherwise = "otherwise" if labelled else "no"
            yield Transition(name, state["Default"], otherwise if rules else "")
        if "Next" in state:
            yield Transition(name, state["Next"])

    def task(self, name: str) -> dict[str, Any] | None:
        """The task that a state runs, itself or for each item; None for a state without one.

        A Map that runs several states for each item has none: see `machines`.
        """
        state = self.states[name]
        if state["Type"] == "Map":
            state, *more = state["ItemProcessor"]["States"].values()
            if more:
                return None
        return state if state["Type"] == "Task" else None

    @property
    def machines(self) -> Iterator[Workflow]:
        """The workflow, what its Maps run for each item where that is more than a task, and what
        runs side by side in it."""
        yield self
        for name, state in self.states.items():
            if len(state.get("ItemProcessor", {}).get("States", ())) > 1:
                yield Workflow(self.name, self.text, state["ItemProcessor"])
            yield from self.branches(name)

    def branches(self, name: str) -> list[Workflow]:
        """What a Parallel state runs side by side; nothing for any other state."""
        branches = self.states[name].get("Branches", ())
        return [Workflow(self.name, self.text, branch) for branch in branches]

    def function(self, name: str) -> str | None:
        """The logical id of the function that a state invokes."""
        task = self.task(name)
        target = _SUBSTITUTION.fullmatch((task or {}).get("Arguments", {}).get("FunctionName", ""))
        return target[1] if target else None

    def can_fail(self, name: str) -> bool:
        """Whether the state does work whose failure a team may have to resolve."""
        works = self.states[name]["Type"] in ("Task", "Map", "Parallel")
        return works and name not in RECOVERY

    def _compensating_rules(self) -> list[dict[str, Any]]:
        rules = self.states["Resume"]["Choices"]
        return [rule for rule in rules if "'compensate'" in rule["Condition"]]

    def _reached(self, start: str) -> tuple[str, ...]:
        """Depth first, so that the first way of a choice comes before the others."""
        found: dict[str, None] = {}
        open_states = [start]
        while open_states:
            name = open_states.pop()
            if name not in found:
                found[name] = None
                targets = [transition.target for transition in self.transitions(name)]
                open_states.extend(reversed(targets))
        return tuple(found)


def workflows() -> list[Workflow]:
    """Every definition of the project."""
    return [Workflow.load(path) for path in sorted(DEFINITIONS.glob("*.asl.yaml"))]

"""What a seed stands for: a deal, what fails, what happens, and what the team is like."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.faults.happenings import KINDS, Happening
from local.faults.invariants import Expectation
from local.sandboxes.salesforce_seed import DEALS, DealSample
from local.workflows import workflows

SHARES = (0.0, 0.02, 0.04, 0.08)
"""How many of the calls meet a fault."""

FAILED_ENTRIES = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
"""https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""

TOO_MANY_RUNNING = {"__type": "ExecutionLimitExceeded", "message": "as planned"}
"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""

AWS_FAULTS = [{"kind": kind} for kind in ("crash_before", "crash_after", "timeout", "lose")]
# A message that fails is delivered again; a crash would take the batch's other messages along.
MESSAGE_FAULTS = {
    "AWS AWSEvents.PutEvents": [{"kind": "refuse", "status": 200, "json": FAILED_ENTRIES}],
    "AWS AWSStepFunctions.StartExecution": [
        {"kind": "refuse", "status": 400, "json": TOO_MANY_RUNNING}
    ],
    "AWS DynamoDB_20120810.PutItem": [{"kind": "lose"}],
}
NO_FAULTS: dict[str, Any] = {"share": 0.0, "most": 0, "vendor": [], "aws": [], "messages": {}}

REPAIR, COMPENSATE, LEAVE = "repairs and retries", "compensates", "leaves it open"
MOODS = (*(REPAIR,) * 7, *(COMPENSATE,) * 2, LEAVE)
MOST_RETRIES = 2


@dataclass(frozen=True)
class Undisturbed:
    """What a deal like this does when nothing fails.

    `places` are those where it can be held, `spare` the functions that run side by side within the
    transaction: who of them is first is left to chance, so no fault is drawn for them.
    """

    expected: Expectation
    places: list[str]
    spare: list[str]


def vendor_faults(random: Random) -> list[dict[str, Any]]:
    """What a call to a vendor may meet; storms are of different lengths."""
    wait = {"Retry-After": random.choice((1, 7, 30, 90))}
    too_many = {"kind": "refuse", "status": 429}
    return [
        {"kind": "crash_before"},
        {"kind": "crash_after"},
        {"kind": "timeout"},
        {"kind": "timeout_after"},
        {"kind": "lose"},
        {"kind": "refuse", "status": 503},
        {"kind": "refuse_after", "status": random.choice((500, 502, 504))},
        {"kind": "refuse_after", "status": 503},
        too_many | {"headers": wait, "times": random.randint(2, 9)},
        too_many | {"times": random.randint(2, 9)},
    ]


@dataclass(frozen=True)
class Scenario:
    """All that a seed decides."""

    seed: int
    sample: DealSample
    happening: Happening
    draw: dict[str, Any]
    mood: str

    @classmethod
    def of(cls, seed: int, undisturbed: dict[str, Undisturbed]) -> Scenario:
        """The same for the same seed, as long as an undisturbed run takes the same way."""
        random = Random(seed)
        sample = random.choice(DEALS)
        usual = undisturbed[sample.currency]
        kind = random.choice((*KINDS, Happening))
        happening = kind.draw(random, usual.places)
        draw = {
            "share": random.choice(SHARES),
            "most": random.randint(1, 5),
            "vendor": vendor_faults(random),
            "aws": AWS_FAULTS,
            "messages": MESSAGE_FAULTS,
        }
        if not happening.calls_may_fail:
            draw = NO_FAULTS
        draw = draw | {"seed": seed, "spare": usual.spare}
        return cls(seed, sample, happening, draw, random.choice(MOODS))

    @property
    def plan(self) -> dict[str, Any]:
        """The plan of its transaction."""
        return self.happening.plan() | {"draw": self.draw}

    @property
    def plan_of_others(self) -> dict[str, Any]:
        """The plan of the transactions beside it: nothing fails."""
        return {"draw": NO_FAULTS | {"seed": self.seed, "spare": self.draw["spare"]}}

    def __str__(self) -> str:
        """For a person."""
        happening = self.happening
        facts = [f"{self.sample.currency}", happening.kind]
        if happening.place:
            facts.append(f"at {happening.place}")
        if happening.delay:
            facts.append(f"{happening.delay / 3600:.0f} h")
        if self.draw["share"]:
            facts.append(f"{self.draw['share']:.0%} of calls fail, {self.draw['most']} at most")
        return ", ".join([*facts, f"the team {self.mood}"])


@dataclass
class Team:
    """Who decides when a transaction waits. `decided` says what, in order."""

    mood: str
    decided: list[str] = field(default_factory=list)
    compensated: bool = False
    left: bool = False
    _retries: Counter[tuple[str, str]] = field(default_factory=Counter)

    def decide(self, exception: dict[str, Any], advice: str | None) -> str | None:
        """The action, None to leave the exception open; `advice` goes before the mood.

        What still fails after some retries is compensated, a compensation that still fails skipped.
        """
        content = json.loads(exception["content"])
        actions, step = content["actions"], content["step"]
        action = self._action(actions, (content["correlation_id"], step), advice)
        line = f"{step}: {content['error']}: {action or LEAVE}"
        if action or line not in self.decided:
            self.decided.append(line)
        self.compensated |= action == "compensate"
        self.left |= action is None
        return action

    def _action(self, actions: list[str], step: tuple[str, str], advice: str | None) -> str | None:
        if self.mood == LEAVE:
            return None
        wish = advice or ("compensate" if self.mood == COMPENSATE else "retry")
        if wish == "compensate" and wish in actions:
            return wish
        self._retries[step] += 1
        if self._retries[step] <= MOST_RETRIES:
            return "retry"
        return next((action for action in ("compensate", "skip") if action in actions), None)


def undisturbed(
    expected: Expectation, trace: list[dict[str, Any]], not_held: set[str]
) -> Undisturbed:
    """From a run in which nothing failed; the functions in `not_held` cannot be held."""
    from local.faults.planned import ONCE_PER_PROCESS, place_of

    labels = [line["call"] for line in trace]
    invocations = Counter({label.split(" | ")[0] for label in labels})
    functions = Counter(name.split()[0] for name in invocations)
    side_by_side = [name for name in _side_by_side() if functions[name] > 1]
    spare = _side_by_side() if side_by_side else []
    places = [
        place_of(label)
        for label in labels
        if label.split()[0] not in {*not_held, *spare}
        and label.split()[0].endswith("Function")
        and not ONCE_PER_PROCESS.search(label)
    ]
    return Undisturbed(expected, list(dict.fromkeys(places)), spare)


def _side_by_side() -> list[str]:
    """The functions that any workflow runs for several items at once."""
    return [
        function
        for workflow in workflows()
        for name, state in workflow.states.items()
        if state["Type"] == "Map" and state.get("MaxConcurrency") != 1
        if (function := workflow.function(name))
    ]

"""Plays the scenarios of many seeds side by side, lets teams decide, and judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from interlock.canonical.contracts import ContractStatus
from interlock.canonical.services import ServiceState

from local.faults.happenings import Deployed, Happening, PeriodClosed, Poisoned, Stage
from local.faults.harness import Harness
from local.faults.invariants import Expectation, violations
from local.faults.planned import ONCE_PER_PROCESS
from local.faults.scenarios import Transaction, lead_to_order
from local.faults.seeds import NO_FAULTS, Scenario, Team, Undisturbed, undisturbed
from local.faults.snapshot import Account, follow
from local.sandboxes.salesforce_seed import DEALS

WAVE = 24
SECONDS_TO_DECIDE = 600
"""How long a team takes, so that no lease of a dead function is in the way of its retry."""

MOST_ROUNDS = 12
NEVER_TAKEN_BACK = {
    ("zendesk", "organization"),
    *((system, "service") for system in ("salesforce", "zendesk")),  # what is shown: now nothing
}
SERVED = frozenset(ServiceState)
"""How the run ends that tells what a contract entitles to."""


@dataclass
class Case:
    """A seed that is played."""

    scenario: Scenario
    stage: Stage
    team: Team
    happened: bool = False

    @property
    def transactions(self) -> list[Transaction]:
        """The main one first."""
        return [self.stage.main, *self.stage.others]

    @property
    def happening(self) -> Happening:
        """What happens to it."""
        return self.scenario.happening


@dataclass(frozen=True)
class Outcome:
    """What became of a seed: its trace, how its runs ended, and every promise that was broken."""

    scenario: Scenario
    trace: list[str]
    ending: str
    faults: Counter[str]
    happened: bool
    violations: list[str]


class Campaign:
    """The scenarios of one harness."""

    def __init__(self, harness: Harness, say: Callable[[str], None] = lambda text: None) -> None:
        self._harness = harness
        self._say = say
        self._usual = self._undisturbed()

    def _undisturbed(self) -> dict[str, Undisturbed]:
        """What the deals do when nothing fails."""
        harness = self._harness
        transactions = [lead_to_order(harness.environment, sample) for sample in DEALS]
        for transaction in transactions:
            harness.plan(transaction, {"draw": NO_FAULTS | {"seed": 0, "spare": []}})
        found = {}
        for sample, account in zip(DEALS, harness.run(transactions), strict=True):
            expected = Expectation.of(account)
            if broken := violations(account, expected):
                raise RuntimeError(f"{sample.name} is broken without any fault: {broken}")
            trace = harness.trace(account.transaction)
            found[sample.currency] = undisturbed(expected, trace, harness.fed_by_queues)
        harness.forget(transactions)
        return found

    def scenario(self, seed: int) -> Scenario:
        """What a seed stands for."""
        return Scenario.of(seed, self._usual)

    def play(self, seeds: Iterable[int]) -> Iterator[Outcome]:
        """The outcomes of the seeds, wave by wave."""
        waves = list(_waves([self.scenario(seed) for seed in seeds]))
        for number, wave in enumerate(waves, 1):
            self._say(f"wave {number} of {len(waves)}: {len(wave)} seeds")
            yield from self._play(wave)

    def _play(self, wave: list[Scenario]) -> list[Outcome]:
        cases = [self._begin(scenario) for scenario in wave]
        by_mark = {transaction.mark: case for case in cases for transaction in case.transactions}

        def meanwhile(mark: str) -> None:
            case = by_mark[mark]
            case.happening.happen(case.stage)
            case.happened = True

        def settle() -> None:
            self._harness.wait([t for case in cases for t in case.transactions], meanwhile)

        settle()
        delay = max(case.happening.delay for case in cases)
        self._harness.cloud.clock.advance(delay)
        for case in cases:
            case.happening.later(case.stage)
        if any(case.happening.swept for case in cases):
            self._harness.sweep()
        settle()
        for _ in range(MOST_ROUNDS):
            self._harness.cloud.clock.advance(SECONDS_TO_DECIDE)
            if not self._decide(cases):
                break
            settle()
        outcomes = self._judge(cases)
        for case in cases:
            case.happening.repair(case.stage)
        self._harness.forget([t for case in cases for t in case.transactions])
        return outcomes

    def _begin(self, scenario: Scenario) -> Case:
        stage = Stage(self._harness, scenario.sample, scenario.plan, scenario.plan_of_others)
        case = Case(scenario, stage, Team(scenario.mood))
        case.happening.begin(stage)
        case.happened = "hold" not in scenario.plan
        return case

    def _decide(self, cases: list[Case]) -> bool:
        """One decision for each that waits: whether there was any."""
        decided = False
        for case in cases:
            accounts = follow(self._harness.cloud, case.transactions)
            waiting = [
                (exception["correlation_id"], exception["id"], account, exception)
                for account in accounts
                for exception in account.waiting
            ]
            if not waiting:
                continue
            run, id_, account, exception = min(waiting, key=lambda each: each[:2])
            names = sorted(each["name"] for each in account.runs)
            advice = case.happening.advise(older=len(names) > 1 and run == names[0])
            action = case.team.decide(exception, advice)
            if action:
                if action == "retry":
                    case.happening.repair(case.stage)
                self._harness.decide(id_, action, account.transaction)
                decided = True
        return decided

    # -- judging

    def _judge(self, cases: list[Case]) -> list[Outcome]:
        transactions = [t for case in cases for t in case.transactions]
        accounts = {a.transaction.mark: a for a in self._harness.look(transactions)}
        return [self._outcome(case, accounts) for case in cases]

    def _outcome(self, case: Case, accounts: dict[str, Account]) -> Outcome:
        own = [accounts[transaction.mark] for transaction in case.transactions]
        broken = [what for account in own for what in self._violations(case, account)]
        lines = [line for account in own for line in self._harness.trace(account.transaction)]
        return Outcome(
            scenario=case.scenario,
            trace=[*_by_function(lines, case.scenario.draw["spare"]), *case.team.decided],
            ending=" + ".join(account.ending for account in own),
            faults=Counter(_name(line) for line in lines if "fault" in line),
            happened=case.happened and case.happening.came_to_pass(lines),
            violations=broken,
        )

    def _violations(self, case: Case, account: Account) -> list[str]:
        if isinstance(case.happening, Poisoned):
            if not account.set_aside:
                return ["the poison event was not set aside"]
            account.set_aside.pop()
        broken = violations(account, self._expected(case, account))
        if account.waiting and not case.team.left:
            broken.append(f"does not end: {case.team.decided}")
        deal = case.stage.sellers.deal(account.transaction.mark)
        undecided = not (case.team.compensated or case.team.left)
        if deal and deal["IsWon"] and undecided and "accepted" not in account.endings:
            broken.append(f"lost: the deal is won, and its runs ended as {account.ending}")
        return broken

    def _expected(self, case: Case, account: Account) -> Expectation:
        """What a transaction should leave behind, by how it ended."""
        happening = case.happening
        usual = self._usual[case.scenario.sample.currency].expected
        endings = happening.endings | SERVED | ({"cancelled"} if case.team.compensated else set())
        expected = replace(usual, endings=endings, open=happening.open)
        if case.happened:
            expected = replace(expected, gone=happening.gone(case.stage))
        if "accepted" in account.endings:
            return expected
        told = {"order.cancelled"} if "cancelled" in account.endings else set()
        return replace(
            expected,
            live=Counter(),
            events=frozenset({"opportunity.closed_won", *told}),
            contracts=tuple(
                each for each in account.contracts if each.startswith(ContractStatus.ENDED)
            ),
            open=expected.open | NEVER_TAKEN_BACK,
        )


def _waves(scenarios: list[Scenario]) -> Iterator[list[Scenario]]:
    """Those that see the same time and share nothing that one of them changes go together."""
    groups: dict[Any, list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault(_shared(scenario.happening), []).append(scenario)
    for key in sorted(groups, key=str):
        rest = groups[key]
        while rest:
            wave: dict[Any, Scenario] = {}
            for scenario in rest:
                if len(wave) < WAVE:
                    wave.setdefault(_alone_with(scenario), scenario)
            chosen = {scenario.seed for scenario in wave.values()}
            rest = [scenario for scenario in rest if scenario.seed not in chosen]
            yield list(wave.values())


def _shared(happening: Happening) -> tuple[Any, ...]:
    """What all transactions beside it see of it."""
    return happening.delay, happening.swept, isinstance(happening, Deployed)


def _alone_with(scenario: Scenario) -> Any:
    """Of those with the same, one at a time."""
    happening = scenario.happening
    if isinstance(happening, PeriodClosed):
        return scenario.sample.currency, happening.month
    return scenario.seed


def _by_function(lines: list[dict[str, Any]], spare: list[str]) -> list[str]:
    """The calls in order, each function's together: whether a queue's function comes before the
    next step is left to chance. So is what is done once per process, and what runs side by side."""
    told = [
        (line["call"].split()[0], line["call"] + (f" !! {_name(line)}" if "fault" in line else ""))
        for line in lines
        if not ONCE_PER_PROCESS.search(line["call"])
    ]
    return [
        text for function, text in sorted(told, key=lambda each: each[0]) if function not in spare
    ]


def _name(line: dict[str, Any]) -> str:
    """A fault, as it is counted."""
    fault = line["fault"]
    system = "AWS" if "| AWS" in line["call"] else "vendor"
    if fault["kind"].startswith("refuse"):
        after = " after the write" if "after" in fault["kind"] else ""
        wish = " with Retry-After" if fault.get("headers") else ""
        return f"{system} {fault['status']}{after}{wish}"
    return f"{system} {fault['kind']}"

"""Which won deals without an order a sweep has to tell of, and which to leave alone.

It tells of a deal when nobody is at work on it and nobody has settled it: the event never came, its
message got lost, or its run ended in vain (it read a deal that was not won, or it failed). The
timeline says which transactions there were, Step Functions what has become of their runs.

Telling again is harmless: a run is named after its transaction, and a sweep names the same one
until its run has ended in vain. A deal whose runs all end in vain is given up, for a person.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from itertools import islice
from typing import TYPE_CHECKING

from interlock.canonical import Canonical, WonDeal

if TYPE_CHECKING:
    from interlock.events import Event
    from interlock.executions import Execution

    ExecutionOf = Callable[[str], Execution | None]
    Progress = tuple["State", str, datetime | None]

# How long the ordinary event has, through all its queues, before a sweep looks at the deal.
GRACE = timedelta(minutes=15)
# How many runs may end in vain, for each time that the deal is won.
ATTEMPTS = 3
# How many deals one sweep reads, and how many of these it looks at, so that its function ends in
# time: the first come by the page, each of the others takes up to three requests.
READ = 10_000
BATCH = 200

ACCEPTED = "order.accepted"
ENDS = {ACCEPTED, "order.cancelled"}
AT_WORK = {"RUNNING", "PENDING_REDRIVE"}
NOT_WON = "not won"


class Verdict(StrEnum):
    """What a sweep does about a deal."""

    TELL = "tell"
    LEAVE = "leave alone"
    GIVE_UP = "give up"


class Finding(Canonical):
    """A won deal without an order: what the sweep does about it, and why.

    `correlation_id` is the transaction that it tells of, None where it tells nothing.
    """

    deal: WonDeal
    verdict: Verdict
    reason: str
    correlation_id: str | None = None


class Report(Canonical):
    """What a sweep found. `left` counts the deals that it did not look at."""

    dry_run: bool
    findings: tuple[Finding, ...]
    left: int

    def count(self, verdict: Verdict) -> int:
        """How many deals there were with this verdict."""
        return sum(finding.verdict is verdict for finding in self.findings)


class State(Enum):
    """How far a transaction has come."""

    UNSTARTED = auto()
    OPEN = auto()
    SETTLED = auto()
    IN_VAIN = auto()


@dataclass(frozen=True)
class Transaction:
    """A transaction of a deal: what its event told of happened at `told_at`.

    `how` says in words how far it has come, `at` when it was settled.
    """

    correlation_id: str
    told_at: datetime
    state: State
    how: str
    at: datetime | None = None

    def settles(self, deal: WonDeal) -> bool:
        """Whether it was settled since the deal was won; what was settled before is history."""
        return self.at is not None and self.at >= deal.won_at


def batch(deals: Iterable[WonDeal]) -> tuple[list[WonDeal], int]:
    """Those that one sweep looks at, and how many of those that were read are left.

    Which ones is drawn by lot, so that none waits for ever behind others that stay as they are.
    """
    found = list(islice(deals, READ))
    if len(found) <= BATCH:
        return found, 0
    return random.sample(found, BATCH), len(found) - BATCH


def judge(deal: WonDeal, told: Iterable[Event], execution_of: ExecutionOf) -> Finding:
    """What a sweep does about a deal.

    `told` is what the timeline has of it. `execution_of` gives the run of a transaction, and is
    asked where the timeline does not say how it ended.
    """
    transactions = _transactions(told, execution_of)
    for transaction in transactions:
        if transaction.state is State.OPEN or transaction.settles(deal):
            return Finding(deal=deal, verdict=Verdict.LEAVE, reason=_said(transaction))
    of_this_win = [each for each in transactions if each.told_at >= deal.won_at]
    in_vain = [each for each in of_this_win if each.state is State.IN_VAIN]
    if len(in_vain) >= ATTEMPTS:
        return Finding(deal=deal, verdict=Verdict.GIVE_UP, reason=_said(*in_vain))
    for transaction in of_this_win:
        if transaction.state is State.UNSTARTED:
            return _tell(deal, transaction.correlation_id, _said(transaction))
    name = f"{deal.id.partition(':')[2]}-{round(deal.won_at.timestamp() * 1000)}"
    if in_vain:
        return _tell(deal, f"{name}-{len(in_vain) + 1}", _said(*in_vain))
    return _tell(deal, name, "no event told of it")


def _tell(deal: WonDeal, correlation_id: str, reason: str) -> Finding:
    return Finding(deal=deal, verdict=Verdict.TELL, reason=reason, correlation_id=correlation_id)


def _said(*transactions: Transaction) -> str:
    return "; ".join(f"run {each.correlation_id} {each.how}" for each in transactions)


def _transactions(told: Iterable[Event], execution_of: ExecutionOf) -> list[Transaction]:
    """The deal's transactions, the first told first."""
    events: dict[str, list[Event]] = {}
    for event in sorted(told, key=lambda event: (event.occurred_at, event.id)):
        events.setdefault(event.correlation_id, []).append(event)
    return [_transaction(of_one, execution_of) for of_one in events.values()]


def _transaction(events: list[Event], execution_of: ExecutionOf) -> Transaction:
    first, ends = events[0], [event for event in events if event.type in ENDS]
    progress = _told(ends[-1]) if ends else _seen(execution_of(first.correlation_id))
    return Transaction(first.correlation_id, first.occurred_at, *progress)


def _told(end: Event) -> Progress:
    """How a transaction ended, as the timeline tells it."""
    if end.type == ACCEPTED:
        return State.SETTLED, "accepted an order", end.occurred_at
    if end.data.get("by", "someone") is None:
        return State.IN_VAIN, "took its order back, since it read that the deal was not won", None
    return State.SETTLED, "was given up by a team", end.occurred_at


def _seen(execution: Execution | None) -> Progress:
    """How far a transaction has come, as its run shows."""
    if execution is None:
        return State.UNSTARTED, "never began", None
    if execution.status in AT_WORK:
        return State.OPEN, "is at work, or waits for a team", None
    if execution.status != "SUCCEEDED":
        return State.IN_VAIN, f"ended as {execution.status}", None
    if execution.outcome == NOT_WON:
        return State.IN_VAIN, "read that the deal was not won", None
    return State.SETTLED, f"ended as {execution.outcome}", execution.ended_at

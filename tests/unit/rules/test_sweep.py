"""Which won deals without an order a sweep tells of, and which it leaves alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import WonDeal
from interlock.events import Event, found_won
from interlock.executions import Execution
from interlock.rules import sweep
from interlock.rules.sweep import Finding, Verdict

WON_AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DEAL = WonDeal(id="salesforce:006000000000001AAA", won_at=WON_AT)
NAME = "006000000000001AAA-1795168800000"
MINUTE = timedelta(minutes=1)

Told = list[Event]
Runs = dict[str, Execution]


CLOSED_WON = "opportunity.closed_won"


def told(
    correlation_id: str, kind: str = CLOSED_WON, after: timedelta = MINUTE, **data: str
) -> Event:
    """What the timeline has of the deal, `after` it was won."""
    return Event(
        id=f"{correlation_id}-{kind}",
        type=kind,
        source="salesforce",
        subject=DEAL.id,
        occurred_at=WON_AT + after,
        correlation_id=correlation_id,
        data=data,
    )


def ended(outcome: str, after: timedelta = 2 * MINUTE) -> Execution:
    """A run that ended by itself."""
    return Execution("SUCCEEDED", outcome, WON_AT + after)


def judge(events: Told, runs: Runs) -> Finding:
    return sweep.judge(DEAL, events, runs.get)


def test_no_event_told_of_it() -> None:
    found = judge([], {})

    assert (found.verdict, found.correlation_id) == (Verdict.TELL, NAME)
    assert found.reason == "no event told of it"


def test_its_event_led_to_no_run() -> None:
    """The same is told again, so that the message that got lost, if it comes, starts nothing."""
    found = judge([told("T1")], {})

    assert (found.verdict, found.correlation_id) == (Verdict.TELL, "T1")
    assert found.reason == "run T1 never began"


@pytest.mark.parametrize(
    ("execution", "reason"),
    [
        (ended("not won"), "run T1 read that the deal was not won"),
        (Execution("FAILED", None, WON_AT + MINUTE), "run T1 ended as FAILED"),
        (Execution("ABORTED", None, WON_AT + MINUTE), "run T1 ended as ABORTED"),
        (Execution("TIMED_OUT", None, WON_AT + MINUTE), "run T1 ended as TIMED_OUT"),
    ],
)
def test_its_run_ended_in_vain(execution: Execution, reason: str) -> None:
    """A name is taken once a run has had it: the next run has another."""
    found = judge([told("T1")], {"T1": execution})

    assert (found.verdict, found.reason) == (Verdict.TELL, reason)
    assert found.correlation_id == f"{NAME}-2"


def test_a_run_that_took_its_order_back_because_of_a_stale_read_was_in_vain() -> None:
    cancelled = told("T1", "order.cancelled", 2 * MINUTE)
    by_nobody = cancelled.model_copy(update={"data": {"reason": "no longer won", "by": None}})

    found = judge([told("T1"), by_nobody], {"T1": ended("cancelled")})

    assert (found.verdict, found.correlation_id) == (Verdict.TELL, f"{NAME}-2")


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
@pytest.mark.parametrize("after", [MINUTE, timedelta(-3)])
def test_a_run_is_open_whichever_win_it_is_of(status: str, after: timedelta) -> None:
    found = judge([told("T1", after=after)], {"T1": Execution(status)})

    assert (found.verdict, found.correlation_id) == (Verdict.LEAVE, None)
    assert found.reason == "run T1 is at work, or waits for a team"


@pytest.mark.parametrize("known_by", ["the timeline", "the run"])
@pytest.mark.parametrize("kind", ["accepted", "cancelled"])
def test_an_order_was_accepted_or_given_up(kind: str, known_by: str) -> None:
    """Each says it alone: executions are forgotten, and the timeline's queue may be behind."""
    events = [told("T1")]
    if known_by == "the timeline":
        events.append(told("T1", f"order.{kind}", 2 * MINUTE, by="robin"))
    runs = {"T1": ended(kind)} if known_by == "the run" else {}

    assert judge(events, runs).verdict is Verdict.LEAVE


@pytest.mark.parametrize("known_by", ["the timeline", "the run"])
def test_it_was_won_again_after_a_team_gave_it_up(known_by: str) -> None:
    before = timedelta(-1)
    events = [told("T1", after=2 * before)]
    if known_by == "the timeline":
        events.append(told("T1", "order.cancelled", before, by="robin"))
    runs = {"T1": ended("cancelled", before)} if known_by == "the run" else {}

    found = judge(events, runs)

    assert (found.verdict, found.correlation_id) == (Verdict.TELL, NAME)


def test_what_came_to_nothing_before_it_was_won_does_not_count() -> None:
    """A run that rightly read that the deal was not won, and an event that was lost."""
    before = timedelta(-1)

    found = judge([told("T1", after=before), told("T2", after=before)], {"T1": ended("not won")})

    assert (found.verdict, found.correlation_id) == (Verdict.TELL, NAME)


def test_runs_that_end_in_vain_are_not_begun_for_ever() -> None:
    """Each has its name; after the last, a person has to look."""
    events: Told = [told("T1")]
    runs: Runs = {"T1": Execution("FAILED", None, WON_AT + MINUTE)}
    names = []
    while (found := judge(events, runs)).verdict is Verdict.TELL:
        names.append(found.correlation_id)
        events.append(found_won(DEAL, found.correlation_id))
        runs[found.correlation_id] = Execution("FAILED", None, WON_AT + MINUTE)

    assert names == [f"{NAME}-2", f"{NAME}-3"]
    assert len(runs) == sweep.ATTEMPTS
    assert found.verdict is Verdict.GIVE_UP
    assert all(f"run {name} ended as FAILED" in found.reason for name in runs)


def test_the_timeline_is_asked_first() -> None:
    """A deal that was settled costs no request at each sweep."""
    asked: list[str] = []

    sweep.judge(DEAL, [told("T1"), told("T1", "order.cancelled", 2 * MINUTE)], asked.append)

    assert asked == []


HISTORIES = st.lists(
    st.tuples(
        st.integers(-3, 3).map(lambda days: timedelta(days, minutes=1)),
        st.sampled_from(["order.accepted", "order.cancelled", None]),
        st.sampled_from(
            [
                None,
                Execution("RUNNING"),
                Execution("FAILED", None, WON_AT + MINUTE),
                ended("not won"),
                ended("cancelled"),
                ended("accepted", timedelta(-1)),
            ]
        ),
    ),
    max_size=5,
)


def world(history: list[tuple[timedelta, str | None, Execution | None]]) -> tuple[Told, Runs]:
    """The deal's transactions: when told, how ended by the timeline, and the run."""
    events, runs = [], {}
    for number, (after, end, execution) in enumerate(history):
        events.append(told(f"T{number}", after=after))
        if end:
            events.append(told(f"T{number}", end, after + MINUTE, by="robin"))
        if execution:
            runs[f"T{number}"] = execution
    return events, runs


@given(HISTORIES)
def test_nobody_is_disturbed_and_nothing_begins_twice(history) -> None:
    events, runs = world(history)

    found = judge(events, runs)

    if found.verdict is not Verdict.TELL:
        return
    ends = [event for event in events if event.type != CLOSED_WON]
    settled = {event.correlation_id for event in ends}
    assert not [event for event in ends if event.occurred_at >= WON_AT]
    assert not [name for name in runs.keys() - settled if runs[name].status == "RUNNING"]
    assert found.correlation_id not in runs

    told_again = [*events, found_won(DEAL, found.correlation_id)]
    assert judge(told_again, runs).correlation_id == found.correlation_id
    begun = runs | {found.correlation_id: Execution("RUNNING")}
    assert judge(told_again, begun).verdict is Verdict.LEAVE


@given(HISTORIES, st.randoms())
def test_the_order_in_which_events_are_read_does_not_matter(history, chance) -> None:
    events, runs = world(history)
    shuffled = chance.sample(events, len(events))

    assert judge(shuffled, runs) == judge(events, runs)


def test_a_sweep_looks_at_all_or_at_as_many_as_it_can() -> None:
    few = [DEAL] * sweep.BATCH
    assert sweep.batch(iter(few)) == (few, 0)

    many = [WonDeal(id=f"salesforce:{n}", won_at=WON_AT) for n in range(3 * sweep.BATCH)]
    random.seed(1)
    seen = set()
    for _ in range(30):
        chosen, left = sweep.batch(iter(many))
        assert (len(chosen), left) == (sweep.BATCH, 2 * sweep.BATCH)
        seen |= {deal.id for deal in chosen}
    assert seen == {deal.id for deal in many}


def test_a_sweep_does_not_read_without_end() -> None:
    read = iter(range(2 * sweep.READ))

    deals, left = sweep.batch(DEAL for _ in read)

    assert len(deals) + left == sweep.READ
    assert next(read) == sweep.READ

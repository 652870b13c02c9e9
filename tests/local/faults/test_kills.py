"""Real kills under load, on a small scale, and what their report says."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from local.cloud.clock import WorkerThread
from local.faults.harness import Harness
from local.faults.kills import ERP, Report, kill_under_load
from local.sandboxes.sandbox import FaultKind

ORDERS = 6
SEED = 1  # the ERP is among the first victims

KEPT = Report(
    won=2,
    orders=2,
    running=0,
    most_running=2,
    seconds=61.4,
    victims=Counter({ERP: 1, "CreateOrderFunction": 3}),
    endings=Counter({"accepted": 2}),
    failures=Counter({"Runtime.ExitError": 3}),
    back_offs=3,
    asked=0,
    violations=[],
)


@pytest.mark.slow
def test_nothing_twice_nothing_lost(harness: Harness) -> None:
    """All at once, and killed until they have ended; `make kills` does it with a hundred."""
    said: list[str] = []
    report = kill_under_load(harness, ORDERS, SEED, said.append)
    assert report.passed, report.lines()
    assert report.endings == {"accepted, active": ORDERS}
    assert report.victims[ERP] >= 1
    assert report.victims.total() >= ORDERS
    assert 0 < report.failures["Runtime.ExitError"] <= report.back_offs
    assert said


def test_time_waits_for_what_a_dead_function_asked_for(harness: Harness) -> None:
    """Its lease must not end before the vendor has answered the request."""
    stripe, cloud = harness.environment.stripe, harness.cloud
    stripe.fail(FaultKind.LATENCY, seconds=0.6)
    request = threading.Thread(target=httpx.get, args=(f"{stripe.url}/v1/customers",))
    request.start()
    while not stripe.works:
        time.sleep(0.001)
    lease = WorkerThread(target=cloud.clock.sleep, args=(40,))
    lease.start()
    with pytest.raises(TimeoutError):
        cloud.run_until(lambda: not lease.is_alive(), timeout=0.3)
    request.join()
    cloud.run_until(lambda: not lease.is_alive())
    assert not stripe.works


def test_report() -> None:
    assert KEPT.passed
    assert KEPT.lines() == [
        "2 deals won at once, up to 2 runs at the same time; 61 s",
        "4 kills: 3 CreateOrderFunction, 1 Tryton",
        "failed steps: 3 Runtime.ExitError",
        "3 back-offs; a team was asked 0 times",
        "runs: 2 accepted",
        "2 orders, 0 duplicates, 0 lost, 0 stuck without an owner, 0 other violations",
    ]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (
            replace(KEPT, orders=3, violations=["twice: order A", "told twice: 2 different B"]),
            "3 orders, 1 duplicates, 0 lost, 0 stuck without an owner, 1 other violations",
        ),
        (replace(KEPT, orders=3), "3 orders, 0 duplicates"),
        (replace(KEPT, running=1), "1 runs had not ended when the time was up"),
    ],
)
def test_broken_promise_fails(broken: Report, line: str) -> None:
    assert not broken.passed
    assert any(each.startswith(line) for each in broken.lines())

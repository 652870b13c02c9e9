"""The burst's own rules; `make burst` runs it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from local.burst import (
    NOTHING_ELSE,
    ORDERS,
    REQUESTS_PER_SECOND,
    STEPS,
    Measured,
    Recovery,
)
from local.project import template

REQUESTS = ORDERS * len(STEPS)


def failed(error: str, cause: str = "") -> dict[str, Any]:
    """What Step Functions knows of a failure."""
    return {"step": "CreateSubscriptionFunction", "error": {"Error": error, "Cause": cause}}


def test_a_step_waits_for_its_turn_as_often_as_it_takes() -> None:
    """By the expressions of the workflow's definition: that is no attempt."""
    variables: dict[str, Any] = {"attempts": {}}
    recovery = Recovery()
    for _ in range(20):
        variables["failed"] = failed("BudgetExhausted", "not sent: try again after 12 s")
        assert recovery.seconds(variables) == 12

    assert variables["attempts"]["count"] == 1


def test_a_step_that_fails_is_tried_eight_times() -> None:
    variables: dict[str, Any] = {"attempts": {}}
    recovery = Recovery()
    waits = []
    for _ in range(8):
        variables["failed"] = failed("VendorThrottled", "try again after 70 s")
        waits.append(recovery.seconds(variables))
        variables["failed"] = failed("BudgetExhausted")
        assert recovery.seconds(variables) is not None

    assert waits == [70] * 7 + [None]


def test_the_stack_has_every_parameter_that_it_needs() -> None:
    needed = {
        name for name, parameter in template()["Parameters"].items() if "Default" not in parameter
    }

    assert needed <= set(NOTHING_ELSE) <= set(template()["Parameters"])


def arrivals(share: float) -> list[float]:
    """Requests that use this share of the rate."""
    return [n / (share * REQUESTS_PER_SECOND) for n in range(REQUESTS)]


def measured(**values: Any) -> Measured:
    """A burst that met the goal, but for these figures."""
    good = {"arrivals": arrivals(0.96), "steps": [1.0] * REQUESTS, "answers": Counter({200: 1})}
    return Measured(**good | values)


def test_the_goal_is_met() -> None:
    assert measured().met


@pytest.mark.parametrize(
    "missed",
    [
        {"arrivals": arrivals(0.94)},
        {"steps": [1.0] * (REQUESTS - 1)},
        {"answers": Counter({200: REQUESTS, 429: 1})},
    ],
    ids=["rate", "orders", "refused"],
)
def test_the_goal_is_missed(missed: dict[str, Any]) -> None:
    assert not measured(**missed).met

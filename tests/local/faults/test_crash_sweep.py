"""The crash sweep crosses every kind of boundary, and sees what it is there to see."""

from __future__ import annotations

import pytest

from local.faults.crash_sweep import COMPENSATE, Point, Sweep, Violation, Way, replay
from local.faults.harness import Harness
from local.faults.invariants import Expectation, violations
from tests.workflows.systems import Support

FORWARD = Way("lead_to_order")
POINTS = [
    Point("SalesforceFunction 1 | AWS AWSEvents.PutEvents | 1", "crash_after"),
    Point("GetOpportunityFunction 1 | POST salesforce /services/oauth2/token | 1", "crash_before"),
    Point("CreateOrderFunction 1 | POST tryton /erp/rest/model/sale.sale | 1", "lose"),
    Point("CreateOrderFunction 1 | POST tryton /erp/rest/model/sale.sale/*/confirm | 1", "lose"),
    Point(
        "CreateSubscriptionFunction 1 | POST stripe /v1/subscription_schedules | 1", "crash_after"
    ),
    Point("CreateTaskFunction 1 | POST zendesk /api/v2/tickets | 1", "crash_after"),
    Point("interlock-local-lead-to-order 1 | AWS AWSEvents.PutEvents | 1", "crash_after"),
]

CREDIT = Way("case_to_credit.approved")
CREDIT_POINTS = [
    Point("ZendeskFunction 1 | AWS AWSEvents.PutEvents | 1", "crash_before"),
    Point("ReserveCapFunction 1 | AWS DynamoDB_20120810.TransactWriteItems | 1", "crash_after"),
    Point("DecideApprovalFunction 1 | AWS AWSStepFunctions.SendTaskSuccess | 1", "crash_before"),
    Point("IssueCreditFunction 1 | POST stripe /v1/credit_notes | 1", "lose"),
    Point("UpdateCaseFunction 1 | PUT zendesk /api/v2/tickets/* | 1", "crash_after"),
]


@pytest.fixture(scope="module")
def sweep(harness: Harness) -> Sweep:
    return Sweep(harness, lambda line: None)


@pytest.fixture(scope="module")
def recorded(sweep: Sweep) -> tuple[Expectation, list[Point]]:
    return sweep.record(FORWARD, set())


@pytest.mark.slow
def test_records_every_boundary(recorded: tuple[Expectation, list[Point]]) -> None:
    """Each call of each function, and those of the state machine; a vendor's in three ways."""
    expected, points = recorded
    assert expected.endings == {"accepted", "active"}
    assert set(POINTS) <= set(points)
    assert len(points) == len(set(points))
    assert not any(" 0" in label for label in map(str, points))


@pytest.mark.slow
def test_nothing_twice_nothing_lost(
    sweep: Sweep, recorded: tuple[Expectation, list[Point]]
) -> None:
    """A point of each kind; `make crash-sweep` visits them all."""
    sweep.visit(FORWARD, POINTS, recorded[0])
    assert sweep.violations == []
    assert sweep.endings == {"accepted, active": len(POINTS)}


@pytest.mark.slow
def test_a_credit_is_given_once(harness: Harness) -> None:
    """What tells of it, reserves, decides, issues and answers; a person decides again."""
    sweep = Sweep(harness, lambda line: None)
    expected, points = sweep.record(CREDIT, set())
    assert set(CREDIT_POINTS) <= set(points)
    sweep.visit(CREDIT, CREDIT_POINTS, expected)
    assert sweep.violations == []
    assert sweep.endings == {"granted, posted": len(CREDIT_POINTS)}


class Blind(Sweep):
    """Its faults never happen."""

    def _crash(self, way: Way, points: list[Point], *_: object, **__: object) -> list[Point]:
        return points


@pytest.mark.slow
def test_unreached_boundary_is_reported(harness: Harness) -> None:
    """It is a violation, unless no run crosses it any more: that was chance."""
    nowhere = Point("CreateOrderFunction 1 | POST tryton /nowhere | 1", "lose")
    sweep = Blind(harness, lambda line: None)
    expected, _ = sweep.record(FORWARD, set())
    sweep.visit(FORWARD, [POINTS[0], nowhere], expected)
    assert sweep.violations == [
        Violation(FORWARD, POINTS[0], "not reached: the run crossed others")
    ]
    assert sweep.by_chance == [nowhere]


@pytest.mark.slow
def test_second_ticket_is_seen(harness: Harness, recorded: tuple[Expectation, list[Point]]) -> None:
    """What the census is for: an agent finds the same task twice."""
    transaction = harness.new("lead_to_order")
    harness.run([transaction])
    support = Support(harness.environment.zendesk.url)
    support.open_ticket(f"salesforce:{transaction.mark}/kickoff")
    support.close()
    [account] = harness.settle([transaction])
    assert violations(account, recorded[0])[0].startswith("twice: task")


def test_violation_names_its_replay() -> None:
    way, point = Way("lead_to_order", COMPENSATE), POINTS[2]
    assert replay(Violation(way, point, "twice"), seed=7) == (
        'make crash-sweep SWEEP="--workflow lead_to_order --seed 7 --point'
        " 'CreateOrderFunction 1 | POST tryton /erp/rest/model/sale.sale | 1 | lose'\""
    )

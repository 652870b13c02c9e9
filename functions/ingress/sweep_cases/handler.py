"""Tell of cases that ask for a credit and no event told of: a sweep, on a schedule."""

from datetime import UTC, datetime

from interlock import connections, events
from interlock.canonical import Canonical, Timestamp
from interlock.handler import logger, operation
from interlock.rules.case_sweep import GRACE, is_told
from interlock.settings import Settings
from interlock.timeline import Timeline


class SweepSettings(Settings):
    """What was asked for before this is never swept."""

    sweep_cases_after: Timestamp


class SweepCases(Canonical):
    """It looks at every request that waits."""


class Swept(Canonical):
    """How many requests wait for an answer, and which cases' the sweep told of."""

    waiting: int
    told: tuple[str, ...]


@operation
def handler(command: SweepCases) -> Swept:
    """Publish what the ingress would have published: told again, it is the same transaction."""
    timeline = Timeline.load()
    waiting = connections.support().unanswered_requests(
        requested_after=SweepSettings.load().sweep_cases_after,
        requested_before=datetime.now(UTC) - GRACE,
    )
    count, told = 0, []
    for case in waiting:
        count += 1
        if not is_told(case, timeline.of_subject(case.id)):
            events.publish(events.credit_requested(case.id, case.requested_at))
            told.append(case.id)
    logger.info("swept", extra={"waiting": count, "told": told})
    return Swept(waiting=count, told=tuple(told))

"""A circuit breaker: a vendor that is down is left alone, for all processes at once.

In the connection's row, `failures` counts requests that failed one after the other. Enough of them
open the breaker: `open_until` is when one request may look whether the vendor is back. The probe
moves `open_until` on by its own lease, so that it is alone, and so that another one follows if it
dies. Its answer closes the breaker; its failure opens it again, for twice as long.
https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from interlock.budget.admission import CLOSED, Admission
from interlock.budget.row import SharedRow
from interlock.telemetry import logger, metrics

FAILURES = 5
FIRST_PAUSE_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 300.0
# Longer than a request may take, and than a function may run.
PROBE_SECONDS = 40.0


class VendorDown(Exception):
    """The breaker is open; `seconds` is when the next probe is due."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass
class Breaker:
    """The breaker in a connection's row. `clock` returns seconds since the epoch."""

    row: SharedRow
    clock: Callable[[], float] = time.time

    def probe(self, state: dict[str, float]) -> Admission:
        """Be the one request that looks whether the vendor is back. Raises VendorDown.

        `state` is the row, found open.
        """
        now = self.clock()
        until = state["open_until"]
        if until <= now:
            lease = now + PROBE_SECONDS
            change = self.row.change(
                "SET open_until = :lease", only_if="open_until = :until", lease=lease, until=until
            )
            if change.made:
                return Admission(probe=change.state["open_until"])
            until = change.state.get("open_until", now)
        raise VendorDown(max(1.0, until - now))

    def answered(self, admission: Admission) -> None:
        """The vendor works."""
        if admission.probe:
            self.row.change(
                "REMOVE open_until, pause_seconds, failures",
                only_if="open_until = :probe",
                probe=admission.probe,
            )
            logger.info("vendor is back", extra={"connection": self.row.connection})
        elif admission.failures:
            self.row.change("REMOVE failures")

    def failed(self, admission: Admission) -> None:
        """The vendor could not be reached, did not answer, or failed (5xx)."""
        state = self.row.change("ADD failures :one", one=1).state
        if admission.probe:
            pause = min(2 * state.get("pause_seconds", 0.0), LONGEST_PAUSE_SECONDS)
            self._open(pause, only_if="open_until = :probe", probe=admission.probe)
        elif state["failures"] >= FAILURES:
            self._open(FIRST_PAUSE_SECONDS, only_if=CLOSED)

    def _open(self, pause: float, *, only_if: str, **values: float) -> None:
        change = self.row.change(
            "SET open_until = :until, pause_seconds = :pause",
            only_if=only_if,
            until=self.clock() + pause,
            pause=pause,
            **values,
        )
        if change.made:
            facts = {"connection": self.row.connection, "seconds": pause}
            logger.warning("vendor is down: breaker opened", extra=facts)
            metrics.add_metric(name="BreakerOpened", unit=MetricUnit.Count, value=1)

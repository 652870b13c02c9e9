"""The budget around each request that is really sent: a transport of httpx.

Tokens that are fetched and requests that are sent again with a new one count too.
https://www.python-httpx.org/advanced/transports/
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import httpx
from aws_lambda_powertools.metrics import MetricUnit

from interlock.budget.admission import Admission, CircuitOpen, Limiter, TurnedAway
from interlock.budget.breaker import Breaker, VendorDown
from interlock.budget.concurrency import ConcurrencyLimiter
from interlock.budget.limits import ConcurrencyLimit
from interlock.budget.rate import RateLimiter
from interlock.budget.row import RowBusy, RowUnavailable, SharedRow
from interlock.errors import BudgetExhausted, VendorUnavailable
from interlock.settings import Settings
from interlock.telemetry import logger, metrics

if TYPE_CHECKING:
    from interlock.connections import Connection

# How long a process does without the budget after DynamoDB failed.
WITHOUT_SECONDS = 30.0
# When one who found a crowd at the row should be back.
CROWD_SECONDS = (1.0, 5.0)


class BudgetSettings(Settings):
    """`priority` is what a function's requests are for: an order, or work that can wait."""

    priority: Literal["order", "background"] = "order"


@dataclass
class BudgetedTransport(httpx.BaseTransport):
    """Sends a request through `transport` once the budget lets it, and tells how it went.

    Raises BudgetExhausted and VendorUnavailable where nothing was sent. A request's extension
    `where` names vendor, operation and record in these errors.
    """

    transport: httpx.BaseTransport
    limiter: Limiter
    breaker: Breaker
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._under_way: str | None = None
        self._without_until = 0.0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx calls it; the answer is read when it is returned."""
        admission = self._admit(request.extensions.get("where", {}))
        answered = False
        try:
            response = self.transport.handle_request(request)
            response.read()
            answered = not response.is_server_error
        finally:
            if admission:
                self._settle(admission, answered=answered)
        seconds = retry_after(response)
        if seconds and response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self._tell(partial(self.limiter.hold_off, seconds))
        return response

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def _admit(self, where: dict[str, Any]) -> Admission | None:
        """Leave to send; None where DynamoDB cannot tell."""
        transaction = logger.get_correlation_id()
        under_way = transaction is not None and transaction == self._under_way
        untouched = transaction is not None and not under_way
        admission = None
        try:
            if self.clock() >= self._without_until:
                admission = self._admit_or_probe(under_way=under_way)
        except TurnedAway as turned_away:
            raise _exhausted(turned_away.seconds, where, untouched) from None
        except RowBusy:
            raise _exhausted(random.uniform(*CROWD_SECONDS), where, untouched) from None
        except VendorDown as down:
            message = "is down, and is left alone for a while"
            raise VendorUnavailable(message, retry_after=down.seconds, **where) from None
        except RowUnavailable as error:
            self._do_without(error)
        self._under_way = transaction
        return admission

    def _admit_or_probe(self, *, under_way: bool) -> Admission:
        try:
            return self.limiter.admit(under_way=under_way)
        except CircuitOpen as circuit:
            return self.breaker.probe(circuit.state)

    def _settle(self, admission: Admission, *, answered: bool) -> None:
        outcome = self.breaker.answered if answered else self.breaker.failed
        self._tell(partial(outcome, admission))
        if admission.slot:
            self._tell(partial(self.limiter.release, admission))

    def _tell(self, change: Callable[[], None]) -> None:
        """Change the row after a request. What is lost here ends with its lease, or is told by
        the next request."""
        try:
            change()
        except RowBusy as error:
            logger.warning("not told to the budget's row", extra={"why": str(error)})
        except RowUnavailable as error:
            self._do_without(error)

    def _do_without(self, error: RowUnavailable) -> None:
        self._without_until = self.clock() + WITHOUT_SECONDS
        logger.warning("requests are sent without a budget", extra={"why": str(error)})
        metrics.add_metric(name="BudgetUnavailable", unit=MetricUnit.Count, value=1)


def budgeted(transport: httpx.BaseTransport, connection: Connection) -> httpx.BaseTransport:
    """The transport, within the connection's budget if it has one."""
    if connection.budget is None or connection.budgets_table is None:
        return transport
    row = SharedRow(connection.budgets_table, connection.name)
    background = BudgetSettings.load().priority == "background"
    kind = ConcurrencyLimiter if isinstance(connection.budget, ConcurrencyLimit) else RateLimiter
    return BudgetedTransport(transport, kind(row, connection.budget, background), Breaker(row))


def retry_after(response: httpx.Response) -> float | None:
    """`Retry-After` in seconds; its date form is rare among APIs and read as "not said"."""
    told = response.headers.get("retry-after")
    return float(told) if told and told.isdecimal() else None


def _exhausted(seconds: float, where: dict[str, Any], untouched: bool) -> BudgetExhausted:
    message = "not sent: others come first in the vendor's budget"
    return BudgetExhausted(message, retry_after=seconds, untouched=untouched, **where)

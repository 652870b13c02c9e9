"""The budget around each request: what is let through, what is told, and what happens without."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from interlock import aws
from interlock.budget.breaker import FAILURES, Breaker
from interlock.budget.concurrency import ConcurrencyLimiter
from interlock.budget.limits import ConcurrencyLimit, RateLimit
from interlock.budget.rate import RateLimiter
from interlock.budget.row import SharedRow
from interlock.budget.transport import WITHOUT_SECONDS, BudgetedTransport, budgeted
from interlock.connections import Connection
from interlock.credentials import OAuthClientCredentials
from interlock.errors import (
    BudgetExhausted,
    InterlockError,
    OutcomeUnknown,
    VendorThrottled,
    VendorUnavailable,
)
from interlock.http import ErrorTable, VendorClient
from interlock.telemetry import logger

from tests.unit.conftest import Clock, Cloud

RATE = RateLimit(requests=25, seconds=1)
BANK = {
    "name": "bank",
    "vendor": "bank",
    "base_url": "https://bank.example",
    "secret_id": "interlock/bank",
}
Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class Broken:
    """A DynamoDB client that fails so, after it has worked a few times; counts its calls."""

    error: Exception
    works: int = 0
    asked: int = 0

    def update_item(self, **request: Any) -> Any:
        """As DynamoDB's, as long as it works."""
        self.asked += 1
        if self.asked > self.works:
            raise self.error
        return aws.client("dynamodb").update_item(**request)


@dataclass
class Bank:
    """A vendor, and a client of it in a process of its own."""

    row: SharedRow
    clock: Clock
    answer: Answer = lambda request: httpx.Response(200, json={})
    concurrency: int | None = None
    seen: list[httpx.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        limiter: Any = RateLimiter(self.row, RATE, clock=self.clock, sleep=self.clock.advance)
        if self.concurrency:
            limit = ConcurrencyLimit(concurrency=self.concurrency)
            limiter = ConcurrencyLimiter(
                self.row, limit, clock=self.clock, sleep=self.clock.advance
            )
        breaker = Breaker(self.row, self.clock)
        network = httpx.MockTransport(self._answer)
        self._client = VendorClient(
            Connection(**BANK),
            auth=OAuthClientCredentials(
                lambda: {"client_id": "id", "client_secret": "s"},
                "https://bank.example/token",
                vendor="bank",
            ),
            errors=ErrorTable(code=lambda response: ""),
            transport=BudgetedTransport(network, limiter, breaker, self.clock),
        )

    def pay(self) -> httpx.Response:
        """One request."""
        return self._client.request("POST", "/payments", operation="pay", record="P1")

    def fails(self) -> InterlockError:
        """One request that fails: its error."""
        with pytest.raises(InterlockError) as raised:
            self.pay()
        return raised.value

    def state(self) -> dict[str, float]:
        """The row."""
        client = aws.client("dynamodb")
        key = {"connection": {"S": self.row.connection}}
        item = client.get_item(TableName=self.row.table, Key=key).get("Item", {})
        return {name: float(value["N"]) for name, value in item.items() if "N" in value}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "t"})
        return self.answer(request)


@pytest.fixture
def bank(row: SharedRow, clock: Clock) -> Bank:
    """It answers, and counts requests in a time."""
    return Bank(row, clock)


@pytest.fixture
def transaction() -> Iterator[None]:
    """Requests are of the transaction T1."""
    logger.set_correlation_id("T1")
    yield
    logger.set_correlation_id(None)


def crowded(bank: Bank) -> None:
    """Others wait for a long time."""
    bank.row.change("SET next_slot = :at", at=bank.clock() + 60)


def test_each_request_that_is_sent_counts(bank: Bank) -> None:
    """The token's too, and the one that is sent again with a new token."""
    begun = bank.clock()
    answers = iter([httpx.Response(401), httpx.Response(200), httpx.Response(200)])
    bank.answer = lambda request: next(answers)

    bank.pay()
    bank.pay()

    assert [request.url.path for request in bank.seen] == [
        "/token",
        "/payments",
        "/token",
        "/payments",
        "/payments",
    ]
    assert bank.clock() - begun == pytest.approx(4 * RATE.interval, abs=1e-4)


def test_what_is_not_sent_says_when_to_come_back(bank: Bank) -> None:
    crowded(bank)

    error = bank.fails()

    assert bank.seen == []
    assert str(error) == (
        "bank pay P1: not sent: others come first in the vendor's budget: try again after 58 s"
    )


@pytest.mark.usefixtures("transaction")
def test_a_step_that_sent_nothing_says_so(bank: Bank) -> None:
    crowded(bank)

    error = bank.fails()

    assert isinstance(error, BudgetExhausted)
    assert error.untouched


@pytest.mark.usefixtures("transaction")
def test_a_step_that_had_begun_does_not(bank: Bank) -> None:
    bank.pay()
    crowded(bank)

    error = bank.fails()

    assert isinstance(error, BudgetExhausted)
    assert not error.untouched


@pytest.mark.usefixtures("transaction")
def test_another_transaction_in_the_same_process_has_not_begun(bank: Bank) -> None:
    bank.pay()
    crowded(bank)
    logger.set_correlation_id("T2")

    error = bank.fails()

    assert isinstance(error, BudgetExhausted)
    assert error.untouched


def test_nobody_knows_whether_a_nameless_caller_has_begun(bank: Bank) -> None:
    crowded(bank)

    error = bank.fails()

    assert isinstance(error, BudgetExhausted)
    assert not error.untouched


def test_the_vendors_retry_after_holds_for_all(bank: Bank) -> None:
    bank.answer = lambda request: httpx.Response(429, headers={"retry-after": "30"})

    assert isinstance(bank.fails(), VendorThrottled)

    other = Bank(bank.row, bank.clock)
    assert isinstance(other.fails(), BudgetExhausted)
    assert other.seen == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(500), OutcomeUnknown),
        (httpx.Response(503), OutcomeUnknown),
        (httpx.ConnectError("refused"), VendorUnavailable),
        (httpx.ReadTimeout("silent"), OutcomeUnknown),
        (httpx.RemoteProtocolError("garbled"), OutcomeUnknown),
    ],
)
def test_a_vendor_that_is_down_is_left_alone(
    bank: Bank, answer: httpx.Response | Exception, error: type[InterlockError]
) -> None:
    bank.pay()

    def fail(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    bank.answer = fail
    assert {type(bank.fails()) for _ in range(FAILURES)} == {error}
    sent = len(bank.seen)

    refused = bank.fails()

    assert len(bank.seen) == sent
    assert type(refused) is VendorUnavailable
    assert "bank pay P1: is down" in str(refused)
    assert "try again after 15 s" in str(refused)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429])
def test_a_vendor_that_refuses_is_not_down(bank: Bank, status: int) -> None:
    bank.answer = lambda request: httpx.Response(status)

    for _ in range(FAILURES + 1):
        sent = len(bank.seen)
        bank.fails()
        assert len(bank.seen) > sent

    assert "failures" not in bank.state()


def test_an_answer_ends_an_outage(bank: Bank) -> None:
    bank.pay()
    working = bank.answer
    bank.answer = lambda request: httpx.Response(503)
    for _ in range(FAILURES):
        bank.fails()
    bank.clock.advance(15)
    bank.answer = working

    bank.pay()

    assert set(bank.state()) == {"next_slot"}


@pytest.mark.parametrize("answer", [httpx.Response(200), httpx.Response(503), None])
def test_a_slot_is_given_back_however_it_went(
    row: SharedRow, clock: Clock, answer: httpx.Response | None
) -> None:
    bank = Bank(row, clock, concurrency=1)

    def respond(request: httpx.Request) -> httpx.Response:
        assert set(bank.state()) >= {"slot_0"}, "it is held while the vendor works"
        if answer is None:
            raise KeyboardInterrupt
        return answer

    bank.answer = respond

    with suppress(KeyboardInterrupt, OutcomeUnknown):
        bank.pay()

    assert "slot_0" not in bank.state()


BROKEN = [
    ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem"),
    ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem"),
    ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "UpdateItem"),
    EndpointConnectionError(endpoint_url="https://dynamodb"),
]


@pytest.mark.parametrize("error", BROKEN, ids=str)
def test_without_dynamodb_requests_go_on(row: SharedRow, clock: Clock, error: Exception) -> None:
    """And it is asked again only after a while."""
    broken = Broken(error)
    bank = Bank(SharedRow(row.table, row.connection, broken), clock)

    for _ in range(3):
        assert bank.pay().is_success

    assert broken.asked == 1
    clock.advance(WITHOUT_SECONDS)
    bank.pay()
    assert broken.asked == 2


@pytest.mark.usefixtures("transaction")
def test_a_crowd_at_the_row_waits(row: SharedRow, clock: Clock) -> None:
    """Going on without a budget would be the very burst that it is there for."""
    code = "ProvisionedThroughputExceededException"
    broken = Broken(ClientError({"Error": {"Code": code}}, "UpdateItem"))
    bank = Bank(SharedRow(row.table, row.connection, broken), clock)

    error = bank.fails()

    assert isinstance(error, BudgetExhausted)
    assert error.retry_after
    assert bank.seen == []


def test_what_cannot_be_told_afterwards_changes_no_answer(row: SharedRow, clock: Clock) -> None:
    """DynamoDB fails while the vendor works."""
    broken = Broken(BROKEN[0], works=2)
    bank = Bank(SharedRow(row.table, row.connection, broken), clock)
    bank.answer = lambda request: httpx.Response(503)

    assert isinstance(bank.fails(), OutcomeUnknown)

    assert broken.asked == 3


def connection(**values: Any) -> Connection:
    """As a parameter says it."""
    return Connection.model_validate_json(json.dumps(BANK | values))


def test_a_connection_without_a_budget_has_no_part_in_it() -> None:
    network = httpx.MockTransport(lambda request: httpx.Response(200))

    assert budgeted(network, connection(budgets_table="Budgets")) is network


@pytest.mark.parametrize("priority", ["order", "background"])
@pytest.mark.parametrize(
    ("budget", "kind"),
    [
        ({"requests": 25, "seconds": 1}, RateLimiter),
        ({"concurrency": 8}, ConcurrencyLimiter),
    ],
)
def test_a_connection_has_the_limiter_of_its_budget(
    cloud: Cloud, environment: Any, budget: dict[str, Any], kind: type, priority: str
) -> None:
    environment(PRIORITY=priority)
    network = httpx.MockTransport(lambda request: httpx.Response(200))
    made = budgeted(network, connection(budget=budget, budgets_table=cloud.table("BudgetsTable")))

    assert isinstance(made, BudgetedTransport)
    assert type(made.limiter) is kind
    assert made.limiter.background is (priority == "background")
    with httpx.Client(transport=made) as client:
        assert client.get("https://bank.example").is_success

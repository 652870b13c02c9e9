"""Consuming a queue: done, tried again, or set aside with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from interlock import aws
from interlock.errors import ContractViolation, OutcomeUnknown
from interlock.inbox import MAX_BYTES, consume

from tests.unit.conftest import Cloud


@pytest.fixture
def dead_letters(cloud: Cloud, environment: Any) -> str:
    """The queue for what can never succeed; its URL."""
    url = aws.client("sqs").create_queue(QueueName="dead-letters")["QueueUrl"]
    environment(DEAD_LETTER_QUEUE=url)
    return url


def batch(*bodies: str) -> dict[str, Any]:
    """A batch as Lambda gets it from SQS."""
    return {
        "Records": [
            {"messageId": f"m{number}", "body": body, "eventSource": "aws:sqs"}
            for number, body in enumerate(bodies)
        ]
    }


def set_aside(url: str) -> list[tuple[str, str]]:
    """The messages that were set aside: body and reason."""
    messages = aws.client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return [
        (message["Body"], message["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"])
        for message in messages.get("Messages", [])
    ]


def test_each_message_is_handled(dead_letters: str, context: Any) -> None:
    handled: list[dict[str, Any]] = []

    answer = consume(batch('{"a": 1}', '{"b": 2}'), context, handled.append)

    assert handled == [{"a": 1}, {"b": 2}]
    assert answer == {"batchItemFailures": []}


def test_only_what_failed_comes_back(dead_letters: str, context: Any) -> None:
    def handle(content: dict[str, Any]) -> None:
        if "fail" in content:
            raise OutcomeUnknown("not now")

    answer = consume(batch("{}", '{"fail": 1}', "{}"), context, handle)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert set_aside(dead_letters) == []


def test_a_batch_in_which_all_fail_is_reported_too(dead_letters: str, context: Any) -> None:
    def handle(content: dict[str, Any]) -> None:
        raise ZeroDivisionError

    answer = consume(batch("{}", "{}"), context, handle)

    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["m0", "m1"]


def test_what_can_never_succeed_is_set_aside_with_its_reason(
    dead_letters: str, context: Any
) -> None:
    def handle(content: dict[str, Any]) -> None:
        raise ContractViolation("unknown event: OrderShipped")

    answer = consume(batch('{"id": "1"}'), context, handle)

    assert answer == {"batchItemFailures": []}
    assert set_aside(dead_letters) == [('{"id": "1"}', "unknown event: OrderShipped")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("<xml/>", "not JSON"),
        ("[]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a": "' + "ü" * (MAX_BYTES // 2) + '"}', "oversized: 262153 bytes"),
    ],
)
def test_what_is_no_message(dead_letters: str, context: Any, body: str, reason: str) -> None:
    consume(batch(body or " "), context, lambda content: pytest.fail("it was handled"))

    [(_, told)] = set_aside(dead_letters)

    assert reason in told


def test_the_largest_message_that_is_taken(dead_letters: str, context: Any) -> None:
    handled: list[dict[str, Any]] = []
    frame = len('{"a": ""}')

    consume(batch(json.dumps({"a": "x" * (MAX_BYTES - frame)})), context, handled.append)

    assert len(handled) == 1


@pytest.mark.parametrize(
    "reason", ["nul \0 and bell \a", "half a pair \ud83d", "x" * 5000, "→ ü 😀"]
)
def test_a_reason_may_hold_anything(dead_letters: str, context: Any, reason: str) -> None:
    def handle(content: dict[str, Any]) -> None:
        raise ContractViolation(reason)

    assert consume(batch("{}"), context, handle) == {"batchItemFailures": []}

    [(_, told)] = set_aside(dead_letters)
    assert told[0] == reason[0]
    assert len(told) <= 1000


def test_a_message_that_cannot_be_set_aside_comes_back(
    dead_letters: str, context: Any, environment: Any
) -> None:
    aws.client("sqs").delete_queue(QueueUrl=dead_letters)

    answer = consume(batch("{"), context, lambda content: None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}

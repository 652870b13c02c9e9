"""The event envelope, and publishing to a bus that moto plays."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from interlock import aws, events
from interlock.errors import OutcomeUnknown
from interlock.events import Event
from pydantic import ValidationError

from tests.unit.conftest import Cloud

BUS = "interlock-integration"


def event(number: int = 1, **values: Any) -> Event:
    """A deal was won."""
    given = {
        "id": f"salesforce:tx-{number}",
        "type": "opportunity.closed_won",
        "source": "salesforce",
        "subject": "salesforce:006000000000001AAA",
        "occurred_at": datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC),
        "correlation_id": f"T{number}",
    }
    return Event(**(given | values))


@pytest.fixture
def queue(cloud: Cloud, environment: Any) -> str:
    """A queue that hears everything that is published; its URL."""
    environment(INTEGRATION_BUS=BUS)
    buses, queues = aws.client("events"), aws.client("sqs")
    url = queues.create_queue(QueueName="all")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    buses.create_event_bus(Name=BUS)
    pattern = json.dumps({"source": [events.SOURCE]})
    buses.put_rule(Name="all", EventBusName=BUS, EventPattern=pattern)
    buses.put_targets(Rule="all", EventBusName=BUS, Targets=[{"Id": "all", "Arn": arn["QueueArn"]}])
    return url


def heard(url: str) -> list[dict[str, Any]]:
    """What arrived in the queue."""
    client, messages = aws.client("sqs"), []
    while batch := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        messages += [json.loads(message["Body"]) for message in batch]
    return messages


def test_an_event_arrives_with_its_type_and_its_envelope(queue: str) -> None:
    events.publish(event(causation_id="other", data={"order": "SO-1"}))

    [arrived] = heard(queue)

    assert arrived["source"] == "interlock"
    assert arrived["detail-type"] == "opportunity.closed_won"
    assert arrived["time"] == "2026-11-20T10:11:12Z"
    assert Event.model_validate(arrived["detail"]).data == {"order": "SO-1"}


def test_more_events_than_fit_one_call(queue: str) -> None:
    """One change in Salesforce may name dozens of deals."""
    events.publish(*[event(number) for number in range(23)])

    assert len({arrived["detail"]["id"] for arrived in heard(queue)}) == 23


def test_nothing_to_publish(queue: str) -> None:
    events.publish()

    assert heard(queue) == []


def test_an_event_that_is_not_taken_is_told(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bus:
        """EventBridge that throttles each second entry of a call."""

        def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:
            results = [
                {"ErrorCode": "ThrottlingException"} if number % 2 else {"EventId": "1"}
                for number, _ in enumerate(Entries)
            ]
            return {"FailedEntryCount": len(Entries) // 2, "Entries": results}

    monkeypatch.setattr(aws, "client", lambda service: Bus())

    with pytest.raises(OutcomeUnknown, match="6 of 12 events were not taken") as failed:
        events.publish(*[event(number) for number in range(12)])
    assert failed.value.code == "ThrottlingException"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "opportunity.closed"},
        {"version": 2},
        {"subject": "a b"},
        {"occurred_at": "2026-11-20T10:11:12"},
        {"id": ""},
        {"unknown": 1},
    ],
)
def test_what_is_no_event(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Event.model_validate(event().model_dump() | wrong)


def test_an_event_is_the_same_after_json() -> None:
    told = event(origin="com/salesforce", data={"a": [1, None, "ü"]})

    assert Event.model_validate_json(told.model_dump_json()) == told

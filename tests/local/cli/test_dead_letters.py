"""`interlock dead-letters edit` and `redrive`: letters that are mended and sent back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from interlock.events import Event
from interlock.schedules import milestone_event

from local.cli import dead_letters, letters, transaction
from local.cli.errors import Failure
from local.cli.letters import DeadLetterQueue, Letter
from local.sandboxes.salesforce_seed import USD_DEAL
from tests.unit.contract_samples import contract

from .conftest import EVENTS, Interlock

USD_EVENT = EVENTS / "partner" / "salesforce.OpportunityChangeEvent.json"
RULE = "arn:aws:events:eu-central-1:123456789012:rule/acme-integration/to-queue"


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An editor that replaces a text by another, each time that it is opened the next."""

    def replaces(*replacements: tuple[str, str]) -> None:
        script = tmp_path / "editor.py"
        pending = tmp_path / "replacements.json"
        pending.write_text(json.dumps(replacements))
        script.write_text(
            "import json, pathlib, sys\n"
            f"pending = pathlib.Path({str(pending)!r})\n"
            "(old, new), *rest = json.loads(pending.read_text())\n"
            "pending.write_text(json.dumps(rest))\n"
            "file = pathlib.Path(sys.argv[1])\n"
            "file.write_text(file.read_text().replace(old, new))\n"
        )
        monkeypatch.setenv("VISUAL", f"python3 {script}")

    return replaces


def told(id: str, transaction_id: str) -> Event:
    """An event for a transaction's timeline."""
    return Event(
        id=id,
        type="order.accepted",
        source="interlock",
        subject="salesforce:006",
        occurred_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        correlation_id=transaction_id,
    )


def delivered(event: Event) -> dict[str, Any]:
    """An event as EventBridge delivers it."""
    return {
        "id": f"eb-{event.id}",
        "source": "interlock",
        "detail-type": event.type,
        "time": "2026-11-23T12:00:00Z",
        "resources": [],
        "detail": event.model_dump(mode="json"),
    }


def send(cli: Interlock, queue: str, body: Any, **attributes: str) -> str:
    """Put a message into a queue: its id."""
    sent = cli.target.client("sqs").send_message(
        QueueUrl=cli.target.id(queue),
        MessageBody=body if isinstance(body, str) else json.dumps(body),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )
    return sent["MessageId"]


def listed(cli: Interlock) -> dict[str, dict[str, Any]]:
    """The letters by their message ids."""
    found = cli.json("dead-letters", "--json")["dead_letters"]
    return {each["message_id"]: each for each in found}


def rule_arn(cli: Interlock, rule: str) -> str:
    """A rule's ARN."""
    described = cli.target.client("events").describe_rule(
        Name=cli.target.id(rule).rpartition("|")[2], EventBusName=cli.target.id("IntegrationBus")
    )
    return described["Arn"]


def queue_arn(cli: Interlock, queue: str) -> str:
    """A queue's ARN."""
    attributes = cli.target.client("sqs").get_queue_attributes(
        QueueUrl=cli.target.id(queue), AttributeNames=["QueueArn"]
    )
    return attributes["Attributes"]["QueueArn"]


def timeline(cli: Interlock, transaction_id: str) -> list[str]:
    """The ids of a transaction's events."""
    return [event.id for event in transaction.timeline(cli.target, transaction_id)]


# ---- One letter


def test_a_letter_is_sent_back_and_handled(cli: Interlock):
    body = delivered(told("T-back-1", "T-back"))
    id = send(cli, "TimelineQueueDlq", body, ERROR_CODE="X", ERROR_MESSAGE="was broken")
    assert id in cli.output("dead-letters")

    output = cli.output("dead-letters", "redrive", id)

    assert f"{id} to TimelineQueue: order.accepted T-back-1" in output
    cli.until(lambda: timeline(cli, "T-back") == ["T-back-1"])
    assert id not in listed(cli)


def test_what_is_rejected_again_is_a_letter_again_with_its_new_reason(cli: Interlock):
    id = send(cli, "TimelineQueueDlq", "no JSON: back", ERROR_MESSAGE="an old reason")
    cli.output("dead-letters", "redrive", id)

    def again() -> list[str]:
        found = listed(cli).values()
        return [each["reason"] for each in found if each["body"] == "no JSON: back"]

    cli.until(again)
    assert again() == ["ContractViolation: malformed: not JSON"]


def test_a_letter_is_edited_and_handled(cli: Interlock, editor):
    """The partner's event of an organisation that was spelled wrong."""
    event = json.loads(USD_EVENT.read_text())
    header = event["detail"]["payload"]["ChangeEventHeader"]
    header |= {"transactionKey": "edited", "commitTimestamp": 1_795_167_999_000}
    event["source"] = event["source"].replace("00D", "00X")
    id = send(cli, "SalesforceInboxDlq", event, ERROR_MESSAGE="another organisation")
    editor(("00X", "00D"))

    output = cli.output("dead-letters", "edit", id)

    assert output == "Sent, as edited, to SalesforceInbox.\n"
    run = f"{USD_DEAL.record_id}-1795167999000"
    cli.until(lambda: run in cli.output("runs"))
    assert id not in listed(cli)


def test_a_letter_that_is_left_as_it_was_stays(cli: Interlock, editor):
    id = send(cli, "StartQueueDlq", {"kept": 1})
    editor(("no such text", ""))

    assert "Nothing was changed" in cli.output("dead-letters", "edit", id)
    assert listed(cli)[id]["body"] == '{"kept": 1}'


def test_an_edit_that_is_no_json_is_edited_again_or_dropped(cli: Interlock, editor):
    body = delivered(told("T-json-1", "T-json"))
    id = send(cli, "TimelineQueueDlq", body)
    editor(("{", "<"))
    result = cli.run("dead-letters", "edit", id, input="n\n")
    assert result.exit_code == 0
    assert "not JSON" in result.stderr
    assert id in listed(cli)

    editor(("T-json-1", 'T-json-2"'), ('T-json-2"', "T-json-2"))
    cli.output("dead-letters", "edit", id, input="y\n")

    cli.until(lambda: timeline(cli, "T-json") == ["T-json-2"])
    assert id not in listed(cli)


def test_a_letter_that_somebody_else_took_keeps_the_edit(
    cli: Interlock, editor, monkeypatch: pytest.MonkeyPatch
):
    id = send(cli, "StartQueueDlq", {"taken": 1})
    editor(("taken", "mine"))
    edited = dead_letters._edited

    def meanwhile(text: str) -> str | None:
        with letters.holding(cli.target, id) as letter:
            letters.send_back(cli.target, letter, json.dumps({"elsewhere": 1}))
        return edited(text)

    monkeypatch.setattr(dead_letters, "_edited", meanwhile)
    error = cli.error("dead-letters", "edit", id)
    assert f"there is no dead letter '{id}'" in error
    kept = Path(error.rpartition(" ")[2])
    assert json.loads(kept.read_text()) == {"mine": 1}
    kept.unlink()


# ---- Several


def test_every_letter_of_a_queue_is_sent_back(cli: Interlock):
    """More than one batch; those of other queues stay."""
    wanted = [f"T-many-{number}" for number in range(12)]
    for id in wanted:
        send(cli, "TimelineQueueDlq", delivered(told(id, "T-many")))
    other = send(cli, "StartQueueDlq", {"other": 1})

    output = cli.output("dead-letters", "redrive", "--queue", "TimelineQueueDlq")

    assert sum("T-many-" in line for line in output.splitlines()) == 12
    cli.until(lambda: sorted(timeline(cli, "T-many")) == sorted(wanted))
    assert other in listed(cli)


def test_every_letter_of_all_queues_is_sent_back(cli: Interlock):
    ids = {send(cli, queue, {"all": 1}) for queue in ("StartQueueDlq", "TimelineQueueDlq")}
    output = cli.output("dead-letters", "redrive", "--all")
    assert all(id in output for id in ids)
    assert not ids & set(listed(cli))


def test_what_cannot_be_sent_back_stays_and_the_others_go(cli: Interlock):
    bad = send(cli, "TimelineQueueDlq", {"bad": 1}, RULE_ARN=RULE, TARGET_ARN="x")
    good = send(cli, "TimelineQueueDlq", delivered(told("T-good-1", "T-good")))
    error = cli.error("dead-letters", "redrive", "--queue", "TimelineQueueDlq")
    assert f"1 stay: {bad}: " in error
    assert bad in listed(cli)
    assert good not in listed(cli)
    cli.target.client("sqs").purge_queue(QueueUrl=cli.target.id("TimelineQueueDlq"))


def test_a_wrong_use_is_told(cli: Interlock):
    assert "name one letter" in cli.error("dead-letters", "redrive", code=2)
    assert "name one letter" in cli.error("dead-letters", "redrive", "x", "--all", code=2)
    assert "there is no dead letter 'x'" in cli.error("dead-letters", "redrive", "x")
    assert "there is no dead letter 'x'" in cli.error("dead-letters", "edit", "x")
    error = cli.error("dead-letters", "redrive", "--queue", "StartQueue")
    assert "no dead-letter queue 'StartQueue'" in error
    assert "StartQueueDlq" in error


# ---- What EventBridge could not deliver


def test_an_event_whose_target_gets_it_as_it_is_goes_to_the_queue(cli: Interlock):
    """No other rule of the bus has to hear of it again."""
    event = delivered(told("T-plain-1", "T-plain"))
    attributes = {
        "RULE_ARN": rule_arn(cli, "TimelineRule"),
        "TARGET_ARN": queue_arn(cli, "TimelineQueue"),
    }
    id = send(cli, "TimelineQueueDlq", event, **attributes, ERROR_CODE="NO_PERMISSIONS")

    assert "to TimelineQueue" in cli.output("dead-letters", "redrive", id)
    cli.until(lambda: timeline(cli, "T-plain") == ["T-plain-1"])


def test_an_event_whose_target_gets_an_input_of_its_own_goes_to_its_bus(cli: Interlock):
    """The letter holds the event, not what the start queue takes."""
    won = Event(
        id="won-again",
        type="opportunity.closed_won",
        source="salesforce",
        subject=f"salesforce:{USD_DEAL.record_id}",
        occurred_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        correlation_id=f"{USD_DEAL.record_id}-redriven",
    )
    attributes = {
        "RULE_ARN": rule_arn(cli, "LeadToOrderRule"),
        "TARGET_ARN": queue_arn(cli, "StartQueue"),
    }
    id = send(cli, "StartQueueDlq", delivered(won), **attributes)

    output = cli.output("dead-letters", "redrive", id)

    assert f"to the bus {cli.target.id('IntegrationBus')}" in output
    cli.until_status(won.correlation_id, "SUCCEEDED")
    assert id not in listed(cli)
    broken = send(cli, "StartQueueDlq", {"source": "interlock"}, **attributes)
    assert "no event of EventBridge" in cli.error("dead-letters", "redrive", broken)
    assert broken in listed(cli)


# ---- What a schedule could not tell


def test_a_milestone_that_could_not_be_told_is_put_on_the_integration_bus(cli: Interlock):
    body = milestone_event(contract(), 90).model_dump_json()
    id = send(cli, "MilestoneDlq", body, ERROR_CODE="AccessDeniedException", ERROR_MESSAGE="no")
    told = listed(cli)[id]
    assert (told["queue"], told["reason"]) == ("MilestoneDlq", "AccessDeniedException: no")
    event = json.loads(body)
    assert told["event"] == f"renewal.due {event['id']}"

    output = cli.output("dead-letters", "redrive", "--queue", "MilestoneDlq")

    assert f"to the bus {cli.target.id('IntegrationBus')}" in output
    cli.until(lambda: timeline(cli, event["correlation_id"]) == [event["id"]])
    assert id not in listed(cli)


def test_what_should_wake_a_run_goes_to_its_queue_again(cli: Interlock):
    id = send(cli, "WakeQueueDlq", delivered(told("T-wake-1", "T-wake")), ERROR_MESSAGE="broken")
    assert "to WakeQueue: order.accepted T-wake-1" in cli.output("dead-letters", "redrive", id)
    assert id not in listed(cli)


def test_a_schedules_letter_without_its_event_stays_for_the_sweep():
    target, client = stack()
    queue = DeadLetterQueue("MilestoneDlq", "https://sqs/MilestoneDlq", {})
    with pytest.raises(Failure, match="`interlock sweep contracts` tells of it"):
        letters.send_back(target, letter(queue=queue, body='{"id": 1}'))
    client.delete_message.assert_not_called()


# ---- In which order


def letter(**values: Any) -> Letter:
    """A letter of a queue that is fed by one other."""
    given = {
        "queue": DeadLetterQueue("Dlq", "https://sqs/Dlq", {"Queue": 5}),
        "id": "1",
        "sent": datetime(2026, 11, 23, tzinfo=UTC),
        "body": "{}",
        "attributes": {},
        "source": None,
        "receipt": "r",
    }
    return Letter(**(given | values))


def stack() -> tuple[Mock, Mock]:
    """A stack, and the client that all of its services share."""
    target = Mock()
    target.id.side_effect = lambda name: f"https://sqs/{name}"
    return target, target.client.return_value


def test_a_letter_is_deleted_only_after_it_was_sent():
    target, client = stack()
    letters.send_back(target, letter())
    assert [call[0] for call in client.method_calls] == ["send_message", "delete_message"]

    target, client = stack()
    client.send_message.side_effect = ConnectionError
    with pytest.raises(ConnectionError):
        letters.send_back(target, letter())
    client.delete_message.assert_not_called()


def test_an_event_that_its_bus_refuses_stays():
    target, client = stack()
    client.list_targets_by_rule.return_value = {"Targets": [{"Arn": "q", "Input": "{}"}]}
    client.put_events.return_value = {"Entries": [{"ErrorCode": "InternalFailure"}]}
    attributes = {
        name: {"StringValue": value} for name, value in (("RULE_ARN", RULE), ("TARGET_ARN", "q"))
    }
    body = json.dumps(delivered(told("e", "T")))
    with pytest.raises(Failure, match="acme-integration does not take it: InternalFailure"):
        letters.send_back(target, letter(attributes=attributes, body=body))
    client.delete_message.assert_not_called()


def test_its_own_attributes_are_kept_and_the_reasons_are_not():
    target, client = stack()
    attributes = {
        "tenant": {"DataType": "String", "StringValue": "acme"},
        "ERROR_CODE": {"DataType": "String", "StringValue": "X"},
    }
    letters.send_back(target, letter(attributes=attributes))
    sent = client.send_message.call_args.kwargs
    assert sent["MessageAttributes"] == {"tenant": attributes["tenant"]}


def test_sqs_says_which_of_several_queues_it_was():
    queue = DeadLetterQueue("Dlq", "https://sqs/Dlq", {"One": 5, "Two": 5})
    target, client = stack()
    assert letters.send_back(target, letter(queue=queue, source="arn:aws:sqs:x:1:Two")) == "Two"
    target, client = stack()
    with pytest.raises(Failure, match="each of One, Two"):
        letters.send_back(target, letter(queue=queue))
    client.delete_message.assert_not_called()


@pytest.mark.parametrize(
    ("arn", "rule"),
    [
        (RULE, ("acme-integration", "to-queue")),
        ("arn:aws:events:x:1:rule/plain", ("default", "plain")),
        (
            "arn:aws:events:x:1:rule/aws.partner/salesforce.com/00D/0YL/r",
            ("aws.partner/salesforce.com/00D/0YL", "r"),
        ),
    ],
)
def test_a_rule_is_read_from_its_arn(arn: str, rule: tuple[str, str]):
    assert letters._rule(arn) == rule

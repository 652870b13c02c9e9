"""`interlock send` and `interlock dead-letters`; the samples in events/partner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interlock.connectors.crm import salesforce_events

from local.cli.letters import event_of
from local.sandboxes.salesforce_events import partner_source
from local.sandboxes.salesforce_seed import (
    DEALS,
    EUR_DEAL,
    JPY_DEAL,
    USD_DEAL,
    close_lost,
    close_won,
    populate,
)
from local.sandboxes.salesforce_store import ORGANIZATION_ID, Organization

from .conftest import EVENTS, Interlock

SAMPLES = {
    "salesforce.OpportunityChangeEvent.json": USD_DEAL,
    "salesforce.OpportunityChangeEvent.eur.json": EUR_DEAL,
    "salesforce.OpportunityChangeEvent.jpy.json": JPY_DEAL,
}
LOST = "salesforce.OpportunityChangeEvent.lost.json"
USD_EVENT = EVENTS / "partner" / "salesforce.OpportunityChangeEvent.json"


def shape(content):
    """The names in an event, whatever their values."""
    if isinstance(content, dict):
        return {name: shape(value) for name, value in content.items()}
    return type(content).__name__


@pytest.mark.parametrize("name", [*SAMPLES, LOST])
def test_a_sample_is_what_the_crm_sends_for_the_deal(name):
    sample = json.loads((EVENTS / "partner" / name).read_text())
    organization = Organization()
    populate(organization)
    sent = []
    organization.on_change = sent.append
    deal, close = SAMPLES.get(name, USD_DEAL), close_lost if name == LOST else close_won
    close(organization, deal.record_id)
    assert shape(sample["detail"]) == shape(sent[0]["detail"])
    assert sample["source"] == partner_source(ORGANIZATION_ID)
    [event] = salesforce_events.translate(
        sample,
        connection="salesforce",
        organisation=ORGANIZATION_ID,
        won_stages={"Closed Won"},
        lost_stages={"Closed Lost"},
    )
    assert event.subject == f"salesforce:{deal.record_id}"
    assert event.type == ("opportunity.closed_lost" if name == LOST else "opportunity.closed_won")


def test_there_is_a_sample_for_each_deal():
    files = {file.name for file in (EVENTS / "partner").glob("salesforce.*.json")}
    assert files == {*SAMPLES, LOST}
    assert tuple(SAMPLES.values()) == DEALS


def test_a_partner_event_is_sent_and_its_repetition_counted(cli: Interlock):
    """The deal is not won in the CRM, so its run ends at once."""
    output = cli.output("send", USD_EVENT)
    assert "SalesforceBus" in output
    [delivery] = [f"salesforce:{salesforce_events.delivery_key(json.loads(USD_EVENT.read_text()))}"]
    run = f"{USD_DEAL.record_id}-1795167066000"
    cli.until(lambda: run in cli.output("runs"))
    cli.until_status(run, "SUCCEEDED")
    assert cli.json("runs", run, "--json")["output"] == {"status": "not won"}

    cli.output("send", USD_EVENT, USD_EVENT)

    def repetitions() -> dict[str, int]:
        repeated = cli.json("dead-letters", "--json")["repeated_deliveries"]
        return {each["delivery"]: each["repetitions"] for each in repeated}

    cli.until(lambda: repetitions().get(delivery) == 2)
    assert delivery in cli.output("dead-letters")


def test_our_own_event_goes_to_the_integration_bus(cli: Interlock, tmp_path: Path):
    event = {"source": "interlock", "detail-type": "order.accepted", "detail": {"id": "mine-1"}}
    file = tmp_path / "ours.json"
    file.write_text(json.dumps(event))
    [sent] = cli.json("send", file, "--json")
    assert sent["EventId"]
    # It has not the shape of an event: the timeline's consumer sets it aside.
    cli.until(lambda: "mine-1" in cli.output("dead-letters"))
    letters = cli.json("dead-letters", "--json")["dead_letters"]
    [letter] = [each for each in letters if "mine-1" in each["body"]]
    assert letter["queue"] == "TimelineQueueDlq"
    assert letter["reason"].startswith("ContractViolation: malformed Event")


def test_a_dead_letter_is_shown_with_its_reason_and_stays(cli: Interlock, tmp_path: Path):
    event = json.loads(USD_EVENT.read_text())
    event["source"] = event["source"].replace(ORGANIZATION_ID, "00DHs00000Other")
    file = tmp_path / "other.json"
    file.write_text(json.dumps(event))
    [sent] = cli.json("send", file, "--json")
    cli.until(lambda: sent["EventId"] in cli.output("dead-letters"))

    output = cli.output("dead-letters")
    assert "another organisation" in " ".join(output.split())
    assert max(map(len, output.splitlines())) <= 100
    assert "ChangeEventHeader" not in output
    assert "ChangeEventHeader" in cli.output("dead-letters", "--body")
    assert cli.output("dead-letters").count(sent["EventId"]) == 1


def test_a_message_that_sqs_moved_tells_how_often_it_failed(cli: Interlock):
    cloud = cli.environment.cloud
    queue = cloud.resources["StartQueueDlq"]
    body = json.dumps({"state_machine": "x", "event": {"id": "moved-1", "type": "some.event"}})
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    letters = cli.json("dead-letters", "--json")["dead_letters"]
    [letter] = [each for each in letters if each["event"] == "some.event moved-1"]
    assert letter["queue"] == "StartQueueDlq"
    assert letter["reason"].startswith("received 5 times in StartQueue and never handled")


def test_more_letters_than_one_batch_are_all_listed(cli: Interlock):
    cloud = cli.environment.cloud
    queue = cloud.resources["StartQueueDlq"]
    for number in range(12):
        cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=f"not JSON, number {number}")

    def listed(*options: str) -> int:
        letters = cli.json("dead-letters", "--json", *options)["dead_letters"]
        return len([each for each in letters if each["event"].startswith("not JSON")])

    assert listed() == 12
    assert listed() == 12
    assert listed("--limit", "3") <= 3


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"id": "1", "detail-type": "SomeChange", "detail": {}}', "SomeChange 1"),
        ('{"id": "1", "detail": {"id": "2", "type": "order.accepted"}}', "order.accepted 2"),
        ('{"id": 5}', '{"id": 5}'),
        ("[1, 2]", "[1, 2]"),
        ("x" * 500, "x" * 119 + "…"),
    ],
)
def test_the_preview_names_the_event(body, told):
    assert event_of(body) == told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"source": ', "is not JSON"),
        ("[]", "holds no JSON object"),
        ('{"source": "interlock"}', "it has no detail-type, detail"),
        ('{"source": "a", "detail-type": "b", "detail": "c"}', "its detail is no object"),
        ('{"source": "a/chargebee.com/x", "detail-type": "b", "detail": {"c": 1}}', "no bus takes"),
    ],
)
def test_a_bad_file_is_told_and_nothing_is_sent(cli: Interlock, tmp_path: Path, content, told):
    bad = tmp_path / "bad.json"
    bad.write_text(content)
    good = tmp_path / "good.json"
    detail = {"id": f"unsent-{hash(content)}"}
    event = {"source": "interlock", "detail-type": "x", "detail": detail}
    good.write_text(json.dumps(event))
    error = cli.error("send", good, bad)
    assert str(bad) in error
    assert told in error
    cli.until(lambda: True)
    assert detail["id"] not in cli.output("dead-letters")


def test_a_file_that_is_not_there(cli: Interlock):
    assert "No such file" in cli.error("send", "nowhere.json", code=2)

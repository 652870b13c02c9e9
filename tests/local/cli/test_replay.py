"""`interlock replay`: by event, from a step of a run, and by range of time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from interlock.events import Event

from local.cli import archive, executions, replay, transaction
from local.cli.errors import Failure
from local.sandboxes.salesforce_seed import EUR_DEAL, JPY_DEAL

from .conftest import Interlock

NAMES = ("StartQueue", "TimelineQueue", "ReplayQueue", "ReplayQueueDlq")

WON = "opportunity.closed_won"


@pytest.fixture(scope="module")
def run(local_environment) -> Iterator[str]:
    """A run that has succeeded."""
    interlock = Interlock(local_environment)
    id = interlock.win(JPY_DEAL, suffix="Replayed")
    interlock.until_status(id, "SUCCEEDED")
    interlock.until(lambda: len(transaction.timeline(interlock.target, id)) == 3)
    return id


@pytest.fixture(scope="module")
def waiting(local_environment) -> Iterator[str]:
    """A run that waits for a team."""
    interlock = Interlock(local_environment)
    id = interlock.win(JPY_DEAL, suffix="Waiting", share_too_many=True)
    interlock.until_exception(id)
    yield id
    if interlock._status(id) == "RUNNING":
        stop(interlock, id)


@pytest.fixture(autouse=True)
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here every event is delivered before its replay ends."""
    monkeypatch.setattr(archive, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(archive, "POLL_SECONDS", 0)


def stop(cli: Interlock, run: str) -> None:
    """Somebody aborts a run in the console."""
    machine, _ = executions.find(cli.target, run)
    cli.target.client("stepfunctions").stop_execution(
        executionArn=executions.arn_of(machine.physical_id, run)
    )
    cli.until_status(run, "ABORTED")


def names(cli: Interlock, run: str) -> list[str]:
    """The executions of a transaction."""
    return sorted(each["name"] for each in cli._executions() if each["name"].startswith(run))


def event_of(cli: Interlock, run: str) -> Event:
    """What started a run."""
    return transaction.timeline(cli.target, run)[0]


def window(event: Event) -> list[str]:
    """The options for the range in which only this event happened."""
    around = timedelta(seconds=1)
    start, end = event.occurred_at - around, event.occurred_at + around
    return ["--from", start.isoformat(), "--to", end.isoformat()]


# ---- By event


def test_a_dry_run_shows_every_write_and_starts_nothing(cli: Interlock, run: str):
    before = names(cli, run)
    output = cli.output("replay", "event", run, "--dry-run")

    told = " ".join(output.split())
    assert "CreateErpOrder tryton unchanged order" in told
    assert "WriteBackToCrm salesforce unchanged write_back" in told
    assert told.endswith("Nothing was written.")
    assert max(map(len, output.splitlines())) <= 100
    [dry_run] = set(names(cli, run)) - set(before)
    assert dry_run.startswith(f"{run}-dry-run-")
    assert dry_run not in cli.output("runs")
    shown = cli.output("runs", dry_run)
    assert f"A dry run of {run}" in shown
    assert "What this dry run would have written" in shown


def test_a_replay_is_asked_for_and_started(cli: Interlock, run: str):
    assert cli.run("replay", "event", run, input="n\n").exit_code == 0
    assert f"{run}-replay-1" not in names(cli, run)

    output = cli.output("replay", "event", run, input="y\n")

    assert f"Started {run}-replay-1" in output
    cli.until_status(f"{run}-replay-1", "SUCCEEDED")
    shown = cli.json("runs", f"{run}-replay-1", "--json")
    assert shown["replay"]["of"] == run
    assert shown["output"] == cli.json("runs", run, "--json")["output"]
    assert shown["effects"]
    assert [event["type"] for event in shown["timeline"]] == [
        "opportunity.closed_won",
        "contract.signed",
        "order.accepted",
    ]


def test_what_cannot_be_replayed_is_told_with_what_can(cli: Interlock, run: str):
    accepted = transaction.timeline(cli.target, run)[-1].id

    assert "there is no event of transaction 'nobody'" in cli.error("replay", "event", "nobody")
    assert event_of(cli, run).id in cli.error("replay", "event", run, "another")
    error = cli.error("replay", "event", run, accepted)
    assert "opportunity.closed_won" in error
    assert "start a workflow" in error
    assert "--json asks nothing" in cli.error("replay", "event", run, "--json", code=2)
    assert "leave out --yes" in cli.error("replay", "event", run, "--dry-run", "--yes", code=2)


def test_what_waits_for_a_team_is_resolved_and_not_replayed(cli: Interlock, waiting: str):
    for command in (["event", waiting], ["run", waiting]):
        error = cli.error("replay", *command)
        assert f"{waiting} is still running" in error
        assert "resolve its exception" in error
    assert names(cli, waiting) == [waiting]


# ---- From a step


def test_a_run_that_has_succeeded_needs_a_step(cli: Interlock, run: str):
    error = cli.error("replay", "run", run)
    assert f"say from which --step {run} goes on" in error
    assert "CreateErpOrder" in error
    assert "was at RefetchOpportunity" in cli.error("replay", "run", run, "--step", "Nowhere")
    assert "there is no run 'nobody'" in cli.error("replay", "run", "nobody")


def test_a_dry_run_is_not_replayed(cli: Interlock, run: str):
    cli.output("replay", "event", run, "--dry-run")
    error = cli.error("replay", "run", f"{run}-dry-run-1")
    assert f"is a dry run: replay {run}" in error


def test_a_run_goes_on_from_a_step(cli: Interlock, run: str):
    """Without a question, if it is told so."""
    [told] = cli.json("replay", "run", run, "--step", "CreateErpOrder", "--yes", "--json")

    assert (told["of"], told["step"], told["problem"]) == (run, "CreateErpOrder", None)
    assert {plan["action"] for plan in told["plans"]} == {"unchanged"}
    assert {plan["step"] for plan in told["plans"]} >= {"CreateErpOrder", "WriteBackToCrm"}
    cli.until_status(told["replay"], "SUCCEEDED")


def test_what_a_transaction_has_written_would_be_taken_back(cli: Interlock, run: str):
    """From a step of the compensation, to which the run never came."""
    step = ["--step", "RevertCrmWriteBack"]
    [told] = cli.json("replay", "run", run, *step, "--dry-run", "--json")

    assert told["problem"] is None
    assert {plan["action"] for plan in told["plans"]} == {"take back"}
    assert [plan["step"] for plan in told["plans"]] == [
        "RevertCrmWriteBack",
        "CloseImplementationTasks",
        "CancelSubscription",
        "RemoveBillingCustomer",
        "CancelErpOrder",
        "DeactivateErpCustomer",
    ]
    assert all(plan["remote_id"] for plan in told["plans"])


def test_an_aborted_run_goes_on_where_it_ended(cli: Interlock):
    """Without help the deal cannot pass there: the dry run says so before anybody is asked."""
    aborted = cli.win(JPY_DEAL, suffix="Aborted", share_too_many=True)
    cli.until_exception(aborted)
    stop(cli, aborted)

    output = cli.output("replay", "run", aborted, "--dry-run")
    problem = "ValidateOrder would fail: BusinessRuleViolation: "
    assert problem in output
    assert "no writes" in output

    never = cli.error("replay", "run", aborted, "--step", "MatchCustomer")
    assert "was never at a step 'MatchCustomer'" in never


def test_a_run_that_is_kept_no_more_goes_on_from_its_exception(
    cli: Interlock, monkeypatch: pytest.MonkeyPatch
):
    """Step Functions forgets an execution after 90 days; what a team was asked is kept."""
    forgotten = cli.win(JPY_DEAL, suffix="Forgotten", share_too_many=True)
    cli.until_exception(forgotten)
    stop(cli, forgotten)
    describe = executions.describe

    def forget(target, machine, name):
        return None if name == forgotten else describe(target, machine, name)

    monkeypatch.setattr(executions, "describe", forget)
    assert "there is no run" in cli.error("replay", "run", forgotten)
    assert "there is no run" in cli.error("replay", "run", forgotten, "--step", "CreateErpOrder")

    command = ["replay", "run", forgotten, "--step", "ValidateOrder", "--dry-run", "--json"]
    [told] = cli.json(*command)

    assert told["transaction"] == forgotten
    assert told["problem"].startswith("ValidateOrder would fail")


# ---- By range


def test_a_range_lists_what_became_of_each_event(cli: Interlock, run: str, waiting: str):
    """From the archive, and without any workflow hearing of it."""
    before = len(cli._executions())
    start = min(event_of(cli, each).occurred_at for each in (run, waiting))
    output = cli.output("replay", "range", "--from", start.isoformat(), "--type", WON, "--dry-run")

    lines = {line.split()[2]: line for line in output.splitlines() if "opportunity." in line}
    assert lines[run].split()[4:] == ["SUCCEEDED", "nothing"]
    assert lines[waiting].split()[4:] == ["RUNNING", "open"]
    for name in NAMES:
        url = cli.target.id(name)
        assert "Messages" not in cli.target.client("sqs").receive_message(QueueUrl=url), name
    started = {each["name"] for each in cli._executions()}
    assert len([name for name in started if not executions.is_dry_run(name)]) <= before


def test_a_range_replays_what_did_not_succeed(cli: Interlock, run: str):
    aborted = cli.win(EUR_DEAL, suffix="Range", share_too_many=True)
    cli.until_exception(aborted)
    stop(cli, aborted)
    split = cli.environment.organization.matching(
        "OpportunitySplit", "OpportunityId", aborted.split("-")[0]
    )[-1]
    cli.environment.organization.delete("OpportunitySplit", split["Id"])

    output = cli.output(
        "replay", "range", *window(event_of(cli, aborted)), "--type", WON, input="y\n"
    )

    assert "Events of the range: 1" in output
    assert "ABORTED" in output
    assert "UpsertErpCustomer" in output
    assert f"Started {aborted}-replay-1" in output
    cli.until_status(f"{aborted}-replay-1", "SUCCEEDED")
    again = cli.output("replay", "range", *window(event_of(cli, aborted)), "--type", WON)
    assert "SUCCEEDED" in again
    assert again.endswith("There is nothing to replay.\n")
    [told] = cli.json(
        "replay",
        "range",
        *window(event_of(cli, run)),
        "--type",
        WON,
        "--completed",
        "--dry-run",
        "--json",
    )
    assert told["transaction"] == run


def test_a_range_without_events(cli: Interlock):
    output = cli.output("replay", "range", "--from", "2020-01-01", "--to", "2020-01-02T12:00")
    assert "The archive holds no event of this range" in output


def test_a_wrong_range_is_told(cli: Interlock):
    command = ["replay", "range", "--from", "2020-01-02"]
    assert "is no time" in cli.error("replay", "range", "--from", "yesterday", code=2)
    assert "--to is not after --from" in cli.error(*command, "--to", "2020-01-01", code=2)
    error = cli.error(*command, "--type", "order.accepted")
    assert "starts no workflow; those that do: " in error
    assert "opportunity.closed_won" in error


def test_what_another_reader_waits_for_is_left_to_it(cli: Interlock, run: str):
    url = cli.target.id("ReplayQueue")
    body = json.dumps({"replay-name": "of-another", "detail": {}})
    sqs = cli.target.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody=body)
    assert cli.json("replay", "range", *window(event_of(cli, run)), "--dry-run", "--json") == []
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert int(attributes["ApproximateNumberOfMessagesNotVisible"]) == 1
    sqs.purge_queue(QueueUrl=url)


def test_a_replay_that_eventbridge_gives_up_is_told(
    cli: Interlock, session, monkeypatch: pytest.MonkeyPatch
):
    def failed(**request):
        return {"State": "FAILED", "StateReason": "the archive is gone"}

    client = archive.Target.client

    def with_failure(target, service):
        made = client(target, service)
        if service == "events":
            made.describe_replay = failed
        return made

    monkeypatch.setattr(archive.Target, "client", with_failure)
    error = cli.error("replay", "range", "--from", "2020-01-01", "--to", "2020-01-02")
    assert "FAILED: the archive is gone" in error


def test_an_event_whose_execution_is_kept_no_more_has_ended(
    cli: Interlock, run: str, waiting: str, monkeypatch: pytest.MonkeyPatch
):
    """The timeline says how; one that told no end never came to it."""
    monkeypatch.setattr(executions, "describe", lambda *_: None)
    for id, told in ((run, "SUCCEEDED"), (waiting, None)):
        outcome = replay.Outcome.of(cli.target, event_of(cli, id), cli.target.id("LeadToOrder"))
        assert outcome.status == told


def test_a_transaction_that_was_started_meanwhile_is_left_alone(
    cli: Interlock, run: str, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_):
        raise Failure("is still running")

    start = replay.replaying.refuse_if_open
    answers = iter([start, refuse])
    monkeypatch.setattr(replay.replaying, "refuse_if_open", lambda *a: next(answers)(*a))
    before = names(cli, run)

    [told] = cli.json("replay", "event", run, "--yes", "--json")

    assert told["replay"] is None
    assert [name for name in names(cli, run) if "-replay-" in name] == [
        name for name in before if "-replay-" in name
    ]

"""`interlock runs`: the executions of the workflows, and one run from end to end."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click
from interlock.remediation import BusinessException, exception_id
from rich.text import Text

from local.cli import executions, history, transaction
from local.cli.definition import Definition
from local.cli.exceptions import resolve_hint
from local.cli.functions import invoke
from local.cli.history import StateRun
from local.cli.output import (
    console,
    duration,
    json_option,
    moment,
    print_json,
    section,
    shortened,
    status,
    table,
)
from local.cli.plans import plans_table
from local.cli.target import Target, pass_target

STATUSES = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"]
ERROR_LENGTH = 300


@click.command()
@click.argument("id", required=False)
@click.option(
    "--status", "wanted", type=click.Choice(STATUSES, case_sensitive=False),
    help="Those with one status alone.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
@pass_target
def runs(target: Target, id: str | None, wanted: str | None, limit: int, as_json: bool) -> None:
    """List the executions, newest first; with ID, one run from end to end.

    A run's ID is its transaction: the same id is in every log line, effect and event. A replay of
    it is called the same, with -replay- and a number at the end; its dry run, which is not listed,
    with -dry-run-.
    """
    if id:
        run = describe(target, id)
        print_json(run) if as_json else _show(target, run)
        return
    found = newest(target, wanted, limit)
    if as_json:
        print_json(found)
    elif found:
        _list(found)
    else:
        console().print(f"There is no {f'{wanted} ' if wanted else ''}run yet.")


def newest(target: Target, wanted: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest executions of every workflow of the stack, with the state each is or ended in."""
    states = target.client("stepfunctions")
    query = {"statusFilter": wanted} if wanted else {}
    found: list[dict[str, Any]] = []
    for machine in target.of_type("AWS::StepFunctions::StateMachine"):
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=machine.physical_id, **query
        )
        every = (each for page in pages for each in page["executions"])
        listed = islice((e for e in every if not executions.is_dry_run(e["name"])), limit)
        found += [_row(machine.logical_id, each) for each in listed]
    found.sort(key=lambda run: run["started"], reverse=True)
    for run in found[:limit]:
        visits = history.read(states, run["execution"])
        run["state"] = visits[-1].state if visits else None
    return found[:limit]


def describe(target: Target, id: str) -> dict[str, Any]:
    """All that is known of one run. Raises Failure when there is none of this id."""
    machine, execution = executions.find(target, id)
    arn = execution["executionArn"]
    content = json.loads(execution["input"])
    replay = content.pop("replay", {})
    replay.pop("records", None)
    correlation_id = content.get("correlation_id", id)
    states = history.by_state(history.read(target.client("stepfunctions"), arn))
    return {
        **_row(machine.logical_id, execution),
        "machine": machine.physical_id,
        "replay": replay,
        "output": json.loads(execution["output"]) if execution.get("output") else None,
        "error": execution.get("error"),
        "cause": execution.get("cause"),
        "states": [_state(name, run) for name, run in states.items()],
        "exception": _waiting(target, arn, states),
        "effects": [asdict(effect) for effect in transaction.effects(target, correlation_id)],
        "timeline": transaction.timeline(target, correlation_id),
        "plans": transaction.plans(target, id) if replay.get("dry_run") else (),
    }


def _row(workflow: str, execution: dict[str, Any]) -> dict[str, Any]:
    started = execution["startDate"].astimezone(UTC)
    stopped = execution.get("stopDate")
    return {
        "id": execution["name"],
        "workflow": workflow,
        "status": execution["status"],
        "started": started,
        "seconds": ((stopped or datetime.now(UTC)) - started).total_seconds(),
        "execution": execution["executionArn"],
    }


def _state(name: str, run: StateRun) -> dict[str, Any]:
    error = run.error
    return {
        "state": name,
        "type": run.last.kind,
        "status": run.last.status,
        "attempts": len(run.visits),
        "entered": run.visits[0].entered,
        "seconds": run.seconds(datetime.now(UTC)),
        "items": run.last.items,
        "error": error.name if error else None,
        "message": error.message if error else None,
    }


def _waiting(
    target: Target, execution_arn: str, states: dict[str, StateRun]
) -> BusinessException | None:
    """The exception that a run waits with."""
    if not any(run.last.status == "WAITING" for run in states.values()):
        return None
    failed = [(name, run.last) for name, run in states.items() if run.last.status == "FAILED"]
    step, _ = max(failed, key=lambda each: each[1].entered)
    query = {"id": exception_id(execution_arn, step)}
    answer = invoke(target, "ListExceptionsFunction", query)
    if answer.failed:  # not raised yet
        return None
    return BusinessException.model_validate(answer.payload["exceptions"][0])


def _list(found: list[dict[str, Any]]) -> None:
    columns = ["Id", "Status", "State", "Started (UTC)", "Took"]
    printed = table(*columns, right=["Took"], whole=["Id", "Status", "Started (UTC)"])
    for run in found:
        printed.add_row(
            run["id"],
            status(run["status"]),
            run["state"] or "",
            moment(run["started"]),
            duration(run["seconds"]),
        )
    console().print(printed)


def _show(target: Target, run: dict[str, Any]) -> None:
    out = console()
    out.print(Text.assemble((run["id"], "bold"), "  ", status(run["status"])))
    out.print(
        f"{run['workflow']}, started {moment(run['started'])} UTC,"
        f" {'running for' if run['status'] == 'RUNNING' else 'took'} {duration(run['seconds'])}"
    )
    if run["replay"]:
        out.print(_replayed(run["replay"]))
    if run["output"]:
        out.print(f"Output: {json.dumps(run['output'])}")
    if run["error"]:
        cause = shortened(run["cause"] or "", ERROR_LENGTH)
        out.print(Text.assemble((run["error"], "red"), f": {cause}"))
    if run["exception"]:
        _show_exception(run["exception"])
    section(out, "States", _states_table(run["states"], run["started"]))
    written = _effects_table(run["effects"]) if run["effects"] else "nothing"
    section(out, "Effects: what the transaction has written", written)
    if run["plans"]:
        definition = Definition.read(target, run["machine"])
        section(out, "What this dry run would have written", plans_table(definition, run["plans"]))
    section(out, "Business timeline", timeline_table(run["timeline"]))


def _replayed(replay: dict[str, Any]) -> str:
    kind = "A dry run of" if replay.get("dry_run") else "Replays"
    step = f" from {replay['step']}" if "step" in replay else ""
    return f"{kind} {replay['of']}{step}, started by {replay['by']}"


def _show_exception(exception: BusinessException) -> None:
    out = console()
    what = f"{exception.step}: {exception.error}: {exception.message}"
    out.print(Text(f"\n{exception.team} decides, until {moment(exception.due_at)} UTC", "yellow"))
    out.print(f"  {what}")
    out.print(f"  {resolve_hint(exception)}", soft_wrap=True)


def _states_table(states: list[dict[str, Any]], started: datetime) -> Any:
    """Each state once, whatever the number of its attempts."""
    columns = ["State", "Status", "Attempts", "After", "Took", "Error"]
    printed = table(*columns, right=["Attempts", "After", "Took"], whole=["State", "After", "Took"])
    for each in states:
        items = f" ({each['items']} items)" if each["items"] is not None else ""
        error = f"{each['error']}: {each['message']}" if each["error"] else ""
        printed.add_row(
            each["state"] + items,
            status(each["status"]),
            str(each["attempts"]),
            duration((each["entered"] - started).total_seconds()),
            duration(each["seconds"]),
            shortened(error, ERROR_LENGTH),
        )
    return printed


def _effects_table(effects: list[dict[str, Any]]) -> Any:
    columns = ["System", "Operation", "Record", "State", "Id there", "At (UTC)"]
    printed = table(*columns, whole=["Operation", "Id there", "At (UTC)"])
    for effect in effects:
        printed.add_row(
            effect["system"],
            effect["operation"],
            _without_system(effect["record"]),
            status(effect["state"]),
            _without_system(effect["remote_id"] or ""),
            moment(effect["at"])[11:],
        )
    return printed


def _without_system(id: str) -> str:
    """Canonical ids begin with the system that the record was born in: that is the CRM here."""
    return id.rpartition(":")[2]


def timeline_table(events: Any) -> Any:
    """The business timeline."""
    printed = table("At (UTC)", "Event", "What", whole=["At (UTC)", "Event"])
    for event in events:
        printed.add_row(moment(event.occurred_at), event.type, transaction.summary(event))
    return printed

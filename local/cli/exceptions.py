"""`interlock exceptions` and `interlock resolve`: what waits for a team, and its decision."""

from __future__ import annotations

import getpass
import json
from typing import Any, TextIO

import click
from interlock.remediation import BusinessException, merge_patch
from rich.text import Text

from local.cli.edits import patch_for
from local.cli.files import read_object
from local.cli.functions import result
from local.cli.output import (
    console,
    facts,
    json_option,
    moment,
    print_json,
    shortened,
    status,
    table,
)
from local.cli.target import Target, pass_target

MESSAGE_LENGTH = 400


@click.command()
@click.argument("id", required=False)
@click.option("--team", help="Those of one team alone.")
@click.option(
    "--status", "wanted", type=click.Choice(["open", "resolving", "resolved"]), default="open",
    show_default=True,
)  # fmt: skip
@json_option
@pass_target
def exceptions(
    target: Target, id: str | None, team: str | None, wanted: str, as_json: bool
) -> None:
    """List the failed steps that wait for a team, the first due first; with ID, one of them.

    --json prints all that a run knows: its records are what `interlock resolve --set` can edit.
    """
    query = {"id": id} if id else {"status": wanted, "team": team}
    answer = result(target, "ListExceptionsFunction", query)
    if as_json:
        print_json(answer["exceptions"][0] if id else answer["exceptions"])
        return
    found = [BusinessException.model_validate(each) for each in answer["exceptions"]]
    if id:
        show(found[0])
    elif not found:
        console().print(f"No exception is {wanted}{f' for {team}' if team else ''}.")
    else:
        _list(found)


@click.command()
@click.argument("id")
@click.argument("action", type=click.Choice(["retry", "skip", "link", "compensate"]))
@click.option("--reason", required=True, help="Why; it is kept.")
@click.option("--to", "remote_id", metavar="REMOTE_ID", help="link: the id of the existing record.")
@click.option(
    "--record",
    metavar="CANONICAL_ID",
    help="link: which of our records it is, as the error names it.",
)
@click.option(
    "--edit", type=click.File(encoding="utf-8"), metavar="FILE.json",
    help="retry: change the run's records by this JSON merge patch (RFC 7396).",
)  # fmt: skip
@click.option(
    "--set", "assignments", multiple=True, metavar="PATH=VALUE",
    help="retry: change one value, such as order.lines.0.sku=SEAT-ANNUAL; VALUE is JSON or text.",
)  # fmt: skip
@click.option("--by", help="Who decides; otherwise you, as AWS or this machine knows you.")
@pass_target
def resolve(
    target: Target,
    id: str,
    action: str,
    reason: str,
    remote_id: str | None,
    record: str | None,
    edit: TextIO | None,
    assignments: tuple[str, ...],
    by: str | None,
) -> None:
    """Decide on exception ID; its run goes on.

    \b
    retry       run the step again, on edited records if --edit or --set is given
    skip        go on without it: someone does it by hand
    link        the record exists already: --to is its id there, --record ours
    compensate  take back what the run has written
    """
    if (remote_id is not None, record is not None) != (action == "link",) * 2:
        raise click.UsageError("link needs --to and --record, and nothing else does")
    if (edit or assignments) and action != "retry":
        raise click.UsageError("--edit and --set go with retry")
    decision = {
        "action": action,
        "by": by or caller(target),
        "reason": reason,
        "remote_id": remote_id,
        "record": record,
        "edit": _edit(target, id, edit, assignments),
    }
    resolved = result(target, "ResolveExceptionFunction", {"id": id, "decision": decision})
    exception = BusinessException.model_validate(resolved)
    line = Text.assemble(f"{id}: {action} {exception.step}, ", status(exception.status))
    console().print(line)
    console(stderr=True).print(
        f"How it goes on: interlock runs {exception.correlation_id}", style="dim"
    )


def show(exception: BusinessException) -> None:
    """One exception: what failed, what was decided, and what may be."""
    out = console()
    told = facts()
    told.add_row("Step", f"{exception.step} of {exception.workflow}")
    told.add_row("Run", exception.correlation_id)
    told.add_row("Error", Text.assemble((exception.error, "red"), f": {exception.message}"))
    told.add_row("Team", f"{exception.team}, until {moment(exception.due_at)} UTC")
    told.add_row("Raised", f"{moment(exception.raised_at)} UTC, {_counts(exception)}")
    for resolution in exception.resolutions:
        decision = resolution.decision
        text = f"{decision.action} by {decision.by}, {moment(resolution.at)} UTC: {decision.reason}"
        told.add_row("Decided", text)
    told.add_row("Known", ", ".join(exception.records))
    out.print(Text.assemble((f"{exception.id}  ", "bold"), status(exception.status)))
    out.print(told)
    if exception.status == "open":
        out.print(f"\nDecide with: {resolve_hint(exception)}", soft_wrap=True)


def resolve_hint(exception: BusinessException) -> str:
    """The command that resolves an exception."""
    return f"interlock resolve {exception.id} {'|'.join(exception.actions)} --reason …"


def caller(target: Target) -> str:
    """The caller's identity in AWS; on a local cloud, which has none, the user of this machine."""
    if target.endpoint:
        return getpass.getuser()
    return target.client("sts").get_caller_identity()["Arn"].split(":", 5)[-1]


def _counts(exception: BusinessException) -> str:
    times = f"raised {exception.occurrences} times" if exception.occurrences > 1 else "once"
    return f"{times}, overdue {exception.escalations} times" if exception.escalations else times


def _edit(
    target: Target, id: str, file: TextIO | None, assignments: tuple[str, ...]
) -> dict[str, Any] | None:
    """The merge patch that the options stand for, on the records as they are now."""
    patch = read_object(file) if file else None
    if not assignments:
        return patch
    [exception] = result(target, "ListExceptionsFunction", {"id": id})["exceptions"]
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise click.UsageError(f"--set {assignment}: write PATH=VALUE")
        records = merge_patch(exception["records"], patch or {})
        patch = merge_patch(patch or {}, patch_for(records, path.split("."), _value(text)))
    return patch


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _list(found: list[BusinessException]) -> None:
    printed = table("Id", "Team", "Step", "What is wrong", "Due (UTC)", whole=["Id", "Due (UTC)"])
    for exception in found:
        printed.add_row(
            exception.id,
            exception.team,
            exception.step,
            shortened(f"{exception.error}: {exception.message}", MESSAGE_LENGTH),
            moment(exception.due_at),
        )
        printed.add_section()
    console().print(printed)

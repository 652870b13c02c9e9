"""`interlock replay`: rehearse what a replay would write, then replay in earnest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import click
from interlock.events import Event
from rich.text import Text

from local.cli import archive, executions, plans, replaying, transaction
from local.cli.definition import Definition
from local.cli.errors import Failure
from local.cli.exceptions import caller
from local.cli.output import console, json_option, moment, print_json, section, status, table
from local.cli.progress import Progress
from local.cli.replaying import Rehearsal, Replay
from local.cli.target import Target, pass_target

SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True)
class Manner:
    """How a replay is carried out: after a question, without one, or not at all."""

    dry_run: bool
    yes: bool
    as_json: bool


def carried_out(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every kind of replay has, given to a command as `manner`."""

    @click.option("--dry-run", is_flag=True, help="Only show what would be written.")
    @click.option("--yes", is_flag=True, help="Replay after the dry run without asking.")
    @json_option
    @wraps(command)
    def with_manner(
        *arguments: Any, dry_run: bool, yes: bool, as_json: bool, **options: Any
    ) -> Any:
        if dry_run and yes:
            raise click.UsageError("--dry-run replays nothing: leave out --yes")
        if as_json and not (dry_run or yes):
            raise click.UsageError("--json asks nothing: add --dry-run or --yes")
        return command(*arguments, manner=Manner(dry_run, yes, as_json), **options)

    return with_manner


class Moment(click.ParamType):
    """A time in ISO 8601, such as 2026-11-23 or 2026-11-23T15:04; in UTC unless it says."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """An aware time in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write 2026-11-23 or 2026-11-23T15:04", param, ctx)
        return read.replace(tzinfo=read.tzinfo or UTC).astimezone(UTC)


@click.group()
def replay() -> None:
    """Replay transactions: by event, by range of time, or a run from one of its steps.

    First a dry run goes through the same workflow and shows what would be written where, against
    what the systems hold now; it writes nothing. Then the replay is asked for and started. It is
    the same transaction: what is there already is not written again. A transaction that is still
    running is not replayed: its exception is resolved.

    What a system refuses only when it is written to, a dry run cannot tell.
    """


@replay.command("event")
@click.argument("id", metavar="TRANSACTION")
@click.argument("event_id", required=False)
@carried_out
@pass_target
def event_(target: Target, id: str, event_id: str | None, manner: Manner) -> None:
    """Start the workflow of TRANSACTION's event again, from its beginning.

    TRANSACTION is the id of its run, see `interlock runs`. EVENT_ID says which of its events, where
    several started a workflow.
    """
    found = replaying.of_event(target, id, event_id)
    replaying.refuse_if_open(target, found)
    _carry_out(target, [found], manner)


@replay.command("run")
@click.argument("run")
@click.option("--step", help="The step to go on from; otherwise the one at which it ended.")
@carried_out
@pass_target
def run_(target: Target, run: str, step: str | None, manner: Manner) -> None:
    """Start RUN again from a step, with what it knew when it came there.

    For a run that was stopped, or timed out, without a team's decision. A step of the compensation,
    such as the first of them, takes back what the transaction has written.
    """
    found = replaying.of_run(target, run, step)
    replaying.refuse_if_open(target, found)
    _carry_out(target, [found], manner)


@replay.command("range")
@click.option("--from", "start", type=Moment(), required=True, help="When the first one happened.")
@click.option("--to", "end", type=Moment(), help="When the last one did; otherwise until now.")
@click.option("--type", "kind", help="Events of one type alone.")
@click.option("--completed", is_flag=True, help="Replay those too whose run has succeeded.")
@carried_out
@pass_target
def range_(
    target: Target,
    start: datetime,
    end: datetime | None,
    kind: str | None,
    completed: bool,
    manner: Manner,
) -> None:
    """Start the workflows of a range of time again whose runs are missing or did not succeed.

    The events are those that the archive of the integration bus holds; one that happened in the
    last ten minutes may not be there yet. What became of each is shown.
    """
    end = end or datetime.now(UTC)
    if end <= start:
        raise click.UsageError("--to is not after --from")
    started_by = replaying.starters(target)
    if kind and kind not in started_by:
        raise Failure(f"{kind} starts no workflow; those that do: {', '.join(sorted(started_by))}")
    if datetime.now(UTC) - end < timedelta(seconds=archive.ARCHIVED_SECONDS):
        click.echo("The last ten minutes may not be in the archive yet.", err=True)
    progress = Progress(console(stderr=True))
    try:
        events = archive.events_between(target, start, end, progress.begin)
    finally:
        progress.stop()
    first: dict[str, Event] = {}
    for event in events:
        if event.type in started_by and kind in (None, event.type):
            first.setdefault(event.correlation_id, event)
    found = [Outcome.of(target, event, started_by[event.type]) for event in first.values()]
    wanted = [each.replay for each in found if each.to_replay(completed=completed)]
    if not manner.as_json:
        _print_outcomes(found, completed=completed)
    _carry_out(target, wanted, manner)


@dataclass(frozen=True)
class Outcome:
    """What became of an event: its latest execution's status, None if it has none."""

    replay: Replay
    status: str | None

    @classmethod
    def of(cls, target: Target, event: Event, machine: str) -> Outcome:
        """An execution that is still open counts, then the latest.

        What Step Functions knows no more may be on the timeline, which is kept for good.
        """
        attempts = executions.attempts(target, machine, event.correlation_id)
        still_open = [each for each in attempts if each["status"] in executions.OPEN]
        latest = [*attempts, *still_open][-1:]
        status = latest[0]["status"] if latest else None
        if status is None and transaction.concluded(target, event):
            status = SUCCEEDED
        return cls(Replay(event, machine, of=event.correlation_id), status)

    def to_replay(self, *, completed: bool) -> bool:
        """Never one that is open; one that has succeeded only if it is asked for."""
        return not self.is_open and (completed or self.status != SUCCEEDED)

    @property
    def is_open(self) -> bool:
        """Whether the transaction is still at work, or waits for a team."""
        return self.status in executions.OPEN


def _print_outcomes(found: list[Outcome], *, completed: bool) -> None:
    columns = ["Happened (UTC)", "Transaction", "Event", "Run", "Then"]
    printed = table(*columns, whole=columns)
    for each in found:
        then = "replay" if each.to_replay(completed=completed) else "nothing"
        printed.add_row(
            moment(each.replay.event.occurred_at),
            each.replay.event.correlation_id,
            each.replay.event.type,
            status(each.status) if each.status else "never ran",
            "open" if each.is_open else then,
        )
    out = console()
    if found:
        section(out, f"Events of the range: {len(found)}", printed)
    else:
        out.print("The archive holds no event of this range that starts a workflow.")


def _carry_out(target: Target, replays: list[Replay], manner: Manner) -> None:
    """The dry run of each, the question, and the start of each."""
    by = caller(target)
    progress = Progress(console(stderr=True))
    machines = {replay.machine for replay in replays}
    definitions = {machine: Definition.read(target, machine) for machine in machines}
    rehearsals: list[Rehearsal] = []
    try:
        for rehearsal in replaying.rehearse(target, replays, by, progress.begin):
            progress.stop()
            rehearsals.append(rehearsal)
            if not manner.as_json:
                _print(definitions[rehearsal.replay.machine], rehearsal)
    finally:
        progress.stop()
    if not manner.as_json:
        console().print("\nNothing was written." if rehearsals else "There is nothing to replay.")
    wanted = bool(rehearsals) and not manner.dry_run
    if wanted and (manner.yes or click.confirm("Replay for real?")):
        started = [_start(target, rehearsal.replay, by, manner) for rehearsal in rehearsals]
    else:
        started = [None] * len(rehearsals)
    if manner.as_json:
        together = zip(rehearsals, started, strict=True)
        print_json(
            [_content(definitions[each.replay.machine], each, name) for each, name in together]
        )


def _start(target: Target, replay: Replay, by: str, manner: Manner) -> str | None:
    """The name of the replay; None when the transaction was started elsewhere meanwhile."""
    try:
        replaying.refuse_if_open(target, replay)
    except Failure as failure:
        click.echo(f"not replayed: {failure.message}", err=True)
        return None
    name = replaying.start(target, replay, by, dry_run=False)
    if not manner.as_json:
        console().print(f"Started {name}: interlock runs {name}", soft_wrap=True)
    return name


def _print(definition: Definition, rehearsal: Rehearsal) -> None:
    out = console()
    replay = rehearsal.replay
    where = f" from {replay.step}" if replay.step else ""
    content = plans.plans_table(definition, rehearsal.plans) if rehearsal.plans else "no writes"
    section(out, f"Dry run of {replay.of}{where}", content)
    if rehearsal.problem:
        out.print(Text(f"  ✗ {rehearsal.problem}", "red"))
    elif rehearsal.output != {"status": "dry run"}:
        out.print(f"  It would end as: {rehearsal.output.get('status')}")


def _content(definition: Definition, rehearsal: Rehearsal, started: str | None) -> dict[str, Any]:
    return {
        "transaction": rehearsal.replay.event.correlation_id,
        "event": rehearsal.replay.event.id,
        "of": rehearsal.replay.of,
        "step": rehearsal.replay.step,
        "dry_run": rehearsal.name,
        "problem": rehearsal.problem,
        "output": rehearsal.output,
        "plans": plans.as_json(definition, rehearsal.plans),
        "replay": started,
    }

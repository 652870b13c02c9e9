"""`interlock dead-letters`: what could not be handled, with its reason, edited and sent back."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from typing import Any

import click
from boto3.dynamodb.conditions import Key
from rich.console import Console

from local.cli import letters
from local.cli.errors import Failure
from local.cli.letters import DeadLetterQueue, Letter
from local.cli.output import console, duration, facts, json_option, print_json, section, table
from local.cli.target import Target, pass_target


@click.group("dead-letters", invoke_without_command=True)
@click.option("--body", is_flag=True, help="Print each message's whole body.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True,
    help="Messages of each queue.",
)  # fmt: skip
@json_option
@click.pass_context
def dead_letters(ctx: click.Context, body: bool, limit: int, as_json: bool) -> None:
    """List the messages of every dead-letter queue, and the repeated deliveries.

    A dead letter is kept for 14 days: correct what its reason says, then send it back (redrive), or
    correct the letter itself (edit).

    Nothing is consumed by listing: each message is received, shown, and made visible again at once;
    only its receive count goes up, which no dead-letter queue looks at.
    """
    if ctx.invoked_subcommand is None:
        _list(body, limit, as_json)


@dead_letters.command()
@click.argument("id")
@pass_target
def edit(target: Target, id: str) -> None:
    """Edit the body of letter ID in your editor ($EDITOR), and send it back.

    It has to be JSON in the end. The letter is deleted after the edited one was sent; without a
    change nothing is sent.
    """
    with letters.holding(target, id) as letter:
        before = letter.body
    edited = _edited(_readable(before))
    if edited is None or edited == _readable(before):
        console().print("Nothing was changed, and nothing sent.")
        return
    try:
        with letters.holding(target, id) as letter:
            to = letters.send_back(target, letter, json.dumps(json.loads(edited)))
    except Failure as failure:
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as kept:
            kept.write(edited)
        raise Failure(f"{failure.message}; your edit is in {kept.name}") from None
    console().print(f"Sent, as edited, to {to}.")


@dead_letters.command()
@click.argument("id", required=False)
@click.option("--queue", help="Every letter of this dead-letter queue.")
@click.option("--all", "every", is_flag=True, help="Every letter of every queue.")
@pass_target
def redrive(target: Target, id: str | None, queue: str | None, every: bool) -> None:
    """Send letter ID back to where it came from; or those of a queue, or all.

    Each is deleted after it was sent: an interruption makes it be handled twice, which is harmless,
    and never loses it. One that fails again is a dead letter again.
    """
    if [id is not None, queue is not None, every].count(True) != 1:
        raise click.UsageError("name one letter, or give --queue, or --all")
    if id:
        with letters.holding(target, id) as letter:
            _sent_back(target, letter)
        return
    failures = [
        failure for each in _chosen(target, queue) for failure in _redrive_queue(target, each)
    ]
    if failures:
        raise Failure(f"{len(failures)} stay: {failures[0]}")


def _chosen(target: Target, name: str | None) -> list[DeadLetterQueue]:
    """The queue of this name, or all. Raises Failure when there is none."""
    known = {queue.name: queue for queue in letters.queues(target)}
    if name is None:
        return list(known.values())
    if name not in known:
        raise Failure(f"there is no dead-letter queue {name!r}; there are {', '.join(known)}")
    return [known[name]]


def _redrive_queue(target: Target, queue: DeadLetterQueue) -> list[str]:
    """Send every letter of a queue back that is there now; why some of them stay."""
    failures = []
    with letters.held(target, queue) as held:
        for letter in held:
            try:
                _sent_back(target, letter)
            except Failure as failure:
                failures.append(f"{letter.id}: {failure.message}")
    if not held:
        console().print(f"{queue.name} has no letters.")
    return failures


def _sent_back(target: Target, letter: Letter) -> None:
    to = letters.send_back(target, letter)
    console().print(f"{letter.id} to {to}: {letter.event}", soft_wrap=True)


def _readable(body: str) -> str:
    """JSON over several lines; anything else as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False) + "\n"
    except ValueError:
        return body


def _edited(text: str) -> str | None:
    """What the editor leaves, once it is JSON; None if it was left without saving."""
    while True:
        edited = click.edit(text, extension=".json")
        if edited is None:
            return None
        try:
            json.loads(edited)
        except ValueError as error:
            click.echo(f"not JSON: {error}", err=True)
            if not click.confirm("Edit it again?", default=True):
                return None
            text = edited
        else:
            return edited


@pass_target
def _list(target: Target, body: bool, limit: int, as_json: bool) -> None:
    found = letters.read(target, limit)
    repeated = repeated_deliveries(target)
    if as_json:
        told = [_content(letter) for letter in found]
        print_json({"dead_letters": told, "repeated_deliveries": repeated})
        return
    out = console()
    if not found:
        out.print("There are no dead letters.")
    for letter in found:
        _print(out, letter, with_body=body)
    if repeated:
        printed = table("Delivery", "Repetitions", right=["Repetitions"])
        for each in repeated:
            printed.add_row(each["delivery"], str(each["repetitions"]))
        section(out, "Repeated deliveries: nothing was done for these again", printed)


def repeated_deliveries(target: Target) -> list[dict[str, Any]]:
    """The deliveries that came more than once, and how often they came again."""
    pages = target.dynamodb.get_paginator("query").paginate(
        TableName=target.id("DeliveriesTable"),
        IndexName="by_repeated",
        KeyConditionExpression=Key("repeated").eq("yes"),
    )
    rows = [row for page in pages for row in page["Items"]]
    return [
        {"delivery": json.loads(row["data"])["key"], "repetitions": int(row["repetitions"])}
        for row in rows
    ]


def _content(letter: Letter) -> dict[str, Any]:
    return {
        "queue": letter.queue.name,
        "message_id": letter.id,
        "sent": letter.sent,
        "reason": letter.reason,
        "event": letter.event,
        "body": letter.body,
    }


def _print(out: Console, letter: Letter, *, with_body: bool) -> None:
    age = duration((datetime.now(UTC) - letter.sent).total_seconds())
    told = facts()
    told.add_row("id", letter.id)
    told.add_row("event", letter.event)
    told.add_row("reason", letter.reason)
    section(out, f"{letter.queue.name}, {age} ago", told)
    if with_body:
        out.print(letter.body, soft_wrap=True)

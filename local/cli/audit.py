"""`interlock audit`: the story of what was decided about a record, and whether it is whole."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
from interlock.audit import Audit, AuditHead, AuditRow, Chain
from interlock.timeline import Timeline
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from local.cli.errors import Failure
from local.cli.output import console, json_option, print_json
from local.cli.story import story
from local.cli.systems import StackConnection
from local.cli.target import Target, pass_target

SHORT = 12


@dataclass(frozen=True)
class Audited:
    """A transaction's chain, and the places of it that were told outside of the audit's table."""

    chain: Chain
    anchors: tuple[AuditHead, ...]

    @property
    def problems(self) -> list[str]:
        """What is wrong with it."""
        return self.chain.problems(self.anchors)


@click.command()
@click.argument("subject")
@json_option
@pass_target
def audit(target: Target, subject: str, as_json: bool) -> None:
    """Tell what was decided about SUBJECT: a ticket's number, or the canonical id of a case, of a
    contract, or of an account.

    The exit code is 1 when the audit is not whole: something in it was changed, removed or added.
    """
    id = subject if ":" in subject else f"{_support(target)}:{subject}"
    found = list(audits_of(target, id))
    if not found:
        raise Failure(f"the audit has nothing about {id}: was anything asked for?")
    if as_json:
        print_json([_content(each) for each in found])
    else:
        for each in found:
            show(console(), each)
    if broken := [each.chain.transaction for each in found if each.problems]:
        raise Failure(f"the audit of {', '.join(broken)} is not whole: keep it as it is, and ask"
                      " who had access to its table")  # fmt: skip


def _support(target: Target) -> str:
    """What the support system is called in canonical ids."""
    return StackConnection.of(target, "SupportConnection").name


def audits_of(target: Target, subject: str) -> Iterator[Audited]:
    """Those that the audit knows, and those whose end the timeline tells though it does not."""
    store = Audit(target.id("AuditTable"), _client=target.dynamodb)
    anchors = _anchors(target, subject)
    chains = store.of_subject(subject)
    known = {chain.transaction for chain in chains}
    removed = (store.of(transaction) for transaction in anchors if transaction not in known)
    for chain in (*chains, *removed):
        yield Audited(chain, tuple(anchors.get(chain.transaction, ())))


def _anchors(target: Target, subject: str) -> dict[str, list[AuditHead]]:
    """By transaction: what its events said of places in its chain, in the order of the chain."""
    timeline = Timeline(target.id("TimelineTable"), _client=target.dynamodb)
    found: dict[str, list[AuditHead]] = defaultdict(list)
    for event in timeline.of_subject(subject):
        told = event.data.get("audit")
        if isinstance(told, dict) and "hash" in told:
            found[event.correlation_id].append(AuditHead.model_validate(told))
    return {run: sorted(heads, key=lambda head: head.number) for run, heads in found.items()}


def _content(audited: Audited) -> dict[str, Any]:
    chain, problems = audited.chain, audited.problems
    return {
        "transaction": chain.transaction,
        "whole": not problems,
        "problems": problems,
        "rows": [row.model_dump() | {"facts": _facts(row)} for row in chain.rows],
        "head": chain.head,
        "anchors": audited.anchors,
    }


def _facts(row: AuditRow) -> Any:
    """Parsed, if nobody has made something else of them."""
    try:
        return json.loads(row.facts)
    except ValueError:
        return row.facts


def show(out: Console, audited: Audited) -> None:
    """The story of a transaction, and what is wrong with its audit."""
    out.print(f"\nTransaction {audited.chain.transaction}", style="bold")
    for row in audited.chain.rows:
        at = row.at[:19].replace("T", " ")
        out.print(f"{row.number:>3}  {at}  {row.actor}  {row.hash[:SHORT]}", style="dim")
        lines = story(row) if row.is_intact else ["This is not what was appended."]
        for indent, line in zip([5, *[7] * len(lines)], lines, strict=False):
            out.print(Padding(Text(line), (0, 0, 0, indent), expand=False))
    problems = audited.problems
    for problem in problems:
        out.print(problem, style="red")
    if not problems:
        out.print(_whole(audited), style="green")


def _whole(audited: Audited) -> str:
    rows = len(audited.chain.rows)
    told = f"The chain is whole: {rows} row{'' if rows == 1 else 's'}"
    if not audited.anchors:
        return f"{told}. No event has told its end yet."
    return f"{told}, and row {audited.anchors[-1].number} is the one that its last event told of."

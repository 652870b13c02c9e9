"""What the commands print: tables for people, at most 100 columns wide, and JSON for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click
from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDTH = 100
STYLES = {
    "SUCCEEDED": "green",
    "RUNNING": "cyan",
    "WAITING": "yellow",
    "CAUGHT": "yellow",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "ABORTED": "red",
    "DONE": "green",
    "INTENT": "yellow",
    "UNDOING": "yellow",
    "UNDONE": "dim",
    "LEFT": "yellow",
    "create": "green",
    "update": "green",
    "adopt": "cyan",
    "link": "cyan",
    "unchanged": "dim",
    "conflict": "red",
    "take back": "yellow",
    "open": "yellow",
    "resolving": "cyan",
    "resolved": "green",
    "pending": "yellow",
    "approved": "green",
    "rejected": "red",
    "withdrawn": "dim",
    "active": "green",
    "ending": "yellow",
    "suspended": "yellow",
    "resumed": "green",
    "ended": "dim",
}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def console(*, stderr: bool = False) -> Console:
    """Standard output, or standard error, as it is now; no colour where it is no terminal.

    Text is printed as it is: an error's message may look like markup.
    """
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if found.is_terminal or os.environ.get("COLUMNS"):
        found.width = min(found.width, WIDTH)
    else:
        found.width = WIDTH
    return found


def print_json(content: Any) -> None:
    """Times are ISO 8601 in UTC, amounts text."""
    click.echo(json.dumps(content, indent=2, default=_plain, ensure_ascii=False))


def table(*columns: str, right: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """An open table; the columns in `right` hold numbers, those in `whole` are never broken."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column in whole,
            overflow="fold",
        )
    return made


def facts() -> Table:
    """A table of names and what they are, without a header."""
    made = table("name", "value", whole=["name"])
    made.show_header = False
    return made


def section(out: Console, title: str, content: RenderableType) -> None:
    """Something under a title of its own."""
    out.print(f"\n{title}", style="bold")
    out.print(Padding(content, (0, 0, 0, 2), expand=False))


def status(name: str) -> Text:
    """A status in its colour."""
    return Text(name, style=STYLES.get(name, ""))


def duration(seconds: float | None) -> str:
    """0.42 s, 12.3 s, 3 min 05 s, 2 h 05 min, 3 d 4 h."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, smaller, size, sub in (("d", "h", 86400, 3600), ("h", "min", 3600, 60)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // sub} {smaller}"
    return f"{whole // 60} min {whole % 60:02d} s"


def moment(at: datetime) -> str:
    """A time in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def shortened(text: str, length: int) -> str:
    """One line of at most that length."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)

"""Lines of what is done and, on a terminal, one that moves for what is going on.

Where the output is no terminal the same lines are printed, without control codes.
"""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from local.cli.output import duration

NAME_WIDTH = 64
SECONDS_WIDTH = 9


class Progress:
    """One thing is going on at a time: `begin` says which, `finish` that it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._name = ""
        self._began = 0.0

    def begin(self, name: str) -> None:
        """Something begins now; the same again goes on."""
        if name == self._name:
            return
        self.stop()
        self._name, self._began = name, time.monotonic()
        if self._console.is_terminal:
            self._live = Live(self, console=self._console, transient=True, refresh_per_second=12.5)
            self._live.start()

    def finish(self) -> None:
        """What began is done, if anything did."""
        if self._name:
            self.line(self._name, time.monotonic() - self._began)

    def line(self, name: str, seconds: float, *, failed: str | None = None) -> None:
        """Print that something is done and how long it took, or with what it failed."""
        self.stop()
        symbol, style = ("✗", "red") if failed else ("✓", "green")
        self._console.print(
            Text.assemble(
                "  ",
                (symbol, style),
                f" {name:<{NAME_WIDTH}}",
                (f"{duration(seconds):>{SECONDS_WIDTH}}", "cyan"),
                (f"  {failed}" if failed else "", style),
            ),
            soft_wrap=True,
        )

    def stop(self) -> None:
        """Nothing is going on."""
        if self._live:
            self._live.stop()
            self._live = None
        self._name = ""

    def __rich__(self) -> Table:
        row = Table.grid()
        elapsed = Text(f"{duration(time.monotonic() - self._began):>{SECONDS_WIDTH}}", "cyan")
        row.add_row("  ", self._spinner, f" {self._name:<{NAME_WIDTH}}", elapsed)
        return row

    _spinner = Spinner("dots", style="cyan")

"""What functions log, for a person: Powertools writes JSON, the runtime writes text."""

from __future__ import annotations

import json

from rich.console import Console
from rich.text import Text

LEVELS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
# Of every line, or of no interest to a reader.
ENVELOPE = {
    "level", "location", "message", "timestamp", "service", "function_name", "correlation_id",
    "xray_trace_id", "exception", "exception_name", "stack_trace",
}  # fmt: skip


class LogPrinter:
    """Prints each line with its function; `names` gives a function's logical id by its name."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.names: dict[str, str] = {}

    def __call__(self, function: str, request_id: str, line: str) -> None:
        name = self.names.get(function, function)
        try:
            content = json.loads(line)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            # The runtime writes a stack trace as one line.
            self._print(name, Text(line.replace("\r", "\n")))
        elif "_aws" not in content:  # metrics are for CloudWatch
            self._print(name, self._entry(content))

    def _entry(self, content: dict) -> Text:
        level = content.get("level", "")
        facts = " ".join(f"{key}={value}" for key, value in content.items() if key not in ENVELOPE)
        return Text.assemble(
            (f"{level:<8}", LEVELS.get(level, "dim")),
            f"{content.get('message', '')}  ",
            (f"{facts}  {content.get('correlation_id') or ''}", "dim"),
        )

    def _print(self, name: str, text: Text) -> None:
        self._console.print(Text.assemble((f"{name:<34} ", "cyan"), text), soft_wrap=True)

"""Runs Tryton as a child process, so that it can be stopped, killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from local.tryton.database import TrytonDatabase

SERVE = Path(__file__).parent / "process" / "serve.py"

INTEGRATION = "interlock"
STOP_SECONDS = 10
LOG_INFO = "20"


class TrytonStartFailed(Exception):
    """Tryton ended before it answered; the text names its log file."""


class TrytonServer:
    """A Tryton server on its database; a restart has the same port and the same data.

    `port` 0 takes a free one at the first start. Everything Tryton logs goes to `log_file`.
    """

    def __init__(self, database: TrytonDatabase, port: int = 0) -> None:
        self.database = database
        self.port = port
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The base address of a connection to this ERP: server and database."""
        return f"http://127.0.0.1:{self.port}/{self.database.name}"

    def key(self, user: str = INTEGRATION) -> str:
        """A user's key for the REST API: the integration's, or another of books.toml."""
        return self.database.key(user)

    @property
    def log_file(self) -> Path:
        """Requests, and the trace of each failure."""
        return self.database.directory / "tryton.log"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, and return when requests are answered. Raises TrytonStartFailed."""
        if self.running:
            return
        environment = {
            **self.database.environment,
            "TRYTOND_DATABASE_NAMES": self.database.name,
            "TRYTOND_LOGGING_LEVEL": LOG_INFO,
        }
        command = [sys.executable, str(SERVE), str(self.port), str(os.getpid())]
        with self.log_file.open("a") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        with self._process.stdout as announcement:
            line = announcement.readline()
        if not line:
            self._process.wait()
            raise TrytonStartFailed(f"Tryton did not start; see {self.log_file}")
        self.port = int(line)

    def stop(self) -> None:
        """End the process in an orderly way."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """End the process at once, in the middle of whatever it does (SIGKILL)."""
        self._end(lambda process: process.kill())

    def _end(self, end) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        end(process)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

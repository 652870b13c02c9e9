"""The file by which the other commands find the local cloud that `interlock up` keeps running."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from local.paths import STATE

VARIABLE = "INTERLOCK_LOCAL"
CONNECT_SECONDS = 1.0


def state_file() -> Path:
    """`.interlock/local.json`; the variable names another one, for clouds side by side."""
    return Path(os.environ.get(VARIABLE) or STATE / "local.json")


@dataclass(frozen=True)
class LocalState:
    """Where the running local cloud is: its endpoint, region and stack, and the systems' URLs."""

    endpoint: str
    region: str
    stack: str
    pid: int
    systems: dict[str, str]

    @classmethod
    def read(cls) -> Self | None:
        """What the file says, None without one or when it cannot be read."""
        try:
            return cls(**json.loads(state_file().read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def alive(self) -> bool:
        """Whether the endpoint still listens: after a crash, the file is stale."""
        address = urlsplit(self.endpoint)
        try:
            with socket.create_connection((address.hostname, address.port), CONNECT_SECONDS):
                return True
        except OSError:
            return False

    @contextmanager
    def published(self) -> Iterator[None]:
        """The file is there while the block runs."""
        file = state_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        complete = file.with_name(f"{file.name}.{self.pid}")
        complete.write_text(json.dumps(asdict(self), indent=2) + "\n")
        complete.replace(file)
        try:
            yield
        finally:
            if LocalState.read() == self:
                file.unlink(missing_ok=True)


def running() -> LocalState | None:
    """The local cloud that is running now, None if there is none."""
    state = LocalState.read()
    return state if state and state.alive else None

"""A vendor that is not there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from local.sandboxes.sandbox import Sandbox


@contextmanager
def unreachable(sandbox: Sandbox) -> Iterator[None]:
    """Nobody listens at the sandbox's address, nor can another process come to do so."""
    sandbox.close()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", urlsplit(sandbox.url).port))
        yield

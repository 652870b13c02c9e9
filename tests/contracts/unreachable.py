"""A vendor that is not there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from local.sandboxes.sandbox import Sandbox


@contextmanager
def unreachable(sandbox: Sandbox) -> Iterator[None]:
    """Whoever connects to the sandbox meanwhile goes where nobody listens.

    The port is bound all the while, so that no other process comes to listen there. The
    sandbox's own port could not be had for that: once closed, it is anybody's.
    """
    address = sandbox.url
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        sandbox.url = "http://{}:{}".format(*silent.getsockname())
        try:
            yield
        finally:
            sandbox.url = address

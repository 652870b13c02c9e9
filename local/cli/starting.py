"""Starting a local environment in front of a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from local.cli.errors import Failure
from local.cli.progress import Progress
from local.cloud.cloudformation import UnsupportedResources
from local.cloud.functions import LineHandler
from local.environment import LocalEnvironment
from local.tryton.database import TrytonBuildFailed
from local.tryton.server import TrytonStartFailed

READY = "ready"


@contextmanager
def environment(
    console: Console,
    *,
    virtual_time: bool = False,
    port: int = 0,
    on_log: LineHandler | None = None,
) -> Iterator[LocalEnvironment]:
    """A local environment; what it starts is told as it happens. Raises Failure."""
    progress = Progress(console)

    def tell(step: str) -> None:
        progress.finish()
        if step != READY:
            progress.begin(step)

    console.print("Starting", style="bold")
    try:
        local = LocalEnvironment(virtual_time=virtual_time, progress=tell, port=port, on_log=on_log)
    except (TrytonBuildFailed, TrytonStartFailed, UnsupportedResources) as error:
        raise Failure(str(error)) from error
    finally:
        progress.stop()
    with local:
        yield local

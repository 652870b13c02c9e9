"""How the tests are shared out between the processes that run them (`make test`).

https://pytest-xdist.readthedocs.io/en/stable/distribution.html
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

ONE_ENVIRONMENT = ("tests/local/cli/", "tests/local/faults/", "tests/workflows/")
"""Folders whose tests share one local environment, of which a process can have one."""
LONGEST = ("tests/contracts/erp/", *ONE_ENVIRONMENT)
"""What must not be left for the end, when one process waits for the other."""


class Scheduling(LoadFileScheduling):
    """A process gets all the tests of a file, or of a folder with one environment."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in ONE_ENVIRONMENT if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Whatever `--dist` says, in the order of the tests."""
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, otherwise in their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))

"""How the tests are shared out between the processes that run them (`make test`).

https://pytest-xdist.readthedocs.io/en/stable/distribution.html
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.workflows.parts import part_of

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ONE_ENVIRONMENT = ("tests/local/cli/", "tests/local/faults/")
"""Folders whose tests share one local environment, of which a process can have one."""
WORKFLOWS = "tests/workflows/"
"""A folder of which two processes share the work, with an environment each."""
LONGEST = ("tests/contracts/erp/", WORKFLOWS, *ONE_ENVIRONMENT)
"""What must not be left for the end, when one process waits for the other."""


class Scheduling(LoadFileScheduling):
    """A process gets all the tests of a file, or of a folder with one environment."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        if file.startswith(WORKFLOWS):
            return WORKFLOWS + part_of(nodeid)
        return next((folder for folder in ONE_ENVIRONMENT if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Whatever `--dist` says, in the order of the tests."""
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, otherwise in their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))

"""One harness for the tests of this package: a local environment whose functions can be crashed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.faults.harness import Harness


@pytest.fixture(scope="package")
def harness() -> Iterator[Harness]:
    """The real template, functions and ERP, in virtual time."""
    with Harness() as harness:
        yield harness

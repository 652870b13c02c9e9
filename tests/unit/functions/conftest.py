"""What the tests of functions share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.conftest import Clock, Cloud
from tests.unit.functions.approving import World


@pytest.fixture
def world(
    cloud: Cloud,
    clock: Clock,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    context: SimpleNamespace,
) -> World:
    """Nobody was asked yet."""
    return World.build(cloud, clock, environment, monkeypatch, context)

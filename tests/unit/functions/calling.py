"""Calling a handler as Lambda does: its module, its sample event, and the system behind it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from interlock import connections

from local.paths import ROOT
from tests.infrastructure import handlers


def sample(name: str) -> dict[str, Any]:
    """The sample event of a function."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def module(name: str) -> Any:
    """A function's module, by area and name."""
    return handlers.load(name, str(ROOT / "functions" / name / "handler.py"))


def connect(monkeypatch: pytest.MonkeyPatch, kind: str, port: Any, name: str = "vendor") -> None:
    """Let every function be connected to this port."""
    monkeypatch.setattr(connections, kind, lambda: port)
    monkeypatch.setattr(connections, "current", lambda: SimpleNamespace(name=name))

"""Imports handlers, each under a module name of its own, as Lambda would."""

from __future__ import annotations

import importlib.util
import inspect
from functools import cache
from types import ModuleType
from typing import Any, get_type_hints

from local.project import Function


@cache
def load(name: str, path: str) -> ModuleType:
    """A handler's module; nothing of the environment is needed to import it."""
    spec = importlib.util.spec_from_file_location(f"handler_{name.replace('/', '_')}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def module(function: Function) -> ModuleType:
    """The module that Lambda imports for a function."""
    return load(function.name, str(function.folder / "handler.py"))


def command_type(function: Function) -> Any:
    """What the handler takes; a dictionary for one that consumes a queue."""
    handler = inspect.unwrap(module(function).handler)
    return next(iter(get_type_hints(handler).values()))

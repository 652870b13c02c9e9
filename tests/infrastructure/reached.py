"""Which definitions of the shared package a handler's code can reach.

A definition is a function, class or constant at the top of a module. It reaches those that it
names; the adapters, which are loaded by name, are reached by what loads them.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from interlock.connections import ADAPTERS
from interlock.settings import Settings

from local.project import Function

PACKAGE = "interlock"
CONNECTIONS = f"{PACKAGE}.connections"


@dataclass(frozen=True)
class Definition:
    """A name at the top of a module; without a name, the module itself."""

    module: str
    name: str | None = None


@dataclass(frozen=True)
class Module:
    """What a module defines, and what its other names stand for."""

    name: str
    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, Definition] = field(default_factory=dict)

    def named_by(self, node: ast.AST) -> Iterator[Definition]:
        """The definitions that the code in a node names."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                yield from self._meaning(part.id)
            elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                for owner in self._meaning(part.value.id):
                    if owner.name is None:
                        yield Definition(owner.module, part.attr)

    def _meaning(self, name: str) -> Iterator[Definition]:
        if name in self.definitions:
            yield Definition(self.name, name)
        if name in self.imports:
            yield self.imports[name]


def definitions(function: Function) -> set[Definition]:
    """Every definition that the function's handler can reach."""
    handler = parse("handler", function.source)
    found: set[Definition] = set()
    waiting = list(handler.named_by(function.source))
    while waiting:
        definition = waiting.pop()
        if definition in found:
            continue
        found.add(definition)
        waiting += _loaded_by(definition)
        module = handler if definition.module == "handler" else load(definition.module)
        if definition.name in module.definitions:
            waiting += module.named_by(module.definitions[definition.name])
        elif definition.name in module.imports:  # a package that hands a name on
            waiting.append(module.imports[definition.name])
    return found


def settings(function: Function) -> set[type[Settings]]:
    """The settings that the function's code can load."""
    found = set()
    for definition in definitions(function) - {Definition("handler", "handler")}:
        if definition.module == "handler":
            continue
        value = getattr(importlib.import_module(definition.module), definition.name or "", None)
        if isinstance(value, type) and issubclass(value, Settings):
            found.add(value)
    return found


@cache
def load(name: str) -> Module:
    """A module of the shared package."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return parse(name, ast.parse(Path(spec.origin).read_text()))


def parse(name: str, tree: ast.Module) -> Module:
    """What a module's source defines and imports, at its top or later."""
    module = Module(name)
    for statement in tree.body:
        for target in _defined(statement):
            module.definitions[target] = statement
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            for alias in node.names:
                module.imports[alias.asname or alias.name] = _imported(node.module, alias.name)
    return module


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return []


def _imported(module: str, name: str) -> Definition:
    is_module = find_spec(module).submodule_search_locations and find_spec(f"{module}.{name}")
    return Definition(f"{module}.{name}") if is_module else Definition(module, name)


def _loaded_by(definition: Definition) -> Iterator[Definition]:
    """`connections.crm` loads the CRM's adapters."""
    for (kind, _), adapter in ADAPTERS.items():
        if definition == Definition(CONNECTIONS, kind):
            yield Definition(*adapter.split(":"))

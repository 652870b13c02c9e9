"""The project's own files, read as data: the template's functions and what their handlers do."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.paths import ROOT


@dataclass(frozen=True)
class Function:
    """A function of the template. `properties` has the template's global ones too."""

    logical_id: str
    properties: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where its code is."""
        return ROOT / self.properties["CodeUri"]

    @property
    def name(self) -> str:
        """`<area>/<verb_noun>`."""
        return "/".join(self.folder.parts[-2:])

    @property
    def area(self) -> str:
        """`crm`, `erp`, `billing`, `support`, `workflow` …"""
        return self.folder.parts[-2]

    @property
    def source(self) -> ast.Module:
        """The handler, parsed."""
        return ast.parse((self.folder / "handler.py").read_text())

    @property
    def writes(self) -> str | None:
        """The effect that it makes, as the ledger's keys call it; None for any other function."""
        return self._effect("once")

    @property
    def takes_back(self) -> str | None:
        """The effect that it undoes, as the ledger's keys call it."""
        return self._effect("undo")

    def _effect(self, method: str) -> str | None:
        calls = [node for node in ast.walk(self.source) if isinstance(node, ast.Call)]
        if not any(isinstance(c.func, ast.Attribute) and c.func.attr == method for c in calls):
            return None
        [key] = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "EffectKey"]
        return f"{self.area}.{ast.literal_eval(key.args[1])}"


@cache
def template() -> dict[str, Any]:
    """template.yaml as it is written, before the SAM transform."""
    return yaml_parse((ROOT / "template.yaml").read_text())


@cache
def functions() -> dict[str, Function]:
    """The template's functions by logical id."""
    common = template()["Globals"]["Function"]
    return {
        logical_id: Function(logical_id, common | resource["Properties"])
        for logical_id, resource in template()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


@cache
def state_machines() -> dict[str, str]:
    """The logical id of each workflow's state machine, by the name of its definition's file."""
    return {
        Path(resource["Properties"]["DefinitionUri"]).name.removesuffix(".asl.yaml"): logical_id
        for logical_id, resource in template()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::StateMachine"
    }

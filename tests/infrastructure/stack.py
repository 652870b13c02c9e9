"""The transformed template, asked in terms of logical ids: who may do what with which resource."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"\$\{([\w.:]+)}")


@dataclass(frozen=True)
class Grant:
    """An action that a role may do. `resource` is a logical id, with what follows it, or `*`."""

    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


@dataclass(frozen=True)
class Stack:
    """What CloudFormation is told to create."""

    template: dict[str, Any]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of a type, by logical id."""
        resources = self.template["Resources"]
        return {name: item for name, item in resources.items() if item["Type"] == kind}

    def properties(self, logical_id: str) -> dict[str, Any]:
        """The properties of a resource."""
        return self.template["Resources"][logical_id].get("Properties", {})

    def environment(self, function: str) -> dict[str, Any]:
        """A function's environment variables."""
        return self.properties(function).get("Environment", {}).get("Variables", {})

    def role(self, logical_id: str) -> str:
        """The role of a function or of a state machine."""
        properties = self.properties(logical_id)
        return named(properties.get("Role") or properties["RoleArn"])

    def grants(self, logical_id: str) -> set[Grant]:
        """What the role of a function or state machine may do, by the project's own policies."""
        return {
            Grant(action, resource)
            for document in self._documents(self.role(logical_id))
            for statement in as_list(document["Statement"])
            for action in as_list(statement["Action"])
            for resource in map(named, as_list(statement["Resource"]))
        }

    def aws_policies(self, logical_id: str) -> set[str]:
        """The names of AWS's own policies on the role; SAM adds them."""
        attached = self.properties(self.role(logical_id)).get("ManagedPolicyArns", [])
        texts = [text.get("Fn::Sub", "") if isinstance(text, dict) else text for text in attached]
        return {text.split("/")[-1] for text in texts if "policy/" in text}

    def _documents(self, role: str) -> Iterator[dict[str, Any]]:
        properties = self.properties(role)
        for policy in properties.get("Policies", []):
            yield policy["PolicyDocument"]
        for attached in properties.get("ManagedPolicyArns", []):
            if isinstance(attached, dict) and "Ref" in attached:
                yield self.properties(attached["Ref"])["PolicyDocument"]
        for policy in self.of_type("AWS::IAM::Policy").values():
            if {"Ref": role} in policy["Properties"]["Roles"]:
                yield policy["Properties"]["PolicyDocument"]


def named(value: Any) -> str:
    """The resource that a value names by `Ref`, `Fn::GetAtt` or `Fn::Sub`; other text as it is."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return name
        case {"Fn::GetAtt": [name, _]}:
            return name
        case {"Fn::GetAtt": str() as path}:
            return path.split(".")[0]
        case {"Fn::Sub": [text, variables]}:
            return _named_in(text, variables)
        case {"Fn::Sub": text}:
            return _named_in(text, {})
    raise AssertionError(f"names no resource: {value}")


def _named_in(text: str, variables: dict[str, Any]) -> str:
    """The last resource in a text, which others before it lead to, and what follows it there."""
    *_, match = [match for match in _NAME.finditer(text) if not match[1].startswith("AWS::")]
    name = match[1]
    resource = named(variables[name]) if name in variables else name.split(".")[0]
    return resource + text[match.end() :]


def as_list(value: Any) -> list[Any]:
    """IAM and CloudFormation allow one in place of a list."""
    return value if isinstance(value, list) else [value]

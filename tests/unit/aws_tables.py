"""The template's DynamoDB tables, made in moto: their keys are written down in one place."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
# What CreateTable takes of a table's properties in a template.
CREATED_WITH = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


class _TemplateLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, whose values no table's keys depend on."""


_TemplateLoader.add_multi_constructor("!", lambda loader, suffix, node: suffix)


@cache
def resources() -> dict[str, dict[str, Any]]:
    """The template's resources by logical id; a function call in it is only its name."""
    return yaml.load(TEMPLATE.read_text(), _TemplateLoader)["Resources"]


def create_table(client: Any, logical_id: str) -> str:
    """Create an empty table as the template describes it; returns its name."""
    properties = resources()[logical_id]["Properties"]
    described = {name: properties[name] for name in CREATED_WITH if name in properties}
    client.create_table(TableName=logical_id, **described)
    return logical_id

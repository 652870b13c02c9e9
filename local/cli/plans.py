"""What a dry run would write where, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interlock.plans import Difference, Plan
from rich.console import Group
from rich.padding import Padding
from rich.table import Table

from local.cli.definition import Definition
from local.cli.output import status, table

NOTHING = "nothing"


def plans_table(definition: Definition, plans: Iterable[Plan]) -> Table:
    """Each effect with its step, and below it what the system holds now → what would be."""
    columns = ["Step", "System", "Action", "Record, and its differences"]
    printed = table(*columns, whole=columns[:3])
    for plan in plans:
        told = Group(_record(plan), *(Padding(line, (0, 0, 0, 2)) for line in _lines(plan)))
        printed.add_row(definition.step_of(plan), plan.system, status(plan.action), told)
    return printed


def as_json(definition: Definition, plans: Iterable[Plan]) -> list[dict[str, Any]]:
    """The same, with every value by itself."""
    return [{"step": definition.step_of(plan)} | plan.model_dump() for plan in plans]


def _record(plan: Plan) -> str:
    """What it is, its canonical id without the system that it was born in, and its id there."""
    there = f" = {plan.remote_id}" if plan.remote_id not in (None, plan.record) else ""
    return f"{plan.entity} {plan.record.rpartition(':')[2]}{there}"


def _lines(plan: Plan) -> list[str]:
    """The reason, and value by value what differs.

    What would be made is told part by part, an order's line in one line.
    """
    reason = [plan.reason] if plan.reason else []
    if plan.action != "create":
        return reason + [f"{each.field}: {_told(each)}" for each in plan.differences]
    parts: dict[str, list[str]] = {}
    for each in plan.differences:
        parts.setdefault(_part(each.field), []).append(each.wanted or "")
    return reason + [f"{part}: {' '.join(values)}" for part, values in parts.items()]


def _told(difference: Difference) -> str:
    return f"{difference.held or NOTHING} → {difference.wanted or NOTHING}"


def _part(field: str) -> str:
    """The first name of a path, with its position in a list."""
    name, *rest = field.split(".")
    return f"{name}.{rest[0]}" if rest and rest[0].isdigit() else name

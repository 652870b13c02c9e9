"""Divide a period into what is reconciled side by side."""

from datetime import date

from interlock.canonical import Canonical, Command
from interlock.handler import operation
from interlock.rules import reconciliation
from interlock.rules.reconciliation import Slice


class PlanReconciliation(Command):
    """The days, both included."""

    first_day: date
    last_day: date


class Plan(Canonical):
    """All slices of the period."""

    parts: tuple[Slice, ...]


@operation
def handler(command: PlanReconciliation) -> Plan:
    """A few days of one kind of documents each."""
    return Plan(parts=reconciliation.slices(command.first_day, command.last_day))

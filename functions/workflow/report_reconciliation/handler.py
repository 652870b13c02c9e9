"""Put the slices of a reconciliation together."""

from interlock.canonical import Command
from interlock.handler import operation
from interlock.rules import reconciliation
from interlock.rules.reconciliation import Reconciled, Report


class ReportReconciliation(Command):
    """What became of each slice."""

    results: tuple[Reconciled, ...]


@operation
def handler(command: ReportReconciliation) -> Report:
    """The figures by kind and currency, and every break."""
    return reconciliation.report(command.results)

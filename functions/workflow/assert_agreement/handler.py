"""The books follow billing, or Finance says why they need not."""

from interlock.canonical import Command
from interlock.errors import BusinessRuleViolation
from interlock.handler import operation
from interlock.rules.reconciliation import Report


class AssertAgreement(Command):
    """The outcome of a reconciliation."""

    report: Report


@operation
def handler(command: AssertAgreement) -> Report:
    """The report. Raises BusinessRuleViolation with every break, and what to do about it."""
    if problems := command.report.problems:
        raise BusinessRuleViolation(problems, operation="reconcile")
    return command.report

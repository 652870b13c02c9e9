"""Append to the audit who did what about a credit."""

from interlock.audit import Audit, AuditHead, Entry
from interlock.canonical import Canonical, Command
from interlock.canonical.base import RecordId, Text
from interlock.handler import operation
from pydantic import JsonValue


class ToldEntry(Canonical):
    """What happened. Without an id, an entry that says the same in this transaction is the same."""

    actor: Text
    action: Text
    facts: dict[str, JsonValue]
    id: Text | None = None


class RecordAudit(Command):
    """An entry about a case."""

    case_id: RecordId
    entry: ToldEntry


@operation
def handler(command: RecordAudit) -> AuditHead | None:
    """The entry's place in the chain; None in a dry run, which is no fact."""
    if command.dry_run:
        return None
    entry = Entry(
        transaction=command.correlation_id, subject=command.case_id, **dict(command.entry)
    )
    return Audit.load().append(entry)

"""What are sales and support told about a customer's overdue invoices? The pure rule."""

from datetime import UTC, datetime
from pathlib import Path

from interlock.canonical import Command, Timestamp
from interlock.canonical.base import RecordId
from interlock.canonical.billing import Invoice
from interlock.handler import operation
from interlock.rules import dunning
from interlock.rules.dunning import DunningDecision, DunningPolicy

POLICY = DunningPolicy.load(Path(__file__).parent / "policy.toml")


class DecideDunning(Command):
    """The account's invoices as they stand now; `at` is another time to decide for."""

    account_id: RecordId
    invoices: tuple[Invoice, ...]
    at: Timestamp | None = None


@operation
def handler(command: DecideDunning) -> DunningDecision:
    """The flag, and when the hold begins if nothing is paid."""
    at = command.at or datetime.now(UTC)
    return dunning.decide(command.account_id, command.invoices, at=at, policy=POLICY)

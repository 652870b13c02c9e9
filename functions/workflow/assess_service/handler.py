"""What is a customer entitled to now? By its contracts, and by who suspended it."""

from datetime import UTC, datetime

from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.canonical.services import Service
from interlock.contracts import Contracts
from interlock.handler import operation
from interlock.rules.entitlements import assess
from interlock.suspensions import Suspensions


class AssessService(Command):
    """The customer's account."""

    account_id: RecordId


@operation
def handler(command: AssessService) -> Service:
    """Computed from what is recorded now; what the list of contracts says may lag behind."""
    account, store = command.account_id, Contracts.load()
    contracts = [store.get(each.id) or each for each in store.of_account(account)]
    today = datetime.now(UTC).date()
    return assess(account, contracts, Suspensions.load().get(account), today)

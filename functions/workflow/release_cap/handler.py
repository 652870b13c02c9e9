"""Compensation, and the end of every request that is not granted: give the reservation back."""

from interlock.allowances import Allowances, Released
from interlock.approvals import Approvals
from interlock.canonical import Canonical, Compensation
from interlock.handler import operation


class ReleaseCap(Compensation):
    """The store knows what is reserved for a transaction."""


class ReleasedCap(Canonical):
    """What was given back, by month; nothing, when nothing was reserved."""

    released: tuple[Released, ...]


@operation
def handler(command: ReleaseCap) -> ReleasedCap:
    """Release what this transaction has; skipped, its months keep it as used.

    Nobody is asked any more to approve it: what was taken back while it waited must not be.
    """
    if command.dry_run or command.skipped:
        return ReleasedCap(released=())
    Approvals.load().withdraw(command.correlation_id)
    return ReleasedCap(released=Allowances.load().release(command.correlation_id))

"""Reserve a credit in its months' caps, before anybody is asked to approve it."""

from interlock.allowances import Allowances
from interlock.canonical import Canonical, Command
from interlock.canonical.credits import ComputedCredit
from interlock.handler import operation


class ReserveCap(Command):
    """The credit, with the revisions of the allowances that it was computed with."""

    credit: ComputedCredit


class Reservation(Canonical):
    """Whether it is reserved; not, when another run changed an allowance: compute again."""

    reserved: bool


@operation
def handler(command: ReserveCap) -> Reservation:
    """Reserve all of it, or nothing; a dry run has nothing to reserve."""
    if command.dry_run:
        return Reservation(reserved=True)
    reserved = Allowances.load().reserve(command.correlation_id, command.credit)
    return Reservation(reserved=reserved)

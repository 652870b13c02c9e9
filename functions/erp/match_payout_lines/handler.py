"""Hold some lines of a payout against the books."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.billing import BalanceLine
from interlock.handler import operation
from interlock.rules import payout
from interlock.rules.payout import Matching


class MatchPayoutLines(Command):
    """The lines, and what those before them came to."""

    lines: tuple[BalanceLine, ...]
    before: Matching = Matching()


@operation
def handler(command: MatchPayoutLines) -> Matching:
    """What they come to all together. Raises NotYetPosted for a line that is not booked yet."""
    booked = {payout.booked_as(line) for line in command.lines} - {None}
    cleared = connections.erp().cleared_amounts(tuple(sorted(booked)))
    return payout.match(command.lines, cleared, command.before)

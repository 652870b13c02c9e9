"""Which documents must both systems be asked for?"""

from interlock.canonical import Canonical, Command
from interlock.handler import operation
from interlock.rules.digest import Digest
from interlock.rules.reconciliation import asked


class CompareDigests(Command):
    """What both systems have of the same slice."""

    billing: Digest
    books: Digest


class Asked(Canonical):
    """Their canonical ids; none where the digests are equal."""

    ids: tuple[str, ...]


@operation
def handler(command: CompareDigests) -> Asked:
    """Those about which the digests differ, as far as they tell."""
    return Asked(ids=asked(command.billing.differences(command.books)))

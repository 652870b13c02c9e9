"""Ask the billing system for certain documents."""

from interlock import connections
from interlock.canonical import Canonical, Command
from interlock.canonical.books import Fact, FactKind
from interlock.handler import operation


class FindFacts(Command):
    """Their kind and their canonical ids."""

    kind: FactKind
    ids: tuple[str, ...]


class Found(Canonical):
    """What counts of them."""

    facts: tuple[Fact, ...]


@operation
def handler(command: FindFacts) -> Found:
    """As they are now, of whatever day."""
    if not command.ids:
        return Found(facts=())
    return Found(facts=connections.billing().find_facts(command.kind, command.ids))

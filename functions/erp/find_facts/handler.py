"""Ask the books for certain documents."""

from interlock import connections
from interlock.canonical import Canonical, Command
from interlock.canonical.books import Fact, FactKind
from interlock.customers import with_accounts
from interlock.handler import operation


class FindFacts(Command):
    """Their kind and their canonical ids."""

    kind: FactKind
    ids: tuple[str, ...]


class Found(Canonical):
    """What is posted of them."""

    facts: tuple[Fact, ...]


@operation
def handler(command: FindFacts) -> Found:
    """As they are now, posted on whatever day."""
    if not command.ids:
        return Found(facts=())
    found = connections.erp().find_facts(command.kind, command.ids)
    return Found(facts=with_accounts(found, connections.current().name))

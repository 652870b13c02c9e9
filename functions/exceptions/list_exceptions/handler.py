"""List the exceptions that wait for a team, or show one."""

from typing import Annotated, Literal

from interlock.canonical.base import Canonical
from interlock.handler import operation
from interlock.remediation import BusinessException, Exceptions
from pydantic import Field


class ListExceptions(Canonical):
    """By status and team, or one by its id."""

    id: str | None = None
    status: Literal["open", "resolving", "resolved"] = "open"
    team: str | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class ListedExceptions(Canonical):
    """The first due first."""

    exceptions: tuple[BusinessException, ...]


@operation
def handler(command: ListExceptions) -> ListedExceptions:
    """What a queue of exceptions shows."""
    store = Exceptions.load()
    if command.id:
        return ListedExceptions(exceptions=(store.get(command.id),))
    found = store.by_status(command.status, command.limit, command.team)
    return ListedExceptions(exceptions=found)

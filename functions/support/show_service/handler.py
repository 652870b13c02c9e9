"""Show support, on a customer's organization, what it is entitled to."""

from typing import Annotated

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.services import Service
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation
from pydantic import Field


class ShowService(Command):
    """What to show; the `round` counts what a transaction shows."""

    service: Service
    round: Annotated[int, Field(ge=0)]


@operation
def handler(command: ShowService) -> Service:
    """Write it once a round, unless it is there already, or support does not know the customer."""
    support, service = connections.support(), command.service
    record = f"{service.account_id}/{command.correlation_id}/{command.round}"

    def find() -> Service | None:
        present = support.read_service(service.account_id)
        return present if present == service else None

    effect = Effect(
        key=EffectKey(connections.current().name, "show_service", record),
        entity="service",
        content=service,
        origin="integration",
        command=command,
        result=Service,
        creates=False,
    )
    return ledger().once(
        effect,
        perform=lambda _: find() or support.write_service(service) or service,
        find=find,
        read=lambda _: support.read_service(service.account_id) or service,
    )

"""Show support, on a customer's organization, what it is entitled to."""

from interlock import connections
from interlock.canonical.services import Service, ShowService
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


@operation
def handler(command: ShowService) -> Service:
    """Write it once a round, unless it is there already, or support does not know the customer."""
    support, service = connections.support(), command.service

    def find() -> Service | None:
        present = support.read_service(service.account_id)
        return present if present == service else None

    effect = Effect(
        key=EffectKey(connections.current().name, "show_service", command.record),
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

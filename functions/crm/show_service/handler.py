"""Show sales, on the CRM's account, what a customer is entitled to."""

from interlock import connections
from interlock.canonical.services import Service, ShowService
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


@operation
def handler(command: ShowService) -> Service:
    """Write it once a round, marked as ours, unless it is there already."""
    crm, service = connections.crm(), command.service

    def find() -> Service | None:
        present = crm.read_service(service.account_id)
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
        perform=lambda _: find() or crm.write_service(service),
        find=find,
        read=lambda _: crm.read_service(service.account_id),
    )

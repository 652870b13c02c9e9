"""Open a project in the ERP for an order's services lines: they are delivered and billed there."""

from interlock import connections
from interlock.canonical import Command, LineKind, Order, Project
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class CreateProject(Command):
    """The validated order; its customer is in the ERP already."""

    order: Order


@operation
def handler(command: CreateProject) -> Project | None:
    """The project, None for an order without services."""
    erp, system, order = connections.erp(), connections.current().name, command.order
    if not order.lines_of(LineKind.SERVICE):
        return None
    customer, crossref = reference("customer", order.bill_to), CrossReferences.load()
    effect = Effect(
        key=EffectKey(system, "create_project", order.id),
        entity="project",
        content=order,
        origin="crm",
        command=command,
        result=Project,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.create_project(
            order, customer_remote_id=crossref.require(customer, system)
        ),
        find=lambda: erp.find_project(order.id),
        read=erp.get_project,
    )

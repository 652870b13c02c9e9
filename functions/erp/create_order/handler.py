"""Enter a validated order in the ERP."""

from interlock import connections
from interlock.canonical import Command, Order
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class CreateOrder(Command):
    """The order; its customer is in the ERP already."""

    order: Order


@operation
def handler(command: CreateOrder) -> Order:
    """The order with the ERP's number, taxes and total."""
    erp, system, order = connections.erp(), connections.current().name, command.order
    customer, crossref = reference("customer", order.bill_to), CrossReferences.load()
    effect = Effect(
        key=EffectKey(system, "create_order", order.id),
        entity="order",
        content=order,
        origin="crm",
        command=command,
        result=Order,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.create_order(
            order, customer_remote_id=crossref.require(customer, system)
        ),
        find=lambda: erp.find_order(order.id),
        read=erp.get_order,
    )

"""Start the subscription for an order's recurring lines, from its start date."""

from interlock import connections
from interlock.canonical import Command, LineKind, Order, Subscription
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class CreateSubscription(Command):
    """The validated order; its customer is in the billing system already."""

    order: Order


@operation
def handler(command: CreateSubscription) -> Subscription | None:
    """The subscription, None for an order without recurring lines."""
    if not command.order.lines_of(LineKind.RECURRING):
        return None
    billing, system = connections.billing(), connections.current().name
    wanted = Subscription.of(command.order)
    customer = CrossReferences.load().require(reference("customer", wanted.customer_id), system)
    effect = Effect(
        key=EffectKey(system, "create_subscription", wanted.id),
        entity="subscription",
        content=wanted,
        origin="crm",
        command=command,
        result=Subscription,
    )
    return ledger().once(
        effect,
        perform=lambda key: billing.create_subscription(
            wanted, customer_remote_id=customer, idempotency_key=key
        ),
        find=lambda: billing.find_subscription(wanted.id, customer_remote_id=customer),
        read=billing.get_subscription,
    )

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
    customer, crossref = reference("customer", wanted.customer_id), CrossReferences.load()

    def find() -> Subscription | None:
        """Who is no customer there has no subscription."""
        known = crossref.get(customer, system)
        return billing.find_subscription(wanted.id, customer_remote_id=known) if known else None

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
            wanted, customer_remote_id=crossref.require(customer, system), idempotency_key=key
        ),
        find=find,
        read=billing.get_subscription,
    )

"""Make the account that gets the bill a customer of the billing system."""

from interlock import connections
from interlock.canonical import Account, Command, Customer, LineKind, Order
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class CreateCustomer(Command):
    """The validated order, and the account that gets its bill."""

    order: Order
    account: Account


@operation
def handler(command: CreateCustomer) -> Customer | None:
    """The customer there, as it is if it is one already; None without recurring lines."""
    billing, system, account = connections.billing(), connections.current().name, command.account
    if not command.order.lines_of(LineKind.RECURRING):
        return None
    known = CrossReferences.load().get(reference("customer", account.id), system)
    key = EffectKey(system, "create_customer", account.id)
    if known and not command.link_for(account.id) and ledger().rely(key, command):
        return billing.get_customer(known)
    effect = Effect(
        key=key,
        entity="customer",
        content=account,
        origin="crm",
        command=command,
        result=Customer,
    )
    return ledger().once(
        effect,
        perform=lambda key: billing.create_customer(account, idempotency_key=key),
        find=lambda: billing.find_customer(account),
        read=billing.get_customer,
    )

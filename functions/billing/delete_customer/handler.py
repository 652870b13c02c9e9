"""Compensation: remove the billing customer that this transaction made."""

from interlock import connections
from interlock.canonical import Account, Compensation
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class DeleteCustomer(Compensation):
    """The customer's account."""

    account: Account


@operation
def handler(command: DeleteCustomer) -> Undone:
    """The customer that was removed, if this transaction had made one."""
    billing, account = connections.billing(), command.account
    return ledger().undo(
        EffectKey(connections.current().name, "create_customer", account.id),
        command=command,
        entity="customer",
        find=lambda: billing.find_customer(account),
        cancel=billing.delete_customer,
    )

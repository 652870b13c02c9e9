"""Compensation: deactivate a customer of the ERP that this transaction made."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import RecordId
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class DeactivateCustomer(Compensation):
    """The account's canonical id."""

    account_id: RecordId


@operation
def handler(command: DeactivateCustomer) -> Undone:
    """The customer that was deactivated, if this transaction had made one."""
    erp = connections.erp()
    return ledger().undo(
        EffectKey(connections.current().name, "create_customer", command.account_id),
        command=command,
        entity="customer",
        find=lambda: erp.find_customer(command.account_id),
        cancel=erp.deactivate_customer,
    )

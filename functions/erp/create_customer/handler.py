"""Make an account a customer of the ERP, unless it is one already."""

from interlock import connections
from interlock.canonical import Account, Command, Customer
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class CreateCustomer(Command):
    """The account, and its id in the ERP if it was matched. Its parent comes first."""

    account: Account
    matched: str | None


@operation
def handler(command: CreateCustomer) -> Customer:
    """The customer in the ERP; a matched one is the ERP's and stays as it is.

    Unless it is ours, and unfinished or taken back: then it is the ledger's to find or to make.
    """
    erp, system, account = connections.erp(), connections.current().name, command.account
    key = EffectKey(system, "create_customer", account.id)
    if command.matched and not command.link_for(account.id):
        found = erp.get_customer(command.matched)
        if found.id != account.id or ledger().rely(key, command):
            return found
    parent = account.parent_id and CrossReferences.load().get(
        reference("customer", account.parent_id), system
    )
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
        perform=lambda _: erp.create_customer(account, parent_remote_id=parent),
        find=lambda: erp.find_customer(account.id),
        read=erp.get_customer,
    )

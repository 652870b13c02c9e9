"""Open the deal of a contract's renewal in the CRM, or take the one that sales made."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.contracts import Contract, RenewalDeal, TakenDeal
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class OpenRenewal(Command):
    """The contract as it is now."""

    contract: Contract


@operation
def handler(command: OpenRenewal) -> RenewalDeal:
    """One deal for each term; it is sales' from then on, and one that they made always was."""
    crm, renewal = connections.crm(), RenewalDeal.of(command.contract)

    def find(*, by_anyone: bool = False) -> RenewalDeal | None:
        deal = crm.find_renewal(renewal.id, contract_id=renewal.contract_id)
        return deal if deal and (by_anyone or deal.id == renewal.id) else None

    found = None if command.link_for(renewal.id) else find(by_anyone=True)
    theirs = found if found and found.id != renewal.id else None
    record = f"{renewal.id}/{theirs.remote_id}" if theirs else renewal.id
    key = EffectKey(connections.current().name, "open_renewal", record)
    if found and not theirs and ledger().rely(key, command):
        return found
    effect = Effect(
        key=key,
        entity="renewal_deal",
        content=TakenDeal(renewal_id=renewal.id, deal_id=theirs.deal_id) if theirs else renewal,
        origin="integration" if theirs else "contract",
        command=command,
        result=RenewalDeal,
        creates=not theirs,
    )
    return ledger().once(
        effect,
        perform=lambda _: crm.open_renewal(renewal),
        find=find,
        read=lambda linked: theirs or crm.get_renewal(linked),
    )
